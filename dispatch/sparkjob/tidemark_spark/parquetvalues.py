"""Values of Arrow arrays as Python has them, exactly."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}  # in a second


def plain(array: pa.Array) -> list[Any]:
    """The values: numbers, bytes for text and binary, days for dates, digits without
    the point for decimals, and units of the type for timestamps."""
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    t = array.type
    if pa.types.is_timestamp(t):
        return array.view(pa.int64()).to_pylist()
    if pa.types.is_date64(t):
        array = array.cast(pa.date32())
    if pa.types.is_date(t):
        return array.view(pa.int32()).to_pylist()
    if pa.types.is_duration(t):
        return array.view(pa.int64()).to_pylist()
    if pa.types.is_float16(t):
        return array.cast(pa.float32()).to_pylist()
    if pa.types.is_decimal128(t):
        return _digits(array)
    if pa.types.is_string(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t):
        return array.cast(pa.large_binary() if pa.types.is_large_string(t) else pa.binary()).to_pylist()
    return array.to_pylist()


def _digits(array: pa.Array) -> list[Any]:
    """Not through decimal.Decimal, which is slow and would round."""
    data = memoryview(array.buffers()[1])[16 * array.offset :] if len(array) else memoryview(b"")
    valid = array.is_valid().to_pylist()
    return [
        int.from_bytes(data[16 * i : 16 * i + 16], "little", signed=True) if valid[i] else None for i in range(len(array))
    ]
