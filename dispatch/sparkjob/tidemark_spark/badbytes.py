"""What is kept of bad rows: their bytes, and their keys as far as these can be read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from . import avroraw, csvformat, debeziumformat, dmstransactions, errors, jsonlines, keychain, parquetraw, reading, shapes, types
from .columns import ddl, encode, types_of
from .files import Input, open_input
from .manifest import Column, Declaration, Manifest
from .scanning import Request, Wanted, request

Raw = Callable[[Declaration, Input, Request, "set[int]"], Iterator[tuple[int, bytes, bytes]]]

# The formats of which single records can be had.
RAW: dict[str, Raw] = {
    "csv": csvformat.raw, "dms_transactions": dmstransactions.raw, "jsonlines": jsonlines.raw, "debezium": debeziumformat.raw,
    "parquet": parquetraw.raw, "avro": avroraw.raw,
}  # fmt: skip

_SCHEMA = pa.schema([("f", pa.int32()), ("n", pa.int64()), ("key", pa.binary()), ("head", pa.binary()), ("raw", pa.binary())])


@dataclasses.dataclass(frozen=True)
class Bytes:
    """What is kept of a bad row. key is None where it cannot be told."""

    key: bytes | None = None
    head: bytes = b""
    raw: bytes | None = None


def fetch_bytes(spark: SparkSession, manifest: Manifest, rows: Iterable[tuple[int, int]]) -> dict[tuple[int, int], Bytes]:
    """Reads the files that have the rows once more, each in a task of its own."""
    wanted: dict[int, set[int]] = {}
    for f, n in rows:
        wanted.setdefault(f, set()).add(n)
    if not wanted:
        return {}

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for i in batch.column(0).to_pylist():
                try:
                    yield _file(manifest, files[i], wanted[files[i]])
                except errors.JobError as err:
                    raise errors.carry(err) from None

    files = sorted(wanted)
    frame = spark.range(0, len(files), 1, len(files)).mapInArrow(work, ddl(_SCHEMA))
    try:
        found = frame.collect()
    except Exception as e:
        raise errors.find(str(e)) or e from None
    return {(f, n): Bytes(_bytes(key), bytes(head or b""), _bytes(raw)) for f, n, key, head, raw in found}


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)


def _file(manifest: Manifest, f: int, wanted: set[int]) -> pa.RecordBatch:
    keys = _keys(manifest, f, wanted) if manifest.table.key else {}
    raws = {n: (head, raw) for n, head, raw in _raw(manifest, f, wanted)}
    rows = [(f, n, keys.get(n), *raws.get(n, (None, None))) for n in sorted(wanted)]
    return pa.record_batch([pa.array(c, t.type) for c, t in zip(zip(*rows), _SCHEMA)], _SCHEMA)


def _raw(manifest: Manifest, f: int, wanted: set[int]) -> Iterator[tuple[int, bytes, bytes]]:
    format = manifest.format_of(f)
    read = RAW.get(format.kind)
    if read is None:
        raise errors.Terminal(f"the job does not set aside rows of files of format {format.kind}")
    source = open_input(manifest.files[f])
    try:
        yield from read(format, source, shapes.asked(reading.shape_of(manifest, f), _all(manifest, f)), wanted)
    finally:
        source.close()


def _all(manifest: Manifest, f: int) -> Request:
    """All that a record may say of a row."""
    table, req = manifest.table, request(manifest, f)
    columns = list(table.columns)
    if table.op_column and all(c.name != table.op_column for c in columns):
        columns.insert(0, Column(table.op_column, "string"))
    columns += [Column(name, table.column(key).type) for name, key in zip(table.old_key, table.key)]
    return dataclasses.replace(req, first=(), columns=tuple(columns))


def _keys(manifest: Manifest, f: int, wanted: set[int]) -> dict[int, bytes]:
    """The keys of rows as the table would hold them."""
    table, found = manifest.table, {}
    req = dataclasses.replace(request(manifest, f), first=tuple(Wanted(table.column(k)) for k in table.key), columns=(), tolerant=True)
    chain = keychain.steps(manifest)
    for batch in reading.batches(manifest, req):
        for i, n in enumerate(batch.numbers):
            if n not in wanted:
                continue
            key = [c[i] for c in batch.first]
            if None not in key and (made := _key(manifest, chain, f, n, key)) is not None:
                found[n] = made
    return found


def _key(manifest: Manifest, chain: list[Declaration], f: int, n: int, key: list[Any]) -> bytes | None:
    kinds = types_of(manifest.table.columns, manifest.table.key)
    columns = [types.array(kind, [v]) for kind, v in zip(kinds, key)]
    try:
        made = keychain.apply(manifest, chain, columns, [(f, n)]) if chain else columns
    except errors.RowError:
        return None
    return encode(made, types_of(manifest.target.columns, manifest.table.key))[0].as_py()
