"""Transforms that put in values of the declaration: default and constant."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from .errors import Terminal
from .manifest import Column
from .transforms_cast import read
from .transforms_rows import BadRow, Rows, repeated


def default(options: dict[str, Any], rows: Rows) -> Rows:
    """Puts values in the place of nulls."""
    values = options.get("values") or {}

    def column(name: str, there: pa.Array, kind: str) -> tuple[pa.Array, str]:
        return (there.fill_null(value_of(values[name], kind)[0]) if there.null_count else there), kind

    return rows.change(list(values), column)


def constant(options: dict[str, Any], rows: Rows) -> Rows:
    """Adds a column with one value."""
    kind = options.get("type", "")
    return rows.add(options.get("column", ""), repeated(value_of(options.get("value", ""), kind), len(rows)), kind)


def value_of(text: str, kind: str) -> pa.Array:
    """A value of a declaration, as an array of one."""
    try:
        return read(pa.array([text], pa.string()), Column("", kind))
    except BadRow as e:
        raise Terminal(f"value of a transform's declaration: {e.rule}") from None
