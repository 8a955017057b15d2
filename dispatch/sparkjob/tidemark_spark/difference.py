"""A full load that is committed as a difference: its winners beside the table's
rows, so that only what differs is written (difference.go)."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from .catalog import Table
from .columns import quoted
from .history import History
from .manifest import Manifest
from .settle import UPSERT
from .winners import WINNERS

# What becomes of a key besides what settle knows: its row stays as it is, or leaves
# the table because the full load does not have it.
SAME, ABSENT = 11, 12


def compare(table: Table, manifest: Manifest, past: History, won: DataFrame) -> DataFrame:
    """The winners with what the table has of their keys, and the rows of the table
    whose keys have none."""
    if past.head is None:
        return won
    columns, key = manifest.target.columns, manifest.target.key
    held = table.spark.table(table.identifier()).select(
        F.lit(True).alias("held"), *(F.col(quoted(c.name)).alias(f"h{i}") for i, c in enumerate(columns)))
    keys = [i for i, c in enumerate(columns) if c.name in key]
    both = won.join(held, [F.col(f"v{i}") == F.col(f"h{i}") for i in keys], "full_outer")
    mine, present = F.col("kind").isNotNull(), F.col("held").isNotNull()
    same = (F.col("kind") == UPSERT) & F.col("kept") & present
    for i, c in enumerate(columns):
        same = same & _equal(F.col(f"v{i}"), F.col(f"h{i}"), c.type)
    same = F.coalesce(same, F.lit(False))
    made = {
        "kind": F.when(mine & same, F.lit(SAME)).when(mine, F.col("kind")).otherwise(F.lit(ABSENT)).cast("tinyint"),
        "there": present & ~same,
        "kept": F.coalesce(F.col("kept"), F.lit(False)),
    }
    values = [F.coalesce(F.col(f"v{i}"), F.col(f"h{i}")).alias(f"v{i}") if i in keys else F.col(f"v{i}") for i in range(len(columns))]
    return both.select(*(made.get(name, F.col(name)).alias(name) for name in WINNERS.names), *values)


def _equal(a: Column, b: Column, kind: str) -> Column:
    """Whether two values are the same one: nulls are, and so are all NaNs, but 0 and
    -0 are not."""
    if kind in ("float", "double"):
        a, b = a.cast("string"), b.cast("string")
    return a.eqNullSafe(b)
