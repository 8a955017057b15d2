"""Text to typed values, by the rules of the engine in Go (its package textconv).

A value that cannot be converted is answered by BadValue with a rule, as "not an
int", which never quotes the value.
"""

from __future__ import annotations

import binascii
import re
import struct
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from . import timeconv, types
from .errors import BadValue, Terminal
from .manifest import Column

Converter = Callable[[bytes], Any]


def converter(col: Column) -> Converter:
    """Returns what converts text to plain values (see types) of the column's type."""
    try:
        return _converter(col)
    except ValueError as e:
        raise Terminal(f"column {col.name!r}: {e}") from None


def _converter(col: Column) -> Converter:
    if col.type in ("date", "timestamp", "timestamptz"):
        return timeconv.converter(col)
    if col.type == "binary":
        if col.format not in ("", "base64", "hex"):
            raise ValueError("format of binary is not hex or base64")
        return _hex if col.format == "hex" else _base64
    if col.format:
        raise ValueError(f"type {col.type} has no formats")
    if size := types.decimal_size(col.type):
        return _decimal(*size)
    try:
        return _SIMPLE[col.type]
    except KeyError:
        raise ValueError(f"type {col.type} cannot be read from text") from None


_BOOLS = {b"1": True, b"true": True, b"t": True, b"y": True, b"0": False, b"false": False, b"f": False, b"n": False}


def _bool(text: bytes) -> bool:
    try:
        return _BOOLS[text.lower()]
    except KeyError:
        raise BadValue("not a bool") from None


_INTEGER = re.compile(rb"([+-]?)0*([0-9]+)")


def _whole(name: str, article: str, bits: int) -> Converter:
    least, most = -(1 << bits - 1), (1 << bits - 1) - 1

    def convert(text: bytes) -> int:
        m = _INTEGER.fullmatch(text)
        if m is None:
            raise BadValue(f"not {article} {name}")
        if len(m[2]) > 19 or not least <= (value := int(m[1] + m[2])) <= most:
            raise BadValue(f"out of range for {name}")
        return value

    return convert


_NUMBER = re.compile(rb"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:[eE]([+-]?)([0-9]+))?")
_NAMED = {b"nan": b"nan", b"inf": b"inf", b"infinity": b"inf"}


def _number(text: bytes, name: str) -> tuple[float, bytes]:
    """The nearest double, and the text with its exponent held in bounds."""
    m = _NUMBER.fullmatch(text)
    if m is None:
        word = text.lower()
        if word[:1] in (b"+", b"-") and word[1:] != b"nan":
            sign, word = word[:1], word[1:]
        else:
            sign = b""
        if word not in _NAMED:
            raise BadValue(f"not a {name}")
        return float(sign + _NAMED[word]), b""
    if m[3] is not None and len(m[3]) > 4:
        # strconv stops reading an exponent once it is beyond 10,000.
        exponent = 0
        for digit in m[3]:
            if exponent < 10000:
                exponent = exponent * 10 + digit - 48
        text = b"%se%s%d" % (m[1], m[2], exponent)
    value = float(text)
    if value in (_INF, -_INF):
        raise BadValue(f"out of range for {name}")
    return value, text


_INF = float("inf")


def _double(text: bytes) -> float:
    return _number(text, "double")[0]


def _float(text: bytes) -> float:
    value, digits = _number(text, "float")
    if not digits or value == 0:
        return value
    try:
        near = struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        near = _INF if value > 0 else -_INF
    if near != value:
        near = _break_tie(value, near, digits)
    if near in (_INF, -_INF):
        raise BadValue("out of range for float")
    return near


def _break_tie(value: float, near: float, digits: bytes) -> float:
    """Rounds again what was rounded to just between two floats on the way."""
    size, sign = abs(value), 1.0 if value > 0 else -1.0
    two_128 = 2.0**128
    mine = min(abs(near), two_128)
    other = mine + 2 * (size - mine)
    if other != two_128:
        try:
            if struct.unpack("<f", struct.pack("<f", other))[0] != other:
                return near
        except OverflowError:
            return near
    exact, middle = abs(Fraction(digits.decode())), Fraction(size)
    if exact == middle:
        return near
    chosen = max(mine, other) if exact > middle else min(mine, other)
    return sign * (_INF if chosen == two_128 else chosen)


_DECIMAL = re.compile(rb"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?")


def _decimal(precision: int, scale: int) -> Converter:
    """Digits without the point, of which scale stand behind it."""

    def convert(text: bytes) -> int:
        m = _DECIMAL.fullmatch(text)
        if m is None or not m[2] and not m[3]:
            raise BadValue("not a decimal")
        behind = m[3] or b""
        digits = (m[2] + behind).lstrip(b"0")
        exponent = -len(behind) + (_exponent(m[4]) if m[4] else 0)
        kept = digits.rstrip(b"0")
        if not kept:
            return 0
        shift = exponent + len(digits) - len(kept) + scale
        if shift < 0:
            raise BadValue(f"more than {scale} digits after the point")
        if len(kept) + shift > precision:
            raise BadValue(f"out of range for decimal({precision},{scale})")
        value = int(kept) * 10**shift
        return -value if m[1] == b"-" else value

    return convert


def _exponent(text: bytes) -> int:
    """Exponents beyond a million are as good as a million, which no decimal reaches."""
    sign = -1 if text[:1] == b"-" else 1
    digits = text.lstrip(b"+-").lstrip(b"0")
    return sign * (1_000_000 if len(digits) > 7 else min(int(digits or b"0"), 1_000_000))


def _string(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise BadValue("invalid UTF-8") from None


_PADDED = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_BARE = re.compile(rb"[A-Za-z0-9+/]*")


def _base64(text: bytes) -> bytes:
    """Base64 (RFC 4648, section 4) with padding, or without where its length shows it."""
    body = text.replace(b"\r", b"").replace(b"\n", b"")
    if len(text) % 4 == 0:
        good = _PADDED.fullmatch(body) is not None
    else:
        good = _BARE.fullmatch(body) is not None and len(body) % 4 != 1
        body += b"=" * (-len(body) % 4)
    if not good:
        raise BadValue("not base64")
    return binascii.a2b_base64(body)


def _hex(text: bytes) -> bytes:
    if text[:2] in (b"0x", b"0X", b"\\x", b"\\X"):
        text = text[2:]
    try:
        return binascii.unhexlify(text)
    except ValueError:
        raise BadValue("not hexadecimal") from None


_UUID = re.compile(rb"([0-9a-fA-F]{8})-([0-9a-fA-F]{4})-([0-9a-fA-F]{4})-([0-9a-fA-F]{4})-([0-9a-fA-F]{12})|([0-9a-fA-F]{32})")


def _uuid(text: bytes) -> bytes:
    m = _UUID.fullmatch(text)
    if m is None:
        raise BadValue("not a uuid")
    return binascii.unhexlify(m[6] or b"".join(m.groups()[:5]))


_SIMPLE: dict[str, Converter] = {
    "bool": _bool, "int": _whole("int", "an", 32), "long": _whole("long", "a", 64), "float": _float,
    "double": _double, "string": _string, "uuid": _uuid,
}  # fmt: skip
