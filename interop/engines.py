"""The engines: each opens a table by its metadata file, reads it whole into
Arrow, and counts the rows that meet a condition, so that what it does with
partitions and column bounds is put to use."""

import collections
import contextlib
import datetime
import decimal
import logging
import os
import pathlib
import tempfile

import pyarrow as pa

import canon

HERE = pathlib.Path(__file__).resolve().parent


def local_path(location):
    return location.removeprefix("file://")


def ident(name, quote='"'):
    return quote + name.replace(quote, quote * 2) + quote


def text_literal(text):
    return "'" + text.replace("'", "''") + "'"


class Engine:
    """What an engine can do if it does not say otherwise."""

    other_types = {}  # declared type -> further Arrow types that it may come in

    def aggregate(self, columns):
        """Count, minima and maxima of the columns, as one Arrow row; None without SQL."""

    def lineage(self, key):
        """The key, id and last change of each row; None if that is not shown."""

    def notes(self):
        """What else there is to say in the end."""
        return []


class SQL(Engine):
    """What the engines that speak SQL have in common."""

    quote = '"'

    def aggregate(self, columns):
        parts = ["count(*)"]
        for name in columns:
            parts += [f"min({ident(name, self.quote)})", f"max({ident(name, self.quote)})"]
        parts = [f"{p} AS a{i}" for i, p in enumerate(parts)]
        return self.aggregated(f"SELECT {', '.join(parts)} FROM {self.source}")

    def aggregated(self, sql):
        return self.arrow(sql)

    def counts(self, conditions):
        """How many rows meet each of the conditions (column, type, op, text)."""
        out = []
        for start in range(0, len(conditions), 16):
            selects = [f"SELECT {i} AS check_number, count(*) AS check_rows FROM {self.source} WHERE {self.where(*c)}"
                       for i, c in enumerate(conditions[start:start + 16])]
            t = self.arrow(" UNION ALL ".join(selects))
            found = dict(zip(t.column(0).to_pylist(), t.column(1).to_pylist()))
            out += [found[i] for i in range(len(selects))]
        return out

    def where(self, name, typ, op, text):
        name = ident(name, self.quote)
        return f"{name} IS NULL" if op == "is null" else f"{name} {op} {self.literal(typ, text)}"


class DuckDB(SQL):
    other_types = {"uuid": [pa.string()]}

    def __init__(self):
        import duckdb
        from duckdb_extensions import import_extension

        self.temp = tempfile.TemporaryDirectory()
        self.con = duckdb.connect(config={"extension_directory": self.temp.name, "threads": 2})
        for extension in ("avro", "iceberg"):
            import_extension(extension, con=self.con)
            self.con.load_extension(extension)
        self.con.execute("SET TimeZone = 'UTC'")
        self.version = f"duckdb {duckdb.__version__}"

    def open(self, table):
        travel = f", snapshot_from_id = {table['snapshot']}" if table.get("snapshot") else ""
        self.source = f"iceberg_scan({text_literal(table['metadata'])}{travel})"

    def arrow(self, sql):
        return self.con.execute(sql).to_arrow_table()

    def read(self):
        return self.arrow(f"SELECT * FROM {self.source}")

    def lineage(self, key):
        return self.arrow(f"SELECT {ident(key)}, _row_id, _last_updated_sequence_number FROM {self.source}")

    def literal(self, typ, text):
        if typ == "binary":
            return f"from_hex('{text}')"
        if typ == "string":  # a literal cannot hold NUL
            return f"decode(from_hex('{text.encode().hex()}'))" if "\0" in text else text_literal(text)
        name = {"bool": "BOOLEAN", "int": "INTEGER", "long": "BIGINT", "float": "FLOAT", "double": "DOUBLE",
                "timestamptz": "TIMESTAMPTZ"}.get(typ, typ.upper())
        return f"CAST('{text}{'+00' if typ == 'timestamptz' else ''}' AS {name})"

    def close(self):
        self.con.close()
        self.temp.cleanup()


class Spark(SQL):
    quote = "`"
    other_types = {"uuid": [pa.string()]}

    def __init__(self):
        import pyspark
        from pyspark.sql import SparkSession

        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        self.temp = tempfile.TemporaryDirectory()
        builder = SparkSession.builder.master("local[2]").appName("interop")
        for key, value in {
            "spark.jars": str(HERE / ".cache" / "iceberg-spark-runtime.jar"),
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.shuffle.partitions": "1",
            "spark.sql.warehouse.dir": self.temp.name,
            "spark.local.dir": self.temp.name,
            "spark.log.level": "ERROR",
            # Short queries by the hundred: compiling costs more than it gives.
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.sql.adaptive.enabled": "false",
            "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
            "spark.ui.showConsoleProgress": "false",
        }.items():
            builder = builder.config(key, value)
        self.session = builder.getOrCreate()
        self.answered = collections.Counter()
        iceberg = self.session._jvm.org.apache.iceberg.IcebergBuild.version()
        self.version = f"spark {pyspark.__version__}, iceberg {iceberg}"

    def open(self, table):
        # Small files are read together, which saves tasks.
        reader = self.session.read.format("iceberg").option("file-open-cost", "1")
        if table.get("snapshot"):
            reader = reader.option("versionAsOf", str(table["snapshot"]))
        self.frame = reader.load(table["metadata"])
        self.frame.createOrReplaceTempView("t")
        self.source = "t"

    def arrow(self, sql):
        return self.session.sql(sql).toArrow()

    def aggregated(self, sql):
        df = self.session.sql(sql)
        self.answered["bounds" if "LocalTableScan" in df._jdf.queryExecution().executedPlan().toString() else "rows"] += 1
        return df.toArrow()

    def notes(self):
        return [f"aggregates answered from {k}: {n}" for k, n in sorted(self.answered.items())]

    def read(self):
        return self.arrow("SELECT * FROM t")

    def lineage(self, key):
        return self.frame.select(key, "_row_id", "_last_updated_sequence_number").toArrow()

    def literal(self, typ, text):
        if typ == "binary":
            return f"X'{text}'"
        if typ in ("string", "uuid"):
            # Through hexadecimal, so that no escape of Spark's SQL is met.
            return f"decode(X'{text.encode().hex()}', 'UTF-8')"
        name = {"bool": "BOOLEAN", "long": "BIGINT", "timestamp": "TIMESTAMP_NTZ", "timestamptz": "TIMESTAMP"}
        return f"CAST('{text}{'Z' if typ == 'timestamptz' else ''}' AS {name.get(typ, typ.upper())})"

    def close(self):
        self.session.stop()
        self.temp.cleanup()


class ClickHouse(SQL):
    """ClickHouse inside the process, through chdb."""

    quote = "`"
    # A String of ClickHouse is bytes; a DateTime64 without a zone is one in the
    # zone of the session.
    other_types = {"string": [pa.binary()], "timestamp": [pa.timestamp("us", "UTC")]}

    def __init__(self):
        import chdb
        from importlib.metadata import version

        os.chdir("/")  # it reads below the working directory only
        self.session = chdb.connect(":memory:")
        self.version = f"clickhouse {chdb.engine_version} (chdb {version('chdb')})"

    def open(self, table):
        self.travel = f", iceberg_snapshot_id = {table['snapshot']}" if table.get("snapshot") else ""
        base, _, name = local_path(table["metadata"]).rpartition("/metadata/")
        self.source = (f"icebergLocal({text_literal(base)}, "
                       f"SETTINGS iceberg_metadata_file_path = {text_literal('metadata/' + name)})")

    def arrow(self, sql):
        sql += (" SETTINGS output_format_arrow_string_as_string = 0, session_timezone = 'UTC',"
                " aggregate_functions_null_for_empty = 1" + self.travel)
        try:
            return self.session.query(sql, "ArrowTable")
        except Exception:
            # The first result after an error comes from memory that was given back.
            with contextlib.suppress(Exception):
                self.session.query("SELECT 1", "ArrowTable")
            raise

    def read(self):
        return self.arrow(f"SELECT * FROM {self.source}")

    def literal(self, typ, text):
        size = canon.decimal_size(typ)
        if size:
            return f"toDecimal128('{text}', {size[1]})"
        if typ in ("string", "binary"):
            return f"unhex('{text if typ == 'binary' else text.encode().hex()}')"
        return {
            "bool": f"{text}", "int": f"toInt32({text})", "long": f"toInt64({text})", "float": f"toFloat32({text})",
            "double": f"toFloat64({text})", "date": f"toDate32('{text}')",
            "timestamp": f"toDateTime64('{text}', 6)", "timestamptz": f"toDateTime64('{text}', 6, 'UTC')",
            "uuid": f"toUUID('{text}')",
        }[typ]

    def close(self):
        self.session.close()


class PyIceberg(Engine):
    def __init__(self):
        import pyiceberg

        logging.getLogger("pyiceberg").setLevel(logging.ERROR)
        self.version = f"pyiceberg {pyiceberg.__version__}, pyarrow {pa.__version__}"

    def open(self, table):
        from pyiceberg.table import StaticTable

        self.declared = table
        self.table = StaticTable.from_metadata(table["metadata"])
        if table.get("catalog"):
            self.check_catalog(table)
        got = [self.table.schema().find_field(i).name for i in self.table.schema().identifier_field_ids]
        if sorted(got) != sorted(table["key"]):
            raise AssertionError(f"identifier fields are {sorted(got)}")

    def check_catalog(self, table):
        """The catalog's file, opened as a SQL catalog, names the same metadata."""
        from pyiceberg.catalog.sql import SqlCatalog

        catalog = SqlCatalog("tidemark", uri="sqlite:///" + table["catalog"])
        with contextlib.closing(catalog):
            got = catalog.load_table(table["identifier"]).metadata_location
        if got != table["metadata"]:
            raise AssertionError("the SQL catalog names another metadata file")

    def read(self):
        if self.declared["filter"] != [] and not self.declared.get("snapshot"):
            import files

            files.check(self.declared, self.table)
        return self.table.scan(snapshot_id=self.declared.get("snapshot")).to_arrow()

    def counts(self, conditions):
        at = self.declared.get("snapshot")
        return [self.table.scan(row_filter=self.where(*c), snapshot_id=at).to_arrow().num_rows for c in conditions]

    def where(self, name, typ, op, text):
        from pyiceberg import expressions as e

        if op == "is null":
            return e.IsNull(name)
        value = canon.parse(typ, text)
        size = canon.decimal_size(typ)
        if size:
            value = value.quantize(decimal.Decimal(1).scaleb(-size[1]), context=decimal.Context(prec=60))
        if typ == "timestamp":
            value = value.isoformat()
        elif typ == "timestamptz":
            value = value.replace(tzinfo=datetime.timezone.utc).isoformat()
        elif typ == "date":
            value = value.isoformat()
        return {"=": e.EqualTo, ">=": e.GreaterThanOrEqual, "<": e.LessThan}[op](name, value)

    def close(self):
        pass


ENGINES = {"pyiceberg": PyIceberg, "duckdb": DuckDB, "spark": Spark, "clickhouse": ClickHouse}
