"""What the transforms of a table do to its keys: changes are settled by keys as the
table holds them (the engine's keychain.go)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pyarrow as pa

from . import transforms
from .errors import RowError, Terminal
from .manifest import Declaration, Manifest

# Those that change values of columns in place, each by itself.
_IN_PLACE = ("cast", "trim", "normalize", "default", "mask", "tokenize", "nfc")


def steps(manifest: Manifest) -> list[Declaration]:
    """The transforms that change keys, as far as they do."""
    found = (_restricted(d, manifest.table.key) for d in manifest.table.transforms if d.kind in _IN_PLACE)
    return [d for d in found if d is not None]


def apply(
    manifest: Manifest, chain: Sequence[Declaration], columns: list[pa.Array], places: Sequence[tuple[int, int]]
) -> list[pa.Array]:
    """Key columns as the table will hold them."""
    if not chain:
        return columns
    names = list(manifest.table.key)
    made, kept = transforms.apply(manifest, chain, pa.record_batch(columns, names), places)
    if made.num_rows != len(places):
        raise Terminal("a transform of keys added or dropped rows")
    columns = [made.column(name) for name in names]
    for name, column in zip(names, columns):
        if column.null_count:
            f, n = places[column.is_null().index(True).as_py()]
            raise RowError(manifest.files[f].location, n, name, "key is null", (f, n))
    return columns


def _restricted(d: Declaration, key: Sequence[str]) -> Declaration | None:
    """A transform for those of its columns that are key columns."""
    options = dict(d.options)
    touched = options.get("column") in key
    for name in ("columns", "values"):
        given = options.get(name)
        if isinstance(given, dict):
            options[name] = {k: v for k, v in given.items() if k in key}
        elif isinstance(given, list):
            options[name] = [k for k in given if k in key]
        touched = touched or bool(given) and bool(options[name])
    return dataclasses.replace(d, options=options) if touched else None
