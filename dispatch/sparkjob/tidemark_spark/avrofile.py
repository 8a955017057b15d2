"""Avro object container files (Avro specification 1.12, "Object Container Files"): the
header and the blocks, with the limits and rules of the engine's library."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from .avrodecode import WRONG, Read, Undecodable, reader, varint
from .avrotree import BadSchema
from .avrotypes import parse
from .compress import BadInput
from .files import Input

_AHEAD = 256 << 10
_SYNC = 16
_MAX_METADATA = 1 << 20
_MAX_SCHEMA = 1 << 26
_ZERO_SLACK = 4 << 10  # records of a block that may take no bytes
_LEAST_ZSTD = 1 << 10
_NO_FILE = BadInput("not an Avro object container file")


class _Ended(Exception):
    """The file ends before what was asked for."""


class _Stream:
    """The bytes of an input, in order."""

    def __init__(self, source: Input) -> None:
        self._source, self._buf, self._at, self._read = source, b"", 0, 0

    def take(self, n: int) -> bytes:
        left = len(self._buf) - self._at
        if n > left:
            if n - left > self._source.size - self._read:
                raise _Ended
            more = self._source.read_at(self._read, max(n - left, _AHEAD))
            self._read += len(more)
            self._buf, self._at = self._buf[self._at :] + more, 0
        data = self._buf[self._at : self._at + n]
        self._at += n
        return data

    def at_end(self) -> bool:
        return self._at == len(self._buf) and self._read >= self._source.size

    def number(self) -> int:
        data = bytearray()
        while not data or data[-1] >= 0x80:
            data += self.take(1)
            if len(data) > 10:
                raise Undecodable
        return varint(bytes(data), 0)[0]


class AvroFile:
    """An opened file. BadInput says that it is none."""

    def __init__(self, source: Input, max_block: int) -> None:
        self._stream, self._max = _Stream(source), max_block
        try:
            self.schema, self.read = self._header()
        except (_Ended, Undecodable, BadSchema, RecursionError):
            raise _NO_FILE from None

    def _header(self) -> tuple[Any, Read]:
        if self._stream.take(4) != b"Obj\x01":
            raise Undecodable
        metadata = self._metadata()
        if b"avro.schema" not in metadata:
            raise Undecodable
        schema, made = parse(metadata[b"avro.schema"])
        self._sync = self._stream.take(_SYNC)
        self._codec = _CODECS.get(metadata.get(b"avro.codec", b"null"))
        if self._codec is None:
            raise Undecodable
        return schema, reader(made)

    def _metadata(self) -> dict[bytes, bytes]:
        metadata: dict[bytes, bytes] = {}
        while count := self._stream.number():
            if count < 0:
                count = -count
                self._stream.number()
            if count > _MAX_METADATA:
                raise Undecodable
            for _ in range(count):
                key = self._octets(_MAX_METADATA)
                metadata[key] = self._octets(_MAX_SCHEMA if key == b"avro.schema" else _MAX_METADATA)
        return metadata

    def _octets(self, most: int) -> bytes:
        n = self._stream.number()
        if not 0 <= n <= most:
            raise Undecodable
        return self._stream.take(n)

    def block(self) -> tuple[int, bytes | None] | None:
        """The next block that has records: how many it has, and its bytes, None where
        they cannot be decompressed; None at the end. It raises Undecodable where it is
        not certain where the next block begins."""
        try:
            while not self._stream.at_end():
                count, size = self._stream.number(), self._stream.number()
                if count < 0 or not 0 <= size <= self._max:
                    raise Undecodable
                data = self._stream.take(size)
                if self._stream.take(_SYNC) != self._sync:
                    raise Undecodable
                if count == 0:
                    continue
                try:
                    data = self._codec(data, self._max)  # type: ignore[misc]
                except Undecodable:
                    return count, None
                if count > len(data) + _ZERO_SLACK:
                    raise Undecodable
                return count, data
        except (_Ended, *WRONG):
            raise Undecodable from None
        return None


def _deflate(data: bytes, most: int) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        out = inflater.decompress(data, most + 1)
        if len(out) <= most and not inflater.eof:
            out += inflater.decompress(inflater.unconsumed_tail, most + 1 - len(out))
    except zlib.error:
        raise Undecodable from None
    if len(out) > most or not inflater.eof:
        raise Undecodable
    return out


def _snappy(data: bytes, most: int) -> bytes:
    if len(data) < 4:
        raise Undecodable
    body, size = data[:-4], 0
    for i, b in enumerate(body[:5]):
        size |= (b & 0x7F) << 7 * i
        if b < 0x80:
            break
    else:
        raise Undecodable
    if size > most or size >= 1 << 32:
        raise Undecodable
    out = _arrow(lambda: pa.decompress(body, size, "snappy", asbytes=True)) if size else _empty(body)
    if zlib.crc32(out) != int.from_bytes(data[-4:], "big"):
        raise Undecodable
    return out


def _empty(body: bytes) -> bytes:
    if len(body.lstrip(b"\x80")) > 1:
        raise Undecodable  # text where there is to be none
    return b""


def _zstd(data: bytes, most: int) -> bytes:
    if not data:
        return b""
    most = max(most, _LEAST_ZSTD)

    def read() -> bytes:
        stream = pa.CompressedInputStream(pa.BufferReader(data), "zstd")
        parts, left = [], most + 1
        while left > 0 and (part := stream.read(left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    out = _arrow(read)
    if len(out) > most:
        raise Undecodable
    return out


def _arrow(call: Callable[[], bytes]) -> bytes:
    """Calls into Arrow. What it says may quote the file, so it is not passed on."""
    try:
        return call()
    except (pa.ArrowException, OSError, ValueError, MemoryError):
        raise Undecodable from None


_CODECS: dict[bytes, Callable[[bytes, int], bytes]] = {
    b"null": lambda data, most: data, b"deflate": _deflate, b"snappy": _snappy, b"zstandard": _zstd,
}  # fmt: skip
