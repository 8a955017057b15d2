"""Columns on their way between Spark, Arrow and the table."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from . import rowkey, types
from .manifest import Column

_PLAIN = {pa.bool_(): "boolean", pa.int8(): "tinyint", pa.int32(): "int", pa.int64(): "bigint",
          pa.binary(): "binary", pa.string(): "string"}


def quoted(*names: str) -> str:
    """An identifier of Spark's SQL."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def ddl(schema: pa.Schema, more: Iterable[tuple[str, str]] = ()) -> str:
    """The job's own columns, followed by declared ones (name, type), for Spark."""
    fields = [f"{quoted(f.name)} {_PLAIN[f.type]}" for f in schema]
    return ", ".join(fields + [f"{quoted(name)} {types.spark(kind)}" for name, kind in more])


def types_of(columns: Sequence[Column], names: Sequence[str]) -> list[str]:
    """The declared types of named columns."""
    by_name = {c.name: c.type for c in columns}
    return [by_name[name] for name in names]


def encode(columns: Sequence[pa.Array], kinds: Sequence[str]) -> pa.Array:
    """Tuples of declared columns, as they pass through Spark, as rowkey has them."""
    return rowkey.encode([_bytes(c) if k == "uuid" else c for c, k in zip(columns, kinds)], list(kinds))


def decode(tuples: pa.Array, kinds: Sequence[str]) -> list[pa.Array]:
    """The inverse of encode."""
    return [_text(c) if k == "uuid" else c for c, k in zip(rowkey.decode(tuples, list(kinds)), kinds)]


def choose(mask: Sequence[bool], yes: pa.Array, no: pa.Array) -> pa.Array:
    """Values of yes where mask is set, else of no."""
    return pc.if_else(pa.array(mask, pa.bool_()), rowkey.storage(yes), rowkey.storage(no))


def _bytes(column: pa.Array) -> pa.Array:
    column = rowkey.storage(column)
    if not pa.types.is_string(column.type):
        return column
    return pa.array([None if v is None else uuid.UUID(v).bytes for v in column.to_pylist()], pa.binary(16))


def _text(column: pa.Array) -> pa.Array:
    return pa.array([None if v is None else types.uuid_text(v) for v in column.to_pylist()], pa.string())
