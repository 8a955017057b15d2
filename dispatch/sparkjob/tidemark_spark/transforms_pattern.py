"""The regular expressions that engines agree on (the engine's expr/pattern.go), as
Python's re has them."""

from __future__ import annotations

import re

from .errors import Terminal

# What \\s is for the engine: not the vertical tab.
_SPACE = "\\t\\n\\f\\r "
_NO_SPACE = "\\x00-\\x08\\x0b\\x0e-\\x1f!-\U0010ffff"

_TOKEN = re.compile(
    r"(?P<escape>\\.)|(?P<class>\[\^?(?:\\.|[^\]\\])*\])|(?P<anchor>[\^$])"
    r"|(?P<repeat>\{[0-9]+(?:,[0-9]*)?\})|(?P<brace>[{}])|(?P<plain>.)",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ANCHORS = {"^": "(?:\\A)", "$": "(?:\\Z)"}


def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern to search for."""
    parts, at = [], 0
    while at < len(pattern):
        m = _TOKEN.match(pattern, at)
        if m is None:
            raise Terminal("a pattern of an expression is none")
        parts.append(_translated(m.lastgroup or "", m[0]))
        at = m.end()
    try:
        return re.compile("".join(parts), re.ASCII)
    except (re.error, OverflowError, RecursionError):
        raise Terminal("a pattern of an expression is none") from None


def _translated(what: str, text: str) -> str:
    if what == "anchor":
        return _ANCHORS[text]
    if what == "brace":
        return "\\" + text
    if what == "escape" and text[1] in "sS":
        return f"[{_in_class(text)}]"
    if what == "class":
        return _ESCAPE.sub(lambda m: _in_class(m[0]), text)
    return text


def _in_class(escape: str) -> str:
    return {"\\s": _SPACE, "\\S": _NO_SPACE}.get(escape, escape)
