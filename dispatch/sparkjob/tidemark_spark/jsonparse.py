"""Reads one JSON object (RFC 8259) member by member, without making numbers of
numbers. The texts of members are bytes: what is no UTF-8 is left to who wants it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

MAX_DEPTH = 200


class Kind(Enum):
    """The kinds of JSON values, as far as columns tell them apart."""

    NULL = 0
    STRING = 1  # the text is the string without escapes
    LITERAL = 2  # the text is a number, true or false
    NESTED = 3  # the text is an object or array as it stands


class BadJSON(Exception):
    """The text is no JSON object."""


_SPACE = re.compile(rb"[ \t\r\n]*")
_STRING = re.compile(rb'"([^"\\\x00-\x1f]*(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*)*)"')
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# A member as they mostly are: without escapes, and not nested.
_MEMBER = re.compile(
    rb'[ \t\r\n]*"([^"\\\x00-\x1f]*)"[ \t\r\n]*:[ \t\r\n]*'
    rb'(?:"([^"\\\x00-\x1f]*)"|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false)|null)[ \t\r\n]*([,}])'
)
_WORDS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
_ESCAPE = re.compile(
    rb"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})|\\(.)", re.DOTALL
)
_PLAIN = {b'"': b'"', b"\\": b"\\", b"/": b"/", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def members(line: bytes) -> Iterator[tuple[bytes, Kind, bytes]]:
    """The members of the object that the line holds, and nothing but it. BadJSON
    comes after the members before the mistake."""
    at = _past(line, 0, b"{")
    if at is None:
        raise BadJSON
    if (end := _past(line, at, b"}")) is not None:
        return _end(line, end)
    while True:
        if usual := _MEMBER.match(line, at):
            name, text, literal, mark = usual.groups()
            if text is not None:
                yield name, Kind.STRING, text
            elif literal is not None:
                yield name, Kind.LITERAL, literal
            else:
                yield name, Kind.NULL, b""
            at = usual.end()
            if mark == b"}":
                return _end(line, at)
            continue
        name, at = _string(line, _space(line, at))
        colon = _past(line, at, b":")
        if colon is None:
            raise BadJSON
        kind, text, at = _value(line, _space(line, colon))
        yield name, kind, text
        if (comma := _past(line, at, b",")) is not None:
            at = comma
        elif (end := _past(line, at, b"}")) is not None:
            return _end(line, end)
        else:
            raise BadJSON


def _space(line: bytes, at: int) -> int:
    return _SPACE.match(line, at).end()  # type: ignore[union-attr]


def _past(line: bytes, at: int, mark: bytes) -> int | None:
    """Where the text after space and a mark begins, None if it is not there."""
    at = _space(line, at)
    return at + 1 if line[at : at + 1] == mark else None


def _end(line: bytes, at: int) -> None:
    if _space(line, at) < len(line):
        raise BadJSON


def _value(line: bytes, at: int) -> tuple[Kind, bytes, int]:
    if at == len(line):
        raise BadJSON
    first = line[at]
    if first == 0x22:
        text, end = _string(line, at)
        return Kind.STRING, text, end
    if first in b"{[":
        end = _skip(line, at)
        return Kind.NESTED, line[at:end], end
    end = _literal(line, at)
    return (Kind.NULL if first == 0x6E else Kind.LITERAL), line[at:end], end


def _literal(line: bytes, at: int) -> int:
    if word := _WORDS.get(line[at]):
        if not line.startswith(word, at):
            raise BadJSON
        return at + len(word)
    m = _NUMBER.match(line, at)
    if m is None:
        raise BadJSON
    following = line[m.end() : m.end() + 1]
    cut_short = following == b"." and not m[1] or following in (b"e", b"E")
    if cut_short and not m[2]:
        raise BadJSON
    return m.end()


def _string(line: bytes, at: int) -> tuple[bytes, int]:
    m = _STRING.match(line, at)
    if m is None:
        raise BadJSON
    text = m[1]
    return (_ESCAPE.sub(_unescape, text) if b"\\" in text else text), m.end()


def _unescape(m: re.Match[bytes]) -> bytes:
    if m[4] is not None:
        try:
            return _PLAIN[m[4]]
        except KeyError:
            raise BadJSON from None
    if m[1] is not None:
        return chr(0x10000 + (int(m[1], 16) - 0xD800 << 10) + int(m[2], 16) - 0xDC00).encode()
    code = int(m[3], 16)
    if 0xD800 <= code < 0xE000:
        raise BadJSON  # half of a pair
    return chr(code).encode()


def _skip(line: bytes, at: int) -> int:
    """Passes over an object or array."""
    open_ends = [b"]" if line[at] == 0x5B else b"}"]
    at += 1
    fresh = True  # nothing stands between the last bracket and here
    while open_ends:
        end = open_ends[-1]
        if fresh and (past := _past(line, at, end)) is not None:
            open_ends.pop()
            at, fresh = past, False
            at, fresh = _after(line, at, open_ends)
            continue
        at = _space(line, at)
        if end == b"}":
            _, at = _string(line, at)
            colon = _past(line, at, b":")
            if colon is None:
                raise BadJSON
            at = _space(line, colon)
        if at == len(line) or len(open_ends) > MAX_DEPTH:
            raise BadJSON
        if line[at] in b"{[":
            open_ends.append(b"]" if line[at] == 0x5B else b"}")
            at, fresh = at + 1, True
            continue
        at = _string(line, at)[1] if line[at] == 0x22 else _literal(line, at)
        at, fresh = _after(line, at, open_ends)
    return at


def _after(line: bytes, at: int, open_ends: list[bytes]) -> tuple[int, bool]:
    """Closes what ends after an item, and passes over the comma."""
    while open_ends:
        if (past := _past(line, at, open_ends[-1])) is not None:
            open_ends.pop()
            at = past
            continue
        comma = _past(line, at, b",")
        if comma is None:
            raise BadJSON
        return comma, False
    return at, False
