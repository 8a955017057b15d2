"""The format of Avro object container files (avroformat.Format), by the same rules.

The files are read by the job itself: no library tells at which record a file is broken,
and none keeps to the limits of the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .avroconvert import Convert, converter
from .avrodecode import WRONG, NotUTF8, Undecodable
from .avrofile import AvroFile
from .avronodes import Names, Node, node
from .cells import UNSUPPLIED, Cells, bad
from .compress import BadInput
from .errors import BadValue, RowError, Terminal
from .files import Input
from .manifest import Column, Declaration
from .scanning import BATCH_ROWS, Batch, Request, option

_BATCH_BYTES = 8 << 20
_MOST_ROWS = 1000  # records that a byte of a file may hold
_MOST_EMPTY = 4 << 10  # records in a row that take no bytes
PLACEHOLDERS = ("__debezium_unavailable_value", b"__debezium_unavailable_value")
_LOGGED = "value is unavailable: the database did not log it"
_UNDECODABLE = "record cannot be decoded"
_BEHIND = "stands in its block behind a record that cannot be decoded"
_MOST_LOST = 100_000  # records of a block that are set aside

# Parts of a record that columns are taken from: the record itself, or of an event the
# row after or before; the envelope, the source block, and the row before an update.
_ROW, _EVENT, _SOURCE, _BEFORE = range(4)


def scan(d: Declaration, source: Input, request: Request) -> Iterator[Batch]:
    """Reads the records of a file. A mistake loses the rows of its batch, as in the
    engine."""
    limit = option(d, "max_block_bytes", 64 << 20)
    if limit <= 0:
        raise Terminal("avro format: the declaration is wrong")
    try:
        file = AvroFile(source, limit)
    except BadInput as e:
        raise request.bad(0, "", e.rule) from None
    yield from Scanner(d, request, file, source.size).run()


@dataclass(frozen=True)
class Place:
    """Where a column is in the records."""

    part: int
    name: str
    convert: Convert | None  # None where the file does not have the column
    wrong: Any = None  # the cell of every row, if the file's type is not the column's


class Lost:
    """A record of a block that cannot be decoded from some record on. rest has the bytes
    from there on, for the first who wants them."""

    def __init__(self, rule: str, rest: list[bytes]) -> None:
        self.rule, self.rest = rule, rest


class Scanner:
    """Makes rows of records."""

    def __init__(self, d: Declaration, request: Request, file: AvroFile, size: int) -> None:
        self.request, self.file, self.size = request, file, size
        self.events, self.any_zone = option(d, "events", False), option(d, "any_zone", False)
        self.unavailable = option(d, "unavailable", False) and not request.full
        self.row = 0
        root = node(file.schema)
        names = Names(root)
        self.first: list[Place] = []
        for w in request.first:
            column, rule = self.find(names, root, w.column)
            if rule and not (w.optional and rule == "column is missing"):
                raise request.bad(0, w.column.name, rule)
            self.first.append(column)
        self.all: list[Place] = []
        for i, c in enumerate(request.columns):
            column, rule = self.find(names, root, c)
            # Only who wants to decode a row of the file minds.
            wrong = bad(rule, (-1, i), 0) if rule else None
            self.all.append(Place(column.part, column.name, column.convert, wrong))

    def find(self, names: Names, root: Node, c: Column) -> tuple[Place, str]:
        """Where a column is, and the rule that its type violates."""
        part, name = self.place(c.name)
        record: Node | None = root
        if self.events and part != _EVENT:
            record = names.field(root, {_ROW: "after", _BEFORE: "before", _SOURCE: "source"}[part])
        found = names.field(record, name)
        if found is None:
            return Place(part, name, None), "column is missing"
        convert = converter(found, c.type, part == _SOURCE, self.any_zone)
        return Place(part, name, convert), "" if convert else f"file has type {found.told}, table wants {c.type}"

    def place(self, name: str) -> tuple[int, str]:
        if self.events:
            for prefix, part in (("__before_", _BEFORE), ("__source_", _SOURCE)):
                if name.startswith(prefix):
                    return part, name[len(prefix) :]
            if name in ("__op", "__ts_ms"):
                return _EVENT, name[2:]
        return _ROW, name

    def run(self) -> Iterator[Batch]:
        numbers: list[int] = []
        first: list[list[Any]] = []
        cells: list[Cells] = []
        wrong: list[RowError] = []
        taken = 0
        for record in self.records():
            try:
                if isinstance(record, Lost):
                    raise self.wrong(record.rule)
                parts = self.parts(record)
                key, size = self.key(parts)
            except RowError as e:
                if not self.request.tolerant:
                    raise
                wrong.append(e)
            else:
                numbers.append(self.row)
                first.append(key)
                cells.append([self.cell(c, parts) for c in self.all])
                taken += size
            if BATCH_ROWS in (len(numbers), len(wrong)) or taken >= _BATCH_BYTES:
                yield Batch(numbers, self.columns_of(first), cells, wrong)
                numbers, first, cells, wrong, taken = [], [], [], [], 0
        if numbers or wrong:
            yield Batch(numbers, self.columns_of(first), cells, wrong)

    def columns_of(self, first: list[list[Any]]) -> list[list[Any]]:
        return [list(c) for c in zip(*first)] if first else [[] for _ in self.request.first]

    def records(self) -> Iterator[Any]:
        """The records, or what is Lost; row is the number of the last one."""
        try:
            while (block := self.file.block()) is not None:
                yield from self.of_block(*block)
        except Undecodable:
            raise self.request.bad(self.row + 1, "", _UNDECODABLE) from None

    def of_block(self, count: int, data: bytes | None) -> Iterator[Any]:
        at = empty = 0
        for left in range(count, 0, -1):
            try:
                if data is None:
                    raise Undecodable
                record, end = self.file.read(data, at)
                empty = empty + 1 if end == at else 0
                if empty > _MOST_EMPTY or left == 1 and end != len(data):
                    raise Undecodable
            except WRONG:
                yield from self.lose(left, [] if data is None else [data[at:]])
                return
            at = end
            self.row += 1
            if self.row > _MOST_ROWS * self.size:
                raise self.request.bad(self.row + 1, "", "more records than its bytes can hold")
            yield record

    def lose(self, n: int, rest: list[bytes]) -> Iterator[Lost]:
        """Passes over the last records of a block, which cannot be told apart."""
        if n > _MOST_LOST:
            raise Undecodable
        for i in range(n):
            self.row += 1
            yield Lost(_BEHIND if i else _UNDECODABLE, rest)

    def wrong(self, rule: str, column: str = "") -> RowError:
        return self.request.bad(self.row, column, rule)

    def parts(self, record: Any) -> list[dict[str, Any]]:
        """The parts of a record, by their numbers."""
        if not isinstance(record, dict):
            raise self.wrong("not a record")
        parts, rule = self.split(record)
        if rule:
            raise self.wrong(rule)
        return parts

    def split(self, record: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
        """The parts of a record, as far as they are there, and the rule that it violates."""
        if not self.events:
            return [record, {}, {}, {}], ""
        op = record.get("op")
        before, after, source = (_block(record, name) for name in ("before", "after", "source"))
        parts = [{}, record, source or {}, (before or {}) if op == "u" and after is not None else {}]
        if op in ("c", "r", "u"):
            parts[_ROW] = after or {}
            return parts, "" if after is not None else "change event has no row after the change"
        if op == "d":
            parts[_ROW] = before or {}
            return parts, "" if before is not None else "delete event has no row before the change"
        if op == "t":
            return parts, "truncate events are not supported"
        known = isinstance(op, (str, NotUTF8)) and op
        return parts, "unknown operation" if known else "not a change event: it has no operation"

    def key(self, parts: list[dict[str, Any]]) -> tuple[list[Any], int]:
        """The values of the first pass, and about how many bytes they take."""
        values: list[Any] = []
        taken = 0
        for w, c in zip(self.request.first, self.first):
            value = parts[c.part].get(c.name)
            cell = self.cell(c, parts)
            if isinstance(cell, tuple):
                raise self.wrong(cell[0], w.column.name)
            values.append(None if cell is UNSUPPLIED else cell)
            if value is not None:
                taken += 8 + _length(value)
        return values, taken

    def cell(self, c: Place, parts: list[dict[str, Any]]) -> Any:
        if c.wrong is not None:
            return c.wrong
        value = parts[c.part].get(c.name)
        if value is None:
            return None
        if self.events and value in PLACEHOLDERS:
            return UNSUPPLIED if self.unavailable else bad(_LOGGED)
        if c.convert is None:
            return None
        try:
            return c.convert(value)
        except BadValue as e:
            return bad(e.rule)


def _block(record: dict[str, Any], name: str) -> dict[str, Any] | None:
    value = record.get(name)
    return value if isinstance(value, dict) else None


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    return len(value) if isinstance(value, bytes) else 0
