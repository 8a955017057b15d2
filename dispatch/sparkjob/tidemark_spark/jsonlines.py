"""The format of one JSON object to a line (format.JSONLines), by the same rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from .cells import AFTER, UNSUPPLIED, Cells, bad
from .compress import BadInput, TextReader
from .errors import BadValue, RowError, Terminal
from .files import Input
from .jsonparse import BadJSON, Kind, members
from .manifest import Declaration
from .scanning import BATCH_BYTES, BATCH_ROWS, Batch, Request, option
from .textconv import converter

_BUFFER = 256 << 10
_LEAST_ROOM = 64 << 10
SPACES = " \t\n\v\f\r\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


def scan(
    d: Declaration, source: Input, request: Request, make: Callable[[str, Request], Scanner] | None = None
) -> Iterator[Batch]:
    """Reads the records of a file. A mistake loses the rows of its batch, as in the
    engine, so that what is wrong with keys before it in the batch is not told. Formats
    of which each record is a line make a scanner of their own."""
    missing = option(d, "missing", "bad")
    if missing not in ("bad", "null", "unsupplied"):
        raise Terminal(f"{d.kind} format: the declaration is wrong")
    work = (make or Scanner)(missing, request)
    max_bytes, max_ratio = option(d, "max_decompressed_bytes", 64 << 30), option(d, "max_ratio", 1000)
    try:
        text = TextReader(source, max_bytes, max_ratio)
        yield from work.run(_lines(text, option(d, "max_row_bytes", 64 << 20)))
    except BadInput as e:
        raise request.bad(work.row + 1, "", e.rule) from None


def raw(
    d: Declaration, source: Input, request: Request, wanted: set[int], make: Callable[[str, Request], Scanner] | None = None
) -> Iterator[tuple[int, bytes, bytes]]:
    """The bytes of some records, by their numbers, without the end of the line."""
    work = (make or Scanner)(option(d, "missing", "bad"), replace(request, first=(), columns=()))
    max_bytes, max_ratio = option(d, "max_decompressed_bytes", 64 << 30), option(d, "max_ratio", 1000)
    try:
        text = TextReader(source, max_bytes, max_ratio)
        for line in work.records(_lines(text, option(d, "max_row_bytes", 64 << 20))):
            if work.row in wanted:
                yield work.row, b"", line.removesuffix(b"\r")
    except BadInput as e:
        raise request.bad(work.row + 1, "", e.rule) from None


class Scanner:
    """Makes rows of lines."""

    def __init__(self, missing: str, request: Request) -> None:
        self.missing, self.request = missing, request
        self.row = 0
        self.convert = [converter(w.column) for w in request.first]
        self.first: dict[bytes, list[int]] = {}
        for i, w in enumerate(request.first):
            self.first.setdefault(w.column.name.encode(), []).append(i)
        self.columns = {c.name.encode(): i for i, c in enumerate(request.columns)}
        for c in request.columns:
            converter(c)  # so that a wrong declaration is known at once

    def run(self, lines: Iterator[bytes]) -> Iterator[Batch]:
        numbers: list[int] = []
        first: list[list[Any]] = []
        cells: list[Cells] = []
        wrong: list[RowError] = []
        taken = 0
        for line in self.records(lines):
            taken += len(line)
            try:
                key, row = self.record(line)
            except RowError as e:
                if not self.request.tolerant:
                    raise
                wrong.append(e)
            else:
                numbers.append(self.row)
                first.append(key)
                cells.append(row)
            if BATCH_ROWS in (len(numbers), len(wrong)) or taken >= BATCH_BYTES:
                yield Batch(numbers, self.columns_of(first), cells, wrong)
                numbers, first, cells, wrong, taken = [], [], [], [], 0
        if numbers or wrong:
            yield Batch(numbers, self.columns_of(first), cells, wrong)

    def records(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        """The lines that are records. row is the number of the one that was given last."""
        for i, line in enumerate(lines):
            if i == 0 and line.startswith(b"\xef\xbb\xbf"):
                line = line[3:]
            if not self.blank(line):
                self.row += 1
                yield line

    def columns_of(self, first: list[list[Any]]) -> list[list[Any]]:
        return [list(c) for c in zip(*first)] if first else [[] for _ in self.request.first]

    def blank(self, line: bytes) -> bool:
        """Whether a line is no record."""
        return not line.strip() or _blank(line)

    def record(self, line: bytes) -> tuple[list[Any], Cells]:
        key: list[Any] = [UNSUPPLIED] * len(self.request.first)
        cells: Cells = [UNSUPPLIED] * len(self.request.columns)
        order: list[int] = []
        try:
            for name, kind, text in members(line):
                for i in self.first.get(name, ()):
                    if key[i] is not UNSUPPLIED:
                        self.bad(i, "column is there twice")
                    key[i] = self.value(i, kind, text)
                if (at := self.columns.get(name)) is not None:
                    order.append(at)
                    if cells[at] is UNSUPPLIED:
                        cells[at] = cell(self.request.columns[at].type, kind, text)
        except BadJSON:
            raise self.request.bad(self.row, "", "not a JSON object") from None
        for i, w in enumerate(self.request.first):
            if key[i] is UNSUPPLIED:
                if self.missing == "bad" and not w.optional:
                    self.bad(i, "column is missing")
                key[i] = None
        self.fill(cells)
        if any(a >= b for a, b in zip(order, order[1:])):
            cells.append(tuple(order))
        return key, cells

    def bad(self, i: int, rule: str) -> None:
        raise self.request.bad(self.row, self.request.first[i].column.name, rule)

    def value(self, i: int, kind: Kind, text: bytes) -> Any:
        made = cell(self.request.first[i].column.type, kind, text)
        if isinstance(made, tuple):
            self.bad(i, made[0])
        try:
            return None if made is None else self.convert[i](made)
        except BadValue as e:
            self.bad(i, e.rule)

    def fill(self, cells: Cells) -> None:
        """Says what it means that the record lacks columns."""
        if self.missing == "unsupplied" and not self.request.full:
            return
        for i, c in enumerate(cells):
            if c is UNSUPPLIED:
                lacks = bad("column is missing", (AFTER + i,))
                cells[i] = lacks if self.missing == "bad" else None


def cell(kind_of_column: str, kind: Kind, text: bytes) -> Any:
    """The cell of a member."""
    if kind is Kind.NULL:
        return None
    textual = kind_of_column == "string"
    if kind is Kind.STRING or kind is (Kind.NESTED if textual else Kind.LITERAL):
        return text
    return bad(f"not a {kind_of_column}")


def _blank(line: bytes) -> bool:
    """Whether a line is only space, as package unicode of Go knows it."""
    if line[:1] > b" " and line[:1] < b"\x80":
        return False
    try:
        return not line.decode().strip(SPACES)
    except UnicodeDecodeError:
        return False


def _lines(text: TextReader, limit: int) -> Iterator[bytes]:
    """The lines without their ends. The buffer grows as that of the engine does,
    which matters to lines beyond the limit."""
    left, capacity, start = b"", 0, 0
    while True:
        lines = left.split(b"\n")
        for line in lines[:-1]:
            start += len(line) + 1
            yield line
        left = lines[-1]
        if len(left) > limit:
            raise BadInput(f"record is longer than {limit} bytes")
        if capacity - len(left) < _LEAST_ROOM:
            capacity = max(_BUFFER, 2 * capacity)
        more = text.read(capacity - len(left))
        if not more:
            if left:
                yield left
            return
        left += more
