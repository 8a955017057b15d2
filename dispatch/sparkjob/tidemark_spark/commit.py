"""Writes what won on a branch of its own, gathers the files, and commits them to
main as one snapshot, unless main is not any more what was read.

The branch only gets Spark's writers to hand out their files: no reader looks at
it, and the commit to main removes it together with its snapshots."""

from __future__ import annotations

import dataclasses
import uuid

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from .catalog import PAGE_VERSION, Table, java_map, java_name
from .columns import quoted
from .errors import Terminal
from .manifest import Manifest
from .settle import STAYING

BRANCHES = "tidemark_job_"
_ICEBERG = "org.apache.iceberg.exceptions."
_KEEP = "`tidemark keep`"


class Conflict(Exception):
    """Another writer was faster; nothing of the load is in the table."""


class Unknown(Exception):
    """The load may be in the table."""


@dataclasses.dataclass
class Staged:
    """The files that a load has written."""

    data: list = dataclasses.field(default_factory=list)
    deletes: list = dataclasses.field(default_factory=list)
    rewritten: list = dataclasses.field(default_factory=list)  # delete files that deletes replace
    snapshots: list = dataclasses.field(default_factory=list)  # of the branch
    rows: int = 0
    gone: int = 0


class Staging:
    """The branch on which one attempt writes, from the head of main on."""

    def __init__(self, table: Table, manifest: Manifest, head: int | None):
        self.table, self.manifest, self.head = table, manifest, head
        # A job that was submitted twice must not find its twin's files on its branch.
        self.branch = f"{BRANCHES}{manifest.job_id}_{uuid.uuid4().hex[:12]}"
        self.paths: list[str] = []  # of files that nothing but this attempt names
        self.kept: set[str] = set()  # manifests of the branch that go to main

    def write(self, winners: DataFrame, removes: bool) -> Staged:
        """Writes the rows that stay; removes says whether rows of the table go."""
        self._open()
        try:
            self._put(winners, removes, self.target())
        except Exception as e:
            if "CommitFailedException" in java_name(e):
                raise Conflict("the table changed while rows were written") from None
            raise
        return self._gather()

    def _put(self, winners: DataFrame, removes: bool, target: str) -> None:
        columns = [c.name for c in self.manifest.target.columns]
        values = [F.col(f"v{i}").alias(name) for i, name in enumerate(columns)]
        stay = F.col("kind").isin(*STAYING) & F.col("kept")
        if not removes:
            winners.filter(stay).select(*values).writeTo(target).append()
            return
        goes = (F.col("kind") != 0) & F.col("there")  # 0: a row that nothing won against
        rows = winners.filter(stay | goes).select(*values, stay.alias(_KEEP.strip("`")))
        rows.createOrReplaceTempView("tidemark_winners")
        self.table.spark.sql(merge_sql(target, self.manifest.target.key, columns))

    def target(self) -> str:
        """What rows are written to, in SQL."""
        return self.table.identifier("branch_" + self.branch)

    def commit(self, staged: Staged, summary: dict, props: dict) -> None:
        """Makes the files the next snapshot of main. Raises Conflict or Unknown."""
        java = self.table.java
        update = self._update(staged)
        for name, value in summary.items():
            update.set(name, value)
        ops = java.operations()
        try:
            snapshot = self._snapshot(update)
            base = ops.current()
            self.paths += manifests_of(snapshot, java.io(), {snapshot.snapshotId()})
            if snapshot.parentId() != self.head or str(snapshot.sequenceNumber()) != summary["tidemark.sequence"]:
                raise Conflict("main has moved on")
            made = (self._begin(base).setBranchSnapshot(snapshot, "main")
                    .setProperties(java_map(self.table.spark, props)).removeRef(self.branch))
            if staged.snapshots:
                made = made.removeSnapshots(_list(self.table, staged.snapshots))
            ops.commit(base, made.build())
        except Py4JJavaError as e:
            raise commit_error(e) from None
        except Py4JError:
            raise Unknown("the answer of the catalog was lost") from None
        ids = {s.snapshotId() for s in staged.snapshots}
        self.paths = [p for s in staged.snapshots for p in manifests_of(s, java.io(), ids) if p not in self.kept]
        self._remove_files()

    def _snapshot(self, update):
        """The snapshot that an update makes of main."""
        return update.apply()

    def discard(self, written: bool) -> None:
        """Removes the branch, and the files where it is known that nothing else
        names them."""
        try:
            self.table.java.refresh()
            snapshots = self._snapshots()
            for s in snapshots if written else []:
                self.paths += [f.location() for f in s.addedDataFiles(self.table.java.io())]
                self.paths += [f.location() for f in s.addedDeleteFiles(self.table.java.io())]
                self.paths += manifests_of(s, self.table.java.io(), {x.snapshotId() for x in snapshots})
            self._set_refs(None, [self.branch], snapshots)
            if written:
                self._remove_files()
        except Py4JError:
            pass  # the next job of the table removes the branch, maintenance the files

    def _open(self) -> None:
        """Opens the branch, and removes those of other jobs. Their files stay for
        the clean-up of orphans: their jobs may still be about to commit them."""
        self.table.java.refresh()
        refs = [name for name in self.table.java.refs().keySet() if name.startswith(BRANCHES)]
        try:
            if self.head is None:
                if refs or self._writable():
                    self._set_refs(None, refs, [], self._writable())
                self.table.java.manageSnapshots().createBranch(self.branch).commit()
            else:
                self._set_refs(self.head, refs, [], self._writable())
        except Py4JJavaError as e:
            err = commit_error(e)
            raise Conflict("the branch could not be made") if isinstance(err, Unknown) else err from None

    def _writable(self) -> dict[str, str]:
        """Properties without which Java writes nothing to tables that Go created."""
        version = self.table.metadata.get("properties", {}).get(PAGE_VERSION)
        return {PAGE_VERSION: "v" + version} if version in ("1", "2") else {}

    def _set_refs(self, head: int | None, drop: list[str], snapshots: list, props: dict | None = None) -> None:
        iceberg = self.table.spark._jvm.org.apache.iceberg
        ops = self.table.java.operations()
        base = ops.refresh()
        made = iceberg.TableMetadata.buildFrom(base)
        for name in drop:
            made = made.removeRef(name)
        if head is not None:
            made = made.setRef(self.branch, iceberg.SnapshotRef.branchBuilder(head).build())
        if snapshots:
            made = made.removeSnapshots(_list(self.table, snapshots))
        if props:
            made = made.setProperties(java_map(self.table.spark, props))
        ops.commit(base, made.build())

    def _begin(self, base):
        """A builder of the metadata that follows."""
        return self.table.spark._jvm.org.apache.iceberg.TableMetadata.buildFrom(base)

    def _snapshots(self, java=None, branch: str = "") -> list:
        """The snapshots of a branch, of this attempt's unless told, from the newest on."""
        java, found = java or self.table.java, []
        at = java.snapshot(branch or self.branch)
        while at is not None and at.snapshotId() != self.head:
            found.append(at)
            at = None if at.parentId() is None else java.snapshot(at.parentId())
        return found

    def _gather(self) -> Staged:
        self.table.java.refresh()
        return self._files(self.table.java, self.branch)

    def _files(self, java, branch: str = "main") -> Staged:
        """The files that a branch has on top of the head."""
        staged, io = Staged(snapshots=self._snapshots(java, branch)), java.io()
        for s in staged.snapshots:
            for f in s.addedDataFiles(io):
                staged.rows += f.recordCount()
                staged.data.append(f)
            for f in s.addedDeleteFiles(io):
                staged.gone += f.recordCount()
                staged.deletes.append(f)
            for f in s.removedDeleteFiles(io):
                staged.gone -= f.recordCount()
                staged.rewritten.append(f)
        return staged

    def _update(self, staged: Staged):
        iceberg = self.table.spark._jvm.org.apache.iceberg
        self.table.java.refresh()
        java = self._planned()
        if self.manifest.load.swaps:
            update = java.newOverwrite().overwriteByRowFilter(iceberg.expressions.Expressions.alwaysTrue())
            for f in staged.data:
                update = update.addFile(self._fresh(f))
            return update
        update = java.newRowDelta()
        if self.head is not None:
            update = update.validateFromSnapshot(self.head)
        for f in staged.data:
            update = update.addRows(self._fresh(f))
        for f in staged.rewritten:
            update = update.removeDeletes(f)
        for f in staged.deletes:
            update = update.addDeletes(f)
        return update

    def _planned(self):
        """The table as the commit finds it."""
        return self.table.java

    def _fresh(self, f):
        """A data file without the row ids that the branch gave it."""
        if self.table.metadata["format-version"] < 3 or f.firstRowId() is None:
            return f
        spec = self.table.java.specs().get(f.specId())
        return self.table.spark._jvm.org.apache.iceberg.DataFiles.builder(spec).copy(f).withFirstRowId(None).build()

    def _remove_files(self) -> None:
        for path in self.paths:
            try:
                self.table.java.io().deleteFile(path)
            except Py4JError:
                pass  # an orphan, which maintenance removes
        self.paths = []


def merge_sql(target: str, key: tuple[str, ...], columns: list[str]) -> str:
    """The statement that merges the winners into a table."""
    same = " AND ".join(f"t.{quoted(k)} = s.{quoted(k)}" for k in key)
    sets = ", ".join(f"t.{quoted(c)} = s.{quoted(c)}" for c in columns)
    names, values = ", ".join(map(quoted, columns)), ", ".join(f"s.{quoted(c)}" for c in columns)
    return (f"MERGE INTO {target} t USING tidemark_winners s ON {same} "
            f"WHEN MATCHED AND NOT s.{_KEEP} THEN DELETE WHEN MATCHED THEN UPDATE SET {sets} "
            f"WHEN NOT MATCHED AND s.{_KEEP} THEN INSERT ({names}) VALUES ({values})")


def manifests_of(snapshot, io, ids: set) -> list[str]:
    """The manifests that the snapshots ids have written, and the list of one."""
    return [m.path() for m in snapshot.allManifests(io) if m.snapshotId() in ids] + [snapshot.manifestListLocation()]


def _list(table: Table, items: list):
    made = table.spark._jvm.java.util.ArrayList()
    for item in items:
        made.add(item)
    return made


def commit_error(e: Py4JJavaError) -> Exception:
    name = java_name(e)
    if name.startswith((_ICEBERG + "CommitFailed", _ICEBERG + "ValidationException")):
        return Conflict("another writer was faster")
    if name.startswith((_ICEBERG + "CommitStateUnknown", _ICEBERG + "ServiceFailure", _ICEBERG + "ServiceUnavailable")):
        return Unknown("the catalog does not say whether the commit went through")
    if name.startswith((_ICEBERG + "Forbidden", _ICEBERG + "NotAuthorized", _ICEBERG + "NoSuchTable")):
        return Terminal(f"the catalog refuses the commit ({name.split(' ')[0]})")
    return Unknown(f"the commit failed ({name.split(' ')[0]})")
