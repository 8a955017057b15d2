"""What the table holds of the keys of a load."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from .catalog import Table
from .changes import Told, completed
from .columns import ddl, decode, encode, quoted, types_of
from .history import History
from .manifest import Manifest
from .settle import BASE, CHANGES, COMMITTED

# Up to so many rows of changes their keys are sent to all executors.
BROADCAST_ROWS = 500_000

_RANGED = ("int", "long", "string")


def wanted(manifest: Manifest) -> list[str]:
    """The columns of committed rows that matter: the ordering columns, or all."""
    if completed(manifest):
        return [c.name for c in manifest.target.columns]
    return list(manifest.target.order_by)


def rows(table: Table, manifest: Manifest, past: History, keys: DataFrame, told: Told) -> DataFrame:
    """The committed rows of the keys: ek, whether they are of the full load that
    opened the epoch, and the wanted columns as c0, c1, ..."""
    key = manifest.target.key
    held = table.spark.table(table.identifier())
    held = _within(held, manifest, told)
    held = held.select(
        *(F.col(quoted(name)).alias(f"h{i}") for i, name in enumerate(key)),
        *(F.col(quoted(name)).alias(f"c{i}") for i, name in enumerate(wanted(manifest))),
        F.col("_file").alias("file"))
    if told.read <= BROADCAST_ROWS:
        keys = F.broadcast(keys)
    same = [held[f"h{i}"] == keys[f"k{i}"] for i in range(len(key))]
    found = _with_base(table, past, held.join(keys, same))
    return found.select("ek", "base", *(f"c{i}" for i in range(len(wanted(manifest)))))


def all_rows(table: Table, manifest: Manifest, past: History) -> DataFrame:
    """All rows of the table, as rows gives them but for ek."""
    columns = [F.col(quoted(name)).alias(f"c{i}") for i, name in enumerate(wanted(manifest))]
    held = table.spark.table(table.identifier()).select(*columns, F.col("_file").alias("file"))
    return _with_base(table, past, held)


def known(manifest: Manifest, found: DataFrame) -> DataFrame:
    """Committed rows as rows to settle, with the orders that they show."""
    order = manifest.target.order_by
    at = [wanted(manifest).index(name) for name in order]
    kinds = types_of(manifest.target.columns, order)

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            n = batch.num_rows
            orders = pa.nulls(n, pa.binary())
            if order:
                orders = encode([batch.column(2 + i) for i in range(len(order))], kinds)
            kinds_of = [BASE if base else COMMITTED for base in batch.column(1).to_pylist()]
            yield before(batch.column(0), orders, kinds_of, -2)

    return found.select("ek", "base", *(f"c{i}" for i in at)).mapInArrow(work, ddl(CHANGES))


def before(ek: pa.Array, orders: pa.Array, kinds: list[int], f: int) -> pa.RecordBatch:
    """Rows of what is known before any change; f sorts them."""
    n = len(ek)
    return pa.record_batch([
        ek, pa.array(kinds, pa.int8()), pa.array([f] * n, pa.int32()), pa.array([0] * n, pa.int64()),
        orders, pa.nulls(n, pa.binary()), pa.nulls(n, pa.binary())], CHANGES)


def _within(held: DataFrame, manifest: Manifest, told: Told) -> DataFrame:
    """Narrows the rows by the range of the first key column, which column bounds
    let the scan make use of."""
    key = manifest.target.key
    kinds = types_of(manifest.target.columns, key)
    if kinds[0] not in _RANGED:
        return held
    low, high = decode(pa.array(told.keys, pa.binary()), kinds)[0].to_pylist()
    return held.filter(F.col(quoted(key[0])).between(F.lit(low), F.lit(high)))


def _with_base(table: Table, past: History, found: DataFrame) -> DataFrame:
    if past.base <= 0:
        return found.withColumn("base", F.lit(False))
    entries = table.spark.table(table.identifier("entries"))
    base = entries.filter((F.col("status") < 2) & (F.col("data_file.content") == 0) & (F.col("sequence_number") <= past.base))
    files = base.select(F.col("data_file.file_path").alias("base_file")).distinct()
    return found.join(files, F.col("file") == F.col("base_file"), "left").withColumn("base", F.col("base_file").isNotNull())
