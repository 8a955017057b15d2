"""Checks that hold the rows against each other, or against another table: by the
encoded values of their columns, which Spark brings together."""

from __future__ import annotations

import dataclasses
import functools
import marshal
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from . import catalog
from .checks_rows import Seen, manifest_index
from .columns import encode, quoted, types_of
from .errors import Terminal, printable
from .manifest import Check, Manifest
from .settle import MARKED, MARKED_BY_MOVE

UNIQUE, REFERENCES = "unique", "references"
KINDS = (UNIQUE, REFERENCES)


def look(manifest: Manifest, rows: DataFrame, checks: dict[int, Check], known: dict[int, DataFrame | None], listed: Sequence[int]) -> dict[int, Seen]:
    """What the checks see in the rows, by index. known are the values that may be referred
    to; of rows with the same values the later ones are refused. Rows with a null in one
    of the columns are passed over. listed are the checks whose refused rows are all
    asked for."""
    late = F.col("kind").isin(MARKED, MARKED_BY_MOVE).alias("late")  # as the engine in Go sees them
    values = rows.select("f", "n", late, *(F.col(f"v{i}") for i in _columns(manifest, checks)))
    values = values.mapInArrow(functools.partial(_values, manifest, checks), _VALUES)
    for i, frame in known.items():
        if i in checks and frame is not None:
            nothing = [F.lit(None).cast(t).alias(name) for name, t in (("f", "int"), ("n", "bigint"), ("late", "boolean"))]
            values = values.union(frame.select(F.lit(i).alias("c"), "e", *nothing))
    together = values.repartition("c", "e").sortWithinPartitions("c", "e", "late", "f", "n")  # what is known first
    unique = [i for i, c in checks.items() if c.kind == UNIQUE]
    found = {i: Seen() for i in checks}
    for (state,) in together.mapInArrow(functools.partial(_refused, unique, list(listed)), "state binary").collect():
        for i, (refused, first, places) in marshal.loads(bytes(state)).items():
            found[i].add(refused, first, places)
    return found


_VALUES = "c int, e binary, f int, n bigint, late boolean"


def _columns(manifest: Manifest, checks: dict[int, Check]) -> list[int]:
    return sorted({manifest_index(manifest, name) for c in checks.values() for name in c.options["columns"]})


def _values(manifest: Manifest, checks: dict[int, Check], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The values of the columns of each check, and where they stand."""
    for batch in batches:
        for i, check in checks.items():
            names = check.options["columns"]
            columns = [batch.column(f"v{manifest_index(manifest, name)}") for name in names]
            values = encode(columns, types_of(manifest.target.columns, names))
            own = [pa.array([i] * batch.num_rows, pa.int32()), values, *(batch.column(k) for k in ("f", "n", "late"))]
            yield pa.record_batch(own, ["c", "e", "f", "n", "late"]).filter(values.is_valid())


def _refused(unique: list[int], listed: list[int], batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Gathers the rows to refuse. Those of the same check and values stand together, and
    those that say that they are known come first."""
    found: dict[int, Seen] = {}
    last: pa.RecordBatch | None = None
    known = False  # the values of the row before
    for batch in batches:
        n = batch.num_rows
        if n == 0:
            continue
        fresh = np.ones(n, bool)
        fresh[1:] = _differs(batch.slice(0, n - 1), batch.slice(1))
        fresh[0] = last is None or bool(_differs(last, batch.slice(0, 1))[0])
        of_known = ~batch.column("f").is_valid().to_numpy(zero_copy_only=False)
        start = np.maximum.accumulate(np.where(fresh, np.arange(n), -1))
        is_known = np.where(start < 0, known, of_known[start])
        check = batch.column("c").to_numpy()
        refused = ~of_known & np.where(np.isin(check, unique), ~fresh, ~is_known)
        for i in np.unique(check[refused]).tolist():
            at = pa.array(np.flatnonzero(refused & (check == i)))
            found.setdefault(i, Seen()).take(batch.column("f").take(at), batch.column("n").take(at), i in listed)
        last, known = batch.slice(n - 1), bool(is_known[-1])
    state = {i: (s.refused, s.first, s.places) for i, s in found.items()}
    yield pa.record_batch([pa.array([marshal.dumps(state, 4)], pa.binary())], ["state"])


def _differs(a: pa.RecordBatch, b: pa.RecordBatch) -> np.ndarray:
    same = pc.and_(pc.equal(a.column("c"), b.column("c")), pc.equal(a.column("e"), b.column("e")))
    return ~same.to_numpy(zero_copy_only=False)


def referred(table: catalog.Table, manifest: Manifest, check: Check) -> DataFrame | None:
    """The values of another table that rows may refer to; None if it has none."""
    name, others = check.options["table"], check.options["others"]
    kinds = types_of(manifest.target.columns, check.options["columns"])
    other = catalog.find(table.spark, dataclasses.replace(manifest, table=dataclasses.replace(manifest.table, name=name)))
    if other is None or "main" not in other.metadata.get("refs", {}):
        return None
    _same_types(f"check {printable(check.name)}: table {name}", other, others, kinds)
    held = table.spark.table(other.identifier())
    columns = [f"c{i}" for i in range(len(others))]
    held = held.select(*(F.col(quoted(o)).alias(c) for o, c in zip(others, columns)))
    return _encoded(held, columns, kinds)


def _same_types(what: str, other: catalog.Table, names: Sequence[str], kinds: Sequence[str]) -> None:
    schema = next(s for s in other.metadata["schemas"] if s["schema-id"] == other.metadata["current-schema-id"])
    types = {f["name"]: f["type"] for f in schema["fields"]}
    for name, kind in zip(names, kinds):
        if name not in types:
            raise Terminal(f"{what}: it has no column {name}")
        if types[name] != catalog.iceberg_type(kind):
            raise Terminal(f"{what}: its column {name} is of type {_in_arrow(types[name])}, expected {kind}")


def _in_arrow(kind: object) -> str:
    """The engine's name of a type in Arrow, by that in Iceberg."""
    names = {"boolean": "bool", "int": "int32", "long": "int64", "float": "float32", "double": "float64", "date": "date32",
             "timestamp": "timestamp[us]", "timestamptz": "timestamp[us, tz=UTC]", "string": "utf8"}  # fmt: skip
    return names.get(str(kind), str(kind)) if isinstance(kind, str) else "nested"


def _encoded(frame: DataFrame, columns: list[str], kinds: Sequence[str]) -> DataFrame:
    """The values of columns as e; rows that lack one are left out."""

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            values = encode([batch.column(c) for c in columns], list(kinds))
            yield pa.record_batch([values.drop_null()], ["e"])

    return frame.mapInArrow(work, "e binary")
