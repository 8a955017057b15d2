"""Rows on their way through the transforms."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from . import types
from .errors import Terminal


class BadRow(Exception):
    """A value that a transform cannot handle, by its index. The rule does not quote it."""

    def __init__(self, row: int, rule: str, column: str = "") -> None:
        self.row, self.rule, self.column = row, rule, column
        super().__init__(rule)


@dataclasses.dataclass(frozen=True)
class Rows:
    """Columns of equal length with their names and declared types, which tell a uuid
    from a text. at are the indices that the rows had ahead of the chain."""

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    columns: tuple[pa.Array, ...]
    at: pa.Array

    def __len__(self) -> int:
        return len(self.at)

    def index(self, name: str) -> int:
        try:
            return self.names.index(name)
        except ValueError:
            raise Terminal(f"a transform names the column {name!r}, which is not there") from None

    def column(self, name: str) -> tuple[pa.Array, str]:
        i = self.index(name)
        return self.columns[i], self.kinds[i]

    def pick(self, chosen: Sequence[int], names: Sequence[str] | None = None) -> Rows:
        """The columns at places, with other names if there are any."""
        names = [self.names[i] for i in chosen] if names is None else names
        if len(set(names)) != len(names):
            raise Terminal("transforms give two columns one name")
        return Rows(tuple(names), tuple(self.kinds[i] for i in chosen), tuple(self.columns[i] for i in chosen), self.at)

    def put(self, name: str, column: pa.Array, kind: str) -> Rows:
        """The rows with other values in a column."""
        i = self.index(name)
        columns, kinds = list(self.columns), list(self.kinds)
        columns[i], kinds[i] = column, kind
        return Rows(self.names, tuple(kinds), tuple(columns), self.at)

    def add(self, name: str, column: pa.Array, kind: str) -> Rows:
        """The rows with one more column, behind the others."""
        if name in self.names:
            raise Terminal("transforms give two columns one name")
        return Rows((*self.names, name), (*self.kinds, kind), (*self.columns, column), self.at)

    def keep(self, mask: pa.Array) -> Rows:
        """The rows for which mask is true."""
        return Rows(self.names, self.kinds, tuple(c.filter(mask) for c in self.columns), self.at.filter(mask))

    def change(self, names: Sequence[str], how: Callable[[str, pa.Array, str], tuple[pa.Array, str]]) -> Rows:
        """The rows with columns changed in place, in the order in which they stand."""
        if not names:
            raise Terminal("a transform names no columns")
        chosen, out = {self.index(n) for n in names}, self
        for i in sorted(chosen):
            name = self.names[i]
            try:
                column, kind = how(name, self.columns[i], self.kinds[i])
            except BadRow as e:
                raise BadRow(e.row, e.rule, e.column or name) from None
            out = out.put(name, column, kind)
        return out


def plain(column: pa.Array, kind: str) -> list[Any]:
    """Plain values (see types), but uuids as their text."""
    if kind == "date":
        return column.view(pa.int32()).to_pylist()
    if kind in ("timestamp", "timestamptz"):
        return column.view(pa.int64()).to_pylist()
    if types.decimal_size(kind):
        return _digits(column)
    return column.to_pylist()


def _digits(column: pa.Array) -> list[int | None]:
    data, out = bytes(column.buffers()[1] or b""), []
    for i, valid in enumerate(column.is_valid().to_pylist()):
        start = 16 * (column.offset + i)
        out.append(int.from_bytes(data[start : start + 16], "little", signed=True) if valid else None)
    return out


def text_only(column: pa.Array, kind: str) -> pa.Array:
    """A column that has to be text."""
    if kind != "string":
        raise Terminal("a transform of texts was given another type")
    return column


def repeated(value: pa.Array, n: int) -> pa.Array:
    """n times the only value of an array."""
    return value.take(pa.array([0] * n, pa.int64()))
