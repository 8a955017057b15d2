"""Tables of mode append: rows without keys, each of which stays (appending.go). One
pass reads a file, checks its rows and transforms them, so that of several mistakes
that one is told which the engine in Go meets first."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from . import changes, errors, reading, transforms, types
from .cells import pack
from .columns import ddl
from .manifest import APPEND, FULL, Column, Manifest
from .scanning import Batch, Request, Wanted
from .settle import ASIDE, BAD, UPSERT
from .winners import WINNERS


def appends(manifest: Manifest) -> bool:
    """Whether the load adds its rows, or replaces the table by them, without a look at
    keys."""
    return manifest.table.mode == APPEND


def read(spark: SparkSession, manifest: Manifest) -> DataFrame:
    """The rows of the files as winners, each file in a task of its own. Those that a
    filter drops are not kept. A bad file ends with a row of kind BAD."""

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for i in batch.column(0).to_pylist():
                yield from file_rows(manifest, i)

    n = len(manifest.files)
    columns = ddl(WINNERS, [(f"v{i}", c.type) for i, c in enumerate(manifest.target.columns)])
    return spark.range(0, n, 1, n).mapInArrow(work, columns)


def tell(rows: DataFrame) -> changes.Told:
    """Reads the files."""
    found = dict(rows.groupBy("kind").agg(F.count("*")).collect())
    return changes.Told(read=found.get(UPSERT, 0), bad=found.get(BAD, 0), aside=found.get(ASIDE, 0))


def first_error(rows: DataFrame) -> errors.JobError | None:
    """The first error by order that a reading ended with."""
    texts = [bytes(row[0]).decode() for row in rows.filter(F.col("kind") == BAD).select("bad").collect()]
    return errors.find(" ".join(texts))


def file_rows(manifest: Manifest, i: int) -> Iterator[pa.RecordBatch]:
    """The rows of a file, in order."""
    request = _request(manifest, i)
    try:
        for batch in reading.batches(manifest, request):
            yield from _set_aside(manifest, i, batch.bad)
            if batch.numbers:
                yield from _sifted(manifest, request, batch) if request.tolerant else _rows(manifest, request, batch)
    except errors.Terminal as err:
        yield _batch(manifest, 1, kind=pa.array([BAD], pa.int8()), bad=pa.array([changes.bad(err)], pa.binary()))
    except errors.JobError as err:
        raise errors.carry(err) from None


def _request(manifest: Manifest, i: int) -> Request:
    """All columns, and then the operation, as those of the first pass, which are
    converted as they are read."""
    table, kind = manifest.table, manifest.kind_of(i)
    full = kind == FULL
    wanted = [Wanted(c) for c in table.columns]
    if table.op_column:
        wanted.append(Wanted(Column(table.op_column, "string"), optional=full))
    return Request(i, manifest.files[i].location, kind, tuple(wanted), (), manifest.tolerant)


def _set_aside(manifest: Manifest, i: int, wrong: list[errors.RowError]) -> Iterator[pa.RecordBatch]:
    if wrong:
        told = [pack([0, e.column, e.rule]) for e in wrong]
        yield _batch(manifest, len(wrong), kind=pa.array([ASIDE] * len(wrong), pa.int8()), bad=pa.array(told, pa.binary()),
                     f=pa.array([i] * len(wrong), pa.int32()), n=pa.array([e.row for e in wrong], pa.int64()))


def _sifted(manifest: Manifest, request: Request, batch: Batch) -> Iterator[pa.RecordBatch]:
    """The rows of a batch, and those of them that are bad as rows set aside."""
    todo = [batch]
    while todo:
        part = todo.pop()
        try:
            yield from list(_rows(manifest, request, part))
        except errors.RowError as e:
            if len(part.numbers) < 2:
                yield from _set_aside(manifest, request.file, [e])
                continue
            half = len(part.numbers) // 2
            todo += [part.slice(half, len(part.numbers)), part.slice(0, half)]


def _rows(manifest: Manifest, request: Request, batch: Batch) -> Iterator[pa.RecordBatch]:
    declared = manifest.table.columns
    _inserts(manifest, request, batch)
    for c, values in zip(declared, batch.first):
        if c.required and None in values:
            raise request.bad(batch.numbers[values.index(None)], c.name, "required value is null")
    columns = [types.array(c.type, values) for c, values in zip(declared, batch.first)]
    rows = pa.RecordBatch.from_arrays(columns, names=[c.name for c in declared])
    places = [(request.file, n) for n in batch.numbers]
    made, kept = transforms.apply(manifest, manifest.table.transforms, rows, places)
    if made.schema.names != [c.name for c in manifest.target.columns]:
        raise errors.Terminal(f"table {manifest.table.name}: transforms made other columns than were announced")
    yield from _winners(manifest, request, pa.array(batch.numbers, pa.int64()), made, kept)


def _inserts(manifest: Manifest, request: Request, batch: Batch) -> None:
    """Makes sure that no row is a delete."""
    table = manifest.table
    if not table.op_column:
        return
    for number, text in zip(batch.numbers, batch.first[-1]):
        rule = ""
        if text is None:
            rule = "" if request.full else "operation is null"
        elif (op := table.op_codes.get(text)) == "delete":
            rule = "append tables take no deletes"
        elif op != "upsert":
            rule = "unknown operation"
        if rule:
            raise request.bad(number, table.op_column, rule)


def _winners(
    manifest: Manifest, request: Request, numbers: pa.Array, made: pa.RecordBatch, kept: pa.Array
) -> Iterator[pa.RecordBatch]:
    for stays, which, values in ((True, kept, made), (False, pc.invert(kept), None)):
        n = numbers.filter(which)
        rows = len(n)
        if rows:
            yield _batch(manifest, rows, values, n=n, f=pa.array([request.file] * rows, pa.int32()),
                         kind=pa.array([UPSERT] * rows, pa.int8()), there=pa.array([False] * rows, pa.bool_()),
                         kept=pa.array([stays] * rows, pa.bool_()))


def _batch(manifest: Manifest, rows: int, values: pa.RecordBatch | None = None, **own: pa.Array) -> pa.RecordBatch:
    """Winners, with nulls for what is not given."""
    arrays = [own[f.name] if f.name in own else pa.nulls(rows, f.type) for f in WINNERS]
    for i, c in enumerate(manifest.target.columns):
        kind = types.arrow(c.type)
        arrays.append(pa.nulls(rows, kind) if values is None else values.column(i).cast(kind))
    return pa.record_batch(arrays, [*WINNERS.names, *(f"v{i}" for i in range(len(manifest.target.columns)))])
