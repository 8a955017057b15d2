"""The orders of keys that the rows of the table do not show: those of deleted
rows, and of rows whose last change had no order. They are in a Parquet file
beside the table, which the marks of the last load name (catalogsink/memory.go)."""

from __future__ import annotations

import datetime
import hashlib
import os
import tempfile
import uuid

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from . import rowkey, types
from .catalog import Table
from .columns import ddl, types_of
from .committed import before
from .errors import Terminal
from .history import History
from .manifest import Manifest
from .settle import CHANGES, REMEMBERED

_CHUNK = 4 << 20


class Memory:
    """The remembered orders of a table, before and after a load."""

    def __init__(self, table: Table, manifest: Manifest, past: History):
        self.table, self.manifest = table, manifest
        self.enabled = bool(manifest.target.order_by) and manifest.table.tombstone_seconds > 0
        self.kinds = types_of(manifest.target.columns, manifest.table.key)
        self.path, self.changed, self.old, self.old_keys = "", False, None, None
        if self.enabled and not manifest.load.full and past.memory:
            self.path = past.memory
            self._read()

    def known(self, keys: DataFrame) -> DataFrame | None:
        """What is remembered of keys, as rows to settle; from then on write has
        the say about them."""
        if self.old is None or self.old.num_rows == 0:
            return None
        spark = self.table.spark
        batch = before(self.old_keys, rowkey.storage(self.old.column("order")), [REMEMBERED] * self.old.num_rows, -1)
        frame = spark.createDataFrame(list(zip(*(c.to_pylist() for c in batch.columns))), ddl(CHANGES))
        touched = frame.join(keys.select("ek"), "ek", "left_semi").select(*CHANGES.names).localCheckpoint()
        gone = pa.array([bytes(r[0]) for r in touched.select("ek").collect()], pa.binary())
        if len(gone):
            keep = pc.invert(pc.is_in(self.old_keys, value_set=gone))
            self.old, self.old_keys, self.changed = self.old.filter(keep), self.old_keys.filter(keep), True
        return touched

    def write(self, winners: DataFrame, orders: int, discard: list[str]) -> str:
        """Writes what is to be remembered after the load, with so many orders of
        winners, and returns the path of it; what is written is added to discard
        first."""
        if not self.enabled or self.manifest.load.full:
            return ""
        if orders == 0 and not self.changed:
            return self.path
        tables = [] if self.old is None else [self.old]
        if orders:
            fresh = winners.filter(F.col("memory").isNotNull()).select("ek", "memory").collect()
            tables.append(self._table(fresh))
        all_of_them = pa.concat_tables(tables) if tables else None
        if all_of_them is None or all_of_them.num_rows == 0:
            return ""
        path = self._folder() + f"/memory-{digest(self.manifest.load.id)}-{uuid.uuid4()}.parquet"
        discard.append(path)
        with tempfile.TemporaryDirectory() as folder:
            local = os.path.join(folder, "memory.parquet")
            pq.write_table(all_of_them, local, compression="zstd", compression_level=1, use_dictionary=False,
                           data_page_version="1.0", coerce_timestamps="us")
            self._upload(local, path)
        return path

    def _schema(self) -> pa.Schema:
        keys = [pa.field("key." + name, _stored(kind)) for name, kind in zip(self.manifest.table.key, self.kinds)]
        return pa.schema([*keys, ("order", pa.binary()), ("at", pa.timestamp("us", "UTC"))])

    def _table(self, fresh: list[tuple]) -> pa.Table:
        """Keys, encoded, and their orders as the file has them."""
        keys = rowkey.decode(pa.array([bytes(r[0]) for r in fresh], pa.binary()), self.kinds)
        orders = pa.array([bytes(r[1]) for r in fresh], pa.binary())
        now = pa.array([datetime.datetime.now(datetime.timezone.utc)] * len(fresh), pa.timestamp("us", "UTC"))
        columns = [*keys, orders, now]
        schema = self._schema()
        return pa.table([_as(c, f.type) for c, f in zip(columns, schema)], schema)

    def _read(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            local = os.path.join(folder, "memory.parquet")
            self._download(self.path, local)
            found = pq.read_table(local)
        schema = self._schema()
        for name in schema.names:
            if name not in found.schema.names:
                raise Terminal(f"table {self.table.name}: remembered orders: {self.path} has no column {name}; was the key changed?")
        found = pa.table([_as(found.column(f.name), f.type) for f in schema], schema)
        retention = datetime.timedelta(seconds=self.manifest.table.tombstone_seconds)
        oldest = pa.scalar(datetime.datetime.now(datetime.timezone.utc) - retention, pa.timestamp("us", "UTC"))
        young = found.filter(pc.greater_equal(found.column("at"), oldest))
        self.changed = young.num_rows < found.num_rows
        self.old = young
        keys = [rowkey.storage(young.column(i)) for i in range(len(self.kinds))]
        self.old_keys = rowkey.encode(keys, self.kinds)

    def _folder(self) -> str:
        side = self.manifest.sink.options.get("side")
        if not side:
            location = self.table.java.location().rstrip("/")
            side = location[: location.rfind("/") + 1] + ".tidemark"
        return side.rstrip("/") + "/" + digest(self.table.name)

    def _download(self, path: str, local: str) -> None:
        stream = self.table.java.io().newInputFile(path).newStream()
        try:
            with open(local, "wb") as out:
                while chunk := stream.readNBytes(_CHUNK):
                    out.write(chunk)
        finally:
            stream.close()

    def _upload(self, local: str, path: str) -> None:
        stream = self.table.java.io().newOutputFile(path).create()
        try:
            with open(local, "rb") as content:
                while chunk := content.read(_CHUNK):
                    stream.write(bytearray(chunk))
        finally:
            stream.close()


def digest(text: str) -> str:
    """How names stand in the paths of side files."""
    return hashlib.sha256(text.encode()).digest()[:8].hex()


def _stored(kind: str) -> pa.DataType:
    if kind != "uuid":
        return types.arrow(kind)
    return pa.uuid() if hasattr(pa, "uuid") else pa.binary(16)


def _as(column: pa.Array, kind: pa.DataType) -> pa.Array:
    column = rowkey.storage(column)
    if isinstance(kind, pa.ExtensionType):
        return pa.ExtensionArray.from_storage(kind, column.cast(kind.storage_type))
    return column if column.type == kind else column.cast(kind)
