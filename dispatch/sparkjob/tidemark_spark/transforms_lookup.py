"""Lookups in other tables' rows (the engine's transform/lookup.go). A file is read
whole, once in each Python worker of a job, which looks for it on its machine; tables
have been read before (transforms_tables)."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from . import transforms_tables, types
from .errors import BadValue, Retryable, Terminal
from .manifest import Column
from .textconv import converter
from .transforms_fill import value_of
from .transforms_rows import BadRow, Rows, plain

_MAX_FILE = 256 << 20


def lookup(options: dict[str, Any], rows: Rows) -> Rows:
    """Adds columns with values of a row of the source."""
    source, on = options["source"], json.dumps(options["on"])
    index = _held(source["rows"], on) if source["kind"] == transforms_tables.HELD else _index(json.dumps(source), on)
    by = [o["column"] for o in options["on"]]
    found = [index.rows.get(key, -1) if None not in key else None for key in _keys([rows.column(name) for name in by])]
    if options.get("miss") == "error" and -1 in found:
        raise BadRow(found.index(-1), "not found in the lookup", by[0])
    for take in options["take"]:
        values, kind = index.columns[take["source"]]
        missing = len(values)  # the place of what stands for a miss
        fill = value_of(take["default"], kind) if options.get("miss") == "default" else pa.nulls(1, values.type)
        at = [missing if n is None or n < 0 else n for n in found]
        rows = rows.add(take["as"], pa.concat_arrays([values, fill]).take(pa.array(at, pa.int64())), kind)
    return rows


def _keys(columns: Sequence[tuple[pa.Array, str]]) -> Iterator[tuple[Any, ...]]:
    return zip(*(plain(values, kind) for values, kind in columns))


@dataclasses.dataclass
class _Index:
    rows: dict[tuple[Any, ...], int]
    columns: dict[str, tuple[pa.Array, str]]


@functools.lru_cache(maxsize=16)
def _index(source: str, on: str) -> _Index:
    return _indexed(_load(json.loads(source)), on)


@functools.lru_cache(maxsize=16)
def _held(rows: transforms_tables.Held, on: str) -> _Index:
    return _indexed(transforms_tables.load(rows), on)


def _indexed(columns: dict[str, tuple[pa.Array, str]], on: str) -> _Index:
    rows: dict[tuple[Any, ...], int] = {}
    for n, key in enumerate(_keys([columns[o["source"]] for o in json.loads(on)])):
        if None in key:
            continue
        if key in rows:
            raise Terminal(f"lookup: the source has two rows for a key: rows {rows[key] + 1} and {n + 1}")
        rows[key] = n
    return _Index(rows, columns)


def _load(source: dict[str, Any]) -> dict[str, tuple[pa.Array, str]]:
    o = source.get("options") or {}
    columns = [Column(c["name"], c["type"], format=c.get("format", ""), zone=c.get("zone", "")) for c in o["columns"]]
    if source.get("kind") == "rows":
        return _typed("lookup", columns, [[v.encode() for v in row] for row in o["rows"] or []])
    if source.get("kind") == "csv":
        return _csv(o["path"], columns)
    raise Terminal("lookup: the job knows no such source")


def _typed(what: str, columns: Sequence[Column], rows: Sequence[Sequence[bytes]]) -> dict[str, tuple[pa.Array, str]]:
    out = {}
    for i, c in enumerate(columns):
        convert, values = converter(c), []
        for n, row in enumerate(rows):
            try:
                values.append(convert(row[i]) if row[i] else None)
            except BadValue as e:
                raise Terminal(f"{what}: row {n + 1}: column {c.name}: {e.rule}") from None
        out[c.name] = types.array(c.type, values), c.type
    return out


def _csv(path: str, columns: Sequence[Column]) -> dict[str, tuple[pa.Array, str]]:
    what = "lookup: " + path
    try:
        with open(path, "rb") as f:
            text = f.read(_MAX_FILE + 1)
    except OSError as e:
        raise Retryable(f"{what}: {type(e).__name__}") from None
    if len(text) > _MAX_FILE:
        raise Terminal(f"{what}: longer than {_MAX_FILE} bytes")
    records = list(_records(text.removeprefix(b"\xef\xbb\xbf"), what))
    if not records:
        raise Terminal(f"{what}: no header")
    header = records[0]
    for c in columns:
        if c.name.encode() not in header:
            raise Terminal(f"{what}: no column {c.name} in the header")
    at = [header.index(c.name.encode()) for c in columns]
    return _typed(what, columns, [[r[i] for i in at] for r in records[1:]])


# A field with the mark behind it: text in quotes, or text without any.
_FIELD = re.compile(rb'(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n|\Z)')


def _records(text: bytes, what: str) -> Iterator[list[bytes]]:
    """Records as the engine's CSV reader has them: empty lines are left out, and all
    records are as long as the first."""
    text = text.replace(b"\r\n", b"\n").removesuffix(b"\r")
    at, width = 0, 0
    record: list[bytes] = []
    while at < len(text) or record:
        if not record and text[at : at + 1] == b"\n":
            at += 1
            continue
        m = _FIELD.match(text, at)
        if m is None:
            raise Terminal(f"{what}: line {_line(text, at)}: not what RFC 4180 has")
        record.append(m[2] if m[1] is None else m[1].replace(b'""', b'"'))
        at = m.end()
        if m[3] == b",":
            continue
        if width not in (0, len(record)):
            raise Terminal(f"{what}: line {_line(text, m.start())}: wrong number of fields")
        width = len(record)
        yield record
        record = []


def _line(text: bytes, at: int) -> int:
    return text.count(b"\n", 0, at) + 1
