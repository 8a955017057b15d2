"""Reads the files of a folder as those of append tables, for the test in Go:
appended.py FOLDER."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from plainly import texts

from tidemark_spark import appending, errors, manifest
from tidemark_spark.settle import BAD


def read(path: Path) -> dict[str, Any]:
    m = manifest.parse(path.read_bytes())
    rows: list[list[str | None]] = []
    last = 0
    for batch in appending.file_rows(m, 0):
        if batch.column("kind")[0].as_py() == BAD:
            e = errors.find(batch.column("bad")[0].as_py().decode())
            assert isinstance(e, errors.RowError) and e.file == m.files[0].location and e.order[0] == 0, e
            return {"rows": [], "error": {"row": e.row, "column": e.column, "rule": e.rule}}
        numbers = batch.column("n").to_pylist()
        assert numbers == sorted(numbers) and numbers[0] > last and all(batch.column("kept").to_pylist())
        last = numbers[-1]
        columns = [texts(batch.column(f"v{i}"), c.type) for i, c in enumerate(m.target.columns)]
        rows += [list(row) for row in zip(*columns)]
    return {"rows": rows, "error": None}


def main() -> None:
    folder = Path(sys.argv[1])
    done = [read(path) for path in sorted(folder.glob("*.manifest"))]
    (folder / "out.json").write_text(json.dumps(done))


if __name__ == "__main__":
    main()
