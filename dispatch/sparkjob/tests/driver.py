"""Runs jobs one after the other in one Spark, to save its start: a line of input is
{"manifest": URI, "result": URI}, the answer to it a line with the exit code."""

import json
import os
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CACHE = HERE.parents[2] / "interop" / ".cache"
JARS = ["iceberg-spark-runtime.jar", "sqlite-jdbc.jar"]

sys.path.insert(0, str(HERE.parent))
os.environ.update(PYTHONPATH=str(HERE.parent), PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1", PYTHONDONTWRITEBYTECODE="1")


def start(temp: str):
    """A small Spark in this process."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").appName("tidemark-tests")
    for key, value in {
        "spark.jars": ",".join(str(CACHE / jar) for jar in JARS),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.local.dir": temp,
        "spark.log.level": os.environ.get("TIDEMARK_SPARK_LOG", "OFF"),
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": temp,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def serve() -> None:
    from tidemark_spark.main import main

    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what others print is no answer
    with tempfile.TemporaryDirectory() as temp:
        spark = start(temp)
        print("ready", file=out, flush=True)
        for line in sys.stdin:
            job = json.loads(line)
            print(main([job["manifest"], job["result"]]), file=out, flush=True)
        spark.stop()


if __name__ == "__main__":
    serve()
