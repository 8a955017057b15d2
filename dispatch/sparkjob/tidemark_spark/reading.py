"""The two passes over the files of a load: read gives every change with its key and
order and keeps the rest as it is, decode makes typed rows of those that won.

Bad values of rows that lost are no errors. Of several mistakes the one is reported
that the engine in Go would report: by order of files, and of rows in them, those of
the first pass before all of the second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from . import csvformat, jsonlines, parquetformat, types
from .cells import COMMITTED, UNSUPPLIED, Cells, borrow, complete, from_table, pack, unpack
from .errors import BadValue, JobError, RowError, Terminal
from .files import open_input
from .manifest import Column, Manifest
from .quick import quick
from .scanning import BATCH_ROWS, Batch, Request, Scan, request
from .textconv import Converter, converter

__all__ = [
    "COMMITTED", "DELETE", "UNSUPPLIED", "UPSERT", "Cells", "borrow", "complete", "decode", "decode_or_errors",
    "from_table", "pack", "read", "schema", "unpack",
]  # fmt: skip

UPSERT = 1
DELETE = 2

_FORMATS: dict[str, Scan] = {"csv": csvformat.scan, "jsonlines": jsonlines.scan, "parquet": parquetformat.scan}
_OPS = {"upsert": UPSERT, "delete": DELETE}

Place = tuple[int, int]  # index of the file, number of the row in it


def schema(m: Manifest) -> pa.Schema:
    """The columns that read gives: file, row number, operation, key, old key where
    rows of the load may have one (all null: none), order, cells."""
    fields = [("f", pa.int32()), ("n", pa.int64()), ("op", pa.int8())]
    keys = [types.arrow(m.table.column(name).type) for name in m.table.key]
    fields += [(f"k{i}", t) for i, t in enumerate(keys)]
    if m.table.old_key and not m.load.full:
        fields += [(f"b{i}", t) for i, t in enumerate(keys)]
    fields += [(f"o{i}", types.arrow(m.table.column(name).type)) for i, name in enumerate(m.table.order_by)]
    return pa.schema([*fields, ("cells", pa.binary())])


def read(m: Manifest, file: int) -> Iterator[pa.RecordBatch]:
    """Reads the changes of a file of the load, in order. It raises RowError for bad
    input, after the rows before it, FileChanged where the content is not that of the
    manifest, and Retryable where the store fails."""
    try:
        scan = _FORMATS[m.table.format.kind]
    except KeyError:
        raise Terminal("manifest: the job has no such format") from None
    req = request(m, file)
    source = open_input(m.files[file])
    rows = 0
    try:
        changes = _Changes(m, req)
        for batch in scan(m.table.format, source, req):
            rows += len(batch.numbers)
            yield changes.of(batch)
    finally:
        source.close()
    if rows == 0 and not m.table.allow_empty:
        raise req.bad(0, "", "file has no rows")


class _Changes:
    """Makes changes of the rows of a file."""

    def __init__(self, m: Manifest, req: Request) -> None:
        t = m.table
        self.req, self.schema = req, schema(m)
        self.keys, orders = len(t.key), len(t.order_by)
        self.op_at = self.keys + orders if t.op_column else -1
        self.old_at = self.keys + orders + (1 if t.op_column else 0) if t.old_key and not req.full else -1
        self.codes = {code: _OPS[op] for code, op in t.op_codes.items() if op in _OPS}
        self.key_types = [t.column(name).type for name in t.key]
        self.order_types = [t.column(name).type for name in t.order_by]

    def of(self, b: Batch) -> pa.RecordBatch:
        n = len(b.numbers)
        keys = list(zip(*b.first[: self.keys]))
        ops = self.ops(b, keys)
        arrays = [pa.array([self.req.file] * n, pa.int32()), pa.array(b.numbers, pa.int64()), pa.array(ops, pa.int8())]
        arrays += [types.array(t, b.first[i]) for i, t in enumerate(self.key_types)]
        if self.old_at >= 0:
            olds = self.olds(b, keys, ops)
            arrays += [types.array(t, [o and o[i] for o in olds]) for i, t in enumerate(self.key_types)]
        arrays += [types.array(t, b.first[self.keys + i]) for i, t in enumerate(self.order_types)]
        arrays.append(pa.array([pack(c) for c in b.cells], pa.binary()))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def ops(self, b: Batch, keys: list[tuple[Any, ...]]) -> list[int]:
        """The operations. What is wrong with a row's key comes before its operation,
        and both before the rows that follow."""
        texts = b.first[self.op_at] if self.op_at >= 0 else None
        ops: list[int] = []
        for i, key in enumerate(keys):
            if None in key:
                raise self.bad(b, i, key.index(None), "key is null")
            text = texts[i] if texts is not None else None
            if text is not None:
                op = self.codes.get(text)
                if op is None:
                    raise self.bad(b, i, self.op_at, "unknown operation")
                ops.append(op)
            elif texts is None or self.req.full:
                ops.append(UPSERT)
            else:
                raise self.bad(b, i, self.op_at, "operation is null")
        return ops

    def olds(self, b: Batch, keys: list[tuple[Any, ...]], ops: list[int]) -> list[tuple[Any, ...] | None]:
        """The keys that upserts had before, where they are whole and others."""
        olds = zip(*b.first[self.old_at : self.old_at + self.keys])
        return [
            old if op == UPSERT and None not in old and old != key else None for old, key, op in zip(olds, keys, ops)
        ]

    def bad(self, b: Batch, i: int, column: int, rule: str) -> RowError:
        return self.req.bad(b.numbers[i], self.req.first[column].column.name, rule)


def decode(m: Manifest, rows: Sequence[Cells], places: Sequence[Place]) -> pa.RecordBatch:
    """Makes typed rows, with all columns of the table as declared. It raises the first
    of the mistakes: values that are none of their type, and nulls in required columns.
    Cells that are still unsupplied are nulls, committed ones are nulls that may be."""
    batch, errors = decode_or_errors(m, rows, places)
    if errors:
        raise min(errors, key=lambda e: e.order)
    return batch


def decode_or_errors(
    m: Manifest, rows: Sequence[Cells], places: Sequence[Place]
) -> tuple[pa.RecordBatch, list[RowError]]:
    """Is decode for callers who have to look for the first mistake among several
    batches: with mistakes the batch has nulls in their place."""
    text = m.table.format.kind != "parquet"
    errors: list[RowError] = []
    arrays = []
    for i, c in enumerate(m.table.columns):
        made = _usual(c, [row[i] for row in rows]) if text else None
        if made is None:
            column = _Column(m, i, converter(c) if text else None, errors)
            made = types.array(c.type, column.values(rows, places))
        arrays.append(made)
    if m.table.format.kind == "jsonlines":
        _twice(m, rows, places, errors)
    names = [c.name for c in m.table.columns]
    return pa.RecordBatch.from_arrays(arrays, names=names), errors


def _usual(c: Column, cells: list[Any]) -> pa.Array | None:
    """The cells of a column of which none needs a second look."""
    fast = quick(c)
    made = fast(cells) if fast is not None else None
    return None if made is None or c.required and made.null_count else made


class _Column:
    """Makes values of the cells of a column."""

    def __init__(self, m: Manifest, at: int, convert: Converter | None, errors: list[RowError]) -> None:
        self.m, self.at, self.convert, self.errors = m, at, convert, errors
        self.column = m.table.columns[at]

    def values(self, rows: Sequence[Cells], places: Sequence[Place]) -> list[Any]:
        at, convert, required = self.at, self.convert, self.column.required
        out: list[Any] = []
        for i, row in enumerate(rows):
            cell = row[at]
            if isinstance(cell, bytes) and convert is not None:
                try:
                    out.append(convert(cell))
                    continue
                except BadValue as e:
                    out.append(None)
                    self.add(e.rule, row, places[i])
            elif cell is None or cell is UNSUPPLIED:
                out.append(None)
                if required:
                    self.add("required value is null", row, places[i], null=True)
            elif isinstance(cell, (tuple, list)):
                out.append(self.other(cell, row, places[i]))
            else:
                out.append(cell)
        return out

    def other(self, cell: Any, row: Cells, place: Place) -> Any:
        if isinstance(cell, list):
            if not cell:
                return None
            cell, place, row = cell[0], (cell[1], cell[2]), []
        if isinstance(cell, tuple):
            self.add(cell[0], row, place, cell=cell)
            return None
        try:
            return self.convert(cell) if self.convert is not None else cell
        except BadValue as e:
            self.add(e.rule, row, place)
            return None

    def add(self, rule: str, row: Cells, place: Place, null: bool = False, cell: Any = None) -> None:
        file, number = place
        name = self.column.name
        given: tuple[int, ...] = ()
        if cell is not None:
            _, given, at_row, of = cell
            name = name if of is None else of
            if at_row == 0:  # the whole file
                self.errors.append(RowError(self.m.files[file].location, 0, name, rule, (file, *given)))
                return
        order = _order(self.m, row, self.at, number, null, given)
        self.errors.append(RowError(self.m.files[file].location, number, name, rule, (file, *order)))


def _order(m: Manifest, row: Cells, at: int, number: int, null: bool, given: tuple[int, ...]) -> tuple[int, ...]:
    """Where a mistake in a column stands among those of its file, in the second pass.

    The engine looks for nulls in batches, column by column, after what else may be
    wrong in the batch; in delimited text the rows before a mistake are a batch. The
    batches of text consist of the rows that won, which a task does not know: for
    lines of JSON all rows are counted instead, and for delimited text each by itself.
    """
    columns = len(m.table.columns)
    extra = row[columns] if len(row) > columns else None
    if m.table.format.kind == "parquet":
        return given or (extra or 0, columns + at, number)
    if m.table.format.kind == "csv":
        return number, at + (columns if null else 0)
    batch = (number - 1) // BATCH_ROWS
    if null:
        return batch, 1, at, number
    return (batch, 0, number, *(given or (extra.index(at) if extra and at in extra else at,)))


def _twice(m: Manifest, rows: Sequence[Cells], places: Sequence[Place], errors: list[RowError]) -> None:
    """Looks for columns that a record gave twice."""
    n = len(m.table.columns)
    for row, (file, number) in zip(rows, places):
        order = row[n] if len(row) > n and isinstance(row[n], tuple) else ()
        for i, at in enumerate(order):
            if at in order[:i]:
                place = (file, (number - 1) // BATCH_ROWS, 0, number, i)
                column = m.table.columns[at].name
                errors.append(RowError(m.files[file].location, number, column, "column is there twice", place))
                break


def first_error(errors: Sequence[JobError]) -> JobError:
    """The error to report of those that several tasks met."""
    return min(errors, key=lambda e: getattr(e, "order", (1 << 31,)))
