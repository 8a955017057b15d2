"""The versions that a key of a history table has (versions.go): rows that hold from one
time until another, and among which every change takes its place."""

from __future__ import annotations

import dataclasses
from typing import Any

# Who made a version in a load, or gave it other values.
NOBODY, CHANGE, OLD_KEY, ABSENCE = range(4)


@dataclasses.dataclass(slots=True)
class Version:
    """A row that holds from one time until another, in microseconds since 1970; the
    current one has no end. values say where its values are, and shows that it shows its
    order in place of theirs. row is that of the table which it is, or -1."""

    start: int
    order: bytes | None
    values: Any
    end: int | None = None
    deleted: bool = False
    base: bool = False  # of the epoch's full load: below every change
    row: int = -1
    by: int = NOBODY
    place: tuple[int, int] = (-1, 0)  # of the change that made it, or has it written anew
    shows: bool = False
    touched: bool = False

    def touch(self, place: tuple[int, int]) -> None:
        self.touched = True
        if self.by == NOBODY:
            self.place = place

    def cut(self, at: int, place: tuple[int, int]) -> None:
        """Ends the version where it lasts beyond a time."""
        if self.end is None or self.end > at:
            self.end = at
            self.touch(place)


class Timeline:
    """The versions of a key, each below the next one, and while there are none the
    greatest order of its deletes."""

    __slots__ = ("versions", "tombstone")

    def __init__(self) -> None:
        self.versions: list[Version] = []
        self.tombstone: bytes | None = None

    def copy(self) -> Timeline:
        """A timeline that changes by itself."""
        made = Timeline()
        made.versions, made.tombstone = [dataclasses.replace(v) for v in self.versions], self.tombstone
        return made

    def arrange(self) -> None:
        """Brings the versions into the order in which they are found in a table: those of
        one moment must not stand otherwise where they come in the same load."""
        self.versions.sort(key=lambda v: (not v.base, v.start, v.start != v.end, v.order or b"", v.deleted))

    def place(self, order: bytes | None) -> int:
        """How many versions are below a change."""
        for i in range(len(self.versions), 0, -1):
            v = self.versions[i - 1]
            if order is None or v.base or v.order is None or v.order <= order:
                return i
        return 0

    def below(self, at: int) -> Version | None:
        return self.versions[at - 1] if at else None

    def last(self) -> Version | None:
        return self.below(len(self.versions))

    def there(self) -> bool:
        """Whether the key has a row now."""
        last = self.last()
        return last is not None and last.end is None and not last.deleted

    def same(self, at: int, order: bytes | None) -> bool:
        """Whether the version below a place is a change's of this order."""
        v = self.below(at)
        return v is not None and not v.base and order is not None and v.order == order

    def fit(self, at: int, start: int, place: tuple[int, int]) -> int:
        """The time of a change between its neighbours. A row of a full load that is said
        to be younger than the change above it is not: it gives way."""
        below = floor = self.below(at)
        if below is not None and below.base:
            floor = self.below(at - 1)
        if floor is not None:
            start = max(start, floor.start)
        if at < len(self.versions):
            start = min(start, self.versions[at].start)
        if below is not None and below.base and start < below.start:
            below.start = start
            below.touch(place)
            if floor is not None:
                floor.cut(start, place)
        return start

    def insert(self, at: int, v: Version) -> None:
        """Puts a version between those below a place and those above it."""
        v.start = self.fit(at, v.start, v.place)
        v.end = self.versions[at].start if at < len(self.versions) else None
        below = self.below(at)
        if below is not None and (below.end is None or v.start < below.end):
            v.end = below.end
            below.cut(v.start, v.place)
        self.versions.insert(at, v)
        self.tombstone = None
        if v.start == v.end or below is not None and below.start == below.end:
            self.arrange()

    def upsert(self, at: int, v: Version) -> None:
        """Inserts a version, or gives that of the same order its values."""
        if not self.same(at, v.order):
            self.insert(at, v)
            return
        below = self.versions[at - 1]
        below.values, below.deleted, below.shows = v.values, False, False
        below.by, below.place, below.touched = v.by, v.place, True

    def filtered(self, at: int, v: Version) -> int:
        """Leaves a gap where a version would be. Returns how many rows of the table it
        removed."""
        if self.same(at, v.order):
            return int(self.versions.pop(at - 1).row >= 0)
        start = self.fit(at, v.start, v.place)
        below = self.below(at)
        if below is not None:
            below.cut(start, v.place)
            if below.start == below.end:
                self.arrange()
        return 0

    def delete(self, v: Version) -> bool:
        """Ends the key, with v as the version that says so but for its values. Returns
        whether a version is left; if there was none, its order may be remembered."""
        if not self.versions:
            if v.order is not None and (self.tombstone is None or v.order >= self.tombstone):
                self.tombstone = v.order
            return False
        at = self.place(v.order)
        below = self.below(at)
        if below is None or below.deleted and (v.order is None or self.same(at, v.order)):
            return False
        v.deleted, v.values, v.shows = True, below.values, v.order is not None or below.shows
        v.order = below.order if v.order is None else v.order
        self.insert(at, v)
        return True

    def add(self, v: Version) -> None:
        """Puts a version of a full load behind all others."""
        last = self.last()
        if last is not None:
            v.start = max(v.start, last.start if last.end is None else last.end)
            last.cut(v.start, v.place)
        self.versions.append(v)
