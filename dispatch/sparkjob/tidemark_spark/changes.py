"""The changes that the files of a load bring, as rows to settle."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from . import errors, keychain, reading, softdelete
from .cells import pack
from .columns import ddl, decode, encode, types_of
from .manifest import HISTORY, Declaration, Manifest
from .settle import ASIDE, BAD, CHANGES, DELETE, MOVE, UPSERT


def partial(manifest: Manifest) -> bool:
    """Whether rows may leave columns unsupplied."""
    return manifest.table.partial


def moving(manifest: Manifest) -> bool:
    """Whether rows may give up an old key."""
    return bool(manifest.table.old_key) and not manifest.load.full


def completed(manifest: Manifest) -> bool:
    """Whether rows of the table supply values to those that are written."""
    return partial(manifest) or softdelete.marks(manifest) or manifest.table.mode == HISTORY


def full_files(manifest: Manifest) -> frozenset[int]:
    """The files that are mended rows of a full load whose orders matter."""
    if not manifest.table.order_by or manifest.load.full or manifest.table.mode == HISTORY:
        return frozenset()
    return frozenset(i for i in range(len(manifest.files)) if manifest.kind_of(i) != manifest.load.kind)


def crossing(manifest: Manifest) -> bool:
    """Whether rows may take values from the row of another key."""
    return partial(manifest) and moving(manifest)


def read(spark: SparkSession, manifest: Manifest) -> DataFrame:
    """Reads the files, each in a task of its own. A bad file ends with a row of
    kind BAD that carries the error."""

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for i in batch.column(0).to_pylist():
                yield from _file(manifest, i)

    n = len(manifest.files)
    return spark.range(0, n, 1, n).mapInArrow(work, ddl(CHANGES))


def keys(manifest: Manifest, changes: DataFrame) -> DataFrame:
    """The keys that the changes touch, once each: ek and its columns k0, k1, ..."""
    kinds = types_of(manifest.target.columns, manifest.table.key)

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.record_batch([batch.column(0), *decode(batch.column(0), kinds)], names)

    names = ["ek", *(f"k{i}" for i in range(len(kinds)))]
    tuples = changes.select("ek")
    if crossing(manifest):
        tuples = tuples.union(changes.filter("old IS NOT NULL").select(F.col("old").alias("ek")))
    return tuples.distinct().mapInArrow(work, ddl(pa.schema([("ek", pa.binary())]), list(zip(names[1:], kinds))))


@dataclasses.dataclass
class Told:
    """What is known of the changes: how many rows were read, in how many files
    reading ended with an error, how many rows are set aside, and the least and the greatest key."""

    read: int = 0
    bad: int = 0
    aside: int = 0
    keys: list[bytes] = dataclasses.field(default_factory=list)


def tell(changes: DataFrame) -> Told:
    """Reads the files."""
    told, keys = Told(), []
    ends = [f(c) for c in ("ek", "old") for f in (F.min, F.max)]
    for kind, rows, *found in changes.groupBy("kind").agg(F.count("*"), *ends).collect():
        keys += [bytes(k) for k in found if k is not None]
        told.read += rows if kind in (UPSERT, DELETE) else 0
        told.bad += rows if kind == BAD else 0
        told.aside += rows if kind == ASIDE else 0
    told.keys = [min(keys), max(keys)] if keys else []
    return told


def first_error(changes: DataFrame) -> errors.JobError | None:
    """The first error by order that a reading ended with."""
    texts = [bytes(row[0]).decode() for row in changes.filter(F.col("kind") == BAD).select("cells").collect()]
    return errors.find(" ".join(texts))


def bad(err: errors.JobError) -> bytes:
    """An error as a cell of a row of kind BAD."""
    return str(errors.carry(err)).encode()


def _file(manifest: Manifest, i: int) -> Iterator[pa.RecordBatch]:
    try:
        for batch, bad_rows in reading.read_or_errors(manifest, i):
            yield from _set_aside(i, bad_rows)
            yield from _sifted(manifest, i, batch) if manifest.tolerant else _changes(manifest, batch)
    except errors.Terminal as err:
        yield _batch(1, kind=pa.array([BAD], pa.int8()), f=pa.array([i], pa.int32()), cells=pa.array([bad(err)], pa.binary()))
    except errors.JobError as err:
        raise errors.carry(err) from None


def _set_aside(i: int, wrong: list[errors.RowError]) -> Iterator[pa.RecordBatch]:
    """Rows of kind ASIDE, whose cells say what is wrong."""
    if wrong:
        cells = [pack([0, e.column, e.rule]) for e in wrong]
        yield _batch(len(wrong), kind=pa.array([ASIDE] * len(wrong), pa.int8()), f=pa.array([i] * len(wrong), pa.int32()),
                     n=pa.array([e.row for e in wrong], pa.int64()), cells=pa.array(cells, pa.binary()))


def _sifted(manifest: Manifest, i: int, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The changes of a batch but those that a transform of keys cannot handle."""
    todo = [batch]
    while todo:
        part = todo.pop()
        try:
            yield from list(_changes(manifest, part))
        except errors.RowError as e:
            if part.num_rows < 2:
                yield from _set_aside(i, [e])
                continue
            half = part.num_rows // 2
            todo += [part.slice(half), part.slice(0, half)]


def _changes(manifest: Manifest, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    table, n = manifest.table, batch.num_rows
    chain = keychain.steps(manifest)
    ek = _keys(manifest, chain, batch, "k")
    upserts = pc.equal(batch.column("op"), reading.UPSERT)
    kind = pc.if_else(upserts, pa.scalar(UPSERT, pa.int8()), pa.scalar(DELETE, pa.int8()))
    orders = pa.nulls(n, pa.binary())
    if table.order_by:
        orders = encode([batch.column(f"o{i}") for i in range(len(table.order_by))], types_of(table.columns, table.order_by))
    if table.mode == HISTORY and n and manifest.kind_of(batch.column("f")[0].as_py()) != manifest.load.kind:
        orders = pa.nulls(n, pa.binary())  # it comes on top of what its key has
    place = {"f": batch.column("f"), "n": batch.column("n"), "eo": orders}
    if not moving(manifest) or "b0" not in batch.schema.names:
        yield _batch(n, ek=ek, kind=kind, cells=batch.column("cells"), **place)
        return
    old = _keys(manifest, chain, batch, "b")
    gives_up = pc.fill_null(pc.and_(pc.not_equal(old, ek), upserts), False)
    if crossing(manifest):
        old = pc.if_else(gives_up, old, pa.scalar(None, pa.binary()))
        yield _batch(n, ek=ek, kind=kind, cells=batch.column("cells"), old=old, **place)
        return
    yield _batch(n, ek=ek, kind=kind, cells=batch.column("cells"), **place)
    moved = pa.record_batch([old, *place.values()], ["ek", *place]).filter(gives_up)
    if moved.num_rows:
        moves = pa.array([MOVE] * moved.num_rows, pa.int8())
        yield _batch(moved.num_rows, kind=moves, **{name: moved.column(name) for name in moved.schema.names})


def _keys(manifest: Manifest, chain: list[Declaration], batch: pa.RecordBatch, prefix: str) -> pa.Array:
    """The keys, or old keys, of changes as the table holds them; null where they are."""
    key, target = manifest.table.key, manifest.target
    columns = [batch.column(f"{prefix}{i}") for i in range(len(key))]
    if not chain:
        return encode(columns, types_of(target.columns, key))
    whole = functools.reduce(pc.and_, [c.is_valid() for c in columns])
    at = pc.indices_nonzero(whole)
    places = [(batch.column("f")[i].as_py(), batch.column("n")[i].as_py()) for i in at.to_pylist()]
    made = keychain.apply(manifest, chain, [c.take(at) for c in columns], places)
    tuples = encode(made, types_of(target.columns, key))
    back = pc.if_else(whole, pc.subtract(pc.cumulative_sum(whole.cast(pa.int64())), 1), pa.scalar(None, pa.int64()))
    return tuples.take(back)


def _batch(rows: int, **columns: pa.Array) -> pa.RecordBatch:
    arrays = [columns[f.name] if f.name in columns else pa.nulls(rows, f.type) for f in CHANGES]
    return pa.record_batch(arrays, CHANGES)
