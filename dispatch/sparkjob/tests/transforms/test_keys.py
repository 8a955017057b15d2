"""Tests of where the keys of tokens come from, which the engine does in its own way."""

from __future__ import annotations

import os
import sys
import tempfile
import types
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

from tidemark_spark import transforms_keys
from tidemark_spark.errors import JobError, Retryable, Terminal

SECRET = "0123456789abcdef-secret"


class Keys(unittest.TestCase):
    def setUp(self) -> None:
        transforms_keys.key.cache_clear()

    def fails(self, kind: type[JobError], name: str, cause: str) -> None:
        with self.assertRaises(kind) as caught:
            transforms_keys.key(name, "k1")
        self.assertIn(cause, str(caught.exception))
        self.assertNotIn("secret", str(caught.exception).replace("secretsmanager", ""))
        self.assertIsNone(caught.exception.__cause__)

    def env(self, text: str) -> Any:
        return mock.patch.dict(os.environ, {"SOME_KEY": text})

    def test_environment(self) -> None:
        for text, want in (
            (SECRET + "\r\n", SECRET.encode()),
            ("hex:000102030405060708090a0b0c0d0e0f", bytes(range(16))),
            ("base64:AAECAwQFBgcICQoLDA0ODw==", bytes(range(16))),
        ):
            transforms_keys.key.cache_clear()
            with self.env(text):
                self.assertEqual(transforms_keys.key("env:SOME_KEY", "k1"), want)

    def test_bad_keys(self) -> None:
        for text in ("secret", "hex:00", ""):
            with self.env(text):
                self.fails(Terminal, "env:SOME_KEY", "fewer than 16 bytes")
        for text in ("hex:secret", "base64:secret", "base64:AAECAwQFBgcICQoLDA0ODw"):
            with self.env(text):
                self.fails(Terminal, "env:SOME_KEY", "not what its prefix says")
        self.fails(Retryable, "env:NO_SUCH_KEY", "not set")
        for name in ("keys of a test", "env:", "vault:x", ""):
            self.fails(Terminal, name, "cannot fetch keys")

    def test_file(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "key"
            self.fails(Retryable, f"file:{path}", "FileNotFoundError")
            path.write_text(SECRET + "\n")
            self.assertEqual(transforms_keys.key(f"file:{path}", "k1"), SECRET.encode())
            transforms_keys.key.cache_clear()
            path.write_text("s" * (65 << 10))
            self.fails(Terminal, f"file:{path}", "too long")

    def test_secrets_manager(self) -> None:
        asked = []

        def answer(**wanted: str) -> dict[str, Any]:
            asked.append(wanted["SecretId"])
            return answers[wanted["SecretId"]]

        answers = {"prod/key": {"SecretString": SECRET}, "raw": {"SecretBinary": bytes(range(32))}}
        client = types.SimpleNamespace(get_secret_value=answer)
        boto3 = types.SimpleNamespace(client=lambda service: client if service == "secretsmanager" else None)
        with mock.patch.dict(sys.modules, {"boto3": boto3}):
            for _ in range(3):
                self.assertEqual(transforms_keys.key("secretsmanager:prod/key", "k1"), SECRET.encode())
            self.assertEqual(transforms_keys.key("secretsmanager:raw", "k1"), bytes(range(32)))
            self.assertEqual(asked, ["prod/key", "raw"], "a key is asked for once")
            self.fails(Retryable, "secretsmanager:other", "KeyError")
        with mock.patch.dict(sys.modules, {"boto3": None}):
            self.fails(Terminal, "secretsmanager:unseen", "boto3 is not installed")


if __name__ == "__main__":
    unittest.main()
