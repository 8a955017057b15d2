"""The types of an Avro schema, by the names and rules of the engine's library. They say
how values are encoded."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .avrotree import NAMED, RECORDS, BadSchema, Number, Object, consumes_digits, is_null, load, tree

_PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_MAX_DIGITS = 1 << 16
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOGICAL = {
    "date": "int", "time-millis": "int", "time-micros": "long", "timestamp-millis": "long", "timestamp-micros": "long",
    "timestamp-nanos": "long", "local-timestamp-millis": "long", "local-timestamp-micros": "long",
    "local-timestamp-nanos": "long", "big-decimal": "bytes",
}  # fmt: skip


@dataclass(eq=False)
class Type:
    """A type. Children that were named before they were known are put in at the end."""

    kind: str
    logical: str = ""
    name: str = ""
    size: int = 0
    scale: int = 0
    symbols: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # of the fields
    children: list[Any] = field(default_factory=list)  # fields, branches, items or values
    defaults: list[bool] = field(default_factory=list)  # which fields have one


def parse(text: bytes) -> tuple[Any, Type]:
    """The JSON of a schema, and the type that it is of."""
    raw = load(text)
    builder = _Builder()
    try:
        made = builder.build("", tree(raw))
        builder.finish()
    except RecursionError:
        raise BadSchema from None
    if not isinstance(made, Type):
        raise BadSchema
    return raw, made


@dataclass(frozen=True)
class _Reference:
    """A name that is not known yet, and where it stands."""

    name: str
    within: str


class _Builder:
    def __init__(self) -> None:
        self.named: dict[str, Type] = {}
        self.made: list[Type] = []
        self.checks: list[Callable[[], bool]] = []

    def build(self, within: str, t: Any) -> Type | _Reference:
        if isinstance(t, Object):
            return self.complex(within, t)
        if isinstance(t, list):
            return self.union(within, t)
        if not t:
            raise BadSchema
        return Type(t) if t in _PRIMITIVES else self.find(t, within)

    def find(self, name: str, within: str) -> Type | _Reference:
        keys = [name]
        if "." in name:
            keys = [name[1:]] if name.rfind(".") == 0 and len(name) > 1 else keys
        elif "." in within:
            keys.insert(0, within[: within.rfind(".") + 1] + name)
        found = next((self.named[k] for k in keys if k in self.named), None)
        return found or _Reference(name, within)

    def finish(self) -> None:
        """Puts in what was named before it was known."""
        for t in self.made:
            for i, child in enumerate(t.children):
                if isinstance(child, _Reference):
                    t.children[i] = self.find(child.name, child.within)
                    if isinstance(t.children[i], _Reference):
                        raise BadSchema
            if t.kind == "union" and len({c.name or c.kind for c in t.children}) < len(t.children):
                raise BadSchema
        if not all(check() for check in self.checks):
            raise BadSchema

    def union(self, within: str, branches: list[Any]) -> Type:
        if any(isinstance(b, list) for b in branches):
            raise BadSchema
        return self.keep(Type("union", children=[self.build(within, b) for b in branches]))

    def keep(self, t: Type) -> Type:
        self.made.append(t)
        return t

    def complex(self, within: str, o: Object) -> Type | _Reference:
        logical = _logical(o)
        if o.type in _PRIMITIVES:
            return Type(o.type, logical, scale=o.scale or 0)
        parts = (o.fields, o.symbols, o.items, o.values, o.size)
        if not o.name and not o.fields and not o.symbols and parts[2:] == (None, None, None):
            found = self.find(o.type, within)
            if isinstance(found, Type) or o.type not in (*NAMED, "array", "map"):
                if not o.type:
                    raise BadSchema
                return found
        name = self.name(within, o)
        if o.type in ("array", "map"):
            return self.container(within, o)
        if o.type not in NAMED or (o.type in RECORDS and o.fields is None) or (o.type == "enum" and o.symbols is None):
            raise BadSchema
        others = {
            "enum": o.fields or (o.items, o.values, o.size) != (None,) * 3,
            "fixed": o.fields or o.symbols or (o.items, o.values) != (None,) * 2,
        }.get(o.type, o.symbols or (o.items, o.values, o.size) != (None,) * 3)
        if others:
            raise BadSchema
        if o.type in RECORDS:
            return self.record(name, o)
        made = self.enum(name, o) if o.type == "enum" else self.fixed(name, o, logical)
        self.named[name] = made
        return made

    def name(self, within: str, o: Object) -> str:
        """The full name of a named type; others must not have one."""
        name = o.name
        if o.type not in NAMED:
            if name:
                raise BadSchema
            return ""
        if not _is_full(name) or o.namespace and "." not in name and not _is_full(o.namespace):
            raise BadSchema
        if "." not in name:
            prefix = within[: within.rfind(".") + 1] if o.namespace is None else o.namespace and o.namespace + "."
            name = prefix + name
        if name in _PRIMITIVES or name in self.named:
            raise BadSchema
        return name

    def container(self, within: str, o: Object) -> Type:
        own, other = (o.items, o.values) if o.type == "array" else (o.values, o.items)
        if own is None or other is not None or o.fields or o.symbols or o.size is not None:
            raise BadSchema
        return self.keep(Type(o.type, children=[self.build(within, own)]))

    def enum(self, name: str, o: Object) -> Type:
        symbols = o.symbols or []
        if not all(_NAME.fullmatch(s) for s in symbols) or len(set(symbols)) < len(symbols):
            raise BadSchema
        if o.has_default and o.default not in symbols:
            raise BadSchema
        return Type("enum", name=name, symbols=symbols)

    def fixed(self, name: str, o: Object, logical: str) -> Type:
        if o.size is None or o.size < 0:
            raise BadSchema
        return Type("fixed", logical, name, size=o.size, scale=o.scale or 0)

    def record(self, name: str, o: Object) -> Type:
        made = self.keep(Type("record", name=name))
        self.named[name] = made
        taken: set[str] = set()
        fields = o.fields or []
        if not all(_NAME.fullmatch(f.name) for f in fields) or len({f.name for f in fields}) < len(fields):
            raise BadSchema
        for f in fields:
            if f.order not in (None, "ascending", "descending", "ignore") or f.type is None:
                raise BadSchema
            child = self.build(name, f.type)
            nullable = isinstance(f.type, list) and len(f.type) >= 2 and is_null(f.type[0])
            made.names.append(f.name)
            made.children.append(child)
            made.defaults.append(f.has_default or nullable)
            if f.has_default:
                self.checks.append(lambda i=len(made.children) - 1, v=f.default: accepts(made.children[i], v))
            for n in (f.name, *f.aliases):
                if n in taken:
                    raise BadSchema
                taken.add(n)
        return made


def _is_full(name: str) -> bool:
    return all(_NAME.fullmatch(part) for part in name.split("."))


def _logical(o: Object) -> str:
    """The logical type, if it is one of the type."""
    if o.logical == "decimal":
        if not consumes_digits(o.type, o.logical):
            return ""
        precision, scale = o.precision, o.scale or 0
        if precision is None or not 0 < precision <= _MAX_DIGITS or not 0 <= scale <= precision:
            raise BadSchema
        if o.type == "fixed" and o.size is not None and precision > _digits(o.size):
            raise BadSchema
        return "decimal"
    if o.logical == "uuid":
        return "uuid" if o.type == "string" or o.type == "fixed" and o.size == 16 else ""
    if o.logical == "duration":
        return "duration" if o.type == "fixed" and o.size == 12 else ""
    return o.logical if _LOGICAL.get(o.logical) == o.type else ""


def _digits(size: int) -> int:
    return math.floor((8 * min(size, 1 << 27) - 1) * math.log10(2)) if size > 0 else 0


_FLOAT_NAMES = ("nan", "inf", "infinity", "+inf", "-inf", "+infinity", "-infinity")


def accepts(t: Type, value: Any) -> bool:
    """Whether a default is a value of the type."""
    text = value if isinstance(value, str) and not isinstance(value, Number) else None
    if t.kind == "null":
        return value is None
    if t.kind == "boolean":
        return isinstance(value, bool)
    if t.kind in ("int", "long"):
        return isinstance(value, Number) and _integral(value, 31 if t.kind == "int" else 63)
    if t.kind in ("float", "double"):
        return isinstance(value, Number) or text is not None and _is_float(text)
    if t.kind == "string":
        return text is not None
    if t.kind in ("bytes", "fixed"):
        return text is not None and all(c <= "\xff" for c in text) and (t.kind == "bytes" or len(text) == t.size)
    if t.kind == "enum":
        return text is not None and text in t.symbols
    if t.kind == "union":
        return any(accepts(branch, value) for branch in t.children)
    if t.kind == "array":
        return isinstance(value, list) and all(accepts(t.children[0], v) for v in value)
    if not isinstance(value, dict):
        return False
    if t.kind == "map":
        return all(accepts(t.children[0], v) for v in value.values())
    fields = zip(t.names, t.children, t.defaults)
    return all(accepts(child, value[n]) if n in value else given for n, child, given in fields)


def _integral(number: Number, bits: int) -> bool:
    if re.fullmatch(r"-?[0-9]{1,20}", number):
        return -(1 << bits) <= int(number) < 1 << bits
    near = float(number)
    return math.isfinite(near) and near.is_integer() and -(1 << bits) <= int(near) < 1 << bits


def _is_float(text: str) -> bool:
    return text.lower() in _FLOAT_NAMES or re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text) is not None
