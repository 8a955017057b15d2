"""Reads the files of a folder, for the test in Go: read.py FOLDER."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from plainly import texts

from tidemark_spark import manifest, reading
from tidemark_spark.errors import RowError


def first_pass(m: manifest.Manifest, out: dict[str, Any]) -> dict[int, bytes]:
    """The cells of the rows, by their numbers."""
    cells: dict[int, bytes] = {}
    t = m.table
    names = ["long", "int", *[t.column(k).type for k in t.key]]
    if t.old_key and not m.load.full:
        names += [t.column(k).type for k in t.key]
    names += [t.column(k).type for k in t.order_by]
    for batch in reading.read(m, 0):
        assert batch.schema.equals(reading.schema(m))
        columns = [texts(batch.column(1 + i), name) for i, name in enumerate(names)]
        out["first"] += [list(row) for row in zip(*columns)]
        cells |= zip(batch.column(1).to_pylist(), batch.column(batch.num_columns - 1).to_pylist())
    return cells


def second_pass(m: manifest.Manifest, packed: dict[int, bytes], picked: list[int], out: dict[str, Any]) -> None:
    rows = [reading.unpack(packed[n]) for n in picked]
    batch = reading.decode(m, rows, [(0, n) for n in picked])
    columns = [texts(batch.column(i), c.type) for i, c in enumerate(m.table.columns)]
    out["rows"] = [list(row) for row in zip(*columns)]
    n = len(m.table.columns)
    out["unsupplied"] = [[i for i in range(n) if row[i] is reading.UNSUPPLIED] for row in rows]


def read(path: Path) -> dict[str, Any]:
    m = manifest.parse(path.read_bytes())
    picked = json.loads(path.with_suffix(".picked").read_text())
    out: dict[str, Any] = {"first": [], "rows": [], "unsupplied": [], "error": None, "pass": 0}
    step = 1
    try:
        cells = first_pass(m, out)
        step = 2
        if picked:
            second_pass(m, cells, picked, out)
    except RowError as e:
        assert e.file == m.files[0].location and e.order[0] == 0
        out |= {"error": {"row": e.row, "column": e.column, "rule": e.rule}, "pass": step}
    except Exception as e:  # noqa: BLE001
        raise RuntimeError(str(path)) from e
    return out


def main() -> None:
    folder = Path(sys.argv[1])
    done = [read(path) for path in sorted(folder.glob("*.manifest"))]
    (folder / "out.json").write_text(json.dumps(done))


if __name__ == "__main__":
    main()
