"""What a format is asked for, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .cells import Cells
from .errors import BadValue, RowError, Terminal
from .files import Input
from .manifest import FULL, Column, Declaration, Manifest

BATCH_ROWS = 4096
BATCH_BYTES = 16 << 20


@dataclass(frozen=True)
class Wanted:
    """A column of the first pass: of the key, the order, the operation or the old key."""

    column: Column
    optional: bool = False


@dataclass(frozen=True)
class Request:
    """What to read of a file. File is its index, location is for errors."""

    file: int
    location: str
    kind: str
    first: tuple[Wanted, ...]
    columns: tuple[Column, ...]
    # Whether records that are bad by themselves come beside the others (Batch.bad).
    tolerant: bool = False

    @property
    def full(self) -> bool:
        return self.kind == FULL

    def bad(self, row: int, column: str, rule: str, order: tuple[int, ...] = ()) -> RowError:
        return RowError(self.location, row, column, rule, (self.file, *(order or (row,))))


@dataclass
class Batch:
    """Rows of a file: their numbers, the first pass's columns as plain values, and
    the cells of all columns of the table."""

    numbers: Sequence[int] = field(default_factory=list)
    first: list[list[Any]] = field(default_factory=list)
    cells: list[Cells] = field(default_factory=list)
    bad: list[RowError] = field(default_factory=list)

    def cut(self, n: int) -> Batch:
        return Batch(self.numbers[:n], [c[:n] for c in self.first], self.cells[:n], self.bad)

    def slice(self, start: int, end: int) -> Batch:
        """Some of the rows, without the bad ones."""
        return Batch(self.numbers[start:end], [c[start:end] for c in self.first], self.cells[start:end])

    def without(self, wrong: dict[int, RowError]) -> Batch:
        """The batch with some of its rows among the bad ones."""
        if not wrong:
            return self
        stay = [i for i in range(len(self.numbers)) if i not in wrong]
        bad = sorted([*self.bad, *wrong.values()], key=lambda e: e.row)
        return Batch([self.numbers[i] for i in stay], [[c[i] for i in stay] for c in self.first], [self.cells[i] for i in stay], bad)


Scan = Callable[[Declaration, Input, Request], Iterator[Batch]]


def request(m: Manifest, file: int) -> Request:
    """The columns of the first pass in the engine's order."""
    t, kind = m.table, m.kind_of(file)
    full = kind == FULL
    first = [Wanted(t.column(name)) for name in t.key + t.order_by]
    if t.op_column:
        first.append(Wanted(Column(t.op_column, "string"), optional=full))
    if t.old_key and not full:
        for name, key in zip(t.old_key, t.key):
            c = t.column(key)
            first.append(Wanted(Column(name, c.type, format=c.format, zone=c.zone), optional=True))
    return Request(file, m.files[file].location, kind, tuple(first), t.columns, m.tolerant)


def convert_all(convert: Callable[[bytes], Any], texts: list[Any]) -> tuple[list[Any], str]:
    """Values up to the first text that is none, and the rule that it violates."""
    try:
        return [None if t is None else convert(t) for t in texts], ""
    except BadValue:
        pass
    values: list[Any] = []
    for t in texts:
        try:
            values.append(None if t is None else convert(t))
        except BadValue as e:
            return values, e.rule
    return values, ""


def convert_each(convert: Callable[[Any], Any], texts: Sequence[Any]) -> tuple[list[Any], dict[int, str]]:
    """Values, with nulls for texts that are none, and the rules that these violate."""
    values: list[Any] = []
    wrong: dict[int, str] = {}
    for i, t in enumerate(texts):
        try:
            values.append(None if t is None else convert(t))
        except BadValue as e:
            values.append(None)
            wrong[i] = e.rule
    return values, wrong


def option(d: Declaration, name: str, default: Any) -> Any:
    """An option of a format, which has to be of its default's type."""
    value = d.options.get(name)
    if value is None:
        return default
    if isinstance(default, int) and isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not type(default):
        raise Terminal(f"manifest: option {name} of the format {d.kind} is of the wrong type")
    return value
