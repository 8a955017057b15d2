"""Settles the changes of a load key by key: which of them each key of the table
must hold. Rows come sorted, so that nothing but the key at hand is in memory.

The rules are those of the engine in Go (fold.go, replay.go): changes are taken
in position order; W is the greatest order known for a key; a change below W is
superseded, one without an order wins and leaves W as it is. Mended rows of a full load
(mendedfull.go) follow these rules among the rows of that; any change beats them."""

from __future__ import annotations

import array
import dataclasses
from collections.abc import Iterator

import pyarrow as pa

from .cells import UNSUPPLIED, Cells, complete, from_table, pack, unpack

# What a row is. Kinds below COMMITTED are changes.
UPSERT, DELETE, MOVE, BAD, COMMITTED, REMEMBERED = range(1, 7)

# What becomes of a committed row that stays, marked as deleted (softdelete): by a
# delete, or because its key was given up.
MARKED, MARKED_BY_MOVE = 7, 8

# A committed row of the full load: any change beats it, whatever its order.
BASE = 9

# A row set aside, and, where bad rows are set aside, one that stands below a row that
# won: it must not supply values if it is bad itself (badrows).
ASIDE, MEMBER = 20, 21

# The verdicts that leave a row of the load in the table, unless a filter drops it.
STAYING = (UPSERT, MARKED, MARKED_BY_MOVE)

# Rows to settle: key and order as bytes (rowkey), file and row number, the packed
# cells of an upsert, and the key that the row gives up where keys cross.
CHANGES = pa.schema([
    ("ek", pa.binary()), ("kind", pa.int8()), ("f", pa.int32()), ("n", pa.int64()),
    ("eo", pa.binary()), ("cells", pa.binary()), ("old", pa.binary()),
])

# What becomes of a key: kind is what won (0: nothing, BAD: the table is at fault),
# there whether the table has its row. keep and drop are the orders to remember if
# the winner stays in the table and if it does not; gaps are the columns (as
# uint16) that the committed row of src supplies; gone is when the row was deleted, in
# microseconds since 1970, where it stays marked.
VERDICTS = pa.schema([
    ("ek", pa.binary()), ("kind", pa.int8()), ("there", pa.bool_()), ("f", pa.int32()), ("n", pa.int64()),
    ("cells", pa.binary()), ("keep", pa.binary()), ("drop", pa.binary()), ("src", pa.binary()), ("gaps", pa.binary()), ("gone", pa.int64()),
])

_BATCH = 8192


@dataclasses.dataclass(slots=True)
class Row:
    """The row that a key holds during the fold: cells by column where a change
    supplies them, its place, and the committed row that supplies the others."""

    cells: Cells
    src: bytes | None
    place: tuple[int, int] = (0, 0)
    under: Row | None = None  # that stood below it
    own: Cells | None = None  # what it supplies itself, where bad rows are set aside
    void: frozenset[int] = frozenset()  # the columns that nobody supplies


@dataclasses.dataclass(slots=True)
class Key:
    """What is known of a key."""

    there: bool = False
    order: bytes | None = None
    memory: bytes | None = None
    kind: int = 0
    f: int = 0
    n: int = 0
    cells: bytes | Row | None = None  # packed; a Row where rows may be partial
    ordered: bool = False
    twice: bool = False
    full: bytes | None = None  # the greatest order known of a row of the full load
    changed: bool = False  # there is a change, and not only rows of the full load

    def wins(self, order: bytes | None) -> bool:
        if order is not None:
            if self.order is not None and order < self.order:
                return False
            self.order = order
        self.changed = True
        return True

    def wins_full(self, order: bytes | None) -> bool:
        """Whether a mended row of the full load wins."""
        if self.changed or order is not None and self.full is not None and order < self.full:
            return False
        self.full = self.full if order is None else order
        return True


class Fold:
    """Takes rows in order and gives verdicts. columns is how many the files have,
    partial whether rows may leave some of them unsupplied."""

    key: type[Key] = Key
    tolerant = False  # whether bad rows are set aside
    based: frozenset[int] = frozenset()  # files with mended rows of the full load, which any change beats
    tells = False  # whether the table tells these from changes

    def __init__(self, columns: int, partial: bool):
        self.columns, self.partial = columns, partial

    def take(self, k: Key, kind: int, f: int, n: int, eo, cells, ek: bytes, base: Row | None = None) -> None:
        """Takes one row for its key. base is the row of the old key, where there
        is one and rows may be partial."""
        if kind >= COMMITTED:
            self.know(k, kind, eo)
            return
        if not (k.wins_full(eo) if f in self.based else k.wins(eo)):
            return
        if self.partial and kind == UPSERT:
            cells = self.complete(unpack(cells), base or self.below(k, ek), (f, n))
        self.hold(k, kind, f, n, eo, cells)

    def hold(self, k: Key, kind: int, f: int, n: int, eo, cells) -> None:
        """Lets the change have the key that it has won."""
        k.kind, k.f, k.n, k.cells, k.ordered = kind, f, n, cells if kind == UPSERT else None, eo is not None

    def know(self, k: Key, kind: int, eo) -> None:
        if kind == REMEMBERED:
            k.memory, k.order, k.changed = eo, eo or None, bool(eo)
            return
        k.twice = k.there
        k.there, k.order, k.full = True, None if kind == BASE else eo, eo
        k.changed = self.tells and kind != BASE

    def below(self, k: Key, ek: bytes) -> Row:
        """What stands under a key."""
        if k.kind == UPSERT:
            return k.cells
        return Row([], ek if k.kind == 0 and k.there else None)

    def complete(self, cells: Cells, base: Row, place: tuple[int, int]) -> Row:
        """A row with the cells of base where it does not supply its own."""
        own, lacks = cells, self.gaps(cells)
        if base.cells:
            cells = complete(cells, base.cells, base.place, self.columns)
            lacks = [i for i in lacks if i in base.void]
        elif base.src is None:
            cells = [None if c is UNSUPPLIED and i < self.columns else c for i, c in enumerate(cells)]
        else:
            lacks = []
        under = base if self.tolerant and base.cells else None
        return Row(cells, base.src if self.gaps(cells) else None, place, under, own if self.tolerant else None, frozenset(lacks))

    def members(self, k: Key) -> Iterator[tuple]:
        """The rows that stood below the row that won, as verdicts of kind MEMBER. Their
        cells are those that they supply themselves."""
        row = k.cells.under if self.tolerant and isinstance(k.cells, Row) else None
        while row is not None:
            cells = [None if i in row.void else c for i, c in enumerate(row.own or [])]
            yield (None, MEMBER, False, *row.place, pack(from_table(cells, self.columns)), *(None,) * (len(VERDICTS) - 6))
            row = row.under

    def gaps(self, cells: Cells) -> array.array:
        """The columns that are not supplied."""
        return array.array("H", [i for i, c in enumerate(cells[: self.columns]) if c is UNSUPPLIED])

    def verdict(self, ek: bytes, k: Key) -> tuple | None:
        """The verdict on a key, None where there is nothing to do."""
        if k.twice:
            return ek, BAD, True, None, None, None, None, None, None, None, None
        if k.kind == 0:
            return None if k.memory is None else (ek, 0, k.there, None, None, None, k.memory, k.memory, None, None, None)
        keep, drop, cells, src, gaps = k.order, k.order, k.cells, None, None
        if k.kind == UPSERT:
            if k.f in self.based:
                keep, drop = b"", k.order or b""  # any change beats the row, whatever order it shows
            elif k.ordered:
                keep = None  # the row shows it
            elif keep is None and self.partial:
                keep = b""  # the row may show one that it has from below
            if self.partial:
                src, gaps = cells.src, self.gaps(cells.cells).tobytes() or None
                cells = pack(from_table(cells.cells, self.columns))
        return ek, k.kind, k.there, k.f, k.n, cells, keep, drop, src, gaps, None

    def sorted_by_key(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Settles rows that are sorted by key, then by kind (what is known before
        changes) and position."""
        out: list[tuple] = []
        at: bytes | None = None
        k = self.key()
        for batch in batches:
            for ek, kind, f, n, eo, cells, _ in _rows(batch):
                if ek != at:
                    if at is not None:
                        out.append(self.verdict(at, k))
                        out += self.members(k)
                    at, k = ek, self.key()
                self.take(k, kind, f, n, eo, cells, ek)
            if len(out) >= _BATCH:
                yield _verdicts(out)
                out = []
        if at is not None:
            out.append(self.verdict(at, k))
            out += self.members(k)
        yield _verdicts(out)

    def crossing(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Settles rows sorted by kind (what is known before changes) and position,
        of all keys, as rows may take values from the row of another key."""
        keys: dict[bytes, Key] = {}
        for batch in batches:
            for ek, kind, f, n, eo, cells, old in _rows(batch):
                k = keys.setdefault(ek, self.key())
                base = None
                if old is not None:
                    o = keys.setdefault(old, self.key())
                    base = self.below(o, old)
                    self.take(o, MOVE, f, n, eo, None, old)
                self.take(k, kind, f, n, eo, cells, ek, base)
        out = []
        for ek, k in keys.items():
            out.append(self.verdict(ek, k))
            out += self.members(k)
            if len(out) >= _BATCH:
                yield _verdicts(out)
                out = []
        yield _verdicts(out)


def _rows(batch: pa.RecordBatch) -> Iterator[tuple]:
    return zip(*(batch.column(name).to_pylist() for name in CHANGES.names))


def _verdicts(rows: list[tuple | None]) -> pa.RecordBatch:
    rows = [r for r in rows if r is not None]
    columns = list(zip(*rows)) or [()] * len(VERDICTS)
    return pa.record_batch([pa.array(c, f.type) for c, f in zip(columns, VERDICTS)], VERDICTS)
