"""Loads of history tables on Spark: what they find in the table, and the versions that
they leave there (chroniclerows.go)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from . import changes, chronicle, committed, errors, history, softdelete, types, winners
from .catalog import Table
from .cells import pack, unpack
from .chronicle import Chunk, Held, Upsert
from .columns import ddl, decode, encode, types_of
from .manifest import HISTORY, Manifest
from .memory import Memory
from .parquetvalues import plain
from .settle import BAD, CHANGES, COMMITTED, UPSERT
from .timeline import Version

# A committed version that goes. Those that have its key and its mode columns go, too.
REMOVED = 9
_TALLY = 10

# Winners, and of rows of the table whether they are of the epoch's full load. Rows of
# kind _TALLY tell how many rows of the load had which fate.
VERSIONS = pa.schema([*winners.WINNERS, ("base", pa.bool_()), ("fate", pa.string()), ("amount", pa.int64())])


def applies(manifest: Manifest) -> bool:
    """Whether changes of the load make versions."""
    return manifest.table.mode == HISTORY and not manifest.load.swaps


def settle(
    table: Table, manifest: Manifest, past: history.History, book: Memory, told: changes.Told, read: DataFrame,
    hold: Callable[[DataFrame], DataFrame],
) -> DataFrame:
    """The versions that changes leave, and those of the table that go for them."""
    known = []
    if manifest.load.difference:
        if past.head is not None:
            known.append(_known(manifest, committed.all_rows(table, manifest, past)))
    elif told.read:
        keys = hold(changes.keys(manifest, read))
        if past.head is not None:
            known.append(_known(manifest, committed.rows(table, manifest, past, keys, told)))
        remembered = book.known(keys)
        if remembered is not None:
            known.append(remembered)
    columns = ddl(VERSIONS, [(f"v{i}", c.type) for i, c in enumerate(manifest.target.columns)])
    return hold(winners.placed(manifest, read, *known).mapInArrow(lambda batches: _settled(manifest, batches), columns))


def count(manifest: Manifest, told: changes.Told, won: DataFrame) -> tuple[dict, int, int]:
    """The counts, how many rows leave the table, and how many orders are to be
    remembered. Raises what is wrong with the rows."""
    bad = [bytes(r[0]).decode() for r in won.filter(F.col("kind") == BAD).select("bad").collect()]
    if bad:
        raise errors.find(" ".join(bad)) or errors.Retryable("versions could not be settled")
    found = dict(won.filter(F.col("kind") == _TALLY).groupBy("fate").agg(F.sum("amount")).collect())
    n = {name: found.get(name, 0) for name in history.COUNTS}
    if found.get("removed_as_absent"):
        n["removed_as_absent"] = found["removed_as_absent"]
    n["read"] = told.read
    n["superseded"] = told.read - sum(n[k] for k in ("inserted", "updated", "unchanged", "filtered"))
    return n, found.get("removed", 0), won.filter("memory IS NOT NULL").count()


def _known(manifest: Manifest, found: DataFrame) -> DataFrame:
    """Committed versions as rows to settle."""
    names = [c.name for c in manifest.target.columns]
    made = len(softdelete.made(manifest))

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            held = pa.record_batch(batch.columns[1:], names)
            n, order = held.num_rows, manifest.target.order_by
            cells = list(zip(*map(plain, held.columns)))
            packed = [pack([base, row[made], row[made + 1], row[made + 3], pack(list(row[:made]))])
                      for base, row in zip(batch.column(0).to_pylist(), cells)]
            orders = pa.nulls(n, pa.binary())
            if order:
                orders = encode([held.column(name) for name in order], types_of(manifest.target.columns, order))
            yield pa.record_batch([
                winners.keys_of(manifest, held), pa.array([COMMITTED] * n, pa.int8()), pa.array([-2] * n, pa.int32()),
                pa.array([0] * n, pa.int64()), orders, pa.array(packed, pa.binary()), pa.nulls(n, pa.binary())], CHANGES)

    return found.select("base", *(f"c{i}" for i in range(len(names)))).mapInArrow(work, ddl(CHANGES))


def _settled(manifest: Manifest, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    rows = (row for batch in batches for row in zip(*(batch.column(name).to_pylist() for name in CHANGES.names)))
    for chunk in chronicle.chunks(manifest, rows, changes.crossing(manifest)):
        try:
            yield from _Settled(manifest, chunk).batches()
        except errors.JobError as err:
            yield _batch(manifest, 1, kind=[BAD], bad=[str(errors.carry(err)).encode()])


class _Settled:
    """A chunk, settled: the versions to write, and the values of those of the load."""

    def __init__(self, manifest: Manifest, chunk: Chunk) -> None:
        self.manifest, self.chunk = manifest, chunk
        self.made = softdelete.made(manifest)
        self.write: list[Version] = []
        self.gone: list[Version] = []
        self.upserts: list[Upsert] = []
        self.values: pa.RecordBatch | None = None
        if manifest.load.difference:
            self.compare()
        else:
            self.follow()

    def follow(self) -> None:
        """Settles changes. Of whole rows it is known from the start which ones a filter
        drops; others are taken back once they turn out to be among them."""
        chunk, drops = self.chunk, set()
        if any(d.kind == "where" for d in self.manifest.table.transforms):
            drops = self.decode(chunk.upserts())
        while True:
            chunk.settle(drops)
            self.write, self.gone = chunk.written()
            found = self.decode(list(dict.fromkeys(v.values for v in self.write if isinstance(v.values, Upsert))))
            if not found:
                return
            drops |= found

    def compare(self) -> None:
        """Settles a full load that is committed as a difference."""
        chunk = self.chunk
        won = chunk.winners()
        chunk.begin()
        self.decode([Upsert(ek, (k.f, k.n), k.cells) for ek, k in won.items() if k.kind == UPSERT])
        rows = zip(*(plain(self.values.column(i).cast(types.arrow(c.type))) for i, c in enumerate(self.made))) if self.upserts else []
        made = {}
        for up, row in zip(self.upserts, rows):
            last = chunk.keys[up.ek].last() if up.ek in chunk.keys else None
            made[up.ek] = up, last is not None and _same(unpack(last.values.packed), row)
        chunk.compare(won, made)
        self.write, self.gone = chunk.written()

    def decode(self, upserts: list[Upsert]) -> set[chronicle.Place]:
        """Makes the rows of upserts, and returns the places of those that a filter
        drops."""
        self.upserts, self.values = [], None
        if not upserts:
            return set()
        cells, sources, gaps = zip(*(u.verdict(self.chunk.fold) for u in upserts))
        columns = {
            "ek": pa.array([u.ek for u in upserts], pa.binary()), "f": pa.array([u.place[0] for u in upserts], pa.int32()),
            "n": pa.array([u.place[1] for u in upserts], pa.int64()), "cells": pa.array(cells, pa.binary()), "gaps": pa.array(gaps, pa.binary()),
        }
        for i, held in enumerate(_unpacked(self.manifest, list(sources))):
            columns[f"t{i}"] = held
        for i, c in enumerate(self.manifest.target.columns[len(self.made):], len(self.made)):
            columns[f"t{i}"] = pa.nulls(len(upserts), types.arrow(c.type))
        self.values, kept = winners.transformed(self.manifest, pa.record_batch(columns))
        stays = kept.to_pylist()
        self.upserts = [u for u, stay in zip(upserts, stays) if stay]
        return {u.place for u, stay in zip(upserts, stays) if not stay}

    def batches(self) -> Iterator[pa.RecordBatch]:
        if self.write:
            yield self.versions()
        if self.gone:
            yield self.removed()
        orders = self.chunk.orders()
        if orders:
            yield _batch(self.manifest, len(orders), ek=list(orders), kind=[0] * len(orders), memory=list(orders.values()))
        tally = {k: n for k, n in self.chunk.tally.items() if n}
        if tally:
            yield _batch(self.manifest, len(tally), kind=[_TALLY] * len(tally), fate=list(tally), amount=list(tally.values()))

    def versions(self) -> pa.RecordBatch:
        rows, n = self.write, len(self.write)
        held = list(dict.fromkeys(v.values for v in rows if isinstance(v.values, Held)))
        at = {source: i for i, source in enumerate([*self.upserts, *held])}
        columns = _unpacked(self.manifest, [h.packed for h in held])
        if self.values is not None:
            columns = [pa.concat_arrays([v.cast(c.type), c]) for v, c in zip(self.values.columns, columns)]
        shown = self.shown(rows)
        places = [at[v.values] for v in rows]
        out = []
        for c, column in zip(self.made, columns):
            own, to = places, shown.get(c.name)
            if to is not None:
                own = [len(column) + to[0][i] if i in to[0] else p for i, p in enumerate(places)]
                column = pa.concat_arrays([column, to[1].cast(column.type)])
            out.append(column.take(pa.array(own, pa.int64())))
        return _batch(
            self.manifest, n, [*out, *_times(rows)], kind=[UPSERT] * n, there=[False] * n, kept=[True] * n,
            f=[v.place[0] for v in rows], n=[v.place[1] for v in rows],
            base=[v.base and not self.manifest.load.difference for v in rows])

    def shown(self, rows: list[Version]) -> dict[str, tuple[dict[int, int], pa.Array]]:
        """The ordering columns of versions that show their own: where in an array they
        stand."""
        order = self.manifest.target.order_by
        at = {i: j for j, i in enumerate(i for i, v in enumerate(rows) if v.shows)}
        if not at:
            return {}
        orders = decode(pa.array([rows[i].order for i in at], pa.binary()), types_of(self.manifest.target.columns, order))
        return {name: (at, column) for name, column in zip(order, orders)}

    def removed(self) -> pa.RecordBatch:
        rows, target = self.gone, self.manifest.target
        keys = [ek for ek, v in self.chunk.held]
        found = decode(pa.array([keys[v.row] for v in rows], pa.binary()), types_of(target.columns, target.key))
        by_name = dict(zip(target.key, found))
        columns = [by_name[c.name] if c.name in by_name else pa.nulls(len(rows), types.arrow(c.type)) for c in self.made]
        n = len(rows)
        return _batch(self.manifest, n, [*columns, *_times(rows)], kind=[REMOVED] * n, there=[True] * n, kept=[False] * n)


def _times(rows: list[Version]) -> list[pa.Array]:
    """The mode's columns."""
    return [
        types.array("timestamptz", [v.start for v in rows]), types.array("timestamptz", [v.end for v in rows]),
        pa.array([v.end is None for v in rows], pa.bool_()), pa.array([v.deleted for v in rows], pa.bool_()),
    ]


def _unpacked(manifest: Manifest, rows: list[bytes | None]) -> list[pa.Array]:
    """The columns that transforms make of committed rows, nulls where there is none."""
    made = softdelete.made(manifest)
    values = [[None] * len(made) if row is None else unpack(row) for row in rows]
    return [_array(c.type, [v[i] for v in values]) for i, c in enumerate(made)]


def _array(kind: str, values: list[Any]) -> pa.Array:
    """The inverse of plain, for columns as they pass through Spark."""
    if kind == "uuid":
        return pa.array([None if v is None else v.decode() for v in values], pa.string())
    return types.array(kind, values)


def _same(held: list[Any], row: tuple) -> bool:
    """Whether all values are the same: null is not empty, 0 not -0; NaN equals NaN."""
    return all(
        (a == b and math.copysign(1, a) == math.copysign(1, b) or a != a and b != b)
        if isinstance(a, float) and isinstance(b, float) else a == b
        for a, b in zip(held, row))


def _batch(manifest: Manifest, rows: int, values: list[pa.Array] | None = None, **own: list) -> pa.RecordBatch:
    """Rows of versions, with nulls for what is not given."""
    arrays = [pa.array(own[f.name], f.type) if f.name in own else pa.nulls(rows, f.type) for f in VERSIONS]
    for i, c in enumerate(manifest.target.columns):
        kind = types.arrow(c.type)
        arrays.append(pa.nulls(rows, kind) if values is None else values[i].cast(kind))
    return pa.record_batch(arrays, [*VERSIONS.names, *(f"v{i}" for i in range(len(manifest.target.columns)))])
