"""Tells the stories of a file, which the test in Go has told to the model, to the fold of
history tables: chronicle_test.py STORIES."""

import collections
import json
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from tidemark_spark.cells import COMMITTED, UNSUPPLIED, pack, unpack
from tidemark_spark.chronicle import Chunk, Held
from tidemark_spark import settle

FATES = ("inserted", "updated", "unchanged", "filtered", "removed_by_filter", "removed_as_old_key", "removed_as_absent")


class Table:
    """The rows of a table: key, start, end, deleted, base, order, and values. dates are
    the orders that it remembers of keys without rows."""

    def __init__(self, story: dict, seed: int):
        self.story, self.rows, self.memory = story, [], {}
        self.random = random.Random(seed)

    def load(self, load: dict) -> dict:
        chunk = Chunk(4, self.story["partial"] and load["kind"] == "incremental", self.story["timed"], load["landings"])
        if load["kind"] != "replace":
            self.random.shuffle(self.rows)
            for key, start, end, deleted, base, order, values in self.rows:
                chunk.take(key, settle.COMMITTED, -2, 0, order, pack([base, start, end, deleted, pack(values)]), None)
        if load["kind"] == "incremental":
            for key, order in self.memory.items():
                chunk.take(key, settle.REMEMBERED, -1, 0, order, None, None)
        self.take(chunk, load)
        if load["kind"] == "incremental":
            chunk.settle({(r["f"], r["n"]) for r in load["rows"] or [] if r["filtered"]})
        elif load["kind"] == "difference":
            self.compare(chunk, load)
        else:
            return self.replace(chunk, load)
        self.write(chunk, load["kind"] == "difference")
        return chunk.tally

    def take(self, chunk: Chunk, load: dict) -> None:
        for r in load["rows"] or []:
            cells = pack([UNSUPPLIED if c == "?" else c and c.encode() for c in r["cells"]])
            key, order = r["key"].encode(), encoded(r["order"])
            old = r["old"] and r["old"].encode()
            crossing = chunk.partial
            if old and not crossing:
                chunk.take(old, settle.MOVE, r["f"], r["n"], order, None, None)
            kind = settle.DELETE if r["delete"] else settle.UPSERT
            chunk.take(key, kind, r["f"], r["n"], order, None if r["delete"] else cells, old if crossing else None)

    def compare(self, chunk: Chunk, load: dict) -> None:
        won = chunk.winners()
        chunk.begin()
        filtered = {(r["f"], r["n"]) for r in load["rows"] or [] if r["filtered"]}
        made = {}
        for up in chunk.upserts():
            k = won[up.ek]
            if k.kind == settle.UPSERT and up.place == (k.f, k.n) and up.place not in filtered:
                last = chunk.keys[up.ek].last() if up.ek in chunk.keys else None
                made[up.ek] = up, last is not None and unpack(last.values.packed) == unpack(up.cells)
        chunk.compare(won, made)

    def replace(self, chunk: Chunk, load: dict) -> dict:
        filtered = {(r["f"], r["n"]) for r in load["rows"] or [] if r["filtered"]}
        self.rows, self.memory, tally = [], {}, collections.Counter()
        for ek, k in chunk.winners().items():
            if k.kind == settle.UPSERT and (k.f, k.n) not in filtered:
                order = k.order if k.ordered else None
                self.rows.append((ek, chunk.time(k.f, order), None, False, True, order, unpack(k.cells)))
                tally["inserted"] += 1
            else:
                tally["unchanged" if k.kind == settle.DELETE else "filtered"] += 1
        return tally

    def write(self, chunk: Chunk, base: bool) -> None:
        write, gone = chunk.written()
        names = {(ek, v.start, v.end, v.deleted) for ek, v in chunk.held if v in gone}
        kept = [r for r in self.rows if r[:4] not in names]
        assert len(self.rows) - len(kept) == chunk.tally["removed"]
        keys = {id(v): ek for ek, t in chunk.keys.items() for v in t.versions}
        for v in write:
            if isinstance(v.values, Held):
                values = unpack(v.values.packed)
            elif v.values.row is None:
                values = unpack(v.values.cells)
            else:
                cells, src, _ = v.values.verdict(chunk.fold)
                held = unpack(src) if src else None
                values = [held[i] if c == COMMITTED else c[0] if isinstance(c, list) else c for i, c in enumerate(unpack(cells))]
            if v.shows:
                values = [values[0], str(decoded(v.order)).encode(), *values[2:]]
            order = v.order if v.order is None or values[1] is None else encoded(int(values[1]))
            assert order == v.order
            kept.append((keys[id(v)], v.start, v.end, v.deleted, v.base, v.order, values))
        self.rows, self.memory = kept, chunk.orders()
        if base:
            self.rows = [(*r[:4], True, *r[5:]) for r in kept]

    def texts(self) -> list[str]:
        return sorted(
            "|".join([*("" if v is None else v.decode() for v in values), str(start), "" if end is None else str(end),
                      str(end is None).lower(), str(deleted).lower()]) + "|"
            for _, start, end, deleted, _, _, values in self.rows)


def encoded(order: int | None) -> bytes | None:
    return None if order is None else (order + (1 << 63)).to_bytes(8, "big")


def decoded(order: bytes) -> int:
    return int.from_bytes(order, "big") - (1 << 63)


def main() -> None:
    stories = json.loads(pathlib.Path(sys.argv[1]).read_text())
    told = 0
    for seed, story in enumerate(stories):
        table = Table(story, seed)
        for i, load in enumerate(story["loads"]):
            tally = table.load(load)
            where = f"story {seed}, load {i}: {json.dumps(story)}"
            assert table.texts() == sorted(load["want"] or []), f"{where}\n{table.texts()}\n{sorted(load['want'] or [])}"
            for fate in FATES:
                assert tally[fate] == load["counts"].get(fate, 0), f"{fate} {dict(tally)} {load['counts']} {where}"
            told += len(load["rows"] or [])
    assert told > len(stories)


if __name__ == "__main__":
    main()
