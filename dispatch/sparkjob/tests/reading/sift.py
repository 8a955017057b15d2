"""Reads the files of a folder with their bad records set aside, for the test in Go:
sift.py FOLDER."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from tidemark_spark import badbytes, manifest, reading
from tidemark_spark.errors import RowError
from tidemark_spark.files import open_input
from tidemark_spark.scanning import request


def sift(path: Path) -> dict[str, Any]:
    m = manifest.parse(path.read_bytes())
    out: dict[str, Any] = {"rows": [], "bad": [], "raw": {}, "error": None}
    numbers: list[int] = []
    try:
        for batch in reading.batches(m, dataclasses.replace(request(m, 0), tolerant=True)):
            out["rows"] += batch.numbers
            out["bad"] += [{"row": e.row, "column": e.column, "rule": e.rule} for e in batch.bad]
        numbers = [*out["rows"], *(e["row"] for e in out["bad"])]
    except RowError as e:
        out |= {"error": {"row": e.row, "column": e.column, "rule": e.rule}, "rows": [], "bad": []}
    if numbers:
        read = badbytes.RAW[m.table.format.kind]
        source = open_input(m.files[0])
        try:
            records = read(m.table.format, source, badbytes._all(m, 0), set(numbers))
            out["raw"] = {str(n): (head + data).hex() for n, head, data in records}
        except RowError as e:
            out["raw"] = {"0": e.rule.encode().hex()}
        finally:
            source.close()
    return out


def main() -> None:
    folder = Path(sys.argv[1])
    (folder / "out.json").write_text(json.dumps([sift(path) for path in sorted(folder.glob("*.manifest"))]))


if __name__ == "__main__":
    main()
