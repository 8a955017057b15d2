"""The secret keys of tokens. A declaration says where a key is and never holds it:

    env:NAME             environment variable of the job's Python workers
                         (spark.executorEnv.NAME, where the cluster keeps secrets so)
    file:PATH            a file of at most 64 KiB on their machines
    secretsmanager:NAME  a secret of AWS Secrets Manager, by name or ARN

A text is the key itself, or hex: or base64: and what encodes it; line ends behind it
are cut off. The bytes of a binary secret are the key.
"""

from __future__ import annotations

import binascii
import functools
import os
import re

from .errors import Retryable, Terminal

MIN_BYTES = 16
_MAX_FILE = 64 << 10


@functools.lru_cache(maxsize=64)
def key(name: str, key_id: str) -> bytes:
    """The key at a place. What goes wrong is told without any part of it."""
    where, _, place = name.partition(":")
    if where not in _PLACES or not place:
        raise Terminal(f"tokenize: the job cannot fetch keys from {name!r}")
    found = _PLACES[where](place, name)
    if len(found) < MIN_BYTES:
        raise Terminal(f"tokenize: key {key_id!r} of {name} has fewer than {MIN_BYTES} bytes")
    return found


def _from_env(place: str, name: str) -> bytes:
    text = os.environb.get(place.encode())
    if text is None:
        raise Retryable(f"tokenize: {name}: environment variable is not set")
    return _decoded(text, name)


def _from_file(place: str, name: str) -> bytes:
    try:
        with open(place, "rb") as f:
            text = f.read(_MAX_FILE + 1)
    except OSError as e:
        raise Retryable(f"tokenize: {name}: {type(e).__name__}") from None
    if len(text) > _MAX_FILE:
        raise Terminal(f"tokenize: {name}: key file is too long")
    return _decoded(text, name)


def _from_secrets_manager(place: str, name: str) -> bytes:
    try:
        import boto3  # only those who keep keys there have it
    except ImportError:
        raise Terminal(f"tokenize: {name}: boto3 is not installed") from None
    try:
        answer = boto3.client("secretsmanager").get_secret_value(SecretId=place)
    except Exception as e:
        raise Retryable(f"tokenize: {name}: {type(e).__name__}") from None
    if "SecretBinary" in answer:
        return bytes(answer["SecretBinary"])
    return _decoded(answer.get("SecretString", "").encode(), name)


_PLACES = {"env": _from_env, "file": _from_file, "secretsmanager": _from_secrets_manager}


_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def _decoded(text: bytes, name: str) -> bytes:
    text = text.rstrip(b"\r\n")
    wrong = Terminal(f"tokenize: {name}: not what its prefix says")
    if text.startswith(b"hex:"):
        try:
            return binascii.unhexlify(text[4:])
        except ValueError:
            raise wrong from None
    if text.startswith(b"base64:"):
        body = text[7:].replace(b"\r", b"").replace(b"\n", b"")
        if _BASE64.fullmatch(body) is None:
            raise wrong
        return binascii.a2b_base64(body)
    return text
