"""The two passes over the files of a load: read gives every change with its key and
order and keeps the rest as it is, decode makes typed rows of those that won.

Bad values of rows that lost are no errors. Of several mistakes the one is reported
that the engine in Go would report: by order of files, and of rows in them, those of
the first pass before all of the second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from . import avroformat, csvformat, debeziumformat, dmstransactions, jsonlines, parquetformat, shapes, types
from .cells import COMMITTED, UNSUPPLIED, Cells, borrow, complete, from_table, pack, unpack
from .errors import BadValue, JobError, RowError, Terminal
from .evolution import Shape
from .files import open_input
from .manifest import HISTORY, Column, Manifest
from .quick import quick
from .scanning import BATCH_ROWS, Batch, Request, Scan, request
from .textconv import Converter, converter

__all__ = [
    "COMMITTED", "DELETE", "UNSUPPLIED", "UPSERT", "Cells", "batches", "borrow", "complete", "decode", "decode_or_errors",
    "from_table", "pack", "read", "schema", "unpack",
]  # fmt: skip

UPSERT = 1
DELETE = 2

_FORMATS: dict[str, Scan] = {
    "csv": csvformat.scan, "dms_transactions": dmstransactions.scan, "jsonlines": jsonlines.scan,
    "debezium": debeziumformat.scan, "parquet": parquetformat.scan,
    "avro": avroformat.scan,
}  # fmt: skip
# What formats give: values that have their types, or the text of records that are
# lines, in the order in which they name their columns, or that are delimited.
_TYPED = ("parquet", "avro")
_LINES = ("jsonlines", "debezium")
_DELIMITED = ("csv", "dms_transactions")
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
    for batch, _ in read_or_errors(m, file):
        yield batch


def read_or_errors(m: Manifest, file: int) -> Iterator[tuple[pa.RecordBatch, list[RowError]]]:
    """Is read where bad rows are set aside: they come beside each batch, which is
    without them."""
    req = request(m, file)
    changes = _Changes(m, req)
    for batch in batches(m, req):
        batch = changes.sifted(batch) if req.tolerant else batch
        yield changes.of(batch), batch.bad


def batches(m: Manifest, req: Request) -> Iterator[Batch]:
    """Reads what is asked for of a file, in order. It raises what read raises."""
    try:
        format = m.format_of(req.file)
        scan = _FORMATS[format.kind]
    except KeyError:
        raise Terminal("manifest: the job has no such format") from None
    source = open_input(m.files[req.file])
    rows = 0
    try:
        for batch in shapes.through(shape_of(m, req.file), scan)(format, source, req):
            rows += len(batch.numbers) + len(batch.bad)
            yield batch
    finally:
        source.close()
    if rows == 0 and not m.files[req.file].part and not m.table.allow_empty:
        raise req.bad(0, "", "file has no rows")


def shape_of(m: Manifest, file: int) -> Shape | None:
    """How a file is read that differs from the table's columns."""
    return m.evolution.shape(file) if m.evolution is not None else None


class _Changes:
    """Makes changes of the rows of a file."""

    def __init__(self, m: Manifest, req: Request) -> None:
        t = m.table
        self.req, self.schema = req, schema(m)
        self.keys, orders = len(t.key), len(t.order_by)
        self.dated = t.mode == HISTORY and not m.load.full
        self.op_at = self.keys + orders if t.op_column else -1
        self.old_at = self.keys + orders + (1 if t.op_column else 0) if t.old_key and not req.full else -1
        self.codes = {code: _OPS[op] for code, op in t.op_codes.items() if op in _OPS}
        self.key_types = [t.column(name).type for name in t.key]
        self.order_types = [t.column(name).type for name in t.order_by]

    def of(self, b: Batch) -> pa.RecordBatch:
        n = len(b.numbers)
        keys = list(zip(*b.first[: self.keys]))
        ops = self.ops(b, keys)
        self.ordered(b, ops)
        has_olds = "b0" in self.schema.names
        arrays = [pa.array([self.req.file] * n, pa.int32()), pa.array(b.numbers, pa.int64()), pa.array(ops, pa.int8())]
        arrays += [types.array(t, b.first[i]) for i, t in enumerate(self.key_types)]
        if self.old_at >= 0:
            olds = self.olds(b, keys, ops)
            arrays += [types.array(t, [o and o[i] for o in olds]) for i, t in enumerate(self.key_types)]
        elif has_olds:
            arrays += [pa.nulls(n, types.arrow(t)) for t in self.key_types]
        arrays += [types.array(t, b.first[self.keys + i]) for i, t in enumerate(self.order_types)]
        arrays.append(pa.array([pack(c) for c in b.cells], pa.binary()))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def ordered(self, b: Batch, ops: list[int]) -> None:
        """Makes sure that the changes of a history table have a place in it."""
        if not self.dated:
            return
        for i, op in enumerate(ops):
            for at in range(self.keys, self.keys + len(self.order_types)):
                if op == UPSERT and b.first[at][i] is None:
                    raise self.bad(b, i, at, "a change of a history table needs an order")

    def ops(self, b: Batch, keys: list[tuple[Any, ...]]) -> list[int]:
        """The operations. What is wrong with a row's key comes before its operation,
        and both before the rows that follow."""
        texts = b.first[self.op_at] if self.op_at >= 0 else None
        ops: list[int] = []
        for i, key in enumerate(keys):
            ops.append(self.operation(b, i, key, texts[i] if texts is not None else None))
        return ops

    def operation(self, b: Batch, i: int, key: tuple[Any, ...], text: str | None) -> int:
        if None in key:
            raise self.bad(b, i, key.index(None), "key is null")
        if text is not None:
            op = self.codes.get(text)
            if op is None:
                raise self.bad(b, i, self.op_at, "unknown operation")
            return op
        if self.op_at < 0 or self.req.full:
            return UPSERT
        raise self.bad(b, i, self.op_at, "operation is null")

    def sifted(self, b: Batch) -> Batch:
        """The batch with those rows among the bad ones of which it is not known what
        they do."""
        texts = b.first[self.op_at] if self.op_at >= 0 else [None] * len(b.numbers)
        wrong: dict[int, RowError] = {}
        for i, (key, text) in enumerate(zip(zip(*b.first[: self.keys]), texts)):
            try:
                self.operation(b, i, key, text)
            except RowError as e:
                wrong[i] = e
        return b.without(wrong)

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
    if any(m.format_of(f).kind != m.table.format.kind for f, _ in places if m.files[f].format is not None):
        return _decode_mixed(m, rows, places)
    text = m.table.format.kind not in _TYPED
    errors: list[RowError] = []
    arrays = []
    for i, c in enumerate(m.table.columns):
        made = _usual(c, [row[i] for row in rows]) if text else None
        if made is None:
            column = _Column(m, i, converter(c) if text else None, errors)
            made = types.array(c.type, column.values(rows, places))
        arrays.append(made)
    if m.table.format.kind in _LINES:
        _twice(m, rows, places, errors)
    names = [c.name for c in m.table.columns]
    return pa.RecordBatch.from_arrays(arrays, names=names), errors


def _decode_mixed(
    m: Manifest, rows: Sequence[Cells], places: Sequence[Place]
) -> tuple[pa.RecordBatch, list[RowError]]:
    """Rows of files in several formats, which are decoded format by format."""
    by_kind: dict[str, list[int]] = {}
    for i, (f, _) in enumerate(places):
        by_kind.setdefault(m.format_of(f).kind, []).append(i)
    batches, wrong, at = [], [], []
    for group in by_kind.values():
        format = m.format_of(places[group[0]][0])
        one = replace(m, table=replace(m.table, format=format), files=tuple(replace(f, format=None) for f in m.files))
        batch, errors = decode_or_errors(one, [rows[i] for i in group], [places[i] for i in group])
        batches.append(batch)
        wrong += errors
        at += group
    whole = pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
    order = sorted(range(len(at)), key=at.__getitem__)
    return whole.take(pa.array(order, pa.int64())), wrong


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
            return self.convert(cell) if self.convert is not None and isinstance(cell, bytes) else cell
        except BadValue as e:
            self.add(e.rule, row, place)
            return None

    def add(self, rule: str, row: Cells, place: Place, null: bool = False, cell: Any = None) -> None:
        file, number = place
        name, shape = self.column.name, shape_of(self.m, file)
        if shape is not None and not null:
            name = shape.named(name)
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
    if m.table.format.kind in _DELIMITED:
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
