"""Lookups in other tables of the lake (the engine's transform/lookuptable.go): the
driver reads a table once for a load, and hands its rows to the tasks."""

from __future__ import annotations

import dataclasses
import functools
import uuid
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from . import catalog, types
from .columns import quoted
from .errors import Terminal
from .manifest import Declaration, Manifest

TABLE, HELD = "table", "held"

_MAX_BYTES = 256 << 20


@dataclasses.dataclass(frozen=True)
class Held:
    """The rows of a table, as Arrow's streams, by a name of their own."""

    id: str
    columns: tuple[tuple[str, str], ...]
    streams: Broadcast = dataclasses.field(compare=False, repr=False)


def fetch(spark: SparkSession, manifest: Manifest) -> Manifest:
    """The manifest, with the rows of tables in the place of their names."""
    chain = tuple(_fetched(spark, manifest, d) for d in manifest.table.transforms)
    return dataclasses.replace(manifest, table=dataclasses.replace(manifest.table, transforms=chain))


@functools.lru_cache(maxsize=16)
def load(held: Held) -> dict[str, tuple[pa.Array, str]]:
    """The columns of the rows, with their types."""
    batches = [b for s in held.streams.value for b in pa.ipc.open_stream(s)]
    out = {}
    for i, (name, kind) in enumerate(held.columns):
        out[name] = pa.concat_arrays([pa.array([], types.arrow(kind)), *(b.column(i) for b in batches)]), kind
    return out


def _fetched(spark: SparkSession, manifest: Manifest, d: Declaration) -> Declaration:
    source = d.options.get("source") if d.kind == "lookup" else None
    if not source or source.get("kind") != TABLE:
        return d
    held = _held(spark, manifest, source["options"])
    return Declaration(d.kind, {**d.options, "source": {"kind": HELD, "rows": held}})


def _held(spark: SparkSession, manifest: Manifest, options: dict[str, Any]) -> Held:
    name = options["table"]
    columns = tuple((c["name"], c["type"]) for c in options["columns"])
    named = dataclasses.replace(manifest, table=dataclasses.replace(manifest.table, name=name))
    table = catalog.find(spark, named)
    streams: list[bytes] = []
    if table is not None and "main" in table.metadata.get("refs", {}):
        _check(table, columns)
        frame = spark.table(table.identifier()).select(*(F.col(quoted(c)).alias(c) for c, _ in columns))
        streams = [bytes(row[0]) for row in _streams(frame, columns).collect()]
    if sum(map(len, streams)) > _MAX_BYTES:
        raise Terminal(f"lookup: table {name}: longer than {_MAX_BYTES} bytes")
    return Held(uuid.uuid4().hex, columns, spark.sparkContext.broadcast(streams))


def _check(table: catalog.Table, columns: tuple[tuple[str, str], ...]) -> None:
    schema = next(s for s in table.metadata["schemas"] if s["schema-id"] == table.metadata["current-schema-id"])
    has = {f["name"]: f["type"] for f in schema["fields"]}
    for name, kind in columns:
        if name not in has:
            raise Terminal(f"lookup: table {table.name}: no column {name}")
        if has[name] != catalog.iceberg_type(kind):
            raise Terminal(f"lookup: table {table.name}: column {name} is not of type {kind}")


def _streams(frame: DataFrame, columns: tuple[tuple[str, str], ...]) -> DataFrame:
    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            out = pa.record_batch([c.cast(types.arrow(kind)) for c, (_, kind) in zip(batch.columns, columns)], batch.schema.names)
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, out.schema) as stream:
                stream.write_batch(out)
            yield pa.record_batch([pa.array([sink.getvalue().to_pybytes()], pa.binary())], ["stream"])

    return frame.mapInArrow(work, "stream binary")
