"""Checks of how many rows the files of a load have."""

from __future__ import annotations

from .gotext import number
from .manifest import Check

KINDS = ("rows", "rows_of", "volume")


def verdict(check: Check, read: int) -> tuple[bool, str, str]:
    """Whether the check holds for so many rows, the finding, and no column."""
    o = check.options
    if check.kind == "rows_of":
        return read == o["expected"], f"{read} rows, the source counts {o['expected']}", ""
    if check.kind == "rows":
        return within(read, o), f"{read} rows, {limits(o)} expected", ""
    past, low, high = o["past"], o["low"], o["high"]
    if len(past) < 3:
        return True, f"{read} rows, and only {len(past)} loads to compare with", ""
    median = (past[len(past) // 2] + past[(len(past) - 1) // 2]) / 2
    finding = f"{read} rows, {number(low)} to {number(high)} times the median of {number(median)} expected"
    return low * median <= read <= high * median, finding, ""


def within(n: int, options: dict) -> bool:
    """Whether a number lies between least and most; a negative most is no limit."""
    return n >= options["least"] and (options["most"] < 0 or n <= options["most"])


def limits(options: dict) -> str:
    """The limits in words."""
    text = f"at least {options['least']}"
    return text if options["most"] < 0 else f"{text} and at most {options['most']}"
