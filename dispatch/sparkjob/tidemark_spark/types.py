"""Column types, and what they are in Arrow and in Spark.

Between the modules values are plain: a bool, an int (also for dates, as days, for
timestamps, as microseconds, and for decimals, as digits without the point), a
float, a str, or bytes (16 of them for a uuid). Spark has no uuids: Iceberg gives
and takes them as text, in lower case with hyphens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from .errors import Terminal

_SIMPLE: dict[str, tuple[pa.DataType, str]] = {
    "bool": (pa.bool_(), "boolean"),
    "int": (pa.int32(), "int"),
    "long": (pa.int64(), "bigint"),
    "float": (pa.float32(), "float"),
    "double": (pa.float64(), "double"),
    "date": (pa.date32(), "date"),
    "timestamp": (pa.timestamp("us"), "timestamp_ntz"),
    "timestamptz": (pa.timestamp("us", tz="UTC"), "timestamp"),
    "string": (pa.string(), "string"),
    "binary": (pa.binary(), "binary"),
    "uuid": (pa.string(), "string"),
}

_DECIMAL = re.compile(r"decimal\((\d{1,2}),(\d{1,2})\)")


def decimal_size(name: str) -> tuple[int, int] | None:
    """Precision and scale of a decimal type."""
    m = _DECIMAL.fullmatch(name)
    if m is None:
        return None
    precision, scale = int(m[1]), int(m[2])
    if not 1 <= precision <= 38 or scale > precision:
        raise Terminal(f"{name} is no type")
    return precision, scale


def arrow(name: str) -> pa.DataType:
    """The Arrow type in which a column passes through Spark."""
    if size := decimal_size(name):
        return pa.decimal128(*size)
    return _simple(name)[0]


def spark(name: str) -> str:
    """The type in Spark's DDL."""
    if size := decimal_size(name):
        return "decimal(%d,%d)" % size
    return _simple(name)[1]


def _simple(name: str) -> tuple[pa.DataType, str]:
    try:
        return _SIMPLE[name]
    except KeyError:
        raise Terminal("manifest: a column's type is not known to the job") from None


def array(name: str, values: Sequence[Any]) -> pa.Array:
    """An Arrow array of plain values, None being null."""
    if decimal_size(name):
        return _decimals(arrow(name), values)
    if name == "uuid":
        values = [None if v is None else uuid_text(v) for v in values]
    if name == "date":
        return pa.array(values, pa.int32()).view(pa.date32())
    if name in ("timestamp", "timestamptz"):
        return pa.array(values, pa.int64()).view(arrow(name))
    return pa.array(values, arrow(name))


def _decimals(dt: pa.DataType, values: Sequence[Any]) -> pa.Array:
    data = b"".join([(v or 0).to_bytes(16, "little", signed=True) for v in values])
    valid = pa.array([v is not None for v in values], pa.bool_())
    nulls = sum(v is None for v in values)
    return pa.Array.from_buffers(dt, len(values), [valid.buffers()[1] if nulls else None, pa.py_buffer(data)], nulls)


def uuid_text(value: bytes) -> str:
    """A uuid as Iceberg's Spark integration writes it."""
    h = value.hex()
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
