"""Converts the texts of a file, for the test in Go: convert.py FOLDER."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from plainly import texts

from tidemark_spark import types
from tidemark_spark.errors import BadValue
from tidemark_spark.manifest import Column
from tidemark_spark.textconv import converter


def convert(column: dict[str, Any], inputs: list[str]) -> list[str]:
    c = Column(**column)
    to = converter(c)
    out = []
    for text in inputs:
        try:
            out.append("=" + str(texts(types.array(c.type, [to(bytes.fromhex(text))]), c.type)[0]))
        except BadValue as e:
            out.append("!" + e.rule)
    return out


def main() -> None:
    folder = Path(sys.argv[1])
    cases = json.loads((folder / "in.json").read_text())
    done = [convert(c["column"], c["texts"]) for c in cases]
    (folder / "out.json").write_text(json.dumps(done))


if __name__ == "__main__":
    main()
