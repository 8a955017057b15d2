"""Typed expressions over columns: the operations of the engine's transform/expr.

Columns of results are Arrow arrays as long as no value is an error. Then, and where
Arrow has no operation that is exactly the one wanted, they are lists, in which None is
a null and Bad an error.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from . import types
from .errors import BadValue, Terminal
from .transforms_ops import FUNCTIONS, Bad, function
from .transforms_pattern import compiled
from .transforms_rows import BadRow, Rows, plain

_KINDS = {"bool": "bool", "int": "long", "double": "double", "string": "string", "date": "date",
          "timestamp": "timestamp", "timestamptz": "timestamptz"}  # fmt: skip
_TYPES = {kind: t for t, kind in _KINDS.items()} | {"int": "int", "float": "double"}
_MAX_DEPTH = 250


def where(options: dict[str, Any], rows: Rows) -> Rows:
    """Keeps the rows for which an expression is true."""
    found = _array(_evaluate(options["expr"], rows, 0), "bool")
    return rows.keep(pc.fill_null(found, False))


def derive(options: dict[str, Any], rows: Rows) -> Rows:
    """Adds a column made of others."""
    tree, name = options["expr"], options.get("column", "")
    kind = _KINDS.get(tree.get("type", ""))
    if kind is None:
        raise Terminal("the type of an expression is not known to the job")
    try:
        return rows.add(name, _array(_evaluate(tree, rows, 0), kind), kind)
    except BadRow as e:
        raise BadRow(e.row, e.rule, name) from None


def _array(values: Any, kind: str) -> pa.Array:
    """The values as a column. The first error is raised."""
    if isinstance(values, pa.Array):
        return values
    for i, v in enumerate(values):
        if isinstance(v, Bad):
            raise BadRow(i, v.rule)
    if kind == "date":
        for i, v in enumerate(values):
            if v is not None and not -(1 << 31) <= v < 1 << 31:
                raise BadRow(i, "out of range")
    return types.array(kind, values)


@dataclasses.dataclass(frozen=True)
class _Call:
    """An operation whose arguments are known."""

    op: str
    result: str
    types: tuple[str, ...]


def _evaluate(n: dict[str, Any], rows: Rows, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise Terminal("an expression is nested too deep")
    op, kind = n.get("op", ""), n.get("type", "")
    if op == "column":
        return _column(n, rows)
    if op == "literal":
        return _literal(kind, n.get("value", ""), len(rows))
    trees = n.get("args") or []
    if op == "matches":
        found = compiled(trees[1].get("value", "")).search
        return _mapped(lambda s: found(s) is not None, [_list(_evaluate(trees[0], rows, depth + 1), "string")])
    args = [_evaluate(a, rows, depth + 1) for a in trees]
    call = _Call(op, kind, tuple(a.get("type", "") for a in trees))
    if all(isinstance(a, pa.Array) for a in args) and (fast := _FAST.get(op)) is not None:
        made = fast(call, args)
        if made is not None:
            return made
    lists = [_list(a, t) for a, t in zip(args, call.types)]
    if op in _SLOW:
        return _SLOW[op](lists)
    if op not in FUNCTIONS:
        raise Terminal(f"the job knows no operation {op!r}")
    return _mapped(function(op, call.types), lists)


def _column(n: dict[str, Any], rows: Rows) -> pa.Array:
    values, kind = rows.column(n.get("name", ""))
    if _TYPES.get(kind) != n.get("type"):
        raise Terminal("an expression was made for a column of another type")
    return values if kind == _KINDS[n["type"]] else values.cast(types.arrow(_KINDS[n["type"]]))


def _literal(kind: str, text: str, n: int) -> Any:
    if kind == "null":
        return [None] * n
    try:
        value = _LITERALS[kind](text)
        return types.array(_KINDS[kind], [value]).take(pa.array([0] * n, pa.int64()))
    except (KeyError, ValueError, pa.ArrowException):
        raise Terminal("a literal of an expression is none of its type") from None


_LITERALS: dict[str, Callable[[str], Any]] = {
    "bool": lambda s: s in ("true", "1", "t", "T", "TRUE", "True"), "int": int, "double": float, "string": str,
    "date": int, "timestamp": int, "timestamptz": int,
}  # fmt: skip


def _list(values: Any, kind: str) -> list[Any]:
    return plain(values, _KINDS[kind]) if isinstance(values, pa.Array) else values


def _mapped(how: Callable[..., Any], args: Sequence[list[Any]]) -> list[Any]:
    """The results for rows; the first argument that is an error is the result, else
    null where one is null."""
    out = []
    for row in zip(*args):
        bad = next((v for v in row if isinstance(v, Bad)), None)
        if bad is not None or None in row:
            out.append(bad)
            continue
        try:
            out.append(how(*row))
        except BadValue as e:
            out.append(Bad(e.rule))
    return out


def _decided(a: Any, b: Any, decisive: bool) -> Any:
    if a is decisive or b is decisive:
        return decisive
    for v in (a, b):
        if isinstance(v, Bad):
            return v
    return None if a is None or b is None else not decisive


def _chosen(cond: Any, then: Any, otherwise: Any) -> Any:
    if isinstance(cond, Bad):
        return cond
    return then if cond else otherwise


_SLOW: dict[str, Callable[[list[list[Any]]], list[Any]]] = {
    "and": lambda a: [_decided(x, y, False) for x, y in zip(*a)],
    "or": lambda a: [_decided(x, y, True) for x, y in zip(*a)],
    "isnull": lambda a: [v if isinstance(v, Bad) else v is None for v in a[0]],
    "if": lambda a: [_chosen(*row) for row in zip(*a)],
    "coalesce": lambda a: [next((v for v in row if v is not None), None) for row in zip(*a)],
}


def _checked(name: str) -> Callable[[_Call, list[pa.Array]], Any]:
    """Arithmetic on ints, where nothing overflows; concatenation of texts."""

    def how(call: _Call, args: list[pa.Array]) -> Any:
        if call.result == "string":
            return pc.binary_join_element_wise(*args, pa.scalar("", pa.string()))
        if call.result != "int":
            return None
        try:
            return pc.call_function(name, args)
        except pa.ArrowInvalid:
            return None

    return how


_FAST: dict[str, Callable[[_Call, list[pa.Array]], Any]] = {
    "and": lambda _, a: pc.and_kleene(*a), "or": lambda _, a: pc.or_kleene(*a), "not": lambda _, a: pc.invert(*a),
    "isnull": lambda _, a: pc.is_null(*a), "if": lambda _, a: pc.if_else(pc.fill_null(a[0], False), a[1], a[2]),
    "coalesce": lambda _, a: pc.coalesce(*a),
    "eq": lambda _, a: pc.equal(*a), "ne": lambda _, a: pc.not_equal(*a), "lt": lambda _, a: pc.less(*a),
    "le": lambda _, a: pc.less_equal(*a), "gt": lambda _, a: pc.greater(*a), "ge": lambda _, a: pc.greater_equal(*a),
    "add": _checked("add_checked"), "sub": _checked("subtract_checked"), "mul": _checked("multiply_checked"),
    "neg": _checked("negate_checked"),
    "size": lambda _, a: pc.utf8_length(*a).cast(pa.int64()),
}  # fmt: skip
