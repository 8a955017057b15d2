"""The job: main.py MANIFEST RESULT. It exits with 0 where the load is in the
table, with 1 where it is not; the result says why."""

from __future__ import annotations

import sys

from pyspark.sql import SparkSession

from . import load, result
from .errors import JobError
from .manifest import Manifest, parse


def main(uris: list[str]) -> int:
    """Runs the job of the manifest at the first URI and leaves its result at the
    second."""
    manifest_uri, result_uri = uris
    doc = _run(manifest_uri)
    result.write_document(result_uri, doc)
    return 0 if "receipt" in doc else 1


def session() -> SparkSession:
    """The session that the job runs in; what spark-submit was told has precedence."""
    return (SparkSession.builder.appName("tidemark")
            .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
            .getOrCreate())


def apply(spark: SparkSession, manifest: Manifest) -> dict:
    """The result of a manifest's job."""
    try:
        return result.succeeded(manifest.job_id, load.run(spark, manifest))
    except Exception as e:
        return result.failed(manifest.job_id, manifest.load.id, result.explain(e))


def _run(uri: str) -> dict:
    try:
        manifest = parse(result.read_document(uri))
    except JobError as e:
        return result.failed("", "", e)
    except Exception as e:
        return result.failed("", "", JobError(f"the manifest cannot be read: {type(e).__name__}"))
    try:
        spark = session()
    except Exception as e:
        return result.failed(manifest.job_id, manifest.load.id, result.explain(e))
    return apply(spark, manifest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
