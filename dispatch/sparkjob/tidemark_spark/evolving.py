"""Commits of loads that change the columns of their table."""

from __future__ import annotations

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from . import catalog
from .columns import quoted
from .commit import Conflict, Staged, Staging
from .evolution import Evolution
from .manifest import Manifest
from .scratch import Scratch, next_schema, planned

_READ, _WRITE = "read", "write"


def staging(table: catalog.Table, manifest: Manifest, head: int | None) -> Staging:
    """The staging of an attempt at the load of a table that was opened by prepare."""
    if table.scratch is None:
        return Staging(table, manifest, head)
    return EvolvingStaging(table, manifest, head)


def prepare(spark: SparkSession, manifest: Manifest, table: catalog.Table) -> None:
    """Checks that the table is as the manifest says, and has its rows seen by the schema
    that the load commits."""
    evolution = manifest.evolution
    if evolution is None:
        catalog.check(manifest, table.metadata)
        return
    evolution.check(table.name, table.metadata, catalog.schema_of(manifest))
    catalog.check(manifest, table.metadata, evolution.after(table.metadata))
    if evolution.schema is not None:
        table.scratch = Scratch(table, evolution)
        table.rows = table.scratch.copy(_READ)


class EvolvingStaging(Staging):
    """Writes to a copy of the table that has its next schema, and commits that schema
    with the files."""

    def target(self) -> str:
        return quoted(*self.table.scratch.copy(_WRITE))

    def _open(self) -> None:
        """The copy needs no branch."""

    def _gather(self) -> Staged:
        staged = self._written()
        staged.snapshots = []  # of the copy
        return staged

    def discard(self, written: bool) -> None:
        if not written:
            return
        try:
            staged = self._written()
        except Py4JError:
            return  # nothing was written, or the files wait for the clean-up of orphans
        self.paths += [f.location() for f in staged.data + staged.deletes]
        self._remove_files()

    def _written(self) -> Staged:
        return self._files(self.table.scratch.load(_WRITE))

    def _planned(self):
        evolution: Evolution = self.manifest.evolution
        now = catalog.metadata_of(self.table.spark, self.table.java)
        if (now["current-schema-id"], now["last-column-id"]) != (evolution.schema_id, evolution.last_column_id):
            raise Conflict("the schema has changed")
        return planned(self.table, evolution)

    def _begin(self, base):
        return super()._begin(base).setCurrentSchema(*next_schema(self.table, self.manifest.evolution))
