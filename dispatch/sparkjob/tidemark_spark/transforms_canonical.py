"""The canonical text of values, which casts to text, tokens and hashes are made of,
and the texts of formats (the engine's transform/canonical.go)."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from . import types
from .errors import BadValue, Terminal
from .transforms_rows import BadRow, plain

BAD_YEAR = "year is not 1 to 9999"
NOT_FINITE = "not a finite number"

_EPOCH = datetime(1970, 1, 1)
_AS_THEY_ARE = ("string", "uuid")


def texts(column: pa.Array, kind: str) -> list[str | None]:
    """The canonical texts of a column; BadRow where a value has none."""
    if kind in _AS_THEY_ARE:
        return column.to_pylist()
    if kind in ("bool", "int", "long"):
        return column.cast(pa.string()).to_pylist()
    return write(plain(column, kind), writer(kind))


def write(values: list[Any], how: Callable[[Any], str]) -> list[str | None]:
    """The texts that a function writes of values."""
    out: list[str | None] = []
    for i, v in enumerate(values):
        try:
            out.append(None if v is None else how(v))
        except BadValue as e:
            raise BadRow(i, e.rule) from None
    return out


def writer(kind: str) -> Callable[[Any], str]:
    """What writes the canonical text of plain values."""
    if size := types.decimal_size(kind):
        return lambda v: decimal(v, size[1])
    return _WRITERS[kind]


def double(v: float) -> str:
    """Number::toString of ECMA-262."""
    if not math.isfinite(v):
        raise BadValue(NOT_FINITE)
    if v == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(v)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    exponent += len(digits) - len(text)
    minus = "-" if sign else ""
    point = len(text) + exponent  # where it stands among the digits
    if not -6 < point <= 21:
        fraction = "." + text[1:] if len(text) > 1 else ""
        return f"{minus}{text[0]}{fraction}e{point - 1:+d}"
    if point <= 0:
        return f"{minus}0.{'0' * -point}{text}"
    if point >= len(text):
        return minus + text + "0" * (point - len(text))
    return f"{minus}{text[:point]}.{text[point:]}"


def decimal(digits: int, scale: int) -> str:
    """A decimal of so many digits behind the point."""
    text = str(abs(digits)).rjust(scale + 1, "0")
    sign = "-" if digits < 0 else ""
    return sign + (f"{text[:-scale]}.{text[-scale:]}" if scale else text)


def moment(micros: int) -> datetime:
    """What clocks showed so many microseconds after 1970 began."""
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        raise BadValue(BAD_YEAR) from None


def timestamp(micros: int) -> str:
    """As 2006-01-02T15:04:05, with six digits behind a point where they are not zero."""
    return moment(micros).isoformat()


def date(days: int) -> str:
    """As 2006-01-02."""
    return timestamp(days * 86_400_000_000)[:10]


_WRITERS: dict[str, Callable[[Any], str]] = {
    "bool": lambda v: "true" if v else "false", "int": str, "long": str, "float": double, "double": double,
    "date": date, "timestamp": timestamp, "timestamptz": lambda v: timestamp(v) + "Z", "string": str, "uuid": str,
    "binary": lambda v: base64.b64encode(v).decode(),
}  # fmt: skip

_PART = re.compile(r"2006|\.0{6}(?![0-9])|\.000(?![0-9])|Z07:00|-07:00|01|02|15|04|05")


_FIELDS = {"01": "month", "02": "day", "15": "hour", "04": "minute", "05": "second"}


def layout_writer(layout: str, zone: ZoneInfo | None) -> Callable[[int], str]:
    """What writes microseconds in a layout, by the clock of a zone (None is UTC)."""
    if re.search(r"[0-9A-SU-z\x7f-\U0010ffff]", _PART.sub("", layout)):
        raise Terminal("a format to write has a part that the job does not write")

    def write_one(micros: int) -> str:
        east = 0 if zone is None else offset(micros, zone)
        t = moment(micros + east * 1_000_000)
        return _PART.sub(lambda m: _part(m[0], t, east), layout)

    return write_one


def _part(part: str, t: datetime, east: int) -> str:
    if part == "Z07:00" and east == 0:
        return "Z"
    if part in ("Z07:00", "-07:00"):
        minutes = int(east / 60)
        return "%s%02d:%02d" % ("-" if minutes < 0 else "+", abs(minutes) // 60, abs(minutes) % 60)
    if part[0] == ".":
        return "." + ("%06d" % t.microsecond)[: len(part) - 1]
    return "%04d" % t.year if part == "2006" else "%02d" % getattr(t, _FIELDS[part])


_FIRST, _LAST = -62135424000, 253402128000  # two days within what datetime can say


def offset(micros: int, zone: ZoneInfo) -> int:
    """Seconds by which a zone's clocks are ahead of UTC at an instant."""
    seconds = min(max(micros // 1_000_000, _FIRST), _LAST)
    east = zone.fromutc((_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=zone)).utcoffset()
    return 0 if east is None else east.days * 86400 + east.seconds


def zone_of(name: str) -> ZoneInfo | None:
    """An IANA time zone, None for UTC."""
    if name in ("", "UTC"):
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise Terminal("a transform names a time zone that the job's machine does not know") from None
