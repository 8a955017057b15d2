"""Values in Avro's binary encoding (Avro specification 1.12, "Binary Encoding"), with the
limits and rules of the engine's library.

Values are what Python has for them: None, bool, int, float, str, bytes (also for fixed),
list and dict (also for records). Text that is no UTF-8, and values of logical types,
are of the classes below.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from .avrotypes import Type

_MAX_ZERO_ITEMS = 4 << 10
_MAX_DIGITS = 32 << 10  # bytes of a decimal
_MAX_SCALE = 1 << 16
_MAX_MICROS = (1 << 63) // 1000  # that package time of Go counts in nanoseconds

# Reads a value: what it is, and where the next one begins. Data that ends before it
# is an IndexError or a struct.error.
Read = Callable[[bytes, int], tuple[Any, int]]


class Undecodable(Exception):
    """The bytes are no value."""


WRONG = (Undecodable, IndexError, struct.error, RecursionError)


class Time(int):
    """A moment, in nanoseconds since 1970, or the beginning of a day."""


class NotUTF8(bytes):
    """The bytes of text that is no UTF-8."""


class Octets(bytes):
    """The bytes of a uuid."""


class Rational:
    """A decimal: digits, of which scale stand behind the point."""

    __slots__ = ("digits", "scale")

    def __init__(self, digits: int, scale: int) -> None:
        self.digits, self.scale = digits, scale


class Other:
    """A value that no column can hold, as a time of day."""


OTHER = Other()


def varint(data: bytes, at: int, most: int = 63) -> tuple[int, int]:
    """A zigzag number; most is the place of the first bit of the last byte."""
    b = data[at]
    at += 1
    if b < 0x80:
        return (b >> 1) ^ -(b & 1), at
    value, shift, last = b & 0x7F, 7, 1 if most == 63 else 15
    while b >= 0x80:
        b = data[at]
        at += 1
        if shift == most and b > last:
            raise Undecodable
        value |= (b & 0x7F) << shift
        shift += 7
    return (value >> 1) ^ -(value & 1), at


def int32(data: bytes, at: int) -> tuple[int, int]:
    return varint(data, at, 28)


def _octets(data: bytes, at: int) -> tuple[bytes, int]:
    n = data[at]
    if n < 0x80 and not n & 1:  # as lengths mostly are
        n, at = n >> 1, at + 1
    else:
        n, at = varint(data, at)
    end = at + n
    if not at <= end <= len(data):
        raise Undecodable
    return data[at:end], end


def _text(data: bytes, at: int) -> tuple[Any, int]:
    text, at = _octets(data, at)
    try:
        return text.decode(), at
    except UnicodeDecodeError:
        return NotUTF8(text), at


def reader(t: Type, made: dict[Type, Read] | None = None) -> Read:
    """What reads values of a type."""
    made = {} if made is None else made
    if t in made:
        return lambda data, at: made[t](data, at)  # a type within itself is not finished yet
    if t.kind == "record":
        return _record(t, made)
    if t.kind == "union":
        return _union(t, made)
    if t.kind in ("array", "map"):
        return _items(t, made) if t.kind == "array" else _entries(t, made)
    if t.kind == "fixed":
        return _fixed(t)
    if t.kind == "enum":
        return _enum(t.symbols)
    return _primitive(t)


def _record(t: Type, made: dict[Type, Read]) -> Read:
    fields: list[tuple[str, Read]] = []

    def read(data: bytes, at: int) -> tuple[Any, int]:
        record = {}
        for name, part in fields:
            record[name], at = part(data, at)
        return record, at

    made[t] = read
    fields += [(name, reader(child, made)) for name, child in zip(t.names, t.children)]
    return read


def _union(t: Type, made: dict[Type, Read]) -> Read:
    branches = [reader(child, made) for child in t.children]

    def read(data: bytes, at: int) -> tuple[Any, int]:
        i = data[at]
        if i < 0x80:  # as it mostly is
            i, at = (i >> 1) ^ -(i & 1), at + 1
        else:
            i, at = varint(data, at, 28)
        if not 0 <= i < len(branches):
            raise Undecodable
        return branches[i](data, at)

    return read


def _block(data: bytes, at: int) -> tuple[int, int]:
    """How many items the next block has; none is the end."""
    count, at = varint(data, at)
    if count < 0:
        count = -count
        if count == 1 << 63:
            raise Undecodable
        _, at = varint(data, at)
    return count, at


def _items(t: Type, made: dict[Type, Read]) -> Read:
    item = reader(t.children[0], made)

    def read(data: bytes, at: int) -> tuple[Any, int]:
        items: list[Any] = []
        empty = 0
        while True:
            count, at = _block(data, at)
            if count == 0:
                return items, at
            for _ in range(count):
                value, end = item(data, at)
                empty += end == at
                if empty > _MAX_ZERO_ITEMS:
                    raise Undecodable
                items.append(value)
                at = end

    return read


def _entries(t: Type, made: dict[Type, Read]) -> Read:
    item = reader(t.children[0], made)

    def read(data: bytes, at: int) -> tuple[Any, int]:
        entries: dict[Any, Any] = {}
        while True:
            count, at = _block(data, at)
            if count == 0:
                return entries, at
            for _ in range(count):
                key, at = _text(data, at)
                entries[key], at = item(data, at)

    return read


def _fixed(t: Type) -> Read:
    n = t.size

    def octets(data: bytes, at: int) -> tuple[Any, int]:
        if n > len(data) - at:
            raise Undecodable
        return data[at : at + n], at + n

    if t.logical == "decimal":
        return _mapped(octets, lambda v: _decimal(v, t.scale))
    if t.logical == "uuid":
        return _mapped(octets, Octets)
    return _mapped(octets, lambda v: OTHER) if t.logical == "duration" else octets


def _enum(symbols: list[str]) -> Read:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        i, at = varint(data, at, 28)
        if not 0 <= i < len(symbols):
            raise Undecodable
        return symbols[i], at

    return read


def _mapped(read: Read, to: Callable[[Any], Any]) -> Read:
    def mapped(data: bytes, at: int) -> tuple[Any, int]:
        value, at = read(data, at)
        return to(value), at

    return mapped


def _boolean(data: bytes, at: int) -> tuple[Any, int]:
    return data[at] == 1, at + 1


def _null(data: bytes, at: int) -> tuple[Any, int]:
    return None, at


def _number(form: str) -> Read:
    s = struct.Struct(form)

    def read(data: bytes, at: int) -> tuple[Any, int]:
        return s.unpack_from(data, at)[0], at + s.size

    return read


_PRIMITIVES: dict[str, Read] = {
    "null": _null, "boolean": _boolean, "int": int32, "long": varint, "float": _number("<f"), "double": _number("<d"),
    "bytes": _octets, "string": _text,
}  # fmt: skip
_TIMES = {"millis": 1_000_000, "micros": 1_000, "nanos": 1}


def _primitive(t: Type) -> Read:
    read, logical = _PRIMITIVES[t.kind], t.logical
    if logical == "decimal":
        return _mapped(read, lambda v: _decimal(v, t.scale))
    if logical == "big-decimal":
        return _mapped(read, _big_decimal)
    if logical == "date":
        return _mapped(read, lambda v: Time(v * 86_400_000_000_000))
    if logical == "time-micros":
        return _mapped(read, _time_of_day)
    if logical == "time-millis":
        return _mapped(read, lambda v: OTHER)
    if "timestamp-" in logical:
        nanos = _TIMES[logical.rpartition("-")[2]]
        return _mapped(read, lambda v: Time(v * nanos))
    return read


def _decimal(digits: bytes, scale: int) -> Rational:
    if len(digits) > _MAX_DIGITS:
        raise Undecodable
    return Rational(int.from_bytes(digits, "big", signed=True), scale)


def _big_decimal(payload: bytes) -> Rational:
    digits, at = _octets(payload, 0)
    scale, at = varint(payload, at)
    if at != len(payload) or abs(scale) > _MAX_SCALE:
        raise Undecodable
    return _decimal(digits, scale)


def _time_of_day(micros: int) -> Other:
    if abs(micros) > _MAX_MICROS:
        raise Undecodable
    return OTHER
