"""Spark writes the files of a table by the schema that the catalog shows, but readers must
see new columns and new rows in one commit. So a table whose schema changes is taken to a
catalog of the job's own: a folder on the driver with metadata that has the schema to
come. There rows are read and written. The files are the table's, and go to it by one
commit with the schema."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from typing import Any

from py4j.protocol import Py4JJavaError

from .catalog import PAGE_VERSION
from .evolution import Evolution

# The copy refers to no older metadata files, which commits would remove, and to no place
# for its own, which tables of folders cannot have.
_DROPPED = ("write.metadata.path", "write.metadata.compression-codec")
_SET = {"write.metadata.delete-after-commit.enabled": "false"}
_HADOOP_IO = "org.apache.iceberg.hadoop.HadoopFileIO"
_ANY_IO = "org.apache.iceberg.io.ResolvingFileIO"
# Properties of the catalog that file IOs carry with them.
_NOT_OF_IO = ("catalog-impl", "uri", "lock", "metrics-reporter")


class Scratch:
    """A catalog of the job's own, with copies of a table that have its next schema."""

    def __init__(self, table: Any, evolution: Evolution) -> None:
        self.table, self.evolution = table, evolution
        self.folder = tempfile.mkdtemp(prefix="tidemark-schema-")
        self.name = "tidemark_" + uuid.uuid4().hex[:12]
        io = table.java.io()
        given = {k: v for k, v in _properties(io).items() if not k.startswith(_NOT_OF_IO)}
        own = _HADOOP_IO if io.getClass().getName() == _HADOOP_IO else _ANY_IO
        settings = {**given, "type": "hadoop", "warehouse": "file://" + self.folder, "io-impl": own, "cache-enabled": "false"}
        prefix = "spark.sql.catalog." + self.name
        table.spark.conf.set(prefix, "org.apache.iceberg.spark.SparkCatalog")
        for name, value in settings.items():
            table.spark.conf.set(f"{prefix}.{name}", value)

    def copy(self, name: str) -> tuple[str, str, str]:
        """Makes a copy of the table at the head of main, and returns its full name."""
        folder = os.path.join(self.folder, "copies", name, "metadata")
        os.makedirs(folder)
        with open(os.path.join(folder, "v1.metadata.json"), "w") as f:
            json.dump(self.metadata(), f)
        with open(os.path.join(folder, "version-hint.text"), "w") as f:
            f.write("1")
        return self.name, "copies", name

    def metadata(self) -> dict:
        """The table's metadata with the next schema, and of its snapshots the head."""
        held, schema = self.table.metadata, self.evolution.schema
        head = held.get("refs", {}).get("main", {}).get("snapshot-id")
        props = {k: v for k, v in held.get("properties", {}).items() if k not in _DROPPED}
        if props.get(PAGE_VERSION) in ("1", "2"):
            props[PAGE_VERSION] = "v" + props[PAGE_VERSION]
        return {
            **held, "schemas": [*(s for s in held["schemas"] if s["schema-id"] != schema["schema-id"]), schema],
            "current-schema-id": schema["schema-id"], "last-column-id": max(held["last-column-id"], *(f["id"] for f in schema["fields"])),
            "snapshots": [s for s in held.get("snapshots", []) if s["snapshot-id"] == head],
            "refs": {k: v for k, v in held.get("refs", {}).items() if k == "main"},
            "properties": {**props, **self.evolution.properties, **_SET},
            "snapshot-log": [], "metadata-log": [], "statistics": [], "partition-statistics": [],
        }  # fmt: skip

    def load(self, name: str) -> Any:
        """A copy's Java object."""
        catalog = self.table.spark._jsparkSession.sessionState().catalogManager().catalog(self.name).icebergCatalog()
        return catalog.loadTable(self.table.spark._jvm.org.apache.iceberg.catalog.TableIdentifier.parse("copies." + name))

    def remove(self) -> None:
        """Removes the catalog."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _properties(io: Any) -> dict[str, str]:
    """Those by which a file IO finds its store."""
    try:
        return {str(e.getKey()): str(e.getValue()) for e in io.properties().entrySet()}
    except Py4JJavaError:
        return {}


def next_schema(table: Any, evolution: Evolution) -> tuple[Any, int]:
    """The next schema as a Java object, and the last id of its columns."""
    schema = table.spark._jvm.org.apache.iceberg.SchemaParser.fromJson(json.dumps(evolution.schema))
    return schema, max(table.metadata["last-column-id"], *(f["id"] for f in evolution.schema["fields"]))


def planned(table: Any, evolution: Evolution) -> Any:
    """The table's Java object with the next schema, in a transaction that is never
    committed: operations made from it carry that schema."""
    inside = table.java.newTransaction().table()
    ops = inside.operations()
    base = ops.current()
    made = table.spark._jvm.org.apache.iceberg.TableMetadata.buildFrom(base).setCurrentSchema(*next_schema(table, evolution))
    ops.commit(base, made.build())
    return inside
