"""Which bad rows a load overtakes: those of whose key it has a later good change."""

from __future__ import annotations

from typing import Any, NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from .changes import full_files, moving, partial
from .manifest import Manifest
from .softdelete import marks

Place = tuple[int, int]


class Watch(NamedTuple):
    """The rows of the load with their keys, and those of before."""

    own: list[tuple[Place, bytes | None]]
    before: list[dict[str, Any]]

    def keys(self) -> set[bytes]:
        return {k for _, k in self.own if k is not None} | {r["key"] for r in self.before}


def overtaking(manifest: Manifest, changes: DataFrame | None, watch: Watch) -> tuple[set[Place], list[dict[str, Any]]]:
    """The rows that are overtaken. Tables without keys have none."""
    keys = watch.keys()
    if not keys or changes is None or not manifest.table.key:
        return set(), []
    last = _last(manifest, changes, keys)
    own = {place for place, key in watch.own if key is not None and last.get(key, (-1, 0)) > place}
    before = [r for r in watch.before if r["key"] in last and _later(manifest, last[r["key"]], r)]
    return own, before


def _later(manifest: Manifest, at: Place, row: dict[str, Any]) -> bool:
    """Whether a change of the load is later than a row of before. A mended row stands
    where it was set aside."""
    file = manifest.files[at[0]]
    return file.content is None or file.place > row["place"]


def _last(manifest: Manifest, changes: DataFrame, keys: set[bytes]) -> dict[bytes, Place]:
    """The place of the last change of each key that can matter to it, as the engine
    keeps them: the last one of the greatest order and the last one without an order; or
    all changes, where keys move, rows are completed from others or mended rows of the
    full load are among them."""
    watched = changes.sparkSession.createDataFrame([(bytearray(k),) for k in sorted(keys)], "wk binary")
    place = F.struct("f", "n")
    every = partial(manifest) or moving(manifest) or marks(manifest) or bool(full_files(manifest))
    rows = changes.select("ek", "f", "n", "eo")
    if every:
        gives_up = changes.filter(F.col("old").isNotNull()).select(F.col("old").alias("ek"), "f", "n", "eo")
        rows = rows.union(gives_up)
    found = rows.join(F.broadcast(watched), rows["ek"] == watched["wk"]).groupBy("ek")
    if every:
        last = found.agg(F.max(place)).collect()
        return {bytes(key): (at[0], at[1]) for key, at in last}
    ordered = F.max(F.when(F.col("eo").isNotNull(), F.struct("eo", "f", "n")))
    free = F.max(F.when(F.col("eo").isNull(), place))
    out: dict[bytes, Place] = {}
    for key, high, at in found.agg(ordered, free).collect():
        places = [(p["f"], p["n"]) for p in (high, at) if p is not None]
        out[bytes(key)] = max(places)
    return out
