"""Layouts of Go's package time, by which columns say how their times are written.

The rules are those of time.Parse (https://pkg.go.dev/time#Layout and #Parse): a
layout is the text of Mon Jan 2 15:04:05 MST 2006 in the wanted form.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_MONTHS = [b"january", b"february", b"march", b"april", b"may", b"june", b"july",
           b"august", b"september", b"october", b"november", b"december"]  # fmt: skip
_DAYS = [b"sunday", b"monday", b"tuesday", b"wednesday", b"thursday", b"friday", b"saturday"]
_BEFORE = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365]

# The parts of a layout; of those that begin alike the first one that fits is meant.
_PART = re.compile(
    rb"(?P<January>January)|(?P<Jan>Jan)(?![a-z])|(?P<Monday>Monday)|(?P<Mon>Mon)(?![a-z])|(?P<MST>MST)"
    rb"|0(?P<zero>[1-6])|(?P<yday0>002)|(?P<hour>15)|(?P<month>1)|(?P<year>2006)|(?P<day>2)"
    rb"|(?P<day_>_2)(?!006)|(?P<yday_>__2)|(?P<hour12>3)|(?P<minute>4)|(?P<second>5)|(?P<PM>PM)|(?P<pm>pm)"
    rb"|(?P<offset>[-Z](?:070000|07:00:00|0700|07:00|07))|(?P<frac0>[.,]0+)(?![0-9])|(?P<frac9>[.,]9+)(?![0-9])"
)
_ZERO = {b"1": "month0", b"2": "day0", b"3": "hour12_0", b"4": "minute0", b"5": "second0", b"6": "year2"}


class Clock(NamedTuple):
    """A date and time as written. offset is in seconds east of UTC, None if none was."""

    days: int  # since 1970-01-01
    second: int  # of the day
    nanos: int
    offset: int | None


class _Mismatch(Exception):
    pass


class Layout:
    """A layout, cut into its parts."""

    def __init__(self, text: str) -> None:
        layout, at = text.encode(), 0
        self.parts: list[tuple[bytes, str, bytes]] = []  # literal before it, name, text
        while m := _PART.search(layout, at):
            name = m.lastgroup or ""
            if name == "zero":
                name = _ZERO[m[0][1:]]
            self.parts.append((layout[at : m.start()], name, m[0]))
            at = m.end()
        self.parts.append((layout[at:], "", b""))

    def parse(self, text: bytes) -> Clock | None:
        """What the text says, None where it has not the layout's form."""
        try:
            return _Parser(self.parts, text).run()
        except _Mismatch:
            return None


def _skip(value: bytes, literal: bytes) -> bytes:
    """Passes over a literal, in which any number of spaces is as good as another."""
    while literal:
        if literal[:1] == b" ":
            if value and value[:1] != b" ":
                raise _Mismatch
            literal, value = literal.lstrip(b" "), value.lstrip(b" ")
            continue
        if value[:1] != literal[:1]:
            raise _Mismatch
        literal, value = literal[1:], value[1:]
    return value


_NUMBER2 = re.compile(rb"[0-9]{1,2}")
_NUMBER3 = re.compile(rb"[0-9]{1,3}")
_SIGNED = re.compile(rb"[+-]?[0-9]*")
_FRACTION = re.compile(rb"[.,][0-9]+")


class _Parser:
    def __init__(self, parts: list[tuple[bytes, str, bytes]], value: bytes) -> None:
        self.parts, self.value = parts, value
        self.year = self.hour = self.minute = self.second = self.nanos = 0
        self.month = self.day = self.yday = self.offset = -1
        self.utc, self.half = False, ""

    def run(self) -> Clock:
        for i, (literal, name, text) in enumerate(self.parts):
            self.value = _skip(self.value, literal)
            if not name:
                break
            if name in ("second", "second0"):
                self.seconds(name == "second0", self.parts[i + 1][1])
            elif name == "offset":
                self.zone(text)
            elif name == "frac0":
                self.fraction(self.take(len(text)))
            elif name == "frac9":
                if m := _FRACTION.match(self.value):
                    self.fraction(self.take(m.end()))
            else:
                self.part(name)
        if self.value:
            raise _Mismatch
        return self.finish()

    def take(self, n: int) -> bytes:
        if len(self.value) < n:
            raise _Mismatch
        taken, self.value = self.value[:n], self.value[n:]
        return taken

    def number(self, fixed: bool, most: int, pattern: re.Pattern[bytes] = _NUMBER2, width: int = 2) -> int:
        m = pattern.match(self.value)
        if m is None or fixed and m.end() != width:
            raise _Mismatch
        value = int(self.take(m.end()))
        if value > most:
            raise _Mismatch
        return value

    def name(self, names: list[bytes], length: int | None) -> int:
        for i, name in enumerate(names):
            short = name[:length]
            if self.value[: len(short)].lower() == short:
                self.take(len(short))
                return i
        raise _Mismatch

    def part(self, name: str) -> None:
        fixed = name.endswith("0")
        if name == "year":
            text = self.take(4)
            if not text.isdigit():
                raise _Mismatch
            self.year = int(text)
        elif name == "year2":
            year = _signed(self.take(2))
            self.year = year + (1900 if year >= 69 else 2000)
        elif name in ("January", "Jan"):
            self.month = 1 + self.name(_MONTHS, None if name == "January" else 3)
        elif name in ("Monday", "Mon"):
            self.name(_DAYS, None if name == "Monday" else 3)
        elif name in ("month", "month0"):
            self.month = self.number(fixed, 12)
            if self.month == 0:
                raise _Mismatch
        elif name in ("day", "day_", "day0"):
            if name == "day_" and self.value[:1] == b" ":
                self.take(1)
            self.day = self.number(fixed, 99)
        elif name in ("yday_", "yday0"):
            for _ in range(2 if name == "yday_" else 0):
                if self.value[:1] == b" ":
                    self.take(1)
            self.yday = self.number(fixed, 999, _NUMBER3, 3)
        elif name == "hour":
            self.hour = self.number(False, 23)
        elif name in ("hour12", "hour12_0"):
            self.hour = self.number(fixed, 12)
        elif name in ("minute", "minute0"):
            self.minute = self.number(fixed, 59)
        elif name in ("PM", "pm"):
            half = self.take(2).decode("latin-1")
            if half not in (("AM", "PM") if name == "PM" else ("am", "pm")):
                raise _Mismatch
            # Of several the afternoon has precedence.
            self.half = "PM" if self.half == "PM" else half.upper()
        else:  # MST, which no column may have
            raise _Mismatch

    def seconds(self, fixed: bool, following: str) -> None:
        self.second = self.number(fixed, 59)
        # A fraction may follow though the layout has none.
        if following not in ("frac0", "frac9") and (m := _FRACTION.match(self.value)):
            self.fraction(self.take(m.end()))

    def fraction(self, text: bytes) -> None:
        if text[:1] not in (b".", b","):
            raise _Mismatch
        digits = text[1:10]
        value = _signed(digits)
        if value < 0:
            raise _Mismatch
        self.nanos = value * 10 ** (9 - len(digits))

    def zone(self, layout: bytes) -> None:
        if layout[:1] == b"Z" and self.value[:1] == b"Z":
            self.take(1)
            self.utc = True
            return
        text = self.take(len(layout))
        for i in (3, 6):
            if layout[i : i + 1] == b":" and text[i : i + 1] != b":":
                raise _Mismatch
        digits = text[1:].replace(b":", b"") if b":" in layout else text[1:]
        if not digits.isdigit() or len(digits) != len(layout.replace(b":", b"")) - 1:
            raise _Mismatch
        hour, minute, second = int(digits[:2]), int(digits[2:4] or 0), int(digits[4:6] or 0)
        if hour > 24 or minute > 60 or second > 60 or text[:1] not in (b"+", b"-"):
            raise _Mismatch
        seconds = (hour * 60 + minute) * 60 + second
        self.offset = -seconds if text[:1] == b"-" else seconds

    def finish(self) -> Clock:
        if self.half == "PM" and self.hour < 12:
            self.hour += 12
        elif self.half == "AM" and self.hour == 12:
            self.hour = 0
        if self.yday >= 0:
            self.of_year()
        month, day = max(self.month, 1), 1 if self.day < 0 else self.day
        if not 1 <= day <= days_in(self.year, month):
            raise _Mismatch
        # -1 is how package time says that there is none.
        offset = 0 if self.utc else None if self.offset == -1 else self.offset
        second = self.hour * 3600 + self.minute * 60 + self.second
        return Clock(civil_days(self.year, month, day), second, self.nanos, offset)

    def of_year(self) -> None:
        """Turns the day of the year into month and day, which have to agree if given."""
        yday, month, day = self.yday, 0, 0
        if is_leap(self.year):
            if yday == 60:
                month, day = 2, 29
            elif yday > 60:
                yday -= 1
        if not 1 <= yday <= 365:
            raise _Mismatch
        if month == 0:
            month = (yday - 1) // 31 + 1
            if _BEFORE[month] < yday:
                month += 1
            day = yday - _BEFORE[month - 1]
        if self.month not in (-1, month) or self.day not in (-1, day):
            raise _Mismatch
        self.month, self.day = month, day


def _signed(text: bytes) -> int:
    if _SIGNED.fullmatch(text) is None:
        raise _Mismatch
    return int(text) if text.strip(b"+-") else 0


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in(year: int, month: int) -> int:
    return 29 if month == 2 and is_leap(year) else _BEFORE[month] - _BEFORE[month - 1]


def civil_days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar."""
    if month <= 2:
        year, month = year - 1, month + 12
    era = year // 400
    year_of_era = year - era * 400
    day_of_year = (153 * (month - 3) + 2) // 5 + day - 1
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468
