"""Bad rows that are set aside (the engine's badrows.go, badwatch.go, badkeep.go): a row
set aside is as if it were not there. Reading the files leaves out rows whose key,
operation or order is bad; bad values are found in rows that won, and all is settled
again without these rows. Before the commit the rows are handed over, with their bytes,
to who puts them into the quarantine."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NoReturn

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from . import errors, result
from .badbytes import Bytes, fetch_bytes
from .badwatch import Watch, overtaking
from .cells import unpack
from .changes import partial
from .manifest import FULL, INCREMENTAL, Declaration, Manifest
from .settle import ASIDE

MOST = 256 << 20  # bytes of what is handed over
_KINDS = {FULL: 1, INCREMENTAL: 2}

Place = tuple[int, int]  # file and row number


class StartOver(Exception):
    """Rows that won were set aside: all has to be settled again."""


class BudgetError(errors.Terminal):
    """More bad rows than the budget allows."""

    def __init__(self, first: errors.RowError, bad: int, budget: str) -> None:
        more = f"; and {bad - 1} more, budget {budget}" if bad > 1 else f"; budget {budget}"
        super().__init__(first.cause + more)
        self.file, self.row, self.column, self.rule = first.file, first.row, first.column, first.rule


def fetch(manifest: Manifest) -> tuple[Manifest, list[dict[str, Any]]]:
    """The manifest with the content of mended rows, and the rows set aside before that
    still wait."""
    plan = manifest.bad_rows
    if plan is None or not plan.aside:
        return manifest, []
    try:
        doc = json.loads(result.read_document(plan.aside))
        files = list(manifest.files)
        for m in doc.get("mended") or []:
            files[m["file"]] = replace(
                files[m["file"]], content=base64.b64decode(m["content"]), kind=m["place"]["kind"], place=_place(m["place"]),
                format=Declaration(m["format"]["kind"], m["format"].get("options") or {}),
            )  # fmt: skip
        waiting = [
            {"load_id": r["load_id"], "id": r["id"], "key": base64.b64decode(r["key"]), "place": _place(r["place"])}
            for r in doc.get("open") or []
        ]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise errors.Terminal("the rows that were set aside before are not as the job expects them") from None
    return replace(manifest, files=tuple(files)), waiting


def _place(p: dict[str, Any]) -> tuple[int, bytes, bytes, int]:
    """Where a row stood, so that places compare as the engine has them."""
    return _KINDS[p["kind"]], str(p.get("order") or "").encode(), p["file"].encode(), int(p["row"])


class BadRows:
    """The bad rows of a load."""

    def __init__(self, spark: SparkSession, manifest: Manifest, waiting: list[dict[str, Any]]) -> None:
        self.spark, self.manifest, self.waiting = spark, manifest, waiting
        self.tolerant = manifest.tolerant
        self.read = 0  # rows of the load
        self.out: dict[Place, tuple[str, str]] = {}  # column and rule
        self.late: set[Place] = set()  # those of them that had won

    def begin(self, rows: DataFrame, aside: int, read: int) -> None:
        """Takes note of the rows that were left out when the files were read."""
        self.read = read
        if aside:
            self._take(rows.filter(F.col("kind") == ASIDE).select("f", "n", F.col("cells" if "cells" in rows.columns else "bad")))

    def winners(self, won: DataFrame) -> None:
        """Sets aside the bad ones of rows that won. It raises StartOver if there are any."""
        found = won.filter(F.col("kind") == ASIDE).select("f", "n", "bad")
        if self._take(found, late=True):
            raise StartOver

    def refuse(self, rows: Iterable[tuple[int, int, str, str]]) -> NoReturn:
        """Sets aside rows that won: file, number, column and rule."""
        for f, n, column, rule in rows:
            self._add(f, n, column, rule, late=True)
        self._verdict()
        raise StartOver

    def without(self, rows: DataFrame) -> DataFrame:
        """The rows but those set aside."""
        if self.tolerant:
            rows = rows.filter(F.col("kind") != ASIDE)
        if not self.late:
            return rows
        gone = self.spark.createDataFrame(sorted(self.late), "f int, n bigint")
        return rows.join(F.broadcast(gone), ["f", "n"], "left_anti").select(*rows.columns)

    def hand_over(self, rows: DataFrame) -> None:
        """Writes down the rows set aside, and which rows of before the load overtakes."""
        plan, load = self.manifest.bad_rows, self.manifest.load
        if plan is None:
            return
        if not plan.hand_over:
            raise errors.Terminal("manifest: it does not say where bad rows are handed over")
        found = fetch_bytes(self.spark, self.manifest, self.out)
        watch = Watch([(place, b.key) for place, b in found.items()], [] if load.full else self.waiting)
        own, before = overtaking(self.manifest, self.without(rows) if "ek" in rows.columns else None, watch)
        doc = {
            "load_id": load.id,
            "rows": [self._row(place, found.get(place, Bytes()), place in own) for place in sorted(self.out)],
            "overtaken": [{"load_id": r["load_id"], "id": r["id"]} for r in before],
        }
        if sum(len(b.raw or b"") + len(b.head) for b in found.values()) * 4 // 3 > MOST - (len(self.out) << 9):
            raise errors.Terminal(f"the bad rows take more than {MOST} bytes")
        result.write_document(plan.hand_over, doc, 0o600)

    def _row(self, place: Place, b: Bytes, overtaken: bool) -> dict[str, Any]:
        column, rule = self.out[place]
        row: dict[str, Any] = {"file": place[0], "row": place[1], "column": column, "rule": rule, "overtaken": overtaken}
        for name, data in (("raw", b.raw), ("head", b.head), ("key", b.key)):
            if data:
                row[name] = base64.b64encode(data).decode()
        return row

    def _take(self, rows: DataFrame, late: bool = False) -> bool:
        """Takes note of rows, unless there are more than the budget allows."""
        plan = self.manifest.bad_rows
        room = 0 if plan is None else min(max(plan.rows, int(plan.share * self.read)), 1 << 28)
        told = rows.limit(4 * room + 65).collect()
        if len(told) > 4 * room + 64:
            self._too_many(rows)
        found = [(f, n, *unpack(bytes(packed))) for f, n, packed in told]
        staged = late and partial(self.manifest)  # rows take values from others
        least = min((stage for _, _, stage, _, _ in found), default=0)
        for f, n, stage, column, rule in found:
            if not staged or stage == least:
                self._add(f, n, column, rule, late)
        self._verdict()
        return bool(found)

    def _too_many(self, rows: DataFrame) -> NoReturn:
        """Fails with the first of so many rows that they are better left where they are."""
        count = rows.select("f", "n").distinct().count()
        first = rows.orderBy("f", "n").limit(1).collect()[0]
        _, column, rule = unpack(bytes(first[2]))
        known = len(self.out)
        self._add(first[0], first[1], column, rule, False)
        raise self._error(count + known)

    def _add(self, f: int, n: int, column: str, rule: str, late: bool) -> None:
        if (f, n) in self.out:
            return
        self.out[f, n] = column, rule
        if late:
            self.late.add((f, n))

    def _verdict(self) -> None:
        if self.manifest.bad_rows is None or not self.manifest.bad_rows.covers(len(self.out), self.read):
            raise self._error(len(self.out))

    def _error(self, bad: int) -> BudgetError:
        (f, n), (column, rule) = min(self.out.items())
        text = self.manifest.bad_rows.text if self.manifest.bad_rows is not None else "0"
        return BudgetError(errors.RowError(self.manifest.files[f].location, n, column, rule), bad, text)
