"""Tuples of values as bytes that compare as the tuples do: the codec of the
package internal/rowkey of the engine in Go, whose bytes stand in memory files."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .types import decimal_size

_FIXED = {"bool": 1, "int": 8, "date": 4, "long": 8, "timestamp": 8, "timestamptz": 8, "float": 8, "double": 8, "uuid": 16}
_NAN = np.uint64(0x7FF8000000000001)  # the one of Go


def encode(columns: list[pa.Array], types: list[str]) -> pa.Array:
    """The tuples of the rows of columns, null where one of the values is."""
    if not columns:
        raise ValueError("no columns to encode")
    pieces = [_piece(storage(c), t) for c, t in zip(columns, types)]
    if len(pieces) == 1:
        return pieces[0]
    return pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.binary()))


def decode(tuples: pa.Array, types: list[str]) -> list[pa.Array]:
    """The columns of tuples, uuids as 16 bytes; the inverse of encode, but for
    floats, of which one zero and one NaN come back. No tuple may be null."""
    tuples = storage(tuples)
    if len(types) == 1 and types[0] in _FIXED:
        return [_fixed(b"".join(tuples.to_pylist()), types[0])]
    parts: list[list[bytes]] = [[] for _ in types]
    for row in tuples.to_pylist():
        at = 0
        for part, name in zip(parts, types):
            end = at + _width(name) if _width(name) else _text_end(row, at)
            part.append(row[at:end])
            at = end
    return [_column(part, name) for part, name in zip(parts, types)]


def storage(column: pa.Array) -> pa.Array:
    """A plain array of column, without chunks and extension types."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    return column


def _width(name: str) -> int:
    return 16 if decimal_size(name) else _FIXED.get(name, 0)


def _piece(column: pa.Array, name: str) -> pa.Array:
    if _width(name):
        return _binary(_bytes(column, name), column)
    data = column.cast(pa.binary())
    return pc.binary_join_element_wise(
        pc.replace_substring(data, b"\0", b"\0\xff"), pa.scalar(b"\0\1", pa.binary()), pa.scalar(b"", pa.binary()))


def _bytes(column: pa.Array, name: str) -> np.ndarray:
    """The encoded values, one row of bytes each; anything where they are null."""
    n = len(column)
    if name == "uuid" or decimal_size(name):
        raw = column if name == "uuid" else column.cast(pa.decimal128(*decimal_size(name)))
        if name == "uuid" and not pa.types.is_fixed_size_binary(raw.type):
            raw = raw.cast(pa.binary(16))
        words = np.frombuffer(raw.buffers()[1] or b"", np.uint8)[16 * raw.offset : 16 * (raw.offset + n)].reshape(n, 16)
        if name != "uuid":
            words = words[:, ::-1].copy()
            words[:, 0] ^= 0x80
        return words
    if name == "bool":
        return _plain(column.cast(pa.uint8()), 0).reshape(n, 1)
    if name in ("float", "double"):
        return _floats(_plain(column.cast(pa.float64()), 0.0)).astype(">u8").view(np.uint8).reshape(n, 8)
    if name == "date":
        words = _plain(column.cast(pa.int32()), 0).view(np.uint32) ^ np.uint32(1 << 31)
        return words.astype(">u4").view(np.uint8).reshape(n, 4)
    words = _plain(column.cast(pa.int64()), 0).view(np.uint64) ^ np.uint64(1 << 63)
    return words.astype(">u8").view(np.uint8).reshape(n, 8)


def _plain(column: pa.Array, null) -> np.ndarray:
    if column.null_count:
        column = column.fill_null(null)
    return column.to_numpy(zero_copy_only=False)


def _floats(values: np.ndarray) -> np.ndarray:
    values = np.where(values == 0, 0.0, values)
    bits = np.where(np.isnan(values), _NAN, values.view(np.uint64))
    negative = bits >> np.uint64(63) == 1
    return np.where(negative, ~bits, bits | np.uint64(1 << 63))


def _binary(rows: np.ndarray, like: pa.Array) -> pa.Array:
    n, width = rows.shape
    data = pa.py_buffer(np.ascontiguousarray(rows))
    ends = pa.py_buffer(np.arange(0, (n + 1) * width, width, dtype=np.int32)[: n + 1])
    valid = None
    if like.null_count:
        bits = np.packbits(like.is_valid().to_numpy(zero_copy_only=False), bitorder="little")
        valid = pa.py_buffer(bits)
    return pa.Array.from_buffers(pa.binary(), n, [valid, ends, data])


def _text_end(row: bytes, at: int) -> int:
    while True:
        at = row.index(0, at) + 2
        if row[at - 1] == 1:
            return at


def _column(values: list[bytes], name: str) -> pa.Array:
    if _width(name):
        return _fixed(b"".join(values), name)
    plain = pa.array([v[:-2].replace(b"\0\xff", b"\0") for v in values], pa.binary())
    return plain.cast(pa.string()) if name == "string" else plain


def _fixed(data: bytes, name: str) -> pa.Array:
    """Values of a fixed width from their encoded bytes."""
    size = decimal_size(name)
    if size or name == "uuid":
        rows = np.frombuffer(data, np.uint8).reshape(-1, 16)
        if size:
            rows = rows.copy()
            rows[:, 0] ^= 0x80
            rows = np.ascontiguousarray(rows[:, ::-1])
        kind = pa.decimal128(*size) if size else pa.binary(16)
        return pa.Array.from_buffers(kind, len(rows), [None, pa.py_buffer(rows)])
    if name == "bool":
        return pa.array(np.frombuffer(data, np.uint8) != 0)
    if name == "date":
        days = (np.frombuffer(data, ">u4").astype(np.uint32) ^ np.uint32(1 << 31)).view(np.int32)
        return pa.array(days).cast(pa.date32())
    words = np.frombuffer(data, ">u8").astype(np.uint64)
    if name in ("float", "double"):
        bits = np.where(words >> np.uint64(63) == 1, words & np.uint64((1 << 63) - 1), ~words)
        return pa.array(bits.view(np.float64)).cast(pa.float32() if name == "float" else pa.float64())
    longs = pa.array((words ^ np.uint64(1 << 63)).view(np.int64))
    if name == "int":
        return longs.cast(pa.int32())
    zone = {"timestamp": pa.timestamp("us"), "timestamptz": pa.timestamp("us", "UTC")}
    return longs.cast(zone[name]) if name in zone else longs
