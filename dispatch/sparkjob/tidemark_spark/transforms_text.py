"""Transforms of texts: trim, normalize, nfc, mask (the engine's normalize.go, mask.go
and nfctransform)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from .errors import Terminal
from .transforms_rows import Rows, text_only

# Unicode's White_Space, which is not what str.strip takes for it.
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
_RUN = re.compile(f"[{WHITE_SPACE}]+")
_NO_ASCII = re.compile("[^\0-\x7f]")

Text = Callable[[str], "str | None"]


def trim(options: dict[str, Any], rows: Rows) -> Rows:
    """Cuts white space at both ends."""
    return _each(rows, options.get("columns") or [], lambda s: s.strip(WHITE_SPACE))


def normalize(options: dict[str, Any], rows: Rows) -> Rows:
    """Trims, collapses white space, changes case, makes the empty text null."""
    steps: list[Text] = []
    if options.get("trim"):
        steps.append(lambda s: s.strip(WHITE_SPACE))
    if options.get("collapse"):
        steps.append(lambda s: _RUN.sub(" ", s))
    if case := options.get("case"):
        if case not in ("lower", "upper"):
            raise Terminal("normalize: the case is not lower or upper")
        steps.append(lower if case == "lower" else upper)
    if options.get("empty_to_null"):
        steps.append(lambda s: s or None)

    def all_of(s: str | None) -> str | None:
        for step in steps:
            s = None if s is None else step(s)
        return s

    return _each(rows, options.get("columns") or [], all_of)


def nfc(options: dict[str, Any], rows: Rows) -> Rows:
    """Unicode's Normalization Form C."""
    return _each(rows, options.get("columns") or [], lambda s: unicodedata.normalize("NFC", s))


def lower(s: str) -> str:
    """Each character by itself, if its lower case is one character."""
    return s.lower() if s.isascii() else _NO_ASCII.sub(_lower_one, _ascii(s, str.lower))


def upper(s: str) -> str:
    """Each character by itself, if its upper case is one character."""
    return s.upper() if s.isascii() else _NO_ASCII.sub(_upper_one, _ascii(s, str.upper))


_LETTERS = {
    str.lower: str.maketrans({chr(c): chr(c + 32) for c in range(65, 91)}),
    str.upper: str.maketrans({chr(c): chr(c - 32) for c in range(97, 123)}),
}


def _ascii(s: str, case: Callable[[str], str]) -> str:
    return s.translate(_LETTERS[case])


def _lower_one(m: re.Match[str]) -> str:
    made = m[0].lower()
    return made if len(made) == 1 else m[0]


def _upper_one(m: re.Match[str]) -> str:
    made = m[0].upper()
    return made if len(made) == 1 else m[0]


def mask(options: dict[str, Any], rows: Rows) -> Rows:
    """Hides texts."""
    keep = options.get("keep_last", 0)
    if options.get("format"):
        how: Text = _shape
    elif fixed := options.get("fixed"):
        how = lambda _: fixed  # noqa: E731
    elif isinstance(keep, int) and keep > 0:
        how = lambda s: "*" * len(s) if len(s) <= keep else "*" * (len(s) - keep) + s[-keep:]  # noqa: E731
    else:
        raise Terminal("mask: no rule that the job knows")
    return _each(rows, [options.get("column", "")], how)


_DIGIT = re.compile("[0-9]")
_HIDDEN = re.compile("[^0-9 !-/:-@\\[-`{-~]")


def _shape(s: str) -> str:
    return _DIGIT.sub("9", _HIDDEN.sub("x", s))


def _each(rows: Rows, names: list[str], how: Text) -> Rows:
    def column(_: str, values: pa.Array, kind: str) -> tuple[pa.Array, str]:
        made = [None if s is None else how(s) for s in text_only(values, kind).to_pylist()]
        return pa.array(made, pa.string()), kind

    return rows.change(names, column)
