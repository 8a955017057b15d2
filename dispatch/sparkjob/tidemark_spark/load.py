"""One load, from its files to the commit."""

from __future__ import annotations

import dataclasses
import random
import time

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from . import appending, badrows, catalog, changes, checks, chronicling, committed, difference, errors, evolving, history
from . import transforms_tables, versionstaging, winners
from .commit import Conflict, Staging, Unknown
from .manifest import Manifest
from .memory import Memory
from .settle import ASIDE, BAD, DELETE, MARKED, MOVE, UPSERT

ATTEMPTS = 10


def run(spark: SparkSession, manifest: Manifest) -> dict:
    """Applies the load and returns its receipt. Raises the errors of the job."""
    session = catalog.configure(spark, manifest.sink)
    manifest, waiting = badrows.fetch(manifest)
    manifest = transforms_tables.fetch(session, manifest)
    session.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "8192")
    attempts = _Attempts(session, manifest, waiting)
    try:
        return attempts.run()
    finally:
        attempts.release()


@dataclasses.dataclass
class _Base:
    """What is known of the keys of a load, while bad rows are found among those that
    won: so many frames are held for it."""

    book: Memory
    found: DataFrame | None
    known: list[DataFrame]
    held: int


class _Attempts:
    """The attempts at a load against concurrent writers. The files are read once."""

    def __init__(self, spark: SparkSession, manifest: Manifest, waiting: list[dict]):
        self.spark, self.manifest = spark, manifest
        self.table: catalog.Table | None = None
        self.changes: DataFrame | None = None
        self.held: list[DataFrame] = []
        self.told = changes.Told()
        self.base: _Base | None = None
        self.bad = badrows.BadRows(spark, manifest, waiting)
        self.checks = checks.Checks(manifest)

    def run(self) -> dict:
        unknown = 0
        for attempt in range(ATTEMPTS):
            time.sleep(random.uniform(0, 0.05 * 2 ** min(attempt, 7)) if attempt else 0)
            try:
                return self._try()
            except Conflict:
                found = self._applied()
            except Unknown as e:
                unknown += 1
                found = self._look(e)
                if found is None and unknown > 1:
                    raise errors.Indeterminate(f"table {self.manifest.table.name}: outcome of the commit is unknown: {e}") from None
            if found is not None:
                return found
        raise errors.Retryable(f"table {self.manifest.table.name}: gave up after {ATTEMPTS} attempts against concurrent writers")

    def release(self) -> None:
        """Gives up what is kept of the files."""
        self._drop(self.held)
        if self.table is not None:
            self.table.close()
        if self.changes is not None:
            self.changes.unpersist()

    def _applied(self) -> dict | None:
        table = catalog.find(self.spark, self.manifest)
        return None if table is None else history.read(table.metadata).find(self.manifest.load.id)

    def _look(self, cause: Unknown) -> dict | None:
        """Looks for the load after a commit of unknown outcome."""
        try:
            return self._applied()
        except Exception:
            raise errors.Indeterminate(f"table {self.manifest.table.name}: outcome of the commit is unknown: {cause}") from None

    def _try(self) -> dict:
        manifest = self.manifest
        table = catalog.open_table(self.spark, manifest)
        past = history.read(table.metadata)
        found = past.find(manifest.load.id)
        if found is not None:
            return found
        past.admit(table.name, manifest.load.fence)
        evolving.prepare(self.spark, manifest, table)
        self.table = table  # so that release closes it
        _check_writable(table, manifest, past)
        self.checks.begin(table)
        self._read_files()
        head = past.head["snapshot-id"] if past.head else None
        staging = (versionstaging.VersionStaging if chronicling.applies(manifest) else evolving.staging)(table, manifest, head)
        known = True
        try:
            self.base = None
            while not self._written(table, past, staging):
                pass
        except Unknown:
            known = False
            raise
        except BaseException:
            staging.discard(known)
            raise
        finally:
            if not known:
                staging.discard(False)
            self._drop(self.held)
            self.held = []
            table.close()
        table.refresh()
        made = history.read(table.metadata).find(manifest.load.id)
        if made is None:
            raise Unknown("the load is not in the table after the commit")
        verdicts = {"checks": self.checks.verdicts} if self.checks.verdicts else {}
        return {k: v for k, v in made.items() if k != "found"} | verdicts

    def _read_files(self) -> None:
        if self.changes is not None:
            return
        reader = appending if appending.appends(self.manifest) else changes
        self.changes = reader.read(self.spark, self.manifest).persist()
        told = reader.tell(self.changes)
        if told.bad:
            raise reader.first_error(self.changes) or errors.Retryable("files could not be read")
        self.told = told
        self.bad.begin(self.changes, told.aside, told.read + told.aside)

    def _written(self, table: catalog.Table, past: history.History, staging: Staging) -> bool:
        """Writes the load; False where rows that won were set aside meanwhile."""
        try:
            self._write(table, past, staging)
        except badrows.StartOver:
            keep = self.base.held if self.base is not None else 0
            self._drop(self.held[keep:])
            del self.held[keep:]
            return False
        return True

    def _write(self, table: catalog.Table, past: history.History, staging: Staging) -> None:
        manifest = self.manifest
        book = self.base.book if self.base is not None else Memory(table, manifest, past)
        good = self.bad.without(self.changes)
        versions = chronicling.applies(manifest)
        if versions:
            won = chronicling.settle(table, manifest, past, book, self.told, good, self._hold)
        else:
            won = good if appending.appends(manifest) else self._settle(table, past, book, good)
        if manifest.load.difference and not versions:
            self._check_bad(won, {r[0] for r in won.select("kind").distinct().collect()})
            won = self._hold(difference.compare(table, manifest, past, won))
        counts, removed, orders = chronicling.count(manifest, self.told, won) if versions else self._count(won)
        self.checks.judge(won, counts["read"], self.bad)
        counts["rows_before"] = _rows_before(table, past)
        staged = staging.write(won, removed > 0)
        counts["rows_after"] = staged.rows - staged.gone + (0 if manifest.load.swaps else counts["rows_before"])
        wrong = history.unaccounted(counts, manifest.load, versions)
        if wrong or not manifest.load.swaps and staged.gone != removed:
            wrong = wrong or f"{staged.gone} rows left the table, expected {removed}"
            raise errors.Terminal(f"table {table.name}: row accounting does not add up: {wrong}")
        self.bad.hand_over(self.changes)
        memory = book.write(won, orders, staging.paths)
        table.refresh()
        now = history.read(table.metadata)
        if (now.head or {}).get("snapshot-id") != staging.head:
            raise Conflict("main has moved on")
        now.admit(table.name, manifest.load.fence)
        sequence = table.metadata["last-sequence-number"] + 1
        summary, props = history.marks(manifest, counts, memory, sequence, past.base, self.checks.summary())
        staging.commit(staged, summary, props)

    def _settle(self, table: catalog.Table, past: history.History, book: Memory, good: DataFrame) -> DataFrame:
        if self.base is None:
            found, known = self._base(table, past, book, good)
            self.base = _Base(book, found, known, len(self.held))
        return self._hold(winners.settle(self.manifest, self.base.found, good, *self.base.known))

    def _base(
        self, table: catalog.Table, past: history.History, book: Memory, good: DataFrame
    ) -> tuple[DataFrame | None, list[DataFrame]]:
        """The rows of the table that have keys of the load, and what is known of keys."""
        manifest, known, found = self.manifest, [], None
        if not manifest.load.full and self.told.read:
            keys = self._hold(changes.keys(manifest, good))
            if past.head is not None:
                found = committed.rows(table, manifest, past, keys, self.told)
                found = self._hold(found) if changes.completed(manifest) else found
                known.append(committed.known(manifest, found))
            remembered = book.known(keys)
            if remembered is not None:
                known.append(remembered)
        return found, known

    def _check_bad(self, won: DataFrame, kinds: set[int]) -> None:
        """Fails where something is wrong with rows that won, or sets them aside."""
        if BAD in kinds:
            raise self._bad(won)
        if ASIDE in kinds:
            self.bad.winners(won)

    def _count(self, won: DataFrame) -> tuple[dict, int, int]:
        """The counts, how many rows leave the table, and how many orders are to be
        remembered."""
        n = dict.fromkeys(history.COUNTS, 0)
        removed = orders = absent = 0
        fates = won.groupBy("kind", "there", "kept").agg(F.count("*"), F.count("memory")).collect()
        self._check_bad(won, {kind for kind, *_ in fates})
        for kind, there, kept, rows, remembered in fates:
            orders += remembered
            removed += rows if kind and there else 0
            if kind == UPSERT and not kept:
                n["filtered"] += rows
                n["removed_by_filter"] += rows if there else 0
            elif kind == UPSERT:
                n["updated" if there else "inserted"] += rows
            elif kind == MARKED:
                n["updated"] += rows
            elif kind == DELETE:
                n["deleted" if there else "unchanged"] += rows
            elif kind == MOVE:
                n["removed_as_old_key"] += rows if there else 0
            elif kind == difference.SAME:
                n["unchanged"] += rows
            elif kind == difference.ABSENT:
                absent += rows
        if absent:
            n["removed_as_absent"] = absent
        n["read"], n["quarantined"] = self.told.read + self.told.aside, len(self.bad.out)
        n["superseded"] = n["read"] - n["quarantined"] - sum(n[k] for k in ("inserted", "updated", "deleted", "unchanged", "filtered"))
        return n, removed, orders

    def _bad(self, won: DataFrame) -> errors.JobError:
        rows = won.filter(F.col("kind") == BAD).select("bad").collect()
        texts = [bytes(r[0]).decode() for r in rows if r[0] is not None]
        err = errors.find(" ".join(texts))
        name = self.manifest.table.name
        return err or errors.Terminal(f"row accounting does not add up: table {name} holds more than one row for a key")

    def _hold(self, frame: DataFrame) -> DataFrame:
        self.held.append(frame.persist())
        return frame

    def _drop(self, frames: list[DataFrame]) -> None:
        for frame in frames:
            frame.unpersist()


def _check_writable(table: catalog.Table, manifest: Manifest, past: history.History) -> None:
    if manifest.load.swaps or past.head is None or appending.appends(manifest):
        return
    deletes = int(past.head.get("summary", {}).get("total-equality-deletes", "0") or 0)
    if deletes:
        raise errors.Terminal(f"table {table.name} has equality deletes, which another writer made; compact them away first")
    mode = table.metadata.get("properties", {}).get("write.merge.mode", "copy-on-write")
    if mode != "merge-on-read":
        raise errors.Terminal(f"table {table.name}: write.merge.mode is not merge-on-read: rewritten rows would lose their place in order")


def _rows_before(table: catalog.Table, past: history.History) -> int:
    """The rows of the table: those after the last load if nothing has happened
    since, else they are counted."""
    if past.head is None:
        return 0
    if past.marks and past.marks[0].receipt["snapshot"] == str(past.head["snapshot-id"]) and any(past.marks[0].receipt["counts"].values()):
        return past.marks[0].receipt["counts"]["rows_after"]
    return table.spark.table(table.identifier()).count()
