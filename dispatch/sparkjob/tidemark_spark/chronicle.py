"""Loads of history tables (chronicle.go): each change takes its place among the versions
of its key. All that is known of some keys is settled at a time: which rows a filter drops
has to be known before what they leave of others."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator

from . import softdelete
from .cells import from_table, pack, unpack
from .manifest import Manifest
from .settle import COMMITTED, DELETE, MOVE, REMEMBERED, UPSERT, Fold, Key, Row
from .timeline import ABSENCE, CHANGE, OLD_KEY, Timeline, Version

Place = tuple[int, int]  # index of the file, number of the row in it


@dataclasses.dataclass(slots=True, eq=False)
class Upsert:
    """The values of a change: its cells, with the row below it where it leaves some
    unsupplied."""

    ek: bytes
    place: Place
    cells: bytes
    row: Row | None = None

    def verdict(self, fold: Fold) -> tuple:
        """The cells to decode, the committed row that supplies others, and which."""
        if self.row is None:
            return self.cells, None, None
        gaps = fold.gaps(self.row.cells).tobytes() or None
        return pack(from_table(self.row.cells, fold.columns)), self.row.src, gaps


@dataclasses.dataclass(slots=True, eq=False)
class Held:
    """The values of a committed row, packed."""

    packed: bytes


class Chunk:
    """Some keys of a load: all that is known of them, and all their changes in order.
    landings are the times of the files; timed says that orders begin with a time."""

    def __init__(self, columns: int, partial: bool, timed: bool, landings: list[int]):
        self.fold, self.partial = Fold(columns, partial), partial
        self.timed, self.landings = timed, landings
        self.known: dict[bytes, Timeline] = {}
        self.held: list[tuple[bytes, Version]] = []
        self.changes: list[tuple] = []
        self.keys: dict[bytes, Timeline] = {}
        self.tally: collections.Counter[str] = collections.Counter()

    def take(self, ek: bytes, kind: int, f: int, n: int, eo, cells, old) -> None:
        """Takes one row: what is known of a key, or a change."""
        if kind == COMMITTED:
            base, start, end, deleted, packed = unpack(cells)
            v = Version(start, eo, Held(packed), end, deleted, base, row=len(self.held))
            self.held.append((ek, v))
            self.known.setdefault(ek, Timeline()).versions.append(v)
        elif kind == REMEMBERED:
            self.known.setdefault(ek, Timeline()).tombstone = eo or None
        else:
            self.changes.append((ek, kind, f, n, eo, cells, old))

    def begin(self) -> None:
        """Goes back to what is known."""
        for t in self.known.values():
            t.arrange()
        self.keys = {ek: t.copy() for ek, t in self.known.items()}
        self.tally = collections.Counter()

    def upserts(self) -> list[Upsert]:
        """The upserts whose rows are whole."""
        found = [Upsert(ek, (f, n), cells) for ek, kind, f, n, _, cells, _ in self.changes if kind == UPSERT]
        return [u for u in found if not self.fold.gaps(unpack(u.cells))] if self.partial else found

    def settle(self, drops: set[Place]) -> None:
        """Takes the changes one after the other; drops are those that a filter drops."""
        self.begin()
        for c in self.changes:
            self.change(*c, drops)

    def change(self, ek: bytes, kind: int, f: int, n: int, eo, cells, old, drops: set[Place]) -> None:
        t = self.keys.setdefault(ek, Timeline())
        if kind in (DELETE, MOVE):
            left = t.delete(self.version(f, n, eo, CHANGE if kind == DELETE else OLD_KEY))
            self.tally["unchanged"] += kind == DELETE and not left
            return
        at = t.place(eo)
        supplier = self.row(t.below(at))
        if old is not None:
            o = self.keys.setdefault(old, Timeline())
            supplier = self.row(o.below(o.place(eo)))
            o.delete(self.version(f, n, eo, OLD_KEY))
        if not t.versions and t.tombstone is not None and eo is not None and eo < t.tombstone:
            return
        v = self.version(f, n, eo, CHANGE)
        v.values = Upsert(ek, (f, n), cells)
        if self.partial:
            v.values.row = self.fold.complete(unpack(cells), supplier, (f, n))
        if (f, n) in drops:
            self.tally["filtered"] += 1
            self.tally["removed_by_filter"] += t.filtered(at, v)
            return
        t.upsert(at, v)

    def version(self, f: int, n: int, eo: bytes | None, by: int) -> Version:
        return Version(self.time(f, eo), eo, None, by=by, place=(f, n), touched=True)

    def time(self, f: int, order: bytes | None) -> int:
        """When a change took place, as far as it tells."""
        if self.timed and order is not None:
            return int.from_bytes(order[:8], "big") - (1 << 63)
        return self.landings[f]

    def row(self, v: Version | None) -> Row:
        """What a version supplies to a change above it."""
        if v is None or v.deleted:
            return Row([], None)
        if isinstance(v.values, Held):
            return Row([], v.values.packed)
        return v.values.row or Row([], None)

    def winners(self) -> dict[bytes, Key]:
        """Which row of a full load each of its keys has."""
        keys: dict[bytes, Key] = {}
        for ek, kind, f, n, eo, cells, _ in self.changes:
            self.fold.take(keys.setdefault(ek, Key()), kind, f, n, eo, cells, ek)
        return keys

    def compare(self, won: dict[bytes, Key], made: dict[bytes, tuple[Upsert, bool]]) -> None:
        """Takes the winners of a full load that is committed as a difference. made are
        the upserts that a filter leaves, and whether they equal the last version."""
        self.begin()
        for ek, k in won.items():
            t = self.keys.setdefault(ek, Timeline())
            v = self.version(k.f, k.n, k.order if k.ordered else None, CHANGE)
            if k.kind == DELETE:
                self.gone(t, v)
            elif ek not in made:
                self.tally["filtered"] += 1
                last = t.last()
                if last is not None and last.end is None:
                    last.cut(max(v.start, last.start), v.place)
            elif t.there() and made[ek][1]:
                self.tally["unchanged"] += 1
            else:
                v.values = made[ek][0]
                t.add(v)
        landed = max(self.landings, default=0)
        for ek, t in self.keys.items():
            if ek not in won and t.there():
                self.gone(t, Version(landed, None, None, by=ABSENCE, touched=True))
            t.tombstone = None

    def gone(self, t: Timeline, v: Version) -> None:
        last = t.last()
        if last is None or not t.there():
            self.tally["unchanged"] += 1
            return
        v.deleted, v.values, v.order = True, last.values, last.order
        t.add(v)

    def written(self) -> tuple[list[Version], list[Version]]:
        """The versions to write, and the committed ones that go, of each that cannot be
        told from others the first; all of those go."""
        stay = {v.row for t in self.keys.values() for v in t.versions if v.row >= 0 and not v.touched}
        gone: dict[tuple, Version] = {}
        for ek, v in self.held:
            if v.row not in stay:
                gone.setdefault((ek, v.start, v.end, v.deleted), v)
        twins = {v.row for ek, v in self.held if (ek, v.start, v.end, v.deleted) in gone}
        self.tally["removed"] = len(twins)
        write = [v for t in self.keys.values() for v in t.versions if v.touched or v.row in twins]
        for v in write:
            if v.by == CHANGE:
                self.tally["updated" if v.row >= 0 else "inserted"] += 1
            elif v.by == OLD_KEY:
                self.tally["removed_as_old_key"] += 1
            elif v.by == ABSENCE:
                self.tally["removed_as_absent"] += 1
        return write, list(gone.values())

    def orders(self) -> dict[bytes, bytes]:
        """The orders to remember: those of deletes of keys without versions."""
        return {ek: t.tombstone for ek, t in self.keys.items() if not t.versions and t.tombstone is not None}


def of(manifest: Manifest) -> Chunk:
    """An empty chunk of a load."""
    table = manifest.table
    return Chunk(len(table.columns), table.partial, softdelete.timed(manifest), [softdelete.landed(f) for f in manifest.files])


def chunks(manifest: Manifest, rows: Iterator[tuple], whole: bool, least: int = 4096) -> Iterator[Chunk]:
    """Cuts rows into chunks of whole keys. They come sorted by key, or, where whole is
    set and all are one chunk, by place."""
    chunk, at, size = of(manifest), None, 0
    for row in rows:
        if size >= least and row[0] != at and not whole:
            yield chunk
            chunk, size = of(manifest), 0
        at, size = row[0], size + 1
        chunk.take(*row)
    if size:
        yield chunk
