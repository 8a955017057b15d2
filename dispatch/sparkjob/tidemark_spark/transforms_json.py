"""Values out of JSON texts (RFC 8259; the engine's transform/json.go)."""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa

from . import types
from .errors import BadValue, Terminal
from .manifest import Column
from .textconv import Converter, converter
from .transforms_rows import BadRow, Rows, text_only

Path = list["str | int"]


class _Number(str):
    """A number as it is written."""


def _no_constant(_: str) -> Any:
    raise ValueError


_DECODER = json.JSONDecoder(parse_int=_Number, parse_float=_Number, parse_constant=_no_constant)
_HALVES = re.compile("[\ud800-\udfff]")


def parse_json(options: dict[str, Any], rows: Rows) -> Rows:
    """Adds columns with values at paths."""
    name = options.get("column", "")
    fields = [_Field(f) for f in options.get("fields") or []]
    documents = text_only(*rows.column(name)).to_pylist()
    for i, text in enumerate(documents):
        doc = None
        if text is not None:
            try:
                doc = _DECODER.decode(text)
            except (ValueError, RecursionError):
                raise BadRow(i, "not JSON", name) from None
        for f in fields:
            try:
                f.add(doc)
            except BadValue as e:
                raise BadRow(i, e.rule, f.column.name) from None
    for f in fields:
        rows = rows.add(f.column.name, f.array(), f.column.type)
    return rows


class _Field:
    def __init__(self, o: dict[str, Any]) -> None:
        self.column = Column(o.get("name", ""), o.get("type", ""), format=o.get("format", ""), zone=o.get("zone", ""))
        self.path = parse_path(o.get("path", ""))
        self.convert: Converter = converter(self.column)
        self.values: list[Any] = []

    def add(self, doc: Any) -> None:
        v = _at(doc, self.path)
        if isinstance(v, str):
            v = self.convert(_HALVES.sub("\ufffd", v).encode())
        elif isinstance(v, bool):
            if self.column.type not in ("bool", "string"):
                raise BadValue("a JSON bool is not a " + self.column.type)
            v = self.convert(b"true" if v else b"false")
        elif v is not None:
            raise BadValue("JSON object or array where a value is wanted")
        self.values.append(v)

    def array(self) -> pa.Array:
        return types.array(self.column.type, self.values)


def parse_path(path: str) -> Path:
    """Names of members, and numbers of elements."""
    steps: Path = []
    for part in path.split("."):
        name, bracket, rest = part.partition("[")
        if name:
            steps.append(name)
        elif not bracket or steps:
            raise Terminal("json: a path has an empty name")
        if bracket:
            for n in ("[" + rest).removesuffix("]").removeprefix("[").split("]["):
                if not n.isdecimal():
                    raise Terminal("json: a path has no number in brackets")
                steps.append(int(n))
    return steps


def _at(doc: Any, path: Path) -> Any:
    for step in path:
        if isinstance(doc, dict) and isinstance(step, str):
            doc = doc.get(step)
        elif isinstance(doc, list) and isinstance(step, int) and step < len(doc):
            doc = doc[step]
        else:
            return None
    return doc
