"""The format of Debezium's change events as JSON (format.Debezium), by the same rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from . import jsonlines
from .cells import AFTER, UNSUPPLIED, Cells, bad
from .debeziumtypes import UNITS, Semantic, Types, decimal_cell, moment_cell
from .errors import BadValue, Terminal
from .files import Input
from .jsonparse import BadJSON, Kind, members
from .manifest import Column, Declaration
from .scanning import Batch, Request, option
from .types import decimal_size

_PLACEHOLDERS = (b"__debezium_unavailable_value", b"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==")
_LOGGED = "value is unavailable: the database did not log it"
_NO_UNIT = "number stands for a moment, and neither a schema nor the format's declaration says in which unit"
_LONGEST_TOMBSTONE = 64 << 10
_MOMENTS = ("timestamp", "timestamptz")


def scan(d: Declaration, source: Input, request: Request) -> Iterator[Batch]:
    """Reads the events of a file, as jsonlines reads records."""
    units = option(d, "units", {})
    if not {option(d, "unit", ""), *units.values()} <= {"", *UNITS}:
        raise Terminal("debezium format: the declaration is wrong")
    yield from jsonlines.scan(d, source, request, lambda missing, request: _Scan(d, missing, request))


def raw(d: Declaration, source: Input, request: Request, wanted: set[int]) -> Iterator[tuple[int, bytes, bytes]]:
    """The bytes of some events, by their numbers, as jsonlines gives them."""
    return jsonlines.raw(d, source, request, wanted, lambda missing, request: _Scan(d, missing, request))


@dataclass
class _Event:
    """An envelope. Its blocks are the text of objects, None where there are none."""

    op: bytes = b""
    seen: bytes | None = None
    schema: bytes | None = None
    payload: bytes | None = None
    before: bytes | None = None
    after: bytes | None = None
    source: bytes | None = None
    is_null: bool = False  # a tombstone that carries a schema

    def take(self, name: bytes, kind: Kind, text: bytes) -> None:
        nested = text if kind is Kind.NESTED else None
        if name == b"payload":
            self.payload, self.is_null = nested, kind is Kind.NULL
        elif name in (b"schema", b"before", b"after", b"source"):
            setattr(self, name.decode(), nested)
        elif name == b"op" and kind is Kind.STRING:
            self.op = text
        elif name == b"ts_ms" and kind is Kind.LITERAL:
            self.seen = text


def _open(line: bytes) -> _Event:
    """Reads an envelope. It raises BadJSON."""
    event = _Event()
    for member in members(line):
        event.take(*member)
    if event.payload is None:
        return event
    schema = event.schema
    for member in members(event.payload):
        event.take(*member)
    event.schema = schema
    return event


# Makes a cell of a member: the column, the member's name, its kind and text.
_Convert = Callable[[Column, bytes, Kind, bytes], Any]


class _Wanted:
    """The columns that one name in a part of the event stands for: those of the first
    pass, and that of the table."""

    def __init__(self) -> None:
        self.first: list[int] = []
        self.at = -1


class _Row:
    """A row in the making. Order tells in which order its columns were met."""

    def __init__(self, first: int, columns: int) -> None:
        self.key: list[Any] = [UNSUPPLIED] * first
        self.cells: Cells = [UNSUPPLIED] * columns
        self.order: list[int] = []
        self.broken = False


class _Scan(jsonlines.Scanner):
    def __init__(self, d: Declaration, missing: str, request: Request) -> None:
        super().__init__(missing, request)
        self.unavailable = option(d, "unavailable", False)
        self.unit: str = option(d, "unit", "")
        self.units = {name.encode(): unit for name, unit in option(d, "units", {}).items()}
        self.decimal_text = option(d, "decimal_text", False)
        self.types = Types()
        self.parts: dict[str, dict[bytes, _Wanted]] = {"own": {}, "row": {}, "before": {}, "source": {}}
        for i, w in enumerate(request.first):
            self.wanted(w.column.name).first.append(i)
        for i, c in enumerate(request.columns):
            self.wanted(c.name).at = i
        self.first_parts = {part for part, names in self.parts.items() if any(w.first for w in names.values())}

    def wanted(self, name: str) -> _Wanted:
        part, key = "row", name
        if name.startswith("__before_"):
            part, key = "before", name[len("__before_") :]
        elif name.startswith("__source_"):
            part, key = "source", name[len("__source_") :]
        elif name in ("__op", "__ts_ms"):
            part = "own"
        return self.parts[part].setdefault(key.encode(), _Wanted())

    def blank(self, line: bytes) -> bool:
        """Whether a line is a tombstone or empty."""
        line = _trimmed(line)
        if line in (b"", b"null"):
            return True
        if len(line) > _LONGEST_TOMBSTONE or b'"payload"' not in line or not line.rstrip(b" }").endswith(b"null"):
            return False
        try:
            return _open(line).is_null
        except BadJSON:
            return False

    def record(self, line: bytes) -> tuple[list[Any], Cells]:
        try:
            event = _open(line)
        except BadJSON:
            raise self.broken_row("not a JSON object") from None
        op = event.op
        image = self.image(event)
        if not self.types.learn(event.schema):
            raise self.broken_row("schema of the event is not one of Kafka Connect")
        row = _Row(len(self.request.first), len(self.request.columns))
        self.own(row, b"__op", op)
        self.own(row, b"__ts_ms", event.seen)
        self.block(row, image, "row", self.convert_cell)
        self.block(row, event.source, "source", self.plain_cell)
        if op == b"u":
            self.block(row, event.before, "before", self.convert_cell)
        return self.finish(row)

    def image(self, event: _Event) -> bytes:
        """The row after the change, or before it where it was deleted."""
        if event.op in (b"c", b"r", b"u"):
            if event.after is None:
                raise self.broken_row("change event has no row after the change")
            return event.after
        if event.op == b"d":
            if event.before is None:
                raise self.broken_row("delete event has no row before the change")
            return event.before
        if event.op == b"t":
            raise self.broken_row("truncate events are not supported")
        raise self.broken_row("unknown operation" if event.op else "not a change event: it has no operation")

    def broken_row(self, rule: str) -> Exception:
        return self.request.bad(self.row, "", rule)

    def own(self, row: _Row, name: bytes, text: bytes | None) -> None:
        """Takes a value of the envelope itself."""
        wanted = self.parts["own"].get(name)
        if wanted is not None and text is not None:
            self.put(row, wanted, lambda c: text)

    def block(self, row: _Row, text: bytes | None, part: str, convert: _Convert) -> None:
        """Takes the wanted members of a part of the event."""
        wanted = self.parts[part]
        if text is None or not wanted:
            return
        try:
            for name, kind, value in members(text):
                if (w := wanted.get(name)) is not None:
                    self.put(row, w, lambda c, name=name, kind=kind, value=value: convert(c, name, kind, value))
        except BadJSON:
            if part in self.first_parts:
                raise self.broken_row("not a JSON object") from None
            # Only who wants to decode the row minds.
            row.broken = True
            mistake = bad("not a JSON object", (len(row.order),), column="")
            for w in wanted.values():
                if w.at >= 0:
                    row.cells[w.at] = mistake

    def put(self, row: _Row, wanted: _Wanted, make: Callable[[Column], Any]) -> None:
        for i in wanted.first:
            if row.key[i] is not UNSUPPLIED:
                self.bad(i, "column is there twice")
            row.key[i] = self.first_value(i, make(self.request.first[i].column))
        if wanted.at >= 0:
            if wanted.at not in row.order:
                row.cells[wanted.at] = make(self.request.columns[wanted.at])
            row.order.append(wanted.at)

    def first_value(self, i: int, cell: Any) -> Any:
        if isinstance(cell, tuple):
            self.bad(i, cell[0])
        try:
            return None if cell is None or cell is UNSUPPLIED else self.convert[i](cell)
        except BadValue as e:
            self.bad(i, e.rule)

    def convert_cell(self, c: Column, name: bytes, kind: Kind, text: bytes) -> Any:
        """The cell of a value of the row."""
        if kind is Kind.STRING and text in _PLACEHOLDERS:
            return UNSUPPLIED if self.unavailable and not self.request.full else bad(_LOGGED)
        if (size := decimal_size(c.type)) is not None:
            return self.decimal(c, size[1], self.types.columns.get(name, Semantic()), kind, text)
        if kind is Kind.LITERAL and c.type == "date":
            return moment_cell(c, text, "")
        if kind is Kind.LITERAL and c.type in _MOMENTS:
            unit = self.types.columns.get(name, Semantic()).unit or self.unit
            unit = self.units.get(name, unit)
            return moment_cell(c, text, unit) if unit else bad(_NO_UNIT)
        return jsonlines.cell(c.type, kind, text)

    def decimal(self, c: Column, scale: int, s: Semantic, kind: Kind, text: bytes) -> Any:
        if kind is not Kind.NESTED:
            as_text = not s.name and (self.decimal_text or bool(self.types.columns))
            if kind is not Kind.STRING or as_text:
                return jsonlines.cell(c.type, kind, text)
        return decimal_cell(c, s.scale if s.name else scale, kind, text)

    def plain_cell(self, c: Column, name: bytes, kind: Kind, text: bytes) -> Any:
        """The cell of a member of the source block: numbers are text for text columns."""
        if kind is Kind.LITERAL and c.type == "string":
            return text
        return jsonlines.cell(c.type, kind, text)

    def finish(self, row: _Row) -> tuple[list[Any], Cells]:
        """Says what it means that the event lacks columns."""
        for i, w in enumerate(self.request.first):
            if row.key[i] is UNSUPPLIED:
                if self.missing == "bad" and not w.optional:
                    self.bad(i, "column is missing")
                row.key[i] = None
        if self.missing != "unsupplied" or self.request.full:
            met = set(row.order)
            for i, c in enumerate(row.cells):
                if c is UNSUPPLIED and i not in met:
                    row.cells[i] = bad("column is missing", (AFTER + i,)) if self.missing == "bad" else None
        if row.broken or any(a >= b for a, b in zip(row.order, row.order[1:])):
            row.cells.append(tuple(row.order))
        return row.key, row.cells


def _trimmed(line: bytes) -> bytes:
    """The line without the space around it, as package unicode of Go knows it."""
    if line[:1] == b"{" and line[-1:] == b"}":
        return line
    return line.decode("utf-8", "surrogateescape").strip(jsonlines.SPACES).encode("utf-8", "surrogateescape")
