"""Checks that look at rows one by one, or gather a little of all of them: one pass over
the rows serves them all."""

from __future__ import annotations

import base64
import dataclasses
import marshal
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from . import gotext, rowkey
from .checks_counts import limits, within
from .columns import encode, types_of
from .manifest import Check, Manifest
from .sketch import Sketch
from .transforms_pattern import compiled

KINDS = ("complete", "range", "allowed", "pattern", "fresh", "distinct")

Place = tuple[int, int]


@dataclasses.dataclass
class Seen:
    """What a check has seen: rows, how many of them it refuses, the first of those and,
    where they are asked for, all; and what else it needs for its verdict."""

    rows: int = 0
    refused: int = 0
    first: Place | None = None
    places: list[Place] = dataclasses.field(default_factory=list)
    more: Any = None

    def add(self, refused: int, first: Place | None, places: list[Place]) -> None:
        """Takes in what was seen of other rows."""
        self.refused += refused
        self.first = min((p for p in (self.first, first) if p is not None), default=None)
        self.places += places

    def take(self, files: pa.Array, numbers: pa.Array, listed: bool) -> None:
        """Takes in rows that are refused, at least one."""
        f, n = files.to_numpy(zero_copy_only=False), numbers.to_numpy(zero_copy_only=False)
        places = list(zip(f.tolist(), n.tolist())) if listed else []
        self.add(len(f), (int(f.min()), int(n[f == f.min()].min())), places)


def look(manifest: Manifest, rows: DataFrame, at: Sequence[int], listed: Sequence[int]) -> tuple[int, list[Seen]]:
    """How many rows there are, and what the checks at the indexes see in them. listed
    are the checks whose refused rows are all asked for."""
    checks = [manifest.checks[i] for i in at]
    places = [i in listed for i in at]
    columns = sorted({manifest_index(manifest, c.options["column"]) for c in checks})
    names = ["f", "n", *(f"v{i}" for i in columns)]

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        lookers = [_Looker(manifest, c, p) for c, p in zip(checks, places)]
        n = 0
        for batch in batches:
            n += batch.num_rows
            for looker in lookers:
                looker.look(batch)
        state = marshal.dumps((n, [looker.state() for looker in lookers]), 4)
        yield pa.record_batch([pa.array([state], pa.binary())], ["state"])

    total, merged = 0, [_Looker(manifest, c, p) for c, p in zip(checks, places)]
    for (state,) in rows.select(*names).mapInArrow(work, "state binary").collect():
        n, states = marshal.loads(bytes(state))
        total += n
        for looker, s in zip(merged, states):
            looker.merge(s)
    return total, [looker.seen() for looker in merged]


def manifest_index(manifest: Manifest, column: str) -> int:
    """The place of a column in the table."""
    return [c.name for c in manifest.target.columns].index(column)


class _Looker:
    """A check at work. What it found passes between processes as plain values."""

    def __init__(self, manifest: Manifest, check: Check, listed: bool) -> None:
        name = check.options["column"]
        self.column = f"v{manifest_index(manifest, name)}"
        self.kind = types_of(manifest.target.columns, [name])[0]
        self.check, self.listed = check, listed
        self.found = Seen()
        self.nulls, self.newest = 0, None
        self.sketch = Sketch() if check.kind == "distinct" else None
        self.refuse = _refusing(check, self.kind)

    def look(self, batch: pa.RecordBatch) -> None:
        column = batch.column(self.column)
        if self.refuse is not None:
            self._refused(batch, pc.indices_nonzero(pc.fill_null(self.refuse(column), False)))
        elif self.sketch is not None:
            self.sketch.insert(encode([column], [self.kind]))
        elif self.check.kind == "fresh":
            self._moment(column)
        else:
            self.nulls += column.null_count

    def _refused(self, batch: pa.RecordBatch, at: pa.Array) -> None:
        if not len(at):
            return
        self.found.take(batch.column("f").take(at), batch.column("n").take(at), self.listed)

    def _moment(self, column: pa.Array) -> None:
        words = rowkey.storage(column).cast(pa.int32() if self.kind == "date" else pa.int64())
        newest = pc.max(words).as_py()
        if newest is not None:
            self._newer(newest * 86_400_000_000 if self.kind == "date" else newest)

    def _newer(self, micros: int | None) -> None:
        if micros is not None and (self.newest is None or micros > self.newest):
            self.newest = micros

    def state(self) -> tuple:
        sketch = self.sketch.state() if self.sketch is not None else None
        return self.found.refused, self.found.first, self.found.places, self.nulls, self.newest, sketch

    def merge(self, state: tuple) -> None:
        refused, first, places, nulls, newest, sketch = state
        self.found.add(refused, first, places)
        self.nulls += nulls
        self._newer(newest)
        if sketch is not None and self.sketch is not None:
            self.sketch.merge(sketch)

    def seen(self) -> Seen:
        self.found.more = self.newest if self.check.kind == "fresh" else self.nulls
        if self.sketch is not None:
            self.found.more = self.sketch.estimate()
        return self.found


def _refusing(check: Check, kind: str) -> Callable[[pa.Array], pa.Array] | None:
    """Which rows of a column a check refuses, null being none; None for a check that
    refuses none."""
    o = check.options
    if check.kind == "complete" and o["share"] == 1:
        return lambda column: column.is_null()
    if check.kind == "range":
        return lambda column: _outside(encode([column], [kind]), _value(o.get("least")), _value(o.get("most")))
    if check.kind == "allowed":
        values = pa.array([_value(v) for v in o["values"]], pa.binary())
        return lambda column: _other(encode([column], [kind]), values)
    if check.kind == "pattern":
        pattern = compiled(o["pattern"])
        return lambda column: pa.array([None if v is None else pattern.fullmatch(v) is None for v in column.to_pylist()], pa.bool_())
    return None


def _value(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def _outside(values: pa.Array, least: bytes | None, most: bytes | None) -> pa.Array:
    bad = pa.array([False] * len(values), pa.bool_())
    if least is not None:
        bad = pc.or_(bad, pc.less(values, pa.scalar(least, pa.binary())))
    if most is not None:
        bad = pc.or_(bad, pc.greater(values, pa.scalar(most, pa.binary())))
    return bad


def _other(values: pa.Array, allowed: pa.Array) -> pa.Array:
    return pc.and_(values.is_valid(), pc.invert(pc.is_in(values, value_set=allowed)))


_RULES = {
    "complete": "have no value", "range": "are outside the range", "allowed": "have a value that is not allowed",
    "pattern": "do not match the pattern", "unique": "are there already",
}  # fmt: skip


def verdict(check: Check, seen: Seen) -> tuple[bool, str, str]:
    """Whether a check holds for what it has seen, the finding, and the column."""
    o = check.options
    column = o.get("column") or ", ".join(o.get("columns") or [])
    if check.kind == "complete" and o["share"] != 1:
        ok = float(seen.rows - seen.more) >= o["share"] * float(seen.rows)
        return ok, f"{seen.more} of {seen.rows} rows have no value, a share of at least {gotext.number(o['share'])} must have one", column
    if check.kind == "distinct":
        return within(seen.more, o), f"about {seen.more} distinct values, {limits(o)} expected", column
    if check.kind == "fresh":
        return _fresh(seen.more, o)
    rule = _RULES.get(check.kind) or f"refer to no row of {o['table']}"
    return seen.refused == 0, f"{seen.refused} of {seen.rows} rows {rule}", column


def _fresh(newest: int | None, o: dict[str, Any]) -> tuple[bool, str, str]:
    if newest is None:
        return True, "no row tells a moment", o["column"]
    age = gotext.difference(gotext.moment(o["now"]), newest * 1000)
    return age <= o["within"], f"the newest is {gotext.seconds(age)} old, at most {o['within_text']} expected", o["column"]
