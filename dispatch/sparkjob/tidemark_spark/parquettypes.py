"""Types of Parquet files, and which declared types hold them (parquetformat.Format).

A type is that of the Parquet schema, whatever Arrow schema stands beside it, under
the name that the engine's errors give it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from .errors import BadValue
from .parquetvalues import UNITS
from .types import decimal_size

# Converts the values of an array, as Python has them (see parquetvalues), one by one.
Check = Callable[[Any], Any]


@dataclass(frozen=True)
class Source:
    """A field of the file. leaf is its column, for fields that are not nested."""

    name: str  # of the type
    leaf: int | None
    precision: int = 0
    scale: int = 0


_UNITS = {"milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns"}
_PLAIN = {
    "BOOLEAN": "bool", "INT32": "int32", "INT64": "int64", "INT96": "timestamp[ns, tz=UTC]", "FLOAT": "float32",
    "DOUBLE": "float64", "BYTE_ARRAY": "binary",
}  # fmt: skip


def leaf_type(column: Any, leaf: int) -> Source:
    """The type of a column that is a field by itself; column is pyarrow's ColumnSchema."""
    told = json.loads(column.logical_type.to_json())
    kind = column.logical_type.type
    unit = _UNITS.get(told.get("timeUnit", ""), "")
    if kind == "STRING":
        name = "utf8"
    elif kind == "INT":
        name = ("" if told["isSigned"] else "u") + f"int{told['bitWidth']}"
    elif kind == "DATE":
        name = "date32"
    elif kind == "TIME":
        name = f"time{32 if unit == 'ms' else 64}[{unit}]"
    elif kind == "TIMESTAMP":
        utc = told["isAdjustedToUTC"] or told["is_from_converted_type"]
        name = f"timestamp[{unit}, tz=UTC]" if utc else f"timestamp[{unit}]"
    elif kind == "DECIMAL":
        precision, scale = told["precision"], told["scale"]
        name = f"decimal({precision}, {scale})" if precision <= 38 else f"decimal256({precision}, {scale})"
        return Source(name, leaf, precision, scale)
    elif kind == "UUID":
        name = "extension<arrow.uuid>"
    elif kind == "FLOAT16":
        name = "float16"
    elif kind == "UNKNOWN":
        name = "null"
    elif column.physical_type == "FIXED_LEN_BYTE_ARRAY":
        name = f"fixed_size_binary[{column.length}]"
    else:
        name = _PLAIN[column.physical_type]
    return Source(name, leaf)


def nested_name(t: pa.DataType) -> str:
    """The name of a nested type, about as the engine writes it."""
    if pa.types.is_list(t) or pa.types.is_large_list(t):
        return f"list<{t.value_field.name}: {nested_name(t.value_type)}{_nullable(t.value_field)}>"
    if pa.types.is_struct(t):
        fields = [f"{f.name}: {nested_name(f.type)}{' nullable' if f.nullable else ''}" for f in t]
        return f"struct<{', '.join(fields)}>"
    if pa.types.is_map(t):
        return f"map<{nested_name(t.key_type)}, {nested_name(t.item_type)}, items_nullable>"
    names = {"string": "utf8", "float": "float32", "double": "float64", "halffloat": "float16", "date32[day]": "date32"}
    return names.get(str(t), str(t))


def _nullable(f: pa.Field) -> str:
    return ", nullable" if f.nullable else ""


_INTS = ("int8", "int16", "int32", "uint8", "uint16")
_HOLDS = {
    "bool": ("bool",), "int": _INTS, "long": (*_INTS, "int64", "uint32"), "float": ("float16", "float32"),
    "double": ("float16", "float32", "float64"), "date": ("date32",), "string": ("utf8",),
}  # fmt: skip


def check(source: Source, wanted: str, any_zone: bool) -> Check | None:
    """What makes plain values of the column's declared type of those of the file, or
    None where the type does not hold them. It raises BadValue."""
    name = source.name
    if source.leaf is None:
        return None
    if size := decimal_size(wanted):
        return _decimal(source, *size)
    if wanted in ("timestamp", "timestamptz"):
        zoned = name.endswith("tz=UTC]")
        fits = name.startswith("timestamp[") and (any_zone or zoned == (wanted == "timestamptz"))
        return _micros(name[10:12]) if fits else None
    if wanted == "binary":
        return _same if name == "binary" or name.startswith("fixed_size_binary[") else None
    if wanted == "uuid":
        return _same if name in ("extension<arrow.uuid>", "fixed_size_binary[16]") else None
    if name not in _HOLDS[wanted]:
        return None
    return _text if wanted == "string" else _same


def _same(value: Any) -> Any:
    return value


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadValue("invalid UTF-8") from None


_LONG = 1 << 63


def _micros(unit: str) -> Check:
    units = UNITS[unit]

    def finer(time: int) -> int:
        micros, rest = divmod(time, 1000)
        if rest:
            raise BadValue("finer than microseconds")
        return micros

    def coarser(time: int) -> int:
        micros = time * (1_000_000 // units)
        if not -_LONG <= micros < _LONG:
            raise BadValue("out of range for timestamp")
        return micros

    return finer if units > 1_000_000 else coarser


def _decimal(source: Source, precision: int, scale: int) -> Check | None:
    by = scale - source.scale
    if not source.name.startswith("decimal(") or source.scale < 0 or by < 0:
        return None
    if source.precision - source.scale > precision - scale:
        return None
    limit, factor = 10**source.precision, 10**by

    def convert(value: int) -> int:
        if not -limit < value < limit:
            raise BadValue("out of range for its decimal type")
        return value * factor

    return convert
