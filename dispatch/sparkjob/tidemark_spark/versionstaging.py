"""Writes the versions of history tables. Rows that are those of the epoch's full load
stay below every change when they are written anew: their files keep the data sequence
number of the full load (Iceberg spec, "Sequence Number Inheritance": an entry of a
manifest may carry its own), by which readers know them (catalogsink/baserows.go).

An update of Iceberg's library gives all of its files its own number. So those files go
to a branch first, with a manifest that says theirs, and the load's snapshot is made on
top of that; on main it takes the place of both."""

from __future__ import annotations

import json
import uuid

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from . import history, softdelete
from .chronicling import REMOVED
from .columns import quoted
from .commit import Staged, Staging, commit_error, manifests_of
from .settle import UPSERT

_KEEP, _HELD = "tidemark keep", "tidemark held "
_ADDED = ("added-data-files", "added-records", "added-files-size")


class VersionStaging(Staging):
    """The staging of versions."""

    def __init__(self, table, manifest, head: int | None):
        super().__init__(table, manifest, head)
        self.base = history.read(table.metadata).base
        self.rebased = False  # whether rows of the full load are written anew
        self.below = None  # the snapshot that has their files

    def _put(self, winners: DataFrame, removes: bool, target: str) -> None:
        columns = [c.name for c in self.manifest.target.columns]
        values = [F.col(f"v{i}").alias(name) for i, name in enumerate(columns)]
        stays = (F.col("kind") == UPSERT) & F.col("kept")
        fresh, again = stays & ~F.col("base"), stays & F.col("base")
        if removes:
            held = [F.when(~stays, F.col(f"v{i}")).alias(f"{_HELD}{i}") for i in self._identity()]
            rows = winners.filter(fresh | (F.col("kind") == REMOVED)).select(*values, *held, stays.alias(_KEEP))
            rows.createOrReplaceTempView("tidemark_versions")
            self.table.spark.sql(merge_sql(target, columns, self._identity()))
        else:
            winners.filter(fresh).select(*values).writeTo(target).append()
        self.rebased = winners.filter(again).limit(1).count() > 0
        if self.rebased:
            winners.filter(again).select(*values).writeTo(target).append()

    def _identity(self) -> list[int]:
        """The columns by which committed versions are told from others."""
        columns = self.manifest.target.columns
        made = len(softdelete.made(self.manifest))
        return [i for i, c in enumerate(columns) if i >= made or c.name in self.manifest.target.key]

    def _gather(self) -> Staged:
        staged = super()._gather()
        if not self.rebased:
            return staged
        again = list(staged.snapshots[0].addedDataFiles(self.table.java.io()))
        paths = {f.location() for f in again}
        staged.data = [f for f in staged.data if f.location() not in paths]
        try:
            self._place_below(again)
        except Py4JJavaError as e:
            raise commit_error(e) from None
        staged.snapshots.append(self.below)
        return staged

    def _place_below(self, files: list) -> None:
        """Makes a branch of the head and the files, with the number of the full load."""
        java, branch = self.table.java, self.branch + "_base"
        java.manageSnapshots().createBranch(branch, self.head).commit()
        update = java.newAppend()
        for spec in {f.specId() for f in files}:
            update = update.appendManifest(self._manifest(spec, [f for f in files if f.specId() == spec]))
        update.toBranch(branch).commit()
        java.refresh()
        self.below = java.snapshot(branch)

    def _manifest(self, spec: int, files: list):
        java, iceberg = self.table.java, self.table.spark._jvm.org.apache.iceberg
        path = f"{java.location().rstrip('/')}/metadata/{uuid.uuid4()}-base.avro"
        self.kept.add(path)
        version = self.table.metadata["format-version"]
        writer = iceberg.ManifestFiles.write(version, java.specs().get(spec), java.io().newOutputFile(path), None)
        for f in files:
            writer.add(self._fresh(f), self.base)
        writer.close()
        return writer.toManifestFile()

    def _update(self, staged: Staged):
        update = super()._update(staged)
        return update.toBranch(self.branch + "_base") if self.below is not None else update

    def _snapshot(self, update):
        """The snapshot that takes the place of the branch's and its own."""
        made = update.apply()
        if self.below is None:
            return made
        parser = self.table.spark._jvm.org.apache.iceberg.SnapshotParser
        doc, below = json.loads(parser.toJson(made)), self.below.summary()
        doc["parent-snapshot-id"] = self.head
        for name in _ADDED:
            doc["summary"][name] = str(int(doc["summary"].get(name, "0")) + int(below.get(name) or "0"))
        return parser.fromJson(json.dumps(doc))

    def _begin(self, base):
        begun = super()._begin(base)
        return begun if self.below is None else begun.removeRef(self.branch + "_base")

    def discard(self, written: bool) -> None:
        if self.below is not None:
            try:
                if written:
                    self.paths += manifests_of(self.below, self.table.java.io(), {self.below.snapshotId()})
                self._set_refs(None, [self.branch + "_base"], [self.below])
            except Py4JError:
                pass  # as with the branch
        super().discard(written)


def merge_sql(target: str, columns: list[str], identity: list[int]) -> str:
    """The statement that removes versions and adds others."""
    same = " AND ".join(f"t.{quoted(columns[i])} <=> s.{quoted(_HELD + str(i))}" for i in identity)
    names, values = ", ".join(map(quoted, columns)), ", ".join(f"s.{quoted(c)}" for c in columns)
    return (f"MERGE INTO {target} t USING tidemark_versions s ON NOT s.{quoted(_KEEP)} AND {same} "
            f"WHEN MATCHED THEN DELETE "
            f"WHEN NOT MATCHED AND s.{quoted(_KEEP)} THEN INSERT ({names}) VALUES ({values})")
