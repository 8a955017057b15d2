"""Casts between types, by the rules of the engine's transform/cast.go."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from . import types
from .errors import BadValue, Terminal
from .manifest import Column
from .textconv import converter
from .transforms_canonical import layout_writer, offset, texts, write, writer, zone_of
from .transforms_rows import BadRow, Rows, plain

OUT_OF_RANGE = "out of range"
PRECISION = "loses precision"
_DECIMALS = "out of range or loses precision"

_NUMBERS = ("bool", "int", "long", "float", "double")
_TIMES = ("date", "timestamp", "timestamptz")
_DAY = 86_400_000_000

# Makes a plain value of a plain value, or raises BadValue.
One = Callable[[Any], Any]


def cast(options: dict[str, Any], rows: Rows) -> Rows:
    """Changes the types of columns."""
    to = options.get("columns") or {}

    def column(name: str, values: pa.Array, kind: str) -> tuple[pa.Array, str]:
        o = to[name]
        return _cast(values, kind, o.get("type", ""), o.get("format", ""), o.get("zone", "")), o.get("type", "")

    return rows.change(list(to), column)


def _cast(values: pa.Array, kind: str, to: str, layout: str, zone: str) -> pa.Array:
    if kind == "string" and to != "string":
        return read(values, Column("", to, format=layout, zone=zone))
    if to == "string":
        return pa.array(_texts(values, kind, layout, zone), pa.string())
    if kind == to:
        return values
    return each(values, kind, to, _between(kind, to, zone))


def each(values: pa.Array, kind: str, to: str, how: One) -> pa.Array:
    """A column of another type, value by value."""
    out: list[Any] = []
    for i, v in enumerate(plain(values, kind)):
        try:
            out.append(None if v is None else how(v))
        except BadValue as e:
            raise BadRow(i, e.rule) from None
    return types.array(to, out)


def read(values: pa.Array, column: Column) -> pa.Array:
    """Texts as values of files are read."""
    convert = converter(column)
    return each(values, "string", column.type, lambda s: convert(s.encode()))


def _texts(values: pa.Array, kind: str, layout: str, zone: str) -> list[str | None]:
    if layout == "" and (zone == "" or kind != "timestamptz"):
        return texts(values, kind)
    if kind == "binary" and layout in ("hex", "base64"):
        return texts(values, kind) if layout == "base64" else write(values.to_pylist(), bytes.hex)
    if kind not in _TIMES or layout == "":
        raise Terminal(f"a {kind} has no such format")
    how = layout_writer(layout, None if kind == "date" else zone_of(zone))
    micros = [None if v is None else v * _DAY for v in plain(values, kind)] if kind == "date" else plain(values, kind)
    return write(micros, how)


def _between(kind: str, to: str, zone: str) -> One:
    decimals = types.decimal_size(kind), types.decimal_size(to)
    if any(decimals) and _number(kind) and _number(to) and "bool" not in (kind, to):
        return _through_text(kind, to)
    if kind in _NUMBERS and to in _NUMBERS and (kind, to) not in (("float", "bool"), ("double", "bool")):
        return _from_double(to) if kind in ("float", "double") else _from_long(to)
    if kind in _TIMES and to in _TIMES:
        return _time(kind, to, zone)
    raise Terminal(f"a {kind} cannot become a {to}")


def _number(kind: str) -> bool:
    return kind in _NUMBERS or types.decimal_size(kind) is not None


def _through_text(kind: str, to: str) -> One:
    write_one, convert = writer(kind), converter(Column("", to))
    most = {"double": 15, "float": 6}.get(to, 38) if types.decimal_size(kind) else None

    def how(v: Any) -> Any:
        text = write_one(v)
        if most is not None and _significant(text) > most:
            raise BadValue(_DECIMALS)
        if "." in text and "e" not in text:
            text = text.rstrip("0").removesuffix(".")
        try:
            return convert(text.encode())
        except BadValue:
            raise BadValue(_DECIMALS) from None

    return how


def _significant(text: str) -> int:
    digits = text.removeprefix("-").lstrip("0.")
    if "." in text:
        digits = digits.rstrip("0")
    return len(digits.replace(".", "", 1))


def _from_long(to: str) -> One:
    if to == "bool":
        return _to_bool
    if to in ("float", "double"):
        form = "<f" if to == "float" else "<d"

        def how(v: int) -> float:
            made: float = struct.unpack(form, struct.pack(form, int(v)))[0]
            if made >= 1 << 63 or int(made) != v:
                raise BadValue(PRECISION)
            return made

        return how
    return lambda v: _fits(int(v), 32 if to == "int" else 64)


def _to_bool(v: int) -> bool:
    if v not in (0, 1):
        raise BadValue("not a bool")
    return bool(v)


def _fits(v: int, bits: int) -> int:
    if not -(1 << bits - 1) <= v < 1 << bits - 1:
        raise BadValue(OUT_OF_RANGE)
    return v


def _from_double(to: str) -> One:
    if to == "double":
        return float
    if to == "float":
        return _to_float

    def how(v: float) -> int:
        if math.isnan(v) or not -(2.0**63) <= v < 2.0**63:
            raise BadValue(OUT_OF_RANGE)
        if v != math.trunc(v):
            raise BadValue(PRECISION)
        return _fits(int(v), 32 if to == "int" else 64)

    return how


def _to_float(v: float) -> float:
    try:
        made: float = struct.unpack("<f", struct.pack("<f", v))[0]
    except OverflowError:
        raise BadValue(PRECISION) from None
    if made != v and not math.isnan(v):
        raise BadValue(PRECISION)
    return made


def _time(kind: str, to: str, name: str) -> One:
    zone = None if {kind, to} == {"date", "timestamp"} else zone_of(name)
    if kind == "date":
        return lambda v: _instant(_in_range(v) * _DAY, zone)
    if to == "timestamptz":
        return lambda v: _instant(v, zone)
    if to == "date":
        return lambda v: _local(v, zone) // _DAY
    return lambda v: _wrapped(_local(v, zone))


def _in_range(days: int) -> int:
    if abs(days) > ((1 << 63) - 1) // _DAY:
        raise BadValue(OUT_OF_RANGE)
    return days


def _local(micros: int, zone: ZoneInfo | None) -> int:
    return micros if zone is None else micros + offset(micros, zone) * 1_000_000


def _instant(micros: int, zone: ZoneInfo | None) -> int:
    """The first time at which the clock of a zone shows this."""
    if zone is None:
        return micros
    around = {offset(micros - _DAY, zone), offset(micros + _DAY, zone)}
    for east in sorted(around, reverse=True):
        if offset(micros - east * 1_000_000, zone) == east:
            return _wrapped(micros - east * 1_000_000)
    raise BadValue("time does not exist in the zone")


def _wrapped(v: int) -> int:
    """64 bits of a number, as the engine counts."""
    return (v + (1 << 63)) % (1 << 64) - (1 << 63)
