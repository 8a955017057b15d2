"""Cuts delimited text into records, and records into fields, as the engine in Go does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .compress import BadInput, TextReader

LEAST_BUFFER = 4 << 10
USUAL_BUFFER = 1 << 20


class BadRecord(Exception):
    """The rule that the next record violates."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(rule)


@dataclass
class Record:
    """The fields of a record. quoted is None where it has no quotes at all."""

    fields: list[bytes]
    quoted: list[bool] | None
    size: int  # bytes, without the line break where there are no quotes
    sizes: list[int] | None = None  # of the fields, before quotes were taken out


class _More(Exception):
    """What was read does not have all of the record."""


class Splitter:
    """A buffer that is filled as that of the engine is, so that an error of what it
    reads from comes after the same records."""

    def __init__(self, text: TextReader, delimiter: bytes, quote: bytes, max_row: int, size: int) -> None:
        self._text, self._delimiter, self._quote, self._max_row = text, delimiter, quote, max_row
        self._capacity = max(LEAST_BUFFER, 2 * size) if size < USUAL_BUFFER // 4 else USUAL_BUFFER
        self._buf = b""
        self._pos = self._mark = 0
        self._eof = False
        self.skip_blank = False
        self._fill()
        if self._buf.startswith(b"\xef\xbb\xbf"):
            self._pos = 3
        if self._buf[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise BadInput("file is UTF-16, expected UTF-8")

    def __iter__(self) -> Iterator[Record]:
        while True:
            yield from self._lines()
            if self._eof and self._pos == len(self._buf):
                return
            if self._eof:
                record = self._rest()
                if record is not None:
                    yield record
            else:
                self._fill()

    @property
    def line(self) -> bytes:
        """The bytes of the record that was given last, without the end of its line."""
        text = self._buf[self._mark : self._pos]
        return text.removesuffix(b"\n").removesuffix(b"\r")

    def _lines(self) -> Iterator[Record]:
        """The records of which the buffer has the line break."""
        buf, quote, delimiter, most = self._buf, self._quote, self._delimiter, self._max_row
        while (end := buf.find(b"\n", self._pos)) >= 0:
            line = buf[self._pos : end]
            if quote in line:
                try:
                    yield self._parsed()
                except _More:
                    self._fill()
                    buf = self._buf
                continue
            if len(line) > most:
                raise self._too_long()
            self._mark, self._pos = self._pos, end + 1
            line = line[:-1] if line[-1:] == b"\r" else line
            if line or not self.skip_blank:
                yield Record(line.split(delimiter), None, len(line))

    def _rest(self) -> Record | None:
        """The last record, which has no line break."""
        line = self._buf[self._pos :]
        if self._quote in line:
            return self._parsed()
        if len(line) > self._max_row:
            raise self._too_long()
        self._mark, self._pos = self._pos, len(self._buf)
        line = line[:-1] if line[-1:] == b"\r" else line
        if not line and self.skip_blank:
            return None
        return Record(line.split(self._delimiter), None, len(line))

    def _too_long(self) -> BadRecord:
        return BadRecord(f"row is longer than {self._max_row} bytes")

    def _parsed(self) -> Record:
        """The record with quotes that starts at the position."""
        p = _Parse(self._buf, self._pos, self._eof, self._quote, self._delimiter)
        rule = p.run()
        size = p.at - self._pos
        if size > self._max_row + 2:
            raise self._too_long()
        if rule:
            raise BadRecord(rule)
        self._mark, self._pos = self._pos, p.at
        return Record(p.fields, p.quoted, size, p.sizes)

    def _fill(self) -> None:
        left = self._buf[self._pos :]
        if len(left) > self._max_row + 2:
            p = _Parse(left, 0, self._eof, self._quote, self._delimiter)
            try:
                rule = p.run()
            except _More:
                rule = ""
            if rule and p.at <= self._max_row + 2:
                raise BadRecord(rule)
            raise self._too_long()
        if len(left) > self._capacity // 2:
            self._capacity *= 2
        more, self._eof = self._text.read_full(self._capacity - len(left))
        self._buf, self._pos = left + more, 0


class _Parse:
    """Reads one record field by field. at is where the next one starts, or where the
    record violates the rule."""

    def __init__(self, buf: bytes, at: int, eof: bool, quote: bytes, delimiter: bytes) -> None:
        self.buf, self.at, self.eof, self.quote, self.delimiter = buf, at, eof, quote, delimiter
        self.fields: list[bytes] = []
        self.quoted: list[bool] = []
        self.sizes: list[int] = []

    def run(self) -> str:
        """The rule that the record violates, "" if none."""
        while True:
            if self.buf[self.at : self.at + 1] == self.quote:
                last, rule = self._in_quotes()
            else:
                last, rule = self._bare()
            if last or rule:
                return rule

    def _bare(self) -> tuple[bool, str]:
        buf, start = self.buf, self.at
        end = _first(buf.find(b"\n", start), len(buf))
        end = _first(buf.find(self.delimiter, start, end), end)
        quote = buf.find(self.quote, start, end)
        if quote >= 0:
            self.at = quote
            return False, "quote inside an unquoted field"
        if end == len(buf) and not self.eof:
            raise _More
        last = end == len(buf) or buf[end : end + 1] == b"\n"
        text = buf[start:end]
        if last and text[-1:] == b"\r":
            text = text[:-1]
        self.fields.append(text)
        self.quoted.append(False)
        self.sizes.append(len(text))
        self.at = min(end + 1, len(buf))
        return last, ""

    def _in_quotes(self) -> tuple[bool, str]:
        buf, quote = self.buf, self.quote
        start = i = self.at + 1
        while True:
            i = buf.find(quote, i)
            if i < 0:
                if not self.eof:
                    raise _More
                self.at = len(buf)
                return False, "quote is not closed"
            if i + 1 == len(buf) and not self.eof:
                raise _More  # the next byte may be a second quote
            if buf[i + 1 : i + 2] != quote:
                break
            i += 2
        self.fields.append(buf[start:i].replace(quote + quote, quote))
        self.quoted.append(True)
        self.sizes.append(i - start)
        return self._after_quote(i + 1)

    def _after_quote(self, i: int) -> tuple[bool, str]:
        buf, n = self.buf, len(self.buf)
        if buf[i : i + 1] == b"\r":
            if i + 1 == n and not self.eof:
                raise _More
            if i + 1 == n or buf[i + 1 : i + 2] == b"\n":
                i += 1
        self.at = min(i + 1, n)
        if i == n or buf[i : i + 1] == b"\n":
            return True, ""
        if buf[i : i + 1] == self.delimiter:
            return False, ""
        self.at = i
        return False, "text after a closing quote"


def _first(found: int, end: int) -> int:
    return found if found >= 0 else end
