"""Text to days and microseconds, by the rules of the engine in Go."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from .errors import BadValue
from .golayout import Layout, civil_days, days_in
from .manifest import Column

Converter = Callable[[bytes], int]


def converter(col: Column) -> Converter:
    """Returns what converts text to a date, timestamp or timestamptz. It raises ValueError
    where the column is declared wrongly."""
    layouts = _layouts(col)
    if col.type == "date":
        return _date if not layouts else _layout_days(layouts)
    zoned = col.type == "timestamptz"
    zone = _zone(col.zone) if zoned else None
    if not layouts:
        return lambda text: _timestamp(text, zoned, zone)

    def convert(text: bytes) -> int:
        for layout in layouts:
            if c := layout.parse(text):
                seconds = c.days * 86400 + c.second
                seconds = _utc(seconds, zone) if c.offset is None else seconds - c.offset
                return seconds * 1_000_000 + c.nanos // 1000
        raise BadValue(f"not a {col.type}")

    return convert


def _layouts(col: Column) -> list[Layout]:
    texts = col.format.split("|") if col.format else []
    for text in texts:
        if not text:
            raise ValueError("format has an empty layout")
        if "MST" in text:
            raise ValueError("format has a zone abbreviation, which does not tell the offset")
        if col.type == "timestamp" and ("Z07" in text or "-07" in text):
            raise ValueError("format has an offset, but timestamp has no zone: declare timestamptz")
    return [Layout(text) for text in texts]


def _layout_days(layouts: list[Layout]) -> Converter:
    def convert(text: bytes) -> int:
        for layout in layouts:
            if c := layout.parse(text):
                return c.days
        raise BadValue("not a date")

    return convert


_DATE = re.compile(rb"([0-9]{4})([-/])([0-9]{2})\2([0-9]{2})")


def _days(year: int, month: int, day: int) -> int | None:
    if year < 1 or not 1 <= month <= 12 or not 1 <= day <= days_in(year, month):
        return None
    return civil_days(year, month, day)


def _date(text: bytes) -> int:
    m = _DATE.fullmatch(text)
    days = m and _days(int(m[1]), int(m[3]), int(m[4]))
    if m is None or days is None:
        raise BadValue("not a date")
    return days


_CLOCK = re.compile(
    rb"([0-9]{4})([-/])([0-9]{2})\2([0-9]{2})[ Tt]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,9}))?(?![.0-9])"
)
_OFFSET = re.compile(rb"[Zz]|([+-])([01][0-9]|2[0-3])(?::?([0-5][0-9]))?")


def _timestamp(text: bytes, zoned: bool, zone: ZoneInfo | None) -> int:
    m = _CLOCK.match(text)
    days = m and _days(int(m[1]), int(m[3]), int(m[4]))
    if m is None or days is None:
        raise BadValue("not a timestamptz" if zoned else "not a timestamp")
    seconds = days * 86400 + int(m[5]) * 3600 + int(m[6]) * 60 + int(m[7])
    micros = int((m[8] or b"0")[:6].ljust(6, b"0"))
    if m.end() == len(text):
        return _utc(seconds, zone) * 1_000_000 + micros
    o = _OFFSET.fullmatch(text, m.end())
    if o is None:
        raise BadValue("not a timestamptz" if zoned else "not a timestamp")
    if not zoned:
        raise BadValue("timestamp has an offset")
    east = int(o[2] or 0) * 3600 + int(o[3] or 0) * 60
    return (seconds + east if o[1] == b"-" else seconds - east) * 1_000_000 + micros


def _zone(name: str) -> ZoneInfo | None:
    if name in ("", "UTC"):
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise ValueError("time zone: the job's machine does not know it") from None


_EPOCH = datetime(1970, 1, 1)
_FIRST, _LAST = -62135424000, 253402128000  # two days within what datetime can say


def _offset(seconds: int, zone: ZoneInfo) -> int:
    at = _EPOCH + timedelta(seconds=min(max(seconds, _FIRST), _LAST))
    east = zone.fromutc(at.replace(tzinfo=zone)).utcoffset()
    return 0 if east is None else east.days * 86400 + east.seconds


def _utc(seconds: int, zone: ZoneInfo | None) -> int:
    """The Unix time of what the zone's clocks show. Times that they show twice or
    skip are taken as Go's time.Date takes them."""
    if zone is None:
        return seconds
    east = _offset(seconds, zone)
    return seconds - _offset(seconds - east, zone) if east else seconds
