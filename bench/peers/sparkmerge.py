"""Spark's side: MERGE INTO of the latest change of each key, merge-on-read, in a
warehouse of its own. The work "prepare" makes the table from the base files."""

import glob
import re

from pyspark.sql import SparkSession

from common import Work, task


def session(t):
    builder = SparkSession.builder.master("local[2]").appName("bench")
    for key, value in {
        "spark.jars": t["jar"],
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "6g",
        "spark.ui.enabled": "false",
        "spark.log.level": "ERROR",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "hadoop",
        "spark.sql.catalog.lake.warehouse": t["warehouse"],
        "spark.local.dir": t["warehouse"] + "/tmp",
    }.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def spark_type(typ):
    return {"long": "BIGINT", "timestamp": "TIMESTAMP_NTZ", "bool": "BOOLEAN"}.get(typ, typ.upper())


def prepare(spark, t):
    spark.sql("CREATE NAMESPACE IF NOT EXISTS lake.bench")
    spark.read.parquet(*t["base"]).createOrReplaceTempView("base")
    spark.sql(f"CREATE TABLE lake.{t['table']} USING iceberg TBLPROPERTIES ("
              "'format-version'='2', 'write.merge.mode'='merge-on-read', 'write.parquet.compression-codec'='zstd', "
              "'write.parquet.compression-level'='1', 'write.distribution-mode'='none') AS SELECT * FROM base")


def merge(spark, t):
    names = [c["name"] for c in t["columns"]]
    schema = ", ".join([f"{t['op']} STRING"] + [f"{c['name']} {spark_type(c['type'])}" for c in t["columns"]])
    rows = spark.read.option("timestampNTZFormat", "yyyy-MM-dd HH:mm:ss.SSSSSS").csv(t["files"], schema=schema)
    rows.createOrReplaceTempView("r")
    sets = ", ".join(f"t.{n} = s.{n}" for n in names)
    spark.sql(f"""
        MERGE INTO lake.{t['table']} t
        USING (SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY {t['key']} ORDER BY {t['order']} DESC) AS rn FROM r)
               WHERE rn = 1) s
        ON t.{t['key']} = s.{t['key']}
        WHEN MATCHED AND s.{t['op']} = 'D' THEN DELETE
        WHEN MATCHED THEN UPDATE SET {sets}
        WHEN NOT MATCHED AND s.{t['op']} <> 'D' THEN INSERT ({', '.join(names)}) VALUES ({', '.join('s.' + n for n in names)})
    """)


def newest(t):
    found = glob.glob(f"{t['warehouse']}/{t['table'].replace('.', '/')}/metadata/v*.metadata.json")
    return max(found, key=lambda f: int(re.search(r"/v(\d+)\.", f).group(1)))


def main():
    t = task()
    spark = session(t)
    with Work() as report:
        {"prepare": prepare, "merge": merge}[t["work"]](spark, t)
        report["metadata"] = newest(t)
    gateway = spark.sparkContext._gateway
    spark.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()  # so that its CPU time and memory are counted


main()
