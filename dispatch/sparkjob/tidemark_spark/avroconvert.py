"""Which declared types hold the values of an Avro file, and what makes plain values (see
types) of them (avroformat.Format)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from .avrodecode import NotUTF8, Octets, Rational, Time
from .avronodes import Node
from .errors import BadValue
from .golayout import Layout, civil_days
from .types import decimal_size

# Makes a plain value of one that is not null. It raises BadValue.
Convert = Callable[[Any], Any]

_UNEXPECTED = "value is not of the file's own type"
_KINDS = {
    "bool": ("boolean",), "int": ("int",), "long": ("int", "long"), "float": ("float",), "double": ("float", "double"),
    "string": ("string", "enum"), "binary": ("bytes", "fixed"),
}  # fmt: skip


def converter(n: Node, wanted: str, source: bool, any_zone: bool) -> Convert | None:
    """Returns what converts values of a type to those of a column, None where some
    would not. Numbers of a source block may be text."""
    if size := decimal_size(wanted):
        return _decimal(n, *size)
    if wanted in ("timestamp", "timestamptz"):
        return _timestamp(n, wanted, any_zone)
    if wanted == "date":
        return _date if n.logical == "date" and n.kind == "int" else None
    if wanted == "uuid":
        fits = n.written == "uuid" or n.kind == "fixed" and n.size == 16 and not n.written
        return _uuid if fits else None
    if wanted == "string" and source and n.kind in ("int", "long"):
        return lambda value: str(_of(int, value))
    if n.kind not in _KINDS.get(wanted, ()) or wanted == "binary" and n.kind == "fixed" and n.written:
        return None
    return _CONVERT[wanted]


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise BadValue(_UNEXPECTED)
    return value


def _text(value: Any) -> str:
    if type(value) is NotUTF8:
        raise BadValue("invalid UTF-8")
    return _of(str, value)


def _integer(value: Any) -> int:
    return _of(int, value)


_CONVERT: dict[str, Convert] = {
    "bool": lambda v: _of(bool, v), "int": _integer, "long": _integer, "float": lambda v: _of(float, v),
    "double": lambda v: _of(float, v), "string": _text, "binary": lambda v: _of(bytes, v),
}  # fmt: skip

_DAY = 86_400_000_000_000


def _date(value: Any) -> int:
    return value // _DAY if type(value) is Time else _integer(value)


_UNITS = {"timestamp-millis": 1_000_000, "timestamp-micros": 1_000, "timestamp-nanos": 1}  # nanoseconds
_FIRST = civil_days(-290_000, 1, 1) * _DAY
_LAST = civil_days(290_001, 1, 1) * _DAY


def _moment(nanos: int) -> int:
    micros, rest = divmod(nanos, 1000)
    if rest:
        raise BadValue("finer than microseconds")
    if not _FIRST <= nanos < _LAST:
        raise BadValue("out of range for timestamp")
    return micros


def _timestamp(n: Node, wanted: str, any_zone: bool) -> Convert | None:
    kind = n.logical
    if kind == "zoned-text":
        return _zoned if wanted == "timestamptz" or any_zone else None
    nanos = next((v for suffix, v in _UNITS.items() if kind.endswith(suffix)), 0)
    # A type of Connect's own comes with Avro's, which has a zone, and stands for
    # columns that may have none.
    free = any_zone or n.connect is not None
    if not nanos or not free and kind.startswith("local-") != (wanted == "timestamp"):
        return None
    return lambda value: _moment(value if type(value) is Time else _integer(value) * nanos)


_RFC3339 = Layout("2006-01-02T15:04:05.999999999Z07:00")


def _zoned(value: Any) -> int:
    clock = None if type(value) is NotUTF8 else _RFC3339.parse(_of(str, value).encode())
    if clock is None or clock.offset is None:
        raise BadValue("not a timestamp with a zone")
    return _moment(int(clock.days * 86400 + clock.second - clock.offset) * 1_000_000_000 + clock.nanos)


_UUID = re.compile(r"([0-9a-fA-F]{8})-([0-9a-fA-F]{4})-([0-9a-fA-F]{4})-([0-9a-fA-F]{4})-([0-9a-fA-F]{12})")


def _uuid(value: Any) -> bytes:
    if type(value) in (bytes, Octets):
        if len(value) != 16:
            raise BadValue("not a uuid")
        return bytes(value)
    m = None if type(value) is NotUTF8 else _UUID.fullmatch(_of(str, value))
    if m is None:
        raise BadValue("not a uuid")
    return bytes.fromhex("".join(m.groups()))


def _decimal(n: Node, precision: int, scale: int) -> Convert | None:
    """Decimals of no greater scale and no more digits before the point. That a value
    has no more digits than its file says is checked."""
    if n.written != "decimal" or n.scale > scale or n.precision - n.scale > precision - scale:
        return None
    limit, factor = 10 ** max(n.precision + scale - n.scale, 0), 10**scale

    def convert(value: Any) -> int:
        if type(value) is not Rational:
            raise BadValue(_UNEXPECTED)
        units, rest = divmod(abs(value.digits) * factor, 10**value.scale) if value.scale >= 0 else (0, 1)
        if rest or units >= limit:
            raise BadValue("out of range for its decimal type")
        return -units if value.digits < 0 else units

    return convert
