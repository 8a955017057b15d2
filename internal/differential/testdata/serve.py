"""One long-lived session of Spark for many jobs: reads lines "MANIFEST<tab>RESULT"
and answers each with its exit code. The job's package is on PYTHONPATH."""

import os
import sys

os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")

from pyspark.sql import SparkSession  # noqa: E402

SETTINGS = {
    "spark.jars": sys.argv[1],
    "spark.local.dir": sys.argv[2],
    "spark.sql.warehouse.dir": sys.argv[2],
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "2g",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.default.parallelism": "1",
    "spark.sql.shuffle.partitions": "1",
    # Small loads by the hundred: compiling costs more than it gives.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}


def serve() -> None:
    answers = os.fdopen(os.dup(1), "w")  # what else is printed goes to stderr
    os.dup2(2, 1)
    builder = SparkSession.builder.master("local[2]").appName("tidemark differential")
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    builder.getOrCreate()
    from tidemark_spark.main import main

    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(main(line.rstrip("\n").split("\t")), file=answers, flush=True)


serve()
