"""The format of delimited text (format.CSV), by the same rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from .cells import UNSUPPLIED, Cells, bad
from .compress import BadInput, TextReader
from .csvsplit import BadRecord, Record, Splitter
from .errors import JobError, RowError, Terminal
from .files import Input
from .manifest import Declaration
from .parquetvalues import plain
from .quick import quick
from .scanning import BATCH_BYTES, BATCH_ROWS, Batch, Request, convert_all, convert_each, option
from .textconv import converter

_NO_QUOTE = b"\xff"
_TEXTUAL = ("string", "binary")
_NULL, _UNSUPPLIED = -1, -2  # places of columns that the file does not have


@dataclass(frozen=True)
class _Options:
    header: bool
    names: tuple[bytes, ...]
    delimiter: bytes
    quote: bytes
    null: bytes
    not_supplied: bytes | None
    max_field: int
    max_row: int
    max_bytes: int
    max_ratio: int

    @staticmethod
    def of(d: Declaration, full: bool) -> _Options:
        names = option(d, "full_columns" if full else "change_columns", [])
        not_supplied = d.options.get("not_supplied")
        o = _Options(
            header=option(d, "header", False),
            names=tuple(n.encode() for n in names),
            delimiter=option(d, "delimiter", ",").encode(),
            quote=option(d, "quote", '"').encode() or _NO_QUOTE,
            null=option(d, "null", "").encode(),
            not_supplied=None if not_supplied is None else str(not_supplied).encode(),
            max_field=option(d, "max_field_bytes", 16 << 20),
            max_row=min(option(d, "max_row_bytes", 64 << 20), 1 << 30),
            max_bytes=option(d, "max_decompressed_bytes", 64 << 30),
            max_ratio=option(d, "max_ratio", 1000),
        )
        if o.header == bool(o.names):
            raise Terminal("csv format: set a header or the columns' names, and not both")
        wanted = [n for n in o.names if not _ignored(n)]
        if len(o.delimiter) != 1 or len(o.quote) != 1 or o.delimiter == o.quote or len(set(wanted)) < len(wanted):
            raise Terminal("csv format: the declaration is wrong")
        return o


def _ignored(name: bytes) -> bool:
    return name in (b"", b"-")


# Says whether a record, by its number and its fields, is one of the table. It raises
# RowError where that cannot be told.
Mine = Callable[[int, list[bytes]], bool]


def scan(d: Declaration, source: Input, request: Request, mine: Mine | None = None) -> Iterator[Batch]:
    """Reads the records of a file, or those that are the table's. A mistake comes after
    the rows before it."""
    options = _Options.of(d, request.full)
    work = _Scan(options, request, mine)
    try:
        splitter = Splitter(
            TextReader(source, options.max_bytes, options.max_ratio),
            options.delimiter, options.quote, options.max_row, source.size,
        )  # fmt: skip
        records = iter(splitter)
        work.begin(splitter, records)
    except (BadInput, BadRecord) as e:
        raise work.failed(e) from None
    yield from work.run(records)


def raw(d: Declaration, source: Input, request: Request, wanted: set[int]) -> Iterator[tuple[int, bytes, bytes]]:
    """The bytes of some records: their numbers, the header that goes with them, and
    the records themselves without the end of the line."""
    options = _Options.of(d, request.full)
    work = _Scan(options, replace(request, first=(), columns=()), None)
    try:
        splitter = Splitter(
            TextReader(source, options.max_bytes, options.max_ratio),
            options.delimiter, options.quote, options.max_row, source.size,
        )  # fmt: skip
        records = iter(splitter)
        work.begin(splitter, records)
        for _ in records:
            work.row += 1
            if work.row in wanted:
                yield work.row, work.head, splitter.line
    except (BadInput, BadRecord) as e:
        raise work.failed(e) from None


class _Scan:
    def __init__(self, options: _Options, request: Request, mine: Mine | None) -> None:
        self.options, self.request, self.mine = options, request, mine
        self.convert = [converter(w.column) for w in request.first]
        self.quick = [None if w.column.type == "string" else quick(w.column) for w in request.first]
        for c in request.columns:
            converter(c)  # so that a wrong declaration is known at once
        self.row = 0
        self.width = 0
        self.head = b""  # what a file of a record by itself must begin with

    def begin(self, splitter: Splitter, records: Iterator[Record]) -> None:
        """Reads the header, if there is one, and finds the columns."""
        names = self.options.names
        if self.options.header:
            names = self.header(records)
        self.width = len(names)
        splitter.skip_blank = self.width > 1
        first: list[_Column] = []
        for w in self.request.first:
            at, rule = self.place(names, w.column.name.encode(), w.optional)
            if rule:
                raise self.request.bad(0, w.column.name, rule)
            first.append(_Column(at, w.column.type in _TEXTUAL, None))
        self.first = first
        self.all: list[_Column] = []
        for i, c in enumerate(self.request.columns):
            at, rule = self.place(names, c.name.encode(), False)
            # Only who wants to decode a row of the file minds.
            self.all.append(_Column(at, c.type in _TEXTUAL, bad(rule, (0, i), 0) if rule else None))
        self.plain_first = _plain([c.at for c in self.first])
        self.plain_all = _plain([_NULL if c.bad else c.at for c in self.all])

    def header(self, records: Iterator[Record]) -> tuple[bytes, ...]:
        try:
            record = next(records, None)
        except BadRecord as e:
            raise BadInput("header: " + e.rule) from None
        if record is None:
            raise BadInput("file is empty: header expected")
        self.head = self.head_of(record.fields)
        return tuple(record.fields)

    def head_of(self, names: list[bytes]) -> bytes:
        quote = self.options.quote
        if quote != _NO_QUOTE:
            names = [quote + n.replace(quote, quote + quote) + quote for n in names]
        return self.options.delimiter.join(names) + b"\n"

    def place(self, names: tuple[bytes, ...], name: bytes, optional: bool) -> tuple[int, str]:
        at = names.index(name) if not _ignored(name) and name in names else -1
        if at >= 0:
            return at, "column is in the header twice" if name in names[at + 1 :] else ""
        if optional or not self.options.header and self.request.full:
            return _NULL, ""
        if not self.options.header:
            return _UNSUPPLIED, ""
        return _NULL, "column is missing"

    def run(self, records: Iterator[Record]) -> Iterator[Batch]:
        error: JobError | None = None
        pending, taken = _Pending(), 0
        while True:
            try:
                record = next(records, None)
                if record is not None:
                    self.row += 1
                    self.take(pending, record)
                    taken += record.size
            except (BadInput, BadRecord) as e:
                record, error = None, self.failed(e)
            except JobError as e:
                record, error = None, e
            if record is None or pending.full() or taken >= BATCH_BYTES:
                batch, earlier = self.batch(pending)
                if batch.numbers or batch.bad:
                    yield batch
                if earlier or error:
                    raise earlier or error  # type: ignore[misc]
                if record is None:
                    return
                pending, taken = _Pending(), 0

    def take(self, to: _Pending, r: Record) -> None:
        try:
            self.add(to, r)
        except RowError as e:
            if not self.request.tolerant:
                raise
            to.bad.append(e)

    def add(self, to: _Pending, r: Record) -> None:
        if self.mine is not None and not self.mine(self.row, r.fields):
            return
        n = len(r.fields)
        if n != self.width:
            raise self.request.bad(self.row, "", f"has {n} fields, expected {self.width}")
        if r.size > self.options.max_field:
            sizes = r.sizes or [len(f) for f in r.fields]
            if max(sizes) > self.options.max_field:
                raise self.request.bad(self.row, "", f"field is longer than {self.options.max_field} bytes")
        plain = r.quoted is None and not self.options.null and self.options.not_supplied is None
        if plain and self.plain_all and self.plain_first:
            to.first.append([f or None for f in self.plain_first(r.fields)])
            to.cells.append([f or None for f in self.plain_all(r.fields)])
        else:
            to.first.append([self.key_cell(c, r) for c in self.first])
            to.cells.append([self.cell(c, r) for c in self.all])
        to.numbers.append(self.row)

    def key_cell(self, c: _Column, r: Record) -> Any:
        cell = self.cell(c, r)
        return None if cell is UNSUPPLIED else cell

    def cell(self, c: _Column, r: Record) -> Any:
        if c.at < 0:
            return c.bad or (UNSUPPLIED if c.at == _UNSUPPLIED else None)
        if c.bad:
            return c.bad
        text = r.fields[c.at]
        if r.quoted is not None and r.quoted[c.at]:
            return text if text or c.textual else None
        if not text:
            return None
        o = self.options
        if text == o.not_supplied:
            return None if self.request.full else UNSUPPLIED
        return None if text == o.null else text

    def batch(self, pending: _Pending) -> tuple[Batch, RowError | None]:
        """Converts the columns of the first pass, up to the first row that is bad."""
        columns = [list(c) for c in zip(*pending.first)] or [[] for _ in self.request.first]
        values, rows, error = [], len(pending.numbers), None
        wrong: dict[int, RowError] = {}
        for i, texts in enumerate(columns):
            fast = self.quick[i]
            made = fast(texts[:rows]) if fast is not None else None
            got, rule = (plain(made), "") if made is not None else convert_all(self.convert[i], texts[:rows])
            if rule and self.request.tolerant:
                got, rules = convert_each(self.convert[i], texts)
                for at, rule in rules.items():
                    wrong.setdefault(at, self.request.bad(pending.numbers[at], self.request.first[i].column.name, rule))
            elif rule:
                rows = len(got)
                error = self.request.bad(pending.numbers[rows], self.request.first[i].column.name, rule)
            values.append(got)
        return Batch(pending.numbers, values, pending.cells, pending.bad).cut(rows).without(wrong), error

    def failed(self, err: BadInput | BadRecord) -> RowError:
        if isinstance(err, BadInput):
            return self.request.bad(0, "", err.rule)
        return self.request.bad(self.row + 1, "", err.rule)


@dataclass(frozen=True)
class _Column:
    at: int  # field of the record, or one of the places above
    textual: bool  # a quoted empty field is a value
    bad: Any  # the cell of every row, if the column's place is wrong


class _Pending:
    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.first: list[list[Any]] = []
        self.cells: list[Cells] = []
        self.bad: list[RowError] = []

    def full(self) -> bool:
        return BATCH_ROWS in (len(self.numbers), len(self.bad))


def _plain(places: list[int]) -> Callable[[list[bytes]], tuple[bytes, ...]] | None:
    """Takes the fields at the places; None where the file has not all of them."""
    if any(p < 0 for p in places):
        return None
    if not places:
        return lambda fields: ()
    if len(places) == 1:
        return lambda fields: (fields[places[0]],)
    return itemgetter(*places)
