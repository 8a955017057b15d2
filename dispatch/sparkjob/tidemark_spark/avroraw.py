"""Records of Avro files as JSON objects, as the engine in Go keeps them of bad rows
(avroformat.Format.Raw): the values as the table would have them, or of the file."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .avrodecode import NotUTF8, Octets, Rational, Time
from .avrofile import AvroFile
from .avroformat import PLACEHOLDERS, Lost, Place, Scanner
from .compress import BadInput
from .errors import BadValue
from .files import Input
from .manifest import Column, Declaration
from .parquetraw import day_text, json_string, json_value
from .parquettypes import Source
from .scanning import Request, Wanted, option
from .types import decimal_size

_MOST_LOST = 1 << 20  # bytes of a block that are kept
_NAMES = {
    "bool": "bool", "int": "int32", "long": "int64", "float": "float32", "double": "float64", "date": "date32", "string": "utf8",
    "timestamp": "timestamp[us]", "timestamptz": "timestamp[us, tz=UTC]", "binary": "binary", "uuid": "extension<arrow.uuid>",
}  # fmt: skip


def raw(d: Declaration, source: Input, request: Request, wanted: set[int]) -> Iterator[tuple[int, bytes, bytes]]:
    """Some records, by their numbers, as objects of those columns that the file has,
    without what the database did not log."""
    try:
        file = AvroFile(source, option(d, "max_block_bytes", 64 << 20))
    except BadInput as e:
        raise request.bad(0, "", e.rule) from None
    columns = tuple(Wanted(c, optional=True) for c in request.columns)
    work = Scanner(d, replace(request, first=columns, columns=()), file, source.size)
    for record in work.records():
        if work.row in wanted:
            yield work.row, b"", _object(work, record)


def _lost(record: Lost) -> bytes:
    rest = f'"{base64.b64encode(record.rest.pop()[:_MOST_LOST]).decode()}"' if record.rest else "null"
    return f'{{"avro_block":{rest}}}'.encode()


def _object(work: Scanner, record: Any) -> bytes:
    if isinstance(record, Lost):
        return _lost(record)
    parts = work.split(record)[0] if isinstance(record, dict) else [{}, {}, {}, {}]
    members: dict[bytes, str] = {}
    for w, place in zip(work.request.first, work.first):
        part = parts[place.part]
        if place.name not in part or work.events and is_placeholder(part[place.name]):
            continue
        members[w.column.name.encode()] = _member(w.column, place, part[place.name])
    return ("{" + ",".join(f"{json_string(n)}:{v}" for n, v in sorted(members.items())) + "}").encode()


def is_placeholder(value: Any) -> bool:
    return isinstance(value, (str, bytes)) and value in PLACEHOLDERS


def _member(c: Column, place: Place, value: Any) -> str:
    if value is None:
        return "null"
    if place.convert is not None:
        try:
            return _plain(c, place.convert(value))
        except BadValue:
            pass
    return _told(value)


def _plain(c: Column, value: Any) -> str:
    if size := decimal_size(c.type):
        return json_value(Source(f"decimal({size[0]}, {size[1]})", None, *size), value)
    return json_value(Source(_NAMES[c.type], None), value.encode() if isinstance(value, str) else value)


def _told(value: Any) -> str:
    """A value that the table would not take."""
    if isinstance(value, bool):
        return str(value).lower()
    if type(value) is int:
        return str(value)
    if isinstance(value, str):
        return json_string(value.encode())
    if isinstance(value, NotUTF8):
        return json_string(bytes(value))
    if isinstance(value, bytes) and not isinstance(value, Octets):
        return f'"{base64.b64encode(value).decode()}"'
    if isinstance(value, Rational):
        return f'"{_digits(value)}"'
    if isinstance(value, Time):
        return f'"{_moment(value)}"'
    return '""'


def _digits(value: Rational) -> str:
    """A decimal with 38 digits behind the point."""
    text = str(abs(value.digits) * 10**38 // 10 ** max(value.scale, 0)).rjust(39, "0")
    return f"{'-' if value.digits < 0 else ''}{text[:-38]}.{text[-38:]}"


def _moment(nanos: int) -> str:
    """A moment as RFC 3339 has it, in a year of any size."""
    seconds, part = divmod(int(nanos), 1_000_000_000)
    days, second = divmod(seconds, 86_400)
    fraction = f".{part:09d}".rstrip("0").rstrip(".")
    return f"{day_text(days)}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}{fraction}Z"
