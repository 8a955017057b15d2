"""Names in any case, as package strings of Go compares them (EqualFold)."""

from __future__ import annotations


def fold(text: str) -> str:
    """Text that is the same for names that differ in case only: Unicode's simple
    case folding, character by character (CaseFolding.txt, status C and S)."""
    return text.lower() if text.isascii() else "".join(map(_fold, text))


def _fold(c: str) -> str:
    for folded in (c.casefold(), c.lower()):
        if len(folded) == 1:
            return folded
    return c


def fold_bytes(text: bytes) -> str:
    """Is fold for bytes, of which those that are no UTF-8 count as U+FFFD each."""
    whole = text.decode("utf-8", "surrogateescape")
    return fold("".join("\ufffd" if "\udc80" <= c <= "\udcff" else c for c in whole))
