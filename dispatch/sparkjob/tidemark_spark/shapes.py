"""Files that differ from the declaration (etl.FileShape), read by their shapes: the
format is asked for what the file has, and its rows are given the columns of the table.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from .cells import UNSUPPLIED, bad
from .errors import BadValue, RowError
from .evolution import Shape
from .files import Input
from .manifest import Column, Declaration
from .scanning import Batch, Request, Scan
from .textconv import converter
from .transforms_canonical import writer
from .types import decimal_size, uuid_text

UNDECLARED = "column is not declared (new: quarantine)"
_MISSING = "column is missing"
_PLAIN = ("avro", "parquet")  # formats whose cells have types
_ABSENT = -1


def through(shape: Shape | None, scan: Scan) -> Scan:
    """The scan of a file as its shape says."""
    if shape is None:
        return scan

    def shaped(d: Declaration, source: Input, request: Request) -> Iterator[Batch]:
        view = _View(shape, request, d.kind not in _PLAIN)
        for batch in scan(d, source, view.inner):
            yield view.of(batch)

    return shaped


def asked(shape: Shape | None, request: Request) -> Request:
    """What a file is asked for, where a request is one of its table."""
    return request if shape is None else _View(shape, request, True).inner


class _View:
    """Makes the rows that were asked for of those that a file gives."""

    def __init__(self, shape: Shape, request: Request, text: bool) -> None:
        self.shape, self.request, self.text = shape, request, text
        first, self.first_from = [], []
        for w in request.first:
            column = self.of_file(w.column)
            self.first_from.append(_ABSENT if column is None else len(first))
            first += [] if column is None else [replace(w, column=column, optional=w.optional or w.column.name in shape.sparse)]
        columns: list[Column] = []
        self.cells_from: list[int] = []
        self.change: dict[int, Callable[[Any], Any]] = {}  # by column asked for
        for i, c in enumerate(request.columns):
            column = self.of_file(c)
            self.cells_from.append(_ABSENT if column is None else len(columns))
            columns += [] if column is None else [column]
            if column is not None and self.other(c.name):
                self.change[i] = self.changed(c, column, self.text)
        self.guard = len(columns)
        columns += shape.guards
        self.width = len(columns)
        self.back = {at: i for i, at in enumerate(self.cells_from) if at >= 0}
        self.sparse = [i for i, c in enumerate(request.columns) if c.name in shape.sparse and self.cells_from[i] >= 0]
        self.absent = None if request.full else UNSUPPLIED
        self.inner = replace(request, first=tuple(first), columns=tuple(columns))

    def of_file(self, c: Column) -> Column | None:
        name = self.shape.names.get(c.name, c.name)
        kind = self.shape.types.get(c.name) or self.shape.texts.get(c.name) or c.type
        return replace(c, name=name, type=kind) if name else None

    def of(self, batch: Batch) -> Batch:
        wrong = self.guarded(batch)
        made = {i: self.made(i, batch, wrong) for i, w in enumerate(self.request.first) if self.other(w.column.name)}
        if wrong and not self.request.tolerant:
            raise wrong[min(wrong)]
        first = [made.get(i, batch.first[at]) if at >= 0 else [None] * len(batch.numbers) for i, at in enumerate(self.first_from)]
        batch = replace(batch, first=first).without(wrong)
        cells = [self.row(number, row) for number, row in zip(batch.numbers, batch.cells)]
        return replace(batch, cells=cells)

    def other(self, column: str) -> bool:
        """Whether values of a column are of another type in the file."""
        return column in self.shape.types or column in self.shape.texts

    def made(self, i: int, batch: Batch, wrong: dict[int, RowError]) -> list[Any]:
        """The values of a column of the first pass that are of another type in the file."""
        want, out = self.request.first[i].column, []
        at = self.first_from[i]
        how = self.changed(want, self.inner.first[at].column, False) if at >= 0 else None
        for row, value in enumerate(batch.first[at] if how else ()):
            try:
                out.append(None if value is None else how(value))
            except BadValue as e:
                out.append(None)
                wrong.setdefault(row, self.request.bad(batch.numbers[row], want.name, e.rule))
        return out

    def guarded(self, batch: Batch) -> dict[int, RowError]:
        """The rows with values in columns that no row may have one in."""
        wrong: dict[int, RowError] = {}
        for i, (number, row) in enumerate(zip(batch.numbers, batch.cells)):
            for c, cell in zip(self.shape.guards, row[self.guard : self.width]):
                if cell is not None and cell is not UNSUPPLIED and not _lacks(cell):
                    wrong.setdefault(i, self.request.bad(number, c.name, UNDECLARED))
        return wrong

    def row(self, number: int, row: list[Any]) -> list[Any]:
        out = [self.absent if at < 0 else row[at] for at in self.cells_from]
        for i in self.sparse:
            if _lacks(out[i]):
                out[i] = self.absent
        for i, how in self.change.items():
            if out[i] is not None and out[i] is not UNSUPPLIED and not isinstance(out[i], tuple):
                extra = row[self.width] if len(row) > self.width and isinstance(row[self.width], int) else 0
                out[i] = self.cell(i, how, out[i], extra, number)
        for extra in row[self.width :]:
            out.append(tuple(self.back[at] for at in extra if at in self.back) if isinstance(extra, tuple) else extra)
        return out

    def cell(self, i: int, how: Callable[[Any], Any], cell: Any, batch: int, number: int) -> Any:
        try:
            return how(cell)
        except BadValue as e:
            if self.text:
                return bad(e.rule)
            return bad(e.rule, (batch, len(self.request.columns), -1, number, i))

    def changed(self, want: Column, have: Column, text: bool) -> Callable[[Any], Any]:
        """What makes a cell, of text or a plain value, of the table's type of one of the
        file's."""
        read: Callable[[Any], Any] = converter(have) if text else lambda v: v
        if want.name in self.shape.types:
            narrow = narrower(have.type, want.type)
            return lambda cell: narrow(read(cell))
        write = text_of(have.type)
        if text:
            return lambda cell: write(read(cell)).encode()
        return lambda cell: write(read(cell))


def _lacks(cell: Any) -> bool:
    """Whether a cell says that the record does not have the column."""
    return isinstance(cell, tuple) and cell[0] == _MISSING and cell[2] is None


def narrower(have: str, want: str) -> Callable[[Any], Any]:
    """What makes a number of a narrower type of a plain value, if it is one."""

    def fits(v: Any) -> Any:
        made = _narrow(have, want, v)
        if made is None:
            raise BadValue("does not fit " + want)
        return made

    return fits


def _narrow(have: str, want: str, v: Any) -> Any:
    wide, narrow = decimal_size(have), decimal_size(want)
    if wide and narrow:
        factor = 10 ** abs(narrow[1] - wide[1])
        if narrow[1] < wide[1] and v % factor:
            return None
        made = v * factor if narrow[1] >= wide[1] else v // factor
        return made if abs(made) < 10 ** narrow[0] else None
    if (have, want) == ("long", "int"):
        return v if -(1 << 31) <= v < 1 << 31 else None
    if (have, want) == ("double", "float"):
        try:
            return v if struct.unpack("f", struct.pack("f", v))[0] == v else None
        except OverflowError:
            return None
    return None


def text_of(kind: str) -> Callable[[Any], str]:
    """What writes the canonical text of plain values."""
    return uuid_text if kind == "uuid" else writer(kind)
