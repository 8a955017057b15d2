"""The table in its catalog, through the Java classes of Iceberg's runtime."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from . import evolution
from .columns import quoted
from .errors import Retryable, Terminal
from .manifest import HISTORY, Column, Declaration, Manifest, Target
from .types import decimal_size

_TYPES = {"bool": "boolean", "int": "int", "long": "long", "float": "float", "double": "double", "date": "date",
          "timestamp": "timestamp", "timestamptz": "timestamptz", "string": "string", "binary": "binary", "uuid": "uuid"}
_SUFFIX = {"identity": "", "year": "_year", "month": "_month", "day": "_day", "hour": "_hour",
           "bucket": "_bucket", "truncate": "_trunc"}
# Those of the sink in Go (catalogsink/create.go), but for the page version: Iceberg's
# library in Java calls v1 what the one in Go calls 1, and writes nothing to a table
# that does not say so.
PAGE_VERSION = "write.parquet.page-version"
_PROPERTIES = {
    "format-version": "2", "write.parquet.compression-codec": "zstd", "write.parquet.compression-level": "1",
    PAGE_VERSION: "v1", "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100", "write.delete.mode": "merge-on-read",
    "write.update.mode": "merge-on-read", "write.merge.mode": "merge-on-read", "write.parquet.row-group-limit": "262144",
    "commit.retry.num-retries": "0",
}


@dataclasses.dataclass
class Table:
    """A table of a catalog, and its metadata as it was loaded."""

    spark: SparkSession
    catalog: str
    name: str
    java: object
    metadata: dict
    # Of tables whose schema changes: the catalog that has the next one, and what rows are
    # read from there.
    scratch: Any = None
    rows: tuple[str, ...] | None = None

    def refresh(self) -> None:
        """Looks at the table anew."""
        self.java.refresh()
        self.metadata = metadata_of(self.spark, self.java)

    def identifier(self, more: str | None = None) -> str:
        """The table, or its branch or metadata table, in SQL."""
        if self.rows and not more:
            return quoted(*self.rows)
        return quoted(self.catalog, *self.name.split("."), *([more] if more else []))

    def close(self) -> None:
        """Removes what stood beside the table for this attempt."""
        if self.scratch is not None:
            self.scratch.remove()


def configure(spark: SparkSession, sink: Declaration) -> SparkSession:
    """A session that knows the catalog of a sink's declaration."""
    options = sink.options
    if sink.kind != "iceberg" or not options.get("catalog") or not options.get("type"):
        raise Terminal("manifest: the sink is not an Iceberg catalog with a name and a type")
    session = spark.newSession()
    prefix = "spark.sql.catalog." + options["catalog"]
    settings = {"": "org.apache.iceberg.spark.SparkCatalog", ".type": options["type"], ".cache-enabled": "false"}
    for name in ("uri", "warehouse"):
        if options.get(name):
            settings["." + name] = options[name]
    if options["type"] == "jdbc":
        settings[".jdbc.schema-version"] = "V1"
        if options.get("uri", "").startswith("/"):
            settings |= {".uri": "jdbc:sqlite:" + options["uri"], ".jdbc.busy_timeout": "10000"}
    for name, value in (options.get("properties") or {}).items():
        settings["." + name] = str(value)
    for name, value in settings.items():
        session.conf.set(prefix + name, value)
    for name, value in {"spark.sql.session.timeZone": "UTC", "spark.sql.caseSensitive": "true",
                        "spark.sql.ansi.enabled": "true"}.items():
        session.conf.set(name, value)
    session.sql("USE " + quoted(options["catalog"]))  # has this session load the catalog
    return session


def java_name(error: BaseException) -> str:
    """The class names of the Java exceptions that led to an error."""
    cause = error.java_exception if isinstance(error, Py4JJavaError) else getattr(error, "_origin", None)
    names = []
    while cause is not None and len(names) < 20:
        names.append(cause.getClass().getName())
        cause = cause.getCause()
    return " < ".join(names)


def metadata_of(spark: SparkSession, java) -> dict:
    """The metadata that a table was loaded with."""
    return json.loads(spark._jvm.org.apache.iceberg.TableMetadataParser.toJson(java.operations().current()))


def java_map(spark: SparkSession, items: dict):
    """A map of Java."""
    made = spark._jvm.java.util.HashMap()
    for key, value in items.items():
        made.put(key, value)
    return made


def find(spark: SparkSession, manifest: Manifest) -> Table | None:
    """The table of a manifest, None if there is none."""
    options = manifest.sink.options
    name = manifest.table.name
    if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+", name):
        raise Terminal(f"table name {name!r}: only letters, digits, _ and - are allowed, as namespace.name")
    catalog = _catalog(spark, options["catalog"])
    ident = spark._jvm.org.apache.iceberg.catalog.TableIdentifier.parse(name)
    try:
        java = catalog.loadTable(ident)
    except Py4JJavaError as e:
        if java_name(e).startswith(("org.apache.iceberg.exceptions.NoSuchTable", "org.apache.iceberg.exceptions.NoSuchNamespace")):
            return None
        raise
    return Table(spark, options["catalog"], name, java, metadata_of(spark, java))


def open_table(spark: SparkSession, manifest: Manifest) -> Table:
    """The table of a manifest, created if there is none."""
    found = find(spark, manifest)
    if found is None:
        if manifest.evolution is not None and not manifest.evolution.new:
            raise Retryable(f"table {manifest.table.name}: it is gone since the load was planned")
        _create(spark, manifest)
        found = find(spark, manifest)
    return found


def _catalog(spark: SparkSession, name: str):
    return spark._jsparkSession.sessionState().catalogManager().catalog(name).icebergCatalog()


def _create(spark: SparkSession, manifest: Manifest) -> None:
    jvm, options, name = spark._jvm, manifest.sink.options, manifest.table.name
    catalog = _catalog(spark, options["catalog"])
    iceberg = jvm.org.apache.iceberg
    schema = iceberg.SchemaParser.fromJson(json.dumps(schema_of(manifest)))
    ident = iceberg.catalog.TableIdentifier.parse(name)
    already = "org.apache.iceberg.exceptions.AlreadyExists"
    try:
        catalog.createNamespace(ident.namespace(), java_map(spark, {}))
    except Py4JJavaError as e:
        if not java_name(e).startswith(already):
            raise
    _check_case(catalog, ident, name)
    builder = (catalog.buildTable(ident, schema)
               .withPartitionSpec(iceberg.PartitionSpecParser.fromJson(schema, json.dumps(spec_of(manifest))))
               .withSortOrder(iceberg.SortOrderParser.fromJson(schema, json.dumps(order_of(manifest))))
               .withProperties(java_map(spark, properties_of(manifest))))
    if options["type"] == "jdbc" and options.get("warehouse"):
        namespace, _, last = name.rpartition(".")
        builder = builder.withLocation(f"{options['warehouse'].rstrip('/')}/{namespace}.db/{last}")
    try:
        builder.create()
    except Py4JJavaError as e:
        if not java_name(e).startswith(already):
            raise


def _check_case(catalog, ident, name: str) -> None:
    """Some catalogs and engines fold names to lower case."""
    for other in catalog.listTables(ident.namespace()):
        if other.toString() != name and other.toString().lower() == name.lower():
            raise Terminal(f"table {name}: the name differs from that of table {other.toString()} by case only")


def iceberg_type(name: str) -> str:
    """Iceberg's name for a declared type."""
    size = decimal_size(name)
    return f"decimal({size[0]}, {size[1]})" if size else _TYPES[name]


def schema_of(manifest: Manifest) -> dict:
    """The schema of a new table: columns numbered from 1, key columns required
    and identifying."""
    target, name = manifest.target, manifest.table.name
    fields, folded, ids = [], {}, {}
    for i, c in enumerate(target.columns, 1):
        other = folded.setdefault(c.name.lower(), c.name)
        if other != c.name:
            raise Terminal(f"table {name}: columns {other} and {c.name} differ by case only")
        field = {"id": i, "name": c.name, "required": required(target, c), "type": iceberg_type(c.type)}
        fields.append({**field, "doc": c.doc} if c.doc else field)
        ids[c.name] = i
        if c.name in target.key and c.type in ("float", "double"):
            raise Terminal(f"table {name}: key column {c.name}: {c.type} cannot identify rows")
    return {"type": "struct", "schema-id": 0, "identifier-field-ids": [] if manifest.table.mode == HISTORY else [ids[k] for k in target.key], "fields": fields}


def required(target: Target, column: Column) -> bool:
    """Key columns are required without being declared so."""
    return column.required or column.name in target.key


def spec_of(manifest: Manifest) -> dict:
    """The partition spec of a new table."""
    name, columns = manifest.table.name, manifest.target.columns
    names = [c.name for c in columns]
    fields = []
    for i, p in enumerate(manifest.table.partition):
        if p.column not in names:
            raise Terminal(f"table {name}: no partition column {p.column}")
        at, kind = names.index(p.column), p.transform
        if kind not in _SUFFIX:
            raise Terminal(f"table {name}: partition column {p.column}: no transform {kind!r}")
        if columns[at].sensitive and kind != "bucket":
            raise Terminal(f"table {name}: partition by {kind} of the sensitive column {p.column} would show its values")
        transform = f"{kind}[{p.n}]" if kind in ("bucket", "truncate") else kind
        fields.append({"name": p.column + _SUFFIX[kind], "transform": transform, "source-id": at + 1, "field-id": 1000 + i})
    return {"spec-id": 0, "fields": fields}


def order_of(manifest: Manifest) -> dict:
    """The sort order of a new table."""
    names = [c.name for c in manifest.target.columns]
    sort = manifest.table.sort
    for s in sort:
        if s not in names:
            raise Terminal(f"table {manifest['table']['name']}: no sort column {s}")
    return {"order-id": 1 if sort else 0, "fields": [
        {"transform": "identity", "source-id": names.index(s) + 1, "direction": "asc", "null-order": "nulls-first"} for s in sort]}


def properties_of(manifest: Manifest) -> dict:
    """The properties of a new table."""
    target, props = manifest.target, dict(_PROPERTIES)
    if len(target.key) == 1 and manifest.table.mode != HISTORY:
        props["write.parquet.dict-encoding-enabled.column." + target.key[0]] = "false"
    props |= manifest.table.properties
    if props["format-version"] != "3":
        props["format-version"] = "2"
    for c in target.columns:
        if c.sensitive:
            props["write.metadata.metrics.column." + c.name] = "none"
    return props


def check(manifest: Manifest, metadata: dict, schema: dict | None = None) -> None:
    """Raises Terminal unless the table, or schema in place of its own, is what the
    manifest says."""
    name, target = manifest.table.name, manifest.target
    if metadata["format-version"] not in (2, 3):
        raise Terminal(f"table {name} is of format version {metadata['format-version']}; only versions 2 and 3 are supported")
    schema = schema or evolution.schema_of(metadata)
    fields = {f["name"]: f for f in schema["fields"]}
    if not target.key and schema.get("identifier-field-ids"):
        raise Terminal(f"table {name} has a key (identifier fields), so rows cannot be appended to it without one")
    if manifest.table.mode == HISTORY and schema.get("identifier-field-ids"):
        raise Terminal(f"table {name} has a key (identifier fields), so it cannot keep several versions of one")
    for c in target.columns:
        f = fields.pop(c.name, None)
        if f is None:
            raise Terminal(f"table {name} has no column {c.name}")
        if f["type"] != iceberg_type(c.type):
            raise Terminal(f"table {name}: column {c.name} is {f['type']}, declared as {c.type}")
        if f["required"] != required(target, c):
            raise Terminal(f"table {name}: column {c.name}: required is {f['required']}, declared as {not f['required']}")
    for other in fields:
        raise Terminal(f"table {name} has column {other}, which is not declared")
