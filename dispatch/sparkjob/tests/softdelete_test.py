"""The fold of soft deletes against the rules said plainly: random changes to three keys,
one at a time, each on a whole row."""

import dataclasses
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import pyarrow as pa

from tidemark_spark import manifest, settle, softdelete
from tidemark_spark.cells import UNSUPPLIED, pack, unpack
from tidemark_spark.errors import Terminal
from tidemark_spark.settle import COMMITTED, DELETE, MARKED, MARKED_BY_MOVE, MOVE, REMEMBERED, UPSERT

KEYS = (b"a", b"b", b"c")
COLUMNS = 2
LANDINGS = [7_000_000, 5]


def order(at: int) -> bytes:
    """The encoding of a timestamp."""
    return (at + (1 << 63)).to_bytes(8, "big")


@dataclasses.dataclass
class Known:
    """What the plain model knows of a key: its row, and when that was marked."""

    row: list | None = None
    there: bool = False
    order: bytes | None = None
    by: str = ""  # what happened last: upsert, delete, move
    ordered: bool = False
    own: bool = False  # the row is of the load
    gone: int | None = None

    def take(self, kind: str, at: bytes | None, row: list | None, gone: int) -> None:
        if at is not None and self.order is not None and at < self.order:
            return
        self.order = self.order if at is None else at
        if kind == "upsert":
            self.row, self.own, self.ordered, self.gone = row, True, at is not None, None
        elif self.row is not None:
            self.gone = gone
        self.by = kind


class Story(random.Random):
    """One random load, as rows to settle and by the model."""

    def __init__(self, seed: int):
        super().__init__(seed)
        self.partial, self.moving, self.timed = (self.random() < 0.5 for _ in range(3))
        self.rows: list[tuple] = []
        self.keys = {k: Known() for k in KEYS}
        for k in KEYS:
            if self.random() < 0.6:
                at = self.choice([None, order(-1), order(3)])
                self.keys[k] = Known(row=[("table", k, i) for i in range(COLUMNS)], there=True, order=at)
                self.rows.append((k, COMMITTED, -2, 0, at, None, None))
        self.memory = {k: self.choice([b"", order(2)]) for k in KEYS if self.random() < 0.3}
        for k, at in self.memory.items():
            self.keys[k].order = at or None
            self.rows.append((k, REMEMBERED, -1, 0, at, None, None))
        for n in range(1, self.randint(1, 9)):
            self.change(self.randint(0, 1) if n > 4 else 0, n)
        self.rows.sort(key=lambda r: (r[2], r[3]))

    def change(self, f: int, n: int) -> None:
        f = max([f, *(r[2] for r in self.rows)])
        k, at = self.choice(KEYS), self.choice([None, *map(order, range(-1, 5))])
        gone = int.from_bytes(at, "big") - (1 << 63) if self.timed and at is not None else LANDINGS[f]
        upsert = self.random() < 0.6
        old = self.choice([o for o in KEYS if o != k]) if self.moving and upsert and self.random() < 0.4 else None
        below = self.keys[old or k].row
        if old:
            self.keys[old].take("move", at, None, gone)
        cells = row = None
        if upsert:
            cells = [UNSUPPLIED if self.partial and self.random() < 0.4 else bytes([n, i]) for i in range(COLUMNS)]
            row = [(below[i] if below else None) if c is UNSUPPLIED else c for i, c in enumerate(cells)]
        self.keys[k].take("upsert" if upsert else "delete", at, row, gone)
        crossing = self.partial and self.moving
        self.rows.append((k, UPSERT if upsert else DELETE, f, n, at, pack(cells) if cells else None, old if crossing else None))
        if old and not crossing:
            self.rows.append((old, MOVE, f, n, at, None, None))

    def verdicts(self) -> dict[bytes, dict]:
        fold = softdelete.SoftFold(COLUMNS, self.partial, self.timed, LANDINGS)
        if self.partial and self.moving:
            batches = fold.crossing(self.batches(self.rows))
        else:
            batches = fold.sorted_by_key(self.batches(sorted(self.rows, key=lambda r: (r[0], r[2], r[3]))))
        return {v["ek"]: v for b in batches for v in b.to_pylist()}

    def batches(self, rows: list[tuple]):
        size = self.randint(1, 5)
        for i in range(0, len(rows), size):
            columns = zip(zip(*rows[i : i + size]), settle.CHANGES)
            yield pa.record_batch([pa.array(c, f.type) for c, f in columns], settle.CHANGES)


class TestSoftDelete(unittest.TestCase):
    def test_random_loads(self) -> None:
        for seed in range(1500):
            story = Story(seed)
            got = story.verdicts()
            with self.subTest(seed=seed):
                for k, want in story.keys.items():
                    self.check(story, k, want, got.pop(k, None))
                self.assertEqual({}, got)

    def check(self, story: Story, k: bytes, want: Known, got: dict | None) -> None:
        if not want.by and k not in story.memory:
            self.assertIsNone(got)
            return
        kind = {"": 0, "delete": MARKED, "move": MARKED_BY_MOVE, "upsert": UPSERT}[want.by]
        if want.own:
            kind = UPSERT
        elif want.by and want.row is None:
            kind = {"delete": DELETE, "move": MOVE}[want.by]
        self.assertEqual((kind, want.there, want.gone), (got["kind"], got["there"], got["gone"]))
        if want.gone is not None:
            self.assertEqual((want.order or b"", want.order), (got["keep"], got["drop"]))
        elif kind == UPSERT:
            unknown = b"" if story.partial else None
            self.assertEqual((None if want.ordered else want.order or unknown, want.order), (got["keep"], got["drop"]))
        else:
            keep = want.order if want.by else story.memory[k]
            self.assertEqual((keep, keep), (got["keep"], got["drop"]))
        if kind in (MARKED, MARKED_BY_MOVE):
            self.assertEqual(k, got["src"])
        elif kind == UPSERT:
            self.values(want, got)

    def values(self, want: Known, got: dict) -> None:
        gaps = list(memoryview(got["gaps"]).cast("H")) if got["gaps"] else []
        for i, (value, cell) in enumerate(zip(want.row, unpack(got["cells"]))):
            if isinstance(value, tuple):  # from the table
                self.assertEqual(([], value[1], True), (cell, got["src"], i in gaps))
            else:
                self.assertEqual((value, False), (cell[0] if isinstance(cell, list) else cell, i in gaps))


class TestLanded(unittest.TestCase):
    def test_times(self) -> None:
        for text, want in {
            "1970-01-01T00:00:01Z": 1_000_000, "1970-01-01T00:00:00.0000019Z": 1, "1969-12-31T23:59:59.5Z": -500_000,
            "2024-02-20T11:00:00.123456789+01:30": 1708421400123456, "2024-02-20T11:00:00-00:01": 1708426860000000,
        }.items():  # fmt: skip
            self.assertEqual(want, softdelete.landed(manifest.File("u", "l", "i", 1, landed=text)), text)
        for text in ("", "yesterday", "2024-02-20T11:00:00", "2024-02-20T11:00:00.5"):
            with self.assertRaises(Terminal, msg=text):
                softdelete.landed(manifest.File("u", "l", "i", 1, landed=text))


if __name__ == "__main__":
    unittest.main()
