"""The format of Parquet files (parquetformat.Format), by the same rules."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from . import parquettypes
from .cells import bad
from .compress import BadInput
from .errors import BadValue, JobError, RowError
from .files import Input
from .manifest import Declaration
from .parquettypes import Check, Source
from .parquetvalues import plain
from .scanning import BATCH_ROWS, Batch, Request, convert_all, convert_each, option

_CORRUPT = "corrupt parquet"
_BUFFER = 1 << 20


def scan(d: Declaration, source: Input, request: Request) -> Iterator[Batch]:
    """Reads the rows of a file. Of the mistakes in a batch that in the first column is
    told, as by the engine."""
    try:
        yield from opened(d, source, request).run()
    except BadInput as e:
        raise request.bad(0, "", e.rule) from None


def opened(d: Declaration, source: Input, request: Request) -> _Scan:
    """A file of which the columns are known. It raises BadInput."""
    work = _Scan(option(d, "any_zone", False), request, _Reader(source))
    _check_ends(source, option(d, "max_footer_bytes", 64 << 20))
    work.open()
    return work


class _Reader(io.RawIOBase):
    """An input as Arrow reads it. It keeps the first error of the store."""

    def __init__(self, source: Input) -> None:
        self._source, self._at = source, 0
        self.error: JobError | None = None

    def read(self, n: int = -1) -> bytes:
        left = self._source.size - self._at
        try:
            data = self._source.read_at(self._at, left if n < 0 else min(n, left))
        except JobError as e:
            self.error = e
            raise
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._source.size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


def _check_ends(source: Input, max_footer: int) -> None:
    """Looks at what frames the footer before anything is read in."""
    if source.size < 12:
        raise BadInput("not a parquet file")
    head, tail = source.read_at(0, 4), source.read_at(source.size - 8, 8)
    footer = int.from_bytes(tail[:4], "little")
    if tail[4:] == b"PARE":
        raise BadInput("parquet footer is encrypted")
    if tail[4:] != b"PAR1" or head != b"PAR1":
        raise BadInput("not a parquet file")
    if footer > max_footer:
        raise BadInput(f"parquet footer is larger than {max_footer} bytes")
    if footer > source.size - 12:
        raise BadInput(_CORRUPT)


class _Scan:
    def __init__(self, any_zone: bool, request: Request, reader: _Reader) -> None:
        self.any_zone, self.request, self.reader = any_zone, request, reader
        self.fields: dict[str, list[Source]] = {}
        self.batches = 0  # given out so far

    def guard(self, call: Any) -> Any:
        """Calls into the library. What it says may quote the file, so it is not passed on."""
        try:
            return call()
        except StopIteration:
            return None
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, MemoryError, OverflowError):
            if self.reader.error is not None:
                raise self.reader.error from None
            raise BadInput(_CORRUPT) from None

    def open(self) -> None:
        self.file = self.guard(lambda: pq.ParquetFile(pa.PythonFile(self.reader, mode="r"), buffer_size=_BUFFER))
        self.guard(self.read_schema)
        self.first: list[tuple[int, Check] | None] = []
        for w in self.request.first:
            source, check, rule = self.find(w.column.name, w.column.type, w.optional)
            if rule:
                raise self.request.bad(0, w.column.name, rule)
            self.first.append(None if source is None or check is None else (_leaf(source), check))
        self.all: list[tuple[int, Check] | str] = []
        for c in self.request.columns:
            source, check, rule = self.find(c.name, c.type, False)
            self.all.append(rule if source is None or check is None or rule else (_leaf(source), check))
        self.first_leaves = sorted({c[0] for c in self.first if c})
        rest = {c[0] for c in self.all if not isinstance(c, str)}
        self.rest_leaves = sorted(rest.difference(self.first_leaves))

    def read_schema(self) -> None:
        leaf, schema = 0, self.file.schema
        for field in self.file.schema_arrow:
            n = _leaves(field.type)
            if n == 1 and schema.column(leaf).path == field.name and schema.column(leaf).max_repetition_level == 0:
                source = parquettypes.leaf_type(schema.column(leaf), leaf)
            else:
                source = Source(parquettypes.nested_name(field.type), None)
            self.fields.setdefault(field.name, []).append(source)
            leaf += n

    def find(self, name: str, wanted: str, optional: bool) -> tuple[Source | None, Check | None, str]:
        """A field and what converts it, and the rule that it violates."""
        found = self.fields.get(name, [])
        if len(found) > 1:
            return None, None, "column is in the file twice"
        if not found:
            return None, None, "" if optional else "column is missing"
        check = parquettypes.check(found[0], wanted, self.any_zone)
        if check is None:
            return None, None, f"file has type {found[0].name}, table wants {wanted}"
        return found[0], check, ""

    def run(self) -> Iterator[Batch]:
        row = 0
        for g in range(self.file.num_row_groups):
            rows = self.guard(lambda g=g: self.file.metadata.row_group(g).num_rows)
            first = self.chunks(g, self.first_leaves)
            rest: Iterator[dict[int, list[Any]]] | None = self.chunks(g, self.rest_leaves)
            done = 0
            while done < rows:
                n = min(BATCH_ROWS, rows - done)
                columns = self.next(first, self.first_leaves, n)
                try:
                    columns |= self.next(rest, self.rest_leaves, n) if rest else {}
                except BadInput:
                    rest = None  # only who wants to decode a row minds
                yield self.batch(range(row + done + 1, row + done + n + 1), columns)
                done += n
            row += rows

    def chunks(self, group: int, leaves: list[int]) -> Iterator[Any]:
        if not leaves:
            return iter(())
        return self.guard(
            lambda: self.file.reader.iter_batches(BATCH_ROWS, [group], column_indices=leaves, use_threads=False)
        )

    def next(self, chunks: Iterator[Any], leaves: list[int], rows: int) -> dict[int, list[Any]]:
        if not leaves:
            return {}
        batch = self.guard(lambda: next(chunks))
        if batch is None or batch.num_rows != rows:
            raise BadInput(_CORRUPT)
        return self.guard(lambda: {leaf: plain(batch.column(i)) for i, leaf in enumerate(leaves)})

    def batch(self, numbers: range, columns: dict[int, list[Any]]) -> Batch:
        first: list[list[Any]] = []
        wrong: dict[int, RowError] = {}
        for w, c in zip(self.request.first, self.first):
            values, rule = ([None] * len(numbers), "") if c is None else convert_all(c[1], columns[c[0]])
            if rule and self.request.tolerant and c is not None:
                values, rules = convert_each(c[1], columns[c[0]])
                for at, text in rules.items():
                    wrong.setdefault(at, self.request.bad(numbers[at], w.column.name, text))
            elif rule:
                raise self.request.bad(numbers[len(values)], w.column.name, rule)
            first.append(values)
        self.batches += 1
        cells = [self.cells(i, c, numbers, columns) for i, c in enumerate(self.all)]
        cells.append([self.batches] * len(numbers))
        return Batch(numbers, first, [list(row) for row in zip(*cells)]).without(wrong)

    def cells(self, i: int, c: tuple[int, Check] | str, numbers: range, columns: dict[int, list[Any]]) -> list[Any]:
        if isinstance(c, str):
            return [bad(c, (0, i), 0)] * len(numbers)
        leaf, check = c
        if leaf not in columns:
            return [bad(_CORRUPT, (self.batches, -1), 0, "")] * len(numbers)
        values, rule = convert_all(check, columns[leaf])
        for at in range(len(values), len(numbers) if rule else 0):
            values.append(self.cell(check, columns[leaf][at], (self.batches, i, numbers[at])))
        return values

    def cell(self, check: Check, value: Any, order: tuple[int, ...]) -> Any:
        try:
            return None if value is None else check(value)
        except BadValue as e:
            return bad(e.rule, order)




def _leaf(source: Source) -> int:
    assert source.leaf is not None
    return source.leaf


def _leaves(t: pa.DataType) -> int:
    """How many columns of the file make a field of the type."""
    if isinstance(t, pa.BaseExtensionType):
        return _leaves(t.storage_type)
    if pa.types.is_dictionary(t):
        return _leaves(t.value_type)
    if pa.types.is_map(t):
        return _leaves(t.key_type) + _leaves(t.item_type)
    if pa.types.is_nested(t):
        return sum(_leaves(t.field(i).type) for i in range(t.num_fields))
    return 1
