"""Runs the cases of a file (as those of the engine's transform/testdata, but with a
chain of declarations each) and writes what comes of them: run.py IN OUT."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from tidemark_spark import transforms
from tidemark_spark.errors import JobError
from tidemark_spark.manifest import Column, Declaration
from tidemark_spark.transforms_canonical import texts
from tidemark_spark.transforms_cast import read
from tidemark_spark.transforms_rows import BadRow, Rows


def column(values: list[str | None], kind: str) -> pa.Array:
    made = pa.array(values, pa.string())
    return made if kind == "string" else read(made, Column("", kind))


def rows_of(case: dict[str, Any]) -> Rows:
    names, kinds = zip(*case["columns"])
    columns = [column([row[i] for row in case["rows"]], kind) for i, kind in enumerate(kinds)]
    return Rows(names, kinds, tuple(columns), pa.array(range(len(case["rows"])), pa.int64()))


def outcome(case: dict[str, Any], rows: Rows) -> dict[str, Any]:
    try:
        out = transforms.run([Declaration(d["kind"], d.get("options") or {}) for d in case["chain"]], rows)
    except transforms.Stopped as e:
        return {"error": {"row": e.at + 1, "column": e.column, "rule": e.rule}}
    except JobError as e:
        return {"failed": e.cause}
    for name, kind, values in zip(out.names, out.kinds, out.columns):
        values.validate(full=True)
        assert len(values) == len(out), name
        assert values.type == column([], kind).type, (name, kind, values.type)
    try:
        made = zip(*(texts(values, kind) for values, kind in zip(out.columns, out.kinds)))
    except BadRow:
        return {"failed": "a value has no canonical text"}
    return {"columns": list(zip(out.names, out.kinds)), "rows": [list(row) for row in made], "kept": out.at.to_pylist()}


def main() -> None:
    cases = json.loads(Path(sys.argv[1]).read_text())
    done = []
    for case in cases:
        rows = rows_of(case)
        whole = outcome(case, rows)
        # arrays that begin in the middle of their buffers give the same
        doubled = [pa.concat_arrays([c, c]).slice(len(c)) for c in rows.columns]
        again = outcome(case, Rows(rows.names, rows.kinds, tuple(doubled), rows.at))
        assert again == whole, (case["chain"], whole, again)
        done.append(whole)
    Path(sys.argv[2]).write_text(json.dumps(done))


if __name__ == "__main__":
    main()
