"""Reads text from its start, decompressed. Limits and rules are those of the engine in Go."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pyarrow as pa

from .errors import JobError
from .files import Input

MAX_ZSTD_WINDOW = 128 << 20
_RATIO_FROM = 1 << 20  # bytes from which the ratio is looked at
_PIECE = 32 << 10  # what an inflater gives at once
_AHEAD = 256 << 10


class BadInput(Exception):
    """The rule that a whole file violates."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(rule)


class TextReader:
    """Reads an input. Text that an error follows in the same piece is lost."""

    def __init__(self, source: Input, max_bytes: int, max_ratio: int) -> None:
        self._raw = _Raw(source)
        self._max_bytes, self._max_ratio = max_bytes, max_ratio
        self._piece = b""
        self._given = 0
        magic = source.read_at(0, min(4, source.size))
        self.kind = _kind(magic)
        self._inflater: Any = None
        if self.kind == "gzip":
            self._inflater = _Gzip(self._raw)
        elif self.kind == "zstd":
            self._inflater = _Zstd(self._raw)

    def read(self, n: int) -> bytes:
        """Up to n bytes, as many as there are at once; none at the end."""
        if self._inflater is None:
            return self._raw.read(n)
        if not self._piece:
            self._piece = self._inflater.piece()
        data, self._piece = self._piece[:n], self._piece[n:]
        if not self._piece and self._inflater.error is not None:
            raise self._inflater.error
        self._given += len(data)
        if 0 < self._max_bytes < self._given:
            raise BadInput(f"decompresses to more than {self._max_bytes} bytes")
        ratio = self._max_ratio
        if ratio > 0 and self._given > _RATIO_FROM and self._given // ratio > self._raw.taken:
            raise BadInput(f"decompresses to more than {ratio} times its size")
        return data

    def read_full(self, n: int) -> tuple[bytes, bool]:
        """n bytes, or fewer and True at the end."""
        parts, left = [], n
        while left > 0:
            part = self.read(left)
            if not part:
                break
            parts.append(part)
            left -= len(part)
        return b"".join(parts), left > 0


def _kind(magic: bytes) -> str:
    """Tells by magic numbers (RFC 1952, section 2.3.1; RFC 8878, sections 3.1.1 and 3.1.2)."""
    if magic[:2] == b"\x1f\x8b":
        return "gzip"
    if magic == b"\x28\xb5\x2f\xfd" or len(magic) == 4 and magic[0] & 0xF0 == 0x50 and magic[1:] == b"\x2a\x4d\x18":
        return "zstd"
    return ""


class _Raw(io.RawIOBase):
    """The bytes of an input, in order; taken counts them."""

    def __init__(self, source: Input) -> None:
        self._source = source
        self.taken = 0
        self.error: JobError | None = None

    def read(self, n: int = -1) -> bytes:
        left = self._source.size - self.taken
        try:
            data = self._source.read_at(self.taken, left if n < 0 else min(n, left))
        except JobError as e:
            self.error = e
            raise
        self.taken += len(data)
        return data

    def readable(self) -> bool:
        return True


class _Gzip:
    """RFC 1952, members one after the other."""

    _bad = BadInput("truncated or corrupt gzip")

    def __init__(self, raw: _Raw) -> None:
        self._raw = raw
        self._in = b""
        self._ended = False
        self.error: BadInput | JobError | None = None  # comes with the end of the last piece
        if not self._header():
            raise self._bad

    def _take(self, n: int, may_end: bool = False) -> bytes:
        while len(self._in) < n:
            more = self._raw.read(_AHEAD)
            if not more:
                if may_end and not self._in:
                    return b""
                raise self._bad
            self._in += more
        data, self._in = self._in[:n], self._in[n:]
        return data

    def _header(self) -> bool:
        head = self._take(10, may_end=True)
        if not head:
            return False
        flags, crc = head[3], zlib.crc32(head)
        if head[:3] != b"\x1f\x8b\x08":
            raise self._bad
        if flags & 4:
            size = self._take(2)
            extra = self._take(struct.unpack("<H", size)[0])
            crc = zlib.crc32(extra, zlib.crc32(size, crc))
        for flag in (8, 16):
            if flags & flag:
                crc = zlib.crc32(self._name(), crc)
        if flags & 2 and struct.unpack("<H", self._take(2))[0] != crc & 0xFFFF:
            raise self._bad
        if flags >> 5:
            raise self._bad
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._crc = self._size = 0
        return True

    def _name(self) -> bytes:
        name = bytearray()
        while not name or name[-1]:
            if len(name) >= 512:
                raise self._bad
            name += self._take(1)
        return bytes(name)

    def piece(self) -> bytes:
        """The next piece, none at the end. None reaches from one member into the next."""
        while not self._ended:
            data = self._inflated()
            if self._inflate.eof:
                try:
                    self._end_member()
                except (BadInput, JobError) as e:
                    self.error = e
                    if not data:
                        raise
            if data:
                return data
        return b""

    def _end_member(self) -> None:
        if struct.unpack("<II", self._take(8)) != (self._crc, self._size & 0xFFFFFFFF):
            raise self._bad
        self._ended = not self._header()

    def _inflated(self) -> bytes:
        parts, left = [], _PIECE
        while left > 0 and not self._inflate.eof:
            self._in = self._in or self._raw.read(_AHEAD)
            at_end = not self._in
            try:
                part = self._inflate.decompress(self._in, left)
            except zlib.error:
                raise self._bad from None
            if at_end and not part:
                raise self._bad
            self._in = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            parts.append(part)
            left -= len(part)
        data = b"".join(parts)
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        return data


class _Zstd:
    """RFC 8878, through Arrow, which gives nothing of a piece in which it fails."""

    def __init__(self, raw: _Raw) -> None:
        self._raw = raw
        self._stream = self._open()
        self._given = 0
        self._error: BadInput | None = None
        self.error = None  # comes by itself

    def _open(self) -> Any:
        return pa.CompressedInputStream(pa.PythonFile(self._raw, mode="r"), "zstd")

    def piece(self) -> bytes:
        """The next piece, none at the end."""
        if self._error is None:
            try:
                data = self._stream.read(_PIECE)
                self._given += len(data)
                return data
            except (OSError, pa.ArrowException) as e:
                self._error = self._rule(e)
            if data := self._rest():
                return data
        raise self._error

    def _rest(self) -> bytes:
        """What there is before the mistake, from the start once more."""
        self._raw.taken = 0
        stream, rest = self._open(), []
        for n in range(0, self._given, _PIECE):
            stream.read(min(_PIECE, self._given - n))
        try:
            while part := stream.read(1):
                rest.append(part)
        except (OSError, pa.ArrowException) as e:
            self._rule(e)
        return b"".join(rest)

    def _rule(self, err: Exception) -> BadInput:
        if self._raw.error is not None:
            raise self._raw.error from None
        if "too much memory" in str(err):
            return BadInput(f"zstd window is larger than {MAX_ZSTD_WINDOW} bytes")
        return BadInput("truncated or corrupt zstd")
