"""Numbers and durations as Go prints them."""

from __future__ import annotations

import datetime
from decimal import Decimal

LONGEST = (1 << 63) - 1  # of Go's durations, in nanoseconds


def number(value: float) -> str:
    """A finite number as %g has it."""
    if not value:
        return "0"
    sign, digits, exponent = Decimal(repr(float(value))).normalize().as_tuple()
    text, before = "".join(map(str, digits)), len(digits) + int(exponent)
    if not -4 <= before - 1 < 6:
        mantissa = text[0] + ("." + text[1:] if len(text) > 1 else "")
        text = f"{mantissa}e{before - 1:+03d}"
    elif before <= 0:
        text = "0." + "0" * -before + text
    else:
        text = text.ljust(before, "0")
        text = text[:before] + ("." + text[before:] if len(text) > before else "")
    return "-" * sign + text


def difference(a: int, b: int) -> int:
    """a - b in nanoseconds, as far as a duration goes."""
    return min(max(a - b, -LONGEST - 1), LONGEST)


def seconds(nanos: int) -> str:
    """A duration, rounded to seconds, half of one away from zero."""
    size = abs(nanos)
    whole = (size + 500_000_000) // 1_000_000_000 * 1_000_000_000
    if whole > LONGEST:  # does not round
        whole = LONGEST if nanos > 0 else LONGEST + 1
    total, fraction = divmod(whole, 1_000_000_000)
    minutes, s = divmod(total, 60)
    hours, m = divmod(minutes, 60)
    text = f"{s}" + (f".{fraction:09d}".rstrip("0") if fraction else "") + "s"
    if minutes:
        text = f"{m}m{text}"
    if hours:
        text = f"{hours}h{text}"
    return ("-" if nanos < 0 and whole else "") + text


def moment(text: str) -> int:
    """A time of RFC 3339 in UTC, in nanoseconds since 1970."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    at = datetime.datetime.fromisoformat(whole + "+00:00")
    return int(at.timestamp()) * 1_000_000_000 + int((fraction or "0").ljust(9, "0")[:9])
