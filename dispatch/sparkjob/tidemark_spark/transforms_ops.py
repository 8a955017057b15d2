"""The operations of expressions on plain values that are neither null nor errors."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .errors import BadValue
from .transforms_canonical import NOT_FINITE, writer
from .transforms_text import WHITE_SPACE, lower, upper

_OVERFLOW = "integer overflow"
_ZERO = "division by zero"
_DAY = 86_400_000_000


class Bad(NamedTuple):
    """An error in the place of a value."""

    rule: str


def function(op: str, types: Sequence[str]) -> Callable[..., Any]:
    """What makes the result of values of the types."""
    return FUNCTIONS[op](*types)


def _whole(v: int) -> int:
    if not -(1 << 63) <= v < 1 << 63:
        raise BadValue(_OVERFLOW)
    return v


def _finite(v: float) -> float:
    if not math.isfinite(v):
        raise BadValue(NOT_FINITE)
    return v


def _arithmetic(of: Callable[..., Any]) -> Callable[..., Any]:
    """An operation on ints, doubles or texts, by the type of its arguments."""

    def chosen(kind: str, *_: str) -> Callable[..., Any]:
        if kind == "string":
            return of
        check: Callable[[Any], Any] = _finite if kind == "double" else _whole
        return lambda *args: check(of(*args))

    return chosen


def _div(kind: str, *_: str) -> Callable[..., Any]:
    return _divided if kind == "double" else _quotient


def _divided(a: float, b: float) -> float:
    if b == 0:
        raise BadValue(NOT_FINITE)
    return _finite(a / b)


def _quotient(a: int, b: int) -> int:
    """Division towards zero."""
    if b == 0:
        raise BadValue(_ZERO)
    q = abs(a) // abs(b)
    return _whole(q if (a < 0) == (b < 0) else -q)


def _remainder(a: int, b: int) -> int:
    return a - b * _quotient(a, b)


def _substring(s: str, start: int, end: int = 1 << 62) -> str:
    return s[max(start, 0) : max(end, 0)]


_DIGITS = re.compile("-?[0-9]+")


def _int(kind: str) -> Callable[[Any], int]:
    return _int_of_double if kind == "double" else _int_of_text


def _int_of_double(v: float) -> int:
    if math.isnan(v) or not -(2.0**63) <= v < 2.0**63:
        raise BadValue("out of range")
    return int(v)


def _int_of_text(s: str) -> int:
    if _DIGITS.fullmatch(s) is None:
        raise BadValue("not an int")
    if len(s.lstrip("-0")) > 19 or not -(1 << 63) <= (v := int(s)) < 1 << 63:
        raise BadValue("out of range")
    return v


def _civil(days: int) -> tuple[int, int, int]:
    """Year, month and day of the Gregorian calendar, for any number of days."""
    era, day = divmod(days + 719468, 146097)  # of 400 years that begin in March
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    return year + era * 400 + (month >= 10), (month + 2) % 12 + 1, day - (153 * month + 2) // 5 + 1


def _calendar(part: int) -> Callable[[str], Callable[[int], int]]:
    return lambda kind: lambda v: _civil(v if kind == "date" else v // _DAY)[part]


def _clock(unit: int, most: int) -> Callable[[str], Callable[[int], int]]:
    return lambda _: lambda v: v // (unit * 1_000_000) % most


def _add_days(day: int, n: int) -> int:
    if not -(1 << 31) <= day + n < 1 << 31:
        raise BadValue(_OVERFLOW)
    return day + n


def _string(kind: str) -> Callable[[Any], str]:
    return writer("long" if kind == "int" else kind)


def _any(f: Callable[..., Any]) -> Callable[..., Callable[..., Any]]:
    return lambda *_: f


# By operation: what makes a function of the types of its arguments.
FUNCTIONS: dict[str, Callable[..., Callable[..., Any]]] = {
    "not": _any(lambda a: not a),
    "eq": _any(lambda a, b: a == b), "ne": _any(lambda a, b: a != b), "lt": _any(lambda a, b: a < b),
    "le": _any(lambda a, b: a <= b), "gt": _any(lambda a, b: a > b), "ge": _any(lambda a, b: a >= b),
    "add": _arithmetic(lambda a, b: a + b), "sub": _arithmetic(lambda a, b: a - b),
    "mul": _arithmetic(lambda a, b: a * b), "neg": _arithmetic(lambda a: -a),
    "div": _div, "mod": _any(_remainder),
    "size": _any(len), "contains": _any(lambda s, t: t in s), "startsWith": _any(str.startswith),
    "endsWith": _any(str.endswith), "lower": _any(lower), "upper": _any(upper),
    "trim": _any(lambda s: s.strip(WHITE_SPACE)), "substring": _any(_substring),
    "int": _int, "double": _any(float), "string": _string,
    "year": _calendar(0), "month": _calendar(1), "day": _calendar(2),
    "hour": _clock(3600, 24), "minute": _clock(60, 60), "second": _clock(1, 60),
    "date": _any(lambda v: v // _DAY),
    "addSeconds": _any(lambda t, n: _whole(t + _whole(n * 1_000_000))),
    "secondsBetween": _any(lambda t, u: _quotient(_whole(t - u), 1_000_000)),
    "addDays": _any(_add_days), "daysBetween": _any(lambda d, e: d - e),
}  # fmt: skip
