"""The rows that won: decoded, completed from the table, transformed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from . import errors, reading, transforms, types
from .cells import unpack
from .changes import crossing, partial
from .columns import choose, ddl, decode, encode, types_of
from .committed import wanted
from .manifest import Manifest
from .settle import BAD, CHANGES, UPSERT, VERDICTS, Fold

# What becomes of a key: kind as in a verdict, kept whether the row that won stays
# in the table, memory the order to remember, bad an error. The columns of the
# table follow as v0, v1, ...; of keys that leave it only those of the key are set.
WINNERS = pa.schema([
    ("ek", pa.binary()), ("kind", pa.int8()), ("there", pa.bool_()), ("kept", pa.bool_()),
    ("memory", pa.binary()), ("bad", pa.binary()),
])


def settle(manifest: Manifest, found: DataFrame | None, changes: DataFrame, *known: DataFrame) -> DataFrame:
    """The winners of changes, settled against what is known of their keys. found are
    the committed rows, which rows that leave columns unsupplied are completed from."""
    everything = changes
    for frame in known:
        everything = everything.unionByName(frame)
    if crossing(manifest):
        placed = everything.coalesce(1).sortWithinPartitions("f", "n")
    else:
        placed = everything.repartition("ek").sortWithinPartitions("ek", "f", "n")
    placed = placed.select(*CHANGES.names)
    columns = ddl(WINNERS, [(f"v{i}", c.type) for i, c in enumerate(manifest.target.columns)])
    if not partial(manifest):
        return placed.mapInArrow(lambda batches: _decoded(manifest, _fold(manifest, batches)), columns)
    verdicts = placed.mapInArrow(lambda batches: _fold(manifest, batches), ddl(VERDICTS))
    return _supplied(manifest, verdicts, found).mapInArrow(lambda batches: _decoded(manifest, batches), columns)


def _fold(manifest: Manifest, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    fold = Fold(len(manifest.table.columns), partial(manifest))
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
    if len(wins):
        try:
            values, kept = _rows(manifest, rows)
        except errors.JobError as err:
            yield _bad(manifest, errors.carry(err))
            return
        yield _stay(manifest, rows.filter(kept), values)
    gone = np.ones(len(kinds), bool)
    gone[wins[kept.to_numpy(zero_copy_only=False)]] = False
    yield _leave(manifest, batch.filter(pa.array(gone)))


def _rows(manifest: Manifest, rows: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.Array]:
    """The rows of upserts that a filter leaves in the table, and which they are."""
    cells = [unpack(c) for c in rows.column("cells").to_pylist()]
    places = list(zip(rows.column("f").to_pylist(), rows.column("n").to_pylist()))
    made, wrong = reading.decode_or_errors(manifest, cells, places)
    if wrong:
        raise reading.first_error(wrong)
    made, kept = transforms.apply(manifest, manifest.table.transforms, made, places)
    want = [c.name for c in manifest.target.columns]
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
           rows.column("keep"), pa.nulls(n, pa.binary())]
    columns = [c.cast(types.arrow(d.type)) for c, d in zip(values.columns, manifest.target.columns)]
    return _batch(manifest, own, columns)


def _leave(manifest: Manifest, rows: pa.RecordBatch) -> pa.RecordBatch:
    n, target = rows.num_rows, manifest.target
    keys = dict(zip(target.key, decode(rows.column("ek"), types_of(target.columns, target.key))))
    columns = [keys[c.name] if c.name in keys else pa.nulls(n, types.arrow(c.type)) for c in target.columns]
    return _batch(manifest, [rows.column("ek"), rows.column("kind"), rows.column("there"), pa.array([False] * n, pa.bool_()),
                             rows.column("drop"), pa.nulls(n, pa.binary())], columns)


def _bad(manifest: Manifest, err: errors.Carried) -> pa.RecordBatch:
    own = [pa.nulls(1, f.type) for f in WINNERS]
    own[1], own[5] = pa.array([BAD], pa.int8()), pa.array([str(err).encode()], pa.binary())
    return _batch(manifest, own, [pa.nulls(1, types.arrow(c.type)) for c in manifest.target.columns])


def _batch(manifest: Manifest, own: list[pa.Array], columns: list[pa.Array]) -> pa.RecordBatch:
    names = [f"v{i}" for i in range(len(manifest.target.columns))]
    return pa.record_batch([*own, *columns], [*WINNERS.names, *names])
