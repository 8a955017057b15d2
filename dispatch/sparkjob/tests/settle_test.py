"""The fold against the rules said plainly: random changes to three keys, one at a
time, on a dictionary."""

import dataclasses
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import pyarrow as pa

from tidemark_spark import settle
from tidemark_spark.cells import UNSUPPLIED, pack, unpack
from tidemark_spark.settle import BASE, COMMITTED, DELETE, MOVE, REMEMBERED, UPSERT

KEYS = (b"a", b"b", b"c")
COLUMNS = 3


@dataclasses.dataclass
class Known:
    """What the plain model knows of a key."""

    row: list | None = None
    order: bytes | None = None
    there: bool = False
    kind: int = 0
    by: int = 0
    ordered: bool = False
    full: bytes | None = None  # the greatest order of a row of the full load
    changed: bool = False  # it has changed since that
    mended: bool = False  # its row is a mended one of the full load

    def take(self, kind: int, order: bytes | None, row: list | None, by: int) -> None:
        if order is not None and self.order is not None and order < self.order:
            return
        self.order = order if order is not None else self.order
        self.changed, self.mended = True, False
        self.kind, self.row, self.by, self.ordered = kind, row, by, order is not None

    def mend(self, kind: int, order: bytes | None, row: list | None, by: int) -> None:
        if self.changed or order is not None and self.full is not None and order < self.full:
            return
        self.full = order if order is not None else self.full
        self.mended = True
        self.kind, self.row, self.by, self.ordered = kind, row, by, order is not None


class Story(random.Random):
    """One random load, as rows to settle and by the model."""

    def __init__(self, seed: int):
        super().__init__(seed)
        self.partial, self.moving = self.random() < 0.6, self.random() < 0.5
        self.crossing = self.partial and self.moving
        self.tells = self.random() < 0.7
        self.mended = self.choice([0, 0, 2, 4])  # so many changes are mended rows of the full load
        self.rows: list[tuple] = []
        self.keys = {k: Known() for k in KEYS}
        self.memory = {k: self.choice([b"", b"\2", b"\4"]) for k in KEYS if self.random() < 0.3}
        for k in KEYS:
            if self.random() < 0.6:
                order = self.choice([None, b"\1", b"\3"])
                kind = self.choice([BASE, COMMITTED])
                self.keys[k] = Known(row=[("table", k, i) for i in range(COLUMNS)], order=None if kind == BASE else order, there=True)
                self.keys[k].full, self.keys[k].changed = order, self.tells and kind != BASE
                self.rows.append((k, kind, -2, 0, order, None, None))
        for k, order in self.memory.items():
            self.keys[k].order, self.keys[k].changed = order or None, order != b""
            self.rows.append((k, REMEMBERED, -1, 0, order, None, None))
        for n in range(1, self.randint(1, 9)):
            self.change(n)

    def change(self, n: int) -> None:
        k, order = self.choice(KEYS), self.choice([None, b"\1", b"\2", b"\3", b"\4", b"\5"])
        kind = UPSERT if self.random() < 0.7 else DELETE
        full = n <= self.mended
        old = self.choice([o for o in KEYS if o != k]) if not full and self.moving and kind == UPSERT and self.random() < 0.4 else None
        below = self.keys[old or k].row
        if old:
            self.keys[old].take(MOVE, order, None, n)
        cells = row = None
        if kind == UPSERT:
            cells = [UNSUPPLIED if self.partial and self.random() < 0.4 else bytes([n, i]) for i in range(COLUMNS)]
            row = [(below[i] if below else None) if c is UNSUPPLIED else c for i, c in enumerate(cells)]
        (self.keys[k].mend if full else self.keys[k].take)(kind, order, row, n)
        self.rows.append((k, kind, 1 - full, n, order, pack(cells) if cells else None, old if self.crossing else None))
        if old and not self.crossing:
            self.rows.append((old, MOVE, 1, n, order, None, None))

    def verdicts(self) -> dict[bytes, dict]:
        fold = settle.Fold(COLUMNS, self.partial)
        fold.based, fold.tells = frozenset({0}), self.tells
        if self.crossing:
            batches = fold.crossing(self.batches(sorted(self.rows, key=lambda r: (r[2], r[3]))))
        else:
            batches = fold.sorted_by_key(self.batches(sorted(self.rows, key=lambda r: (r[0], r[2], r[3]))))
        return {v["ek"]: v for b in batches for v in b.to_pylist()}

    def batches(self, rows: list[tuple]):
        size = self.randint(1, 5)
        for i in range(0, len(rows), size):
            columns = zip(zip(*rows[i : i + size]), settle.CHANGES)
            yield pa.record_batch([pa.array(c, f.type) for c, f in columns], settle.CHANGES)


class TestSettle(unittest.TestCase):
    def test_random_loads(self) -> None:
        for seed in range(3000):
            story = Story(seed)
            got = story.verdicts()
            with self.subTest(seed=seed):
                for k, want in story.keys.items():
                    self.check(story, k, want, got.pop(k, None))
                self.assertEqual({}, got)

    def check(self, story: Story, k: bytes, want: Known, got: dict | None) -> None:
        if want.kind == 0 and k not in story.memory:
            self.assertIsNone(got)
            return
        self.assertEqual((want.kind, want.there), (got["kind"], got["there"]))
        if want.kind == 0:
            self.assertEqual([story.memory[k]] * 2, [got["keep"], got["drop"]])
            return
        mended = want.mended and want.kind == UPSERT
        self.assertEqual((want.by, want.order or b"" if mended else want.order), (got["n"], got["drop"]))
        if want.kind != UPSERT:
            return
        shown_below = b"" if story.partial else None
        self.assertEqual(b"" if mended else None if want.ordered else want.order or shown_below, got["keep"])
        gaps = list(memoryview(got["gaps"]).cast("H")) if got["gaps"] else []
        for i, (value, cell) in enumerate(zip(want.row, unpack(got["cells"]))):
            if isinstance(value, tuple):  # from the table
                self.assertEqual(([], value[1], True), (cell, got["src"], i in gaps))
            else:
                self.assertEqual((value, False), (cell[0] if isinstance(cell, list) else cell, i in gaps))


if __name__ == "__main__":
    unittest.main()
