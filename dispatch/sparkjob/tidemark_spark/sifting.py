"""Finds the bad ones among rows that won, where bad rows are set aside (the engine's
badrows.go): values that are none of their type, nulls in required columns, and what a
transform cannot handle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow as pa

from . import reading, transforms
from .cells import pack, unpack
from .errors import RowError
from .manifest import Manifest

_NULL = "required value is null"

# When a mistake is found: a row that takes values from others is not judged before
# those are known to be good.
VALUE, BELOW, WINNER = 0, 1, 2


class Aside(NamedTuple):
    """A bad row that would have had a part in the table."""

    f: int
    n: int
    stage: int
    column: str
    rule: str

    def packed(self) -> bytes:
        return pack([self.stage, self.column, self.rule])


def winners(manifest: Manifest, rows: pa.RecordBatch) -> list[Aside]:
    """The bad ones among rows that won, and among those that they take values from."""
    cells, places = _rows(rows)
    made, wrong = reading.decode_or_errors(manifest, cells, places)
    first = _first(wrong)
    _ruled(manifest, first.values())
    found = [Aside(*place, WINNER if e.rule == _NULL else VALUE, e.column, e.rule) for place, e in first.items()]
    good = [i for i, place in enumerate(places) if place not in first and not any(
        isinstance(c, list) and len(c) == 3 and (c[1], c[2]) in first for c in cells[i])]
    todo = [good] if good else []
    while todo:
        part = todo.pop()
        try:
            transforms.apply(manifest, manifest.table.transforms, made.take(pa.array(part, pa.int64())), [places[i] for i in part])
        except RowError as e:
            if len(part) == 1:
                found.append(Aside(*places[part[0]], WINNER, e.column, e.rule))
                continue
            half = len(part) // 2
            todo += [part[half:], part[:half]]
    return found


def _ruled(manifest: Manifest, wrong: Iterable[RowError]) -> None:
    """Raises the first null of which the table's contract says more than that the row is
    bad."""
    names = manifest.evolution.nulls if manifest.evolution is not None else ()
    ruled = [e for e in wrong if e.rule == _NULL and e.column in names]
    if ruled:
        raise reading.first_error(ruled)


def members(manifest: Manifest, rows: pa.RecordBatch) -> list[Aside]:
    """The bad ones among rows that stand below others."""
    if rows.num_rows == 0:
        return []
    _, wrong = reading.decode_or_errors(manifest, *_rows(rows))
    return [Aside(*place, BELOW if e.rule == _NULL else VALUE, e.column, e.rule) for place, e in _first(wrong).items()]


def _rows(rows: pa.RecordBatch) -> tuple[list[reading.Cells], list[reading.Place]]:
    cells = [unpack(c) for c in rows.column("cells").to_pylist()]
    return cells, list(zip(rows.column("f").to_pylist(), rows.column("n").to_pylist()))


def _first(wrong: Sequence[RowError]) -> dict[tuple[int, int], RowError]:
    """The first mistake of each row. A mistake of a whole file is raised."""
    files = [e for e in wrong if e.row == 0]
    if files:
        raise reading.first_error(files)
    first: dict[tuple[int, int], RowError] = {}
    for e in sorted(wrong, key=lambda e: e.order):
        first.setdefault((e.order[0], e.row), e)
    return first
