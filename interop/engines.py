"""The engines: each opens a table by its metadata file, reads it whole into
Arrow, and counts the rows that meet a condition, so that what it does with
partitions and column bounds is put to use."""

import contextlib
import datetime
import decimal
import logging
import os
import pathlib
import tempfile

import pyarrow as pa

import canon

TEMPORAL = ("date", "timestamp", "timestamptz")
PERIODS = ("year", "month", "day", "hour")
HERE = pathlib.Path(__file__).resolve().parent


def local_path(location):
    return location.removeprefix("file://")


def ident(name, quote='"'):
    return quote + name.replace(quote, quote * 2) + quote


def text_literal(text):
    return "'" + text.replace("'", "''") + "'"


def partitioned(table, column, transform):
    return {"column": column, "transform": transform} in table.get("partition", [])


class Engine:
    """What an engine can do if it does not say otherwise."""

    other_types = {}  # declared type -> further Arrow types that it may come in

    def known_filter(self, table, condition):
        """Why the engine is known to answer the condition wrongly; None if it is not."""

    def aggregate(self, columns):
        """Count, minima and maxima of the columns, as one Arrow row; None without SQL."""


EMPTY_TEXT = "iceberg-go 0.7.0 writes no lower bound for the empty text into manifest lists"


def empty_text_partition(table, condition):
    """Whether the condition asks for the empty text in a column that partitions the table by it."""
    name, typ, op, text = condition
    return (typ == "string" and op in ("=", ">=") and text == ""
            and (partitioned(table, name, "identity") or partitioned(table, name, "truncate")))


class SQL(Engine):
    """What the engines that speak SQL have in common."""

    quote = '"'

    def aggregate(self, columns):
        parts = ["count(*)"]
        for name in columns:
            parts += [f"min({ident(name, self.quote)})", f"max({ident(name, self.quote)})"]
        parts = [f"{p} AS a{i}" for i, p in enumerate(parts)]
        return self.arrow(f"SELECT {', '.join(parts)} FROM {self.source}")

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

    def known_filter(self, table, condition):
        name, typ, op, _ = condition
        if typ == "uuid" and op == "=" and partitioned(table, name, "bucket"):
            return "rows with a UUID are missed in its buckets"
        if canon.decimal_size(typ) and partitioned(table, name, "truncate"):
            return "truncate of a negative decimal is an internal error"

    def open(self, table):
        self.source = f"iceberg_scan({text_literal(table['metadata'])})"

    def arrow(self, sql):
        return self.con.execute(sql).to_arrow_table()

    def read(self):
        return self.arrow(f"SELECT * FROM {self.source}")

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
        iceberg = self.session._jvm.org.apache.iceberg.IcebergBuild.version()
        self.version = f"spark {pyspark.__version__}, iceberg {iceberg}"

    def known_filter(self, table, condition):
        if condition[1] == "uuid" and condition[2] == "=":
            return "UUIDs on both sides of 80000000-... are missed"
        if empty_text_partition(table, condition):
            return EMPTY_TEXT

    def open(self, table):
        # Small files are read together, which saves tasks.
        self.session.read.format("iceberg").option("file-open-cost", "1").load(table["metadata"]).createOrReplaceTempView("t")
        self.source = "t"

    def arrow(self, sql):
        return self.session.sql(sql).toArrow()

    def read(self):
        return self.arrow("SELECT * FROM t")

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

    def known_filter(self, table, condition):
        name, typ, op, text = condition
        if typ == "uuid" and op == "=":
            return "rows with a UUID are missed"
        if typ in TEMPORAL and text and any(partitioned(table, name, t) for t in PERIODS):
            if not "1970" <= text < "2149-06":
                return "partitions of times before 1970 and after 2149 are passed over"

    def open(self, table):
        base, _, name = local_path(table["metadata"]).rpartition("/metadata/")
        self.source = (f"icebergLocal({text_literal(base)}, "
                       f"SETTINGS iceberg_metadata_file_path = {text_literal('metadata/' + name)})")

    def arrow(self, sql):
        return self.session.query(
            sql + " SETTINGS output_format_arrow_string_as_string = 0, session_timezone = 'UTC',"
            " aggregate_functions_null_for_empty = 1", "ArrowTable")

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

        self.filtered = table["filter"] != []
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
        if self.filtered:
            self.check_partitions()
        return self.table.scan().to_arrow()

    def check_partitions(self):
        """The partition values in the metadata are those that PyIceberg's own
        transforms make of the rows in the file."""
        from pyiceberg.io.pyarrow import ArrowScan

        spec, schema, scan = self.table.spec(), self.table.schema(), self.table.scan()
        if spec.is_unpartitioned():
            return
        for task in scan.plan_files():
            rows = ArrowScan(self.table.metadata, self.table.io, schema, scan.row_filter).to_table([task])
            for i, field in enumerate(spec.fields):
                source = schema.find_field(field.source_id)
                transform = field.transform.transform(source.field_type)
                cells = rows.column(source.name)
                if pa.types.is_temporal(cells.type):
                    cells = cells.cast(pa.int32() if pa.types.is_date(cells.type) else pa.int64())
                for cell in set(cells.to_pylist()):
                    if transform(cell) != task.file.partition[i]:
                        raise AssertionError(f"partition {field.name}: {cell!r} lies in a file of {task.file.partition[i]!r}")

    def counts(self, conditions):
        return [self.table.scan(row_filter=self.where(*c)).to_arrow().num_rows for c in conditions]

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

    def known_filter(self, table, condition):
        if empty_text_partition(table, condition):
            return EMPTY_TEXT

    def close(self):
        pass


ENGINES = {"pyiceberg": PyIceberg, "duckdb": DuckDB, "spark": Spark, "clickhouse": ClickHouse}
