"""The transforms of a table, from their declared form. What each of them does is said
by the engine in Go (its package transform); the examples in its testdata hold here too.

Of several rows that a chain cannot handle, that one is told which stands first in its
file; the engine tells the one that the first step of the chain meets, where both are
in one of its batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from . import transforms_cast, transforms_expr, transforms_fill, transforms_json, transforms_lookup
from . import transforms_text, transforms_tokens
from .errors import JobError, RowError, Terminal
from .manifest import Declaration, Manifest
from .transforms_rows import BadRow, Rows


def apply(
    manifest: Manifest, chain: Sequence[Declaration], batch: pa.RecordBatch, places: Sequence[tuple[int, int]]
) -> tuple[pa.RecordBatch, pa.Array]:
    """Runs a chain on rows that have some of the table's columns, as declared. places
    are file and row number of each. Returns the rows that are left, in their order,
    and which of the rows given they are. It raises RowError for a row that the chain
    cannot handle."""
    names = batch.schema.names
    at = pa.array(range(batch.num_rows), pa.int64())
    rows = Rows(tuple(names), tuple(manifest.table.column(n).type for n in names), tuple(batch.columns), at)
    try:
        rows = run(chain, rows)
    except Stopped as e:
        file, row = places[e.at]
        order = file, row, 2 * len(manifest.table.columns)  # after what is wrong with the row itself
        raise RowError(manifest.files[file].location, row, e.column, e.rule, order) from None
    kept = [False] * batch.num_rows
    for i in rows.at.to_pylist():
        kept[i] = True
    return pa.record_batch(list(rows.columns), list(rows.names)), pa.array(kept, pa.bool_())


class Stopped(Exception):
    """A chain that ended with a bad row: at is its index in the rows first given."""

    def __init__(self, at: int, column: str, rule: str) -> None:
        self.at, self.column, self.rule = at, column, rule
        super().__init__(rule)


def run(chain: Sequence[Declaration], rows: Rows) -> Rows:
    """Runs a chain. It raises Stopped for a row that it cannot handle."""
    for d in chain:
        step = _KINDS.get(d.kind)
        if step is None:
            raise Terminal(f"the job knows no transform {d.kind!r}")
        try:
            rows = step(d.options, rows)
        except BadRow as e:
            raise Stopped(rows.at[e.row].as_py(), e.column, e.rule) from None
        except JobError:
            raise
        except (KeyError, TypeError, AttributeError, IndexError, ValueError, pa.ArrowException) as e:
            raise Terminal(f"transform {d.kind}: {type(e).__name__}: not declared as the job expects") from None
    return rows


def _rename(options: dict[str, Any], rows: Rows) -> Rows:
    names = options.get("columns") or {}
    for old in names:
        rows.index(old)
    return rows.pick(range(len(rows.names)), [names.get(n, n) for n in rows.names])


def _select(options: dict[str, Any], rows: Rows) -> Rows:
    return rows.pick([rows.index(n) for n in options.get("columns") or []])


def _drop(options: dict[str, Any], rows: Rows) -> Rows:
    gone = {rows.index(n) for n in options.get("columns") or []}
    return rows.pick([i for i in range(len(rows.names)) if i not in gone])


def _reorder(options: dict[str, Any], rows: Rows) -> Rows:
    first = [rows.index(n) for n in options.get("columns") or []]
    return rows.pick(first + [i for i in range(len(rows.names)) if i not in first])


_KINDS: dict[str, Callable[[dict[str, Any], Rows], Rows]] = {
    "rename": _rename, "select": _select, "drop": _drop, "reorder": _reorder,
    "cast": transforms_cast.cast, "default": transforms_fill.default, "constant": transforms_fill.constant,
    "trim": transforms_text.trim, "normalize": transforms_text.normalize, "nfc": transforms_text.nfc,
    "mask": transforms_text.mask, "tokenize": transforms_tokens.tokenize, "hash": transforms_tokens.hash_join,
    "lookup": transforms_lookup.lookup, "json": transforms_json.parse_json,
    "where": transforms_expr.where, "derive": transforms_expr.derive,
}  # fmt: skip
