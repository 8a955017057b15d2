"""The rows that won: decoded, completed from the table, transformed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from . import errors, reading, sifting, softdelete, transforms, types
from .cells import unpack
from .changes import completed, crossing, full_files, partial
from .columns import choose, ddl, decode, encode, types_of
from .committed import wanted
from .manifest import Manifest
from .settle import ASIDE, BAD, CHANGES, MARKED, MARKED_BY_MOVE, MEMBER, UPSERT, VERDICTS

Sift = Callable[[Manifest, pa.RecordBatch], list[sifting.Aside]]

# What becomes of a key: kind as in a verdict, kept whether the row that won stays
# in the table, memory the order to remember, bad an error, f and n the place of a row
# that stays. The columns of the table follow as v0, v1, ...; of keys that leave it only
# those of the key are set.
WINNERS = pa.schema([
    ("ek", pa.binary()), ("kind", pa.int8()), ("there", pa.bool_()), ("kept", pa.bool_()),
    ("memory", pa.binary()), ("bad", pa.binary()), ("f", pa.int32()), ("n", pa.int64()),
])


def settle(manifest: Manifest, found: DataFrame | None, changes: DataFrame, *known: DataFrame) -> DataFrame:
    """The winners of changes, settled against what is known of their keys. found are
    the committed rows, which rows that leave columns unsupplied are completed from."""
    rows = placed(manifest, changes, *known)
    columns = ddl(WINNERS, [(f"v{i}", c.type) for i, c in enumerate(manifest.target.columns)])
    if not completed(manifest):
        return rows.mapInArrow(lambda batches: _decoded(manifest, _fold(manifest, batches)), columns)
    verdicts = rows.mapInArrow(lambda batches: _fold(manifest, batches), ddl(VERDICTS))
    return _supplied(manifest, verdicts, found).mapInArrow(lambda batches: _decoded(manifest, batches), columns)


def placed(manifest: Manifest, changes: DataFrame, *known: DataFrame) -> DataFrame:
    """Changes and what is known of their keys, sorted by key and place; or by place alone,
    in one partition, where rows take values from rows of other keys."""
    everything = changes
    for frame in known:
        everything = everything.unionByName(frame)
    if crossing(manifest):
        everything = everything.coalesce(1).sortWithinPartitions("f", "n")
    else:
        everything = everything.repartition("ek").sortWithinPartitions("ek", "f", "n")
    return everything.select(*CHANGES.names)


def _fold(manifest: Manifest, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    fold = softdelete.fold(manifest)
    fold.tolerant = manifest.tolerant and fold.partial
    fold.based = full_files(manifest)
    fold.tells = bool(manifest.target.order_by) and manifest.table.tombstone_seconds > 0
    return fold.crossing(batches) if crossing(manifest) else fold.sorted_by_key(batches)


def _supplied(manifest: Manifest, verdicts: DataFrame, found: DataFrame | None) -> DataFrame:
    """Verdicts beside the committed rows that supply some of their columns, as
    t0, t1, ..."""
    names = wanted(manifest)
    if found is None:
        kinds = types_of(manifest.target.columns, names)
        return verdicts.select("*", *(F.lit(None).cast(types.spark(k)).alias(f"t{i}") for i, k in enumerate(kinds)))
    rows = found.select(F.col("ek").alias("from_key"), *(F.col(f"c{i}").alias(f"t{i}") for i in range(len(names))))
    return verdicts.join(rows, verdicts["src"] == rows["from_key"], "left").drop("from_key")


def _decoded(manifest: Manifest, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield from _decode(manifest, batch)


def _decode(manifest: Manifest, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    kinds = np.array(batch.column("kind").to_pylist(), np.int8)
    wins = np.flatnonzero(kinds == UPSERT)
    rows = batch.take(pa.array(wins, pa.int64()))
    kept = pa.array([], pa.bool_())
    if manifest.tolerant:
        below = kinds == MEMBER
        aside = _sifted(manifest, sifting.members, batch.filter(pa.array(below)))
        if aside is not None:
            yield aside
        batch, kinds = batch.filter(pa.array(~below)), kinds[~below]
        wins = np.flatnonzero(kinds == UPSERT)
    if len(wins):
        try:
            values, kept = transformed(manifest, rows)
        except errors.JobError as err:
            aside = _sifted(manifest, sifting.winners, rows) if manifest.tolerant and isinstance(err, errors.RowError) else None
            yield _bad(manifest, errors.carry(err)) if aside is None else aside
            return
        yield _stay(manifest, rows.filter(kept), values)
    marked = np.isin(kinds, (MARKED, MARKED_BY_MOVE))
    if marked.any():
        yield _mark(manifest, batch.filter(pa.array(marked)))
    gone = ~marked
    gone[wins[kept.to_numpy(zero_copy_only=False)]] = False
    yield _leave(manifest, batch.filter(pa.array(gone)))


def _sifted(manifest: Manifest, sift: Sift, rows: pa.RecordBatch) -> pa.RecordBatch | None:
    """The bad ones of rows as winners of kind ASIDE, or the error that says why that
    cannot be told; None if there are none."""
    try:
        found = sift(manifest, rows)
    except errors.JobError as err:
        return _bad(manifest, errors.carry(err))
    if not found:
        return None
    n = len(found)
    own = [pa.nulls(n, f.type) for f in WINNERS]
    own[1], own[5] = pa.array([ASIDE] * n, pa.int8()), pa.array([a.packed() for a in found], pa.binary())
    own[6], own[7] = pa.array([a.f for a in found], pa.int32()), pa.array([a.n for a in found], pa.int64())
    return _batch(manifest, own, [pa.nulls(n, types.arrow(c.type)) for c in manifest.target.columns])


def transformed(manifest: Manifest, rows: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.Array]:
    """The rows of upserts that a filter leaves in the table, and which they are."""
    cells = [unpack(c) for c in rows.column("cells").to_pylist()]
    places = list(zip(rows.column("f").to_pylist(), rows.column("n").to_pylist()))
    made, wrong = reading.decode_or_errors(manifest, cells, places)
    if wrong:
        raise reading.first_error(wrong)
    made, kept = transforms.apply(manifest, manifest.table.transforms, made, places)
    want = [c.name for c in softdelete.made(manifest)]
    if made.schema.names != want:
        raise errors.Terminal(f"table {manifest.table.name}: transforms made other columns than were announced")
    rows = rows.filter(kept)
    if not keys_of(manifest, made).equals(rows.column("ek")):
        raise errors.Terminal(f"table {manifest.table.name}: a transform made another key of a row than of its change")
    return _completed(manifest, rows, made) if partial(manifest) else made, kept


def keys_of(manifest: Manifest, rows: pa.RecordBatch) -> pa.Array:
    """The keys of rows of the table."""
    key = manifest.target.key
    return encode([rows.column(name) for name in key], types_of(manifest.target.columns, key))


def _completed(manifest: Manifest, rows: pa.RecordBatch, made: pa.RecordBatch) -> pa.RecordBatch:
    """The rows with the cells that committed rows supply. A committed value has
    been transformed when it was written; it is found by the column's name."""
    gaps = [set(np.frombuffer(g, np.uint16).tolist()) if g else () for g in rows.column("gaps").to_pylist()]
    declared = [c.name for c in manifest.table.columns]
    columns = []
    for name, column in zip(made.schema.names, made.columns):
        at = declared.index(name) if name in declared else -1
        mask = [at in g for g in gaps]
        if any(mask):
            held = rows.column(f"t{wanted(manifest).index(name)}")
            column = choose(mask, held.cast(column.type), column)
        columns.append(column)
    return pa.record_batch(columns, made.schema.names)


def _stay(manifest: Manifest, rows: pa.RecordBatch, values: pa.RecordBatch) -> pa.RecordBatch:
    n = rows.num_rows
    own = [rows.column("ek"), rows.column("kind"), rows.column("there"), pa.array([True] * n, pa.bool_()),
           rows.column("keep"), pa.nulls(n, pa.binary()), rows.column("f"), rows.column("n")]
    columns = [*values.columns, *softdelete.mode_columns(manifest, rows.column("gone"))]
    columns = [c.cast(types.arrow(d.type)) for c, d in zip(columns, manifest.target.columns)]
    return _batch(manifest, own, columns)


def _mark(manifest: Manifest, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Committed rows as they stand, but for the mark."""
    held = [rows.column(f"t{i}") for i in range(len(softdelete.made(manifest)))]
    return _stay(manifest, rows, pa.record_batch(held, [c.name for c in softdelete.made(manifest)]))


def _leave(manifest: Manifest, rows: pa.RecordBatch) -> pa.RecordBatch:
    n, target = rows.num_rows, manifest.target
    keys = dict(zip(target.key, decode(rows.column("ek"), types_of(target.columns, target.key))))
    columns = [keys[c.name] if c.name in keys else pa.nulls(n, types.arrow(c.type)) for c in target.columns]
    return _batch(manifest, [rows.column("ek"), rows.column("kind"), rows.column("there"), pa.array([False] * n, pa.bool_()),
                             rows.column("drop"), pa.nulls(n, pa.binary()), pa.nulls(n, pa.int32()), pa.nulls(n, pa.int64())], columns)


def _bad(manifest: Manifest, err: errors.Carried) -> pa.RecordBatch:
    own = [pa.nulls(1, f.type) for f in WINNERS]
    own[1], own[5] = pa.array([BAD], pa.int8()), pa.array([str(err).encode()], pa.binary())
    return _batch(manifest, own, [pa.nulls(1, types.arrow(c.type)) for c in manifest.target.columns])


def _batch(manifest: Manifest, own: list[pa.Array], columns: list[pa.Array]) -> pa.RecordBatch:
    names = [f"v{i}" for i in range(len(manifest.target.columns))]
    return pa.record_batch([*own, *columns], [*WINNERS.names, *names])
