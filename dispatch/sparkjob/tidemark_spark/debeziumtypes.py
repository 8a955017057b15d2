"""What Debezium's events say of the types of their columns, and how values of these
types are read (Debezium reference, "Data type mappings"), by the rules of the engine."""

from __future__ import annotations

import binascii
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .cells import bad
from .folding import fold
from .jsonparse import Kind
from .manifest import Column

UNITS = {"millis": 1_000, "micros": 1, "nanos": 0}  # microseconds; nanos are cut

_OF_TYPE = {
    "io.debezium.time.Timestamp": "millis", "org.apache.kafka.connect.data.Timestamp": "millis",
    "io.debezium.time.MicroTimestamp": "micros", "io.debezium.time.NanoTimestamp": "nanos",
}  # fmt: skip


@dataclass(frozen=True)
class Semantic:
    """The semantic type of a column."""

    name: str = ""
    scale: int = 0

    @property
    def unit(self) -> str:
        """What numbers of the type count; empty if it does not say."""
        return _OF_TYPE.get(self.name, "")


class _NoSchema(Exception):
    pass


class Types:
    """The types by the names of columns. Events of a file mostly have the same
    schema, which is read once."""

    def __init__(self) -> None:
        self._text: bytes | None = None
        self.columns: dict[bytes, Semantic] = {}

    def learn(self, schema: bytes | None) -> bool:
        """Reports whether the text is a schema of Kafka Connect, or none at all."""
        if schema == self._text:
            return True
        self.columns = {}
        try:
            if schema is not None:
                self._read(schema)
        except (ValueError, RecursionError, _NoSchema):
            return False
        self._text = schema
        return True

    def _read(self, schema: bytes) -> None:
        told = json.loads(schema.decode("utf-8", "replace"), parse_int=float)
        for part in _struct(told).fields:
            if part.field not in ("after", "before"):
                continue
            for f in part.fields:
                self.columns[f.field.encode()] = Semantic(f.name, _scale(f.parameters.get("scale", "")))


@dataclass
class _Struct:
    """What is read of a schema, however deep. Names of members have any case."""

    field: str = ""
    name: str = ""
    parameters: dict[str, str] = None  # type: ignore[assignment]
    fields: list[_Struct] = None  # type: ignore[assignment]


def _struct(told: Any) -> _Struct:
    s = _Struct(parameters={}, fields=[])
    if told is None:
        return s
    if not isinstance(told, dict):
        raise _NoSchema
    for key, value in told.items():
        name = fold(key)
        if value is None:
            continue
        if name in ("field", "name"):
            setattr(s, name, _typed(value, str))
        elif name == "parameters":
            s.parameters = {k: "" if v is None else _typed(v, str) for k, v in _typed(value, dict).items()}
        elif name == "fields":
            s.fields = [_struct(v) for v in _typed(value, list)]
    return s


def _typed(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise _NoSchema
    return value


_INTEGER = re.compile(r"[+-]?[0-9]+")


def _scale(text: str) -> int:
    if not text:
        return 0
    if _INTEGER.fullmatch(text) is None or len(text) > 4000 or not -(1 << 63) <= int(text) < 1 << 63:
        raise _NoSchema
    return int(text)


_WHOLE = re.compile(rb"-?[0-9]{1,19}")
_EPOCH = datetime(1970, 1, 1)
_FIRST = -62135596800 * 1_000_000  # 0001-01-01
_LAST = 253402300800 * 1_000_000  # 10000-01-01


def moment_cell(c: Column, number: bytes, unit: str) -> Any:
    """The text of a number of days, or of units, since 1970."""
    wrong = bad(f"not a {c.type}")
    if _WHOLE.fullmatch(number) is None:
        return wrong
    n = int(number)
    if not -(1 << 63) <= n < 1 << 63 or not unit and abs(n) > 10**8:
        return wrong
    if unit == "nanos":
        micros = -(-n // 1000) if n < 0 else n // 1000
    else:
        micros = n * UNITS[unit] if unit else n * 86_400_000_000
    if not _FIRST <= micros < _LAST:
        return wrong
    if c.format:
        return bad("number where the column's format wants text")
    at = _EPOCH + timedelta(microseconds=micros)
    if c.type == "date":
        return at.date().isoformat().encode()
    return (at.isoformat() + ("Z" if c.type == "timestamptz" else "")).encode()


_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def _base64(text: bytes) -> bytes | None:
    """Base64 with padding (RFC 4648, section 4), with line breaks anywhere."""
    body = text.replace(b"\r", b"").replace(b"\n", b"")
    return binascii.a2b_base64(body) if _BASE64.fullmatch(body) else None


def decimal_cell(c: Column, scale: int, kind: Kind, text: bytes) -> Any:
    """The text of a decimal in base64, or of an io.debezium.data.VariableScaleDecimal."""
    wrong = bad(f"not a {c.type}")
    digits = _base64(text) if kind is Kind.STRING else None
    if kind is Kind.NESTED:
        if (told := _variable(text)) is None:
            return wrong
        scale, digits = told
    if not digits or len(digits) > 32 or not -76 <= scale <= 76:
        return wrong
    return b"%dE%d" % (int.from_bytes(digits, "big", signed=True), -scale)


def _variable(text: bytes) -> tuple[int, bytes | None] | None:
    """Scale and digits, as package encoding/json of Go reads them."""
    try:
        told = json.loads(text.decode("utf-8", "replace"), parse_int=_Whole, parse_float=lambda _: 0.5)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    scale, digits = 0, b""
    for key, value in told.items():
        name = fold(key)
        if value is None:
            digits = None if name == "value" else digits
        elif name == "scale":
            if not isinstance(value, _Whole) or not value.fits(1 << 63):
                return None
            scale = int(value)
        elif name == "value":
            digits = _octets(value)
            if digits is None:
                return None
    return scale, digits


class _Whole(str):
    """A whole number as JSON has it."""

    def fits(self, limit: int) -> bool:
        return len(self) <= 20 and -limit <= int(self) < limit


def _octets(value: Any) -> bytes | None:
    if isinstance(value, list):
        if not all(v is None or isinstance(v, _Whole) and v.fits(256) and not v.startswith("-") for v in value):
            return None
        return bytes(0 if v is None else int(v) for v in value)
    if not isinstance(value, str) or isinstance(value, _Whole):
        return None
    return _base64(value.encode("utf-8", "replace"))
