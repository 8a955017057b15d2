"""The text of an Avro schema as a tree (Avro specification 1.12, "Schema Declaration"),
with what the engine's library takes beyond the specification: a field may have the
logical type of its type, and the parts of a type that has no name."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

_MAX_BRACKETS = 4000
RECORDS = ("record", "error")
NAMED = (*RECORDS, "enum", "fixed")
_PART_OF = {"symbols": ("enum",), "items": ("array",), "values": ("map",), "fields": RECORDS, "size": ("fixed",)}


class BadSchema(Exception):
    """The text is no schema."""


class Number(str):
    """A number as JSON has it."""


def load(text: bytes) -> Any:
    """The JSON of a schema. Numbers stay text."""
    if len(re.findall(rb"[\[{]", text)) > _MAX_BRACKETS and _depth(text) > _MAX_BRACKETS:
        raise BadSchema
    try:
        return json.loads(text.decode("utf-8", "replace"), parse_int=Number, parse_float=Number, parse_constant=_constant)
    except (ValueError, RecursionError):
        raise BadSchema from None


def _constant(_: str) -> Any:
    raise BadSchema


def _depth(text: bytes) -> int:
    deepest = depth = 0
    for m in re.finditer(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', text, re.DOTALL):
        if m[0] in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif m[0] in (b"]", b"}"):
            depth -= 1
    return deepest


@dataclass
class Field:
    """A field of a record."""

    name: str
    type: Tree | None
    aliases: list[str]
    order: str | None
    default: Any
    has_default: bool


@dataclass
class Object:
    """A type that is an object. Parts are None where they are not there, or are not
    what they have to be in a kind of type that does not need them."""

    type: str
    name: str = ""
    namespace: str | None = None
    symbols: list[str] | None = None
    aliases: list[str] | None = None
    items: Tree | None = None
    values: Tree | None = None
    fields: list[Field] | None = None
    size: int | None = None
    logical: str = ""
    precision: int | None = None
    scale: int | None = None
    default: Any = field(default=None)
    has_default: bool = False


Tree = "str | list[Any] | Object"


def tree(value: Any) -> Any:
    """A name, a list of branches, or an Object."""
    if isinstance(value, str) and not isinstance(value, Number):
        return value
    if isinstance(value, list):
        return [tree(v) for v in value]
    if isinstance(value, dict):
        return _object(value)
    raise BadSchema


def is_null(t: Any) -> bool:
    return t == "null" or isinstance(t, Object) and t.type == "null"


def consumes_digits(kind: str, logical: str) -> bool:
    """Whether precision and scale mean something."""
    return logical == "decimal" and kind in ("bytes", "fixed")


def text_of(m: dict[str, Any], name: str) -> str | None:
    """A member that is text."""
    value = m.get(name)
    return value if isinstance(value, str) and not isinstance(value, Number) else None


def _object(m: dict[str, Any]) -> Object:
    kind = text_of(m, "type") or ""
    if "type" in m and text_of(m, "type") is None:
        raise BadSchema
    o = Object(kind, logical=text_of(m, "logicalType") or "", default=m.get("default"), has_default="default" in m)
    o.name = _part(m, "name", kind in NAMED, text_of) or ""
    o.namespace = _part(m, "namespace", kind in NAMED, text_of)
    o.aliases = _part(m, "aliases", kind in NAMED, texts_of)
    o.symbols = _part(m, "symbols", kind == "enum", texts_of)
    o.items = _part(m, "items", kind == "array", lambda m, name: tree(m[name]))
    o.values = _part(m, "values", kind == "map", lambda m, name: tree(m[name]))
    o.size = _part(m, "size", kind == "fixed", lambda m, name: whole(m[name], True))
    o.fields = _part(m, "fields", kind in RECORDS, lambda m, name: [_field(f) for f in _list(m[name])])
    for name in ("precision", "scale"):
        setattr(o, name, _part(m, name, consumes_digits(kind, o.logical), lambda m, name: whole(m[name])))
    return o


def _part(m: dict[str, Any], name: str, needed: bool, read: Any) -> Any:
    """A part of a type. What is wrong with it matters where it is needed."""
    if name not in m:
        return None
    try:
        value = read(m, name)
    except BadSchema:
        value = None
    if value is None and needed:
        raise BadSchema
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise BadSchema
    return value


def texts_of(m: dict[str, Any], name: str) -> list[str]:
    values = _list(m[name])
    if not all(isinstance(v, str) and not isinstance(v, Number) for v in values):
        raise BadSchema
    return values


_WHOLE = re.compile(r"-?[0-9]+")
_QUOTED = re.compile(r"[+-]?[0-9]+")


def whole(value: Any, quoted: bool = False) -> int:
    """A whole number of 64 bits, which may stand in quotes."""
    pattern = _WHOLE if isinstance(value, Number) else _QUOTED
    if not isinstance(value, Number) and not (quoted and isinstance(value, str)):
        raise BadSchema
    if len(value) > 22 or pattern.fullmatch(value) is None or not -(1 << 63) <= int(value) < 1 << 63:
        raise BadSchema
    return int(value)


def lifts(m: dict[str, Any], kind: str) -> bool:
    """Whether the parts of a field's type stand among those of the field."""
    return any(name in m and kind in kinds for name, kinds in _PART_OF.items())


def lifted(m: dict[str, Any], kind: str) -> dict[str, Any]:
    """The type of such a field."""
    left = {"default", "order", "aliases"} | (set() if kind in NAMED else {"name", "namespace"})
    return {k: v for k, v in m.items() if k not in left}


def _field(m: Any) -> Field:
    if not isinstance(m, dict) or any(k in m and text_of(m, k) is None for k in ("name", "order")):
        raise BadSchema
    aliases = texts_of(m, "aliases") if "aliases" in m else []
    f = Field(text_of(m, "name") or "", None, aliases, text_of(m, "order"), m.get("default"), "default" in m)
    kind = text_of(m, "type")
    if kind and lifts(m, kind):
        f.type = _object(lifted(m, kind))
        return f
    if "type" in m:
        f.type = tree(m["type"])
    logical = text_of(m, "logicalType")
    if logical and f.type is not None:
        _give_logical(f, logical, m)
    return f


def _give_logical(f: Field, logical: str, m: dict[str, Any]) -> None:
    """Gives the logical type of a field to its type, in a union to the first that is
    not null."""
    at: int | None = None
    target = f.type
    if isinstance(target, list):
        at = next((i for i, branch in enumerate(target) if not is_null(branch)), None)
        if at is None:
            return
        target = target[at]
    if isinstance(target, list):
        return
    made = Object(target) if isinstance(target, str) else target
    made.logical = made.logical or logical
    if made.logical == "decimal":
        needed = consumes_digits(made.type, made.logical)
        for name in ("precision", "scale"):
            value = _part(m, name, needed, lambda m, name: whole(m[name]))
            if getattr(made, name) is None:
                setattr(made, name, value)
    if at is None:
        f.type = made
    else:
        f.type[at] = made  # type: ignore[index]
