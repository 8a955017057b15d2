"""Tokens and hashes (the engine's transform/tokenize.go)."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from . import types
from .errors import Terminal
from .transforms_canonical import texts
from .transforms_keys import key
from .transforms_rows import BadRow, Rows

_MAGIC = b"tidemark token 1\0"


def tokenize(options: dict[str, Any], rows: Rows) -> Rows:
    """Puts HMAC-SHA256 tokens in the place of values."""
    name, key_id = options.get("column", ""), options.get("key_id", "")
    token = _tokens(options)
    there, _ = rows.column(name)

    def column(_: str, values: pa.Array, kind: str) -> tuple[pa.Array, str]:
        made = [None if s is None else token(s.encode()) for s in texts(values, kind)]
        return pa.array(made, pa.string()), "string"

    out = rows.change([name], column)
    if id_column := options.get("key_id_column"):
        ids = pc.if_else(there.is_valid(), pa.scalar(key_id), pa.scalar(None, pa.string()))
        out = out.add(id_column, ids, "string")
    return out


def _tokens(options: dict[str, Any]) -> Callable[[bytes], str]:
    domain = options.get("domain", "").encode()
    # The key is asked for where the first value wants it.
    start = functools.cache(lambda: _started(options, domain))
    encode = {"base32": _base32, "hex": bytes.hex}.get(options.get("encoding", ""))
    if encode is None:
        raise Terminal("tokenize: the encoding is not base32 or hex")

    def token(value: bytes) -> str:
        mac = start().copy()
        mac.update(value)
        return encode(mac.digest())

    return token


def _started(options: dict[str, Any], domain: bytes) -> hmac.HMAC:
    mac = hmac.new(key(options.get("key", ""), options.get("key_id", "")), digestmod=hashlib.sha256)
    mac.update(_MAGIC + len(domain).to_bytes(4, "big") + domain)
    return mac


def _base32(digest: bytes) -> str:
    return base64.b32encode(digest).decode().rstrip("=").lower()


_TAGS = {"bool": b"\1", "int": b"\2", "long": b"\2", "float": b"\3", "double": b"\3", "date": b"\5", "timestamp": b"\6",
         "timestamptz": b"\7", "string": b"\x08", "binary": b"\x09", "uuid": b"\x0a"}  # fmt: skip


def hash_join(options: dict[str, Any], rows: Rows) -> Rows:
    """Adds a column with the SHA-256 of columns, as a key to join by. Of several
    values without a text that is told which comes first row by row."""
    pieces: list[list[bytes]] = []
    bad: list[BadRow] = []
    for name in options.get("of") or []:
        try:
            pieces.append(_pieces(*rows.column(name)))
        except BadRow as e:
            bad.append(BadRow(e.row, e.rule, name))
    if bad:
        raise min(bad, key=lambda e: e.row)
    made = [hashlib.sha256(b"".join(row)).hexdigest() for row in zip(*pieces)]
    return rows.add(options.get("column", ""), pa.array(made, pa.string()), "string")


def _pieces(column: pa.Array, kind: str) -> list[bytes]:
    tag, out = b"\4" if types.decimal_size(kind) else _TAGS[kind], []
    for text in texts(column, kind):
        raw = None if text is None else text.encode()
        out.append(b"\0" if raw is None else tag + len(raw).to_bytes(4, "big") + raw)
    return out
