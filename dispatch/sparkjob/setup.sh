#!/usr/bin/env bash
# Installs what the tests on Spark need: the engines of interop, and the driver for
# catalogs in SQLite files. The job itself needs pyarrow only. Needs Maven or Spark's
# own resolver for it. Running it again changes nothing.
set -euo pipefail
cd "$(dirname "$0")/../../interop"
./setup.sh

driver=$(sed -n 's/.*SQLitePackage *= *"\(.*\)".*/\1/p' ../dispatch/sparkjob/sparkjob.go)
jar=.cache/sqlite-jdbc.jar
stamp=.cache/sqlite.stamp
if [ -f "$jar" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$driver" ]; then exit 0; fi
if command -v mvn >/dev/null; then
	mvn -q -B dependency:copy -Dartifact="$driver" -DoutputDirectory="$PWD/.cache/sqlite"
else
	.cache/venv/bin/python - "$driver" "$PWD/.cache/sqlite" <<-'PY'
		import sys
		from pyspark.sql import SparkSession
		SparkSession.builder.master("local[1]").config("spark.jars.packages", sys.argv[1]) \
		    .config("spark.jars.ivy", sys.argv[2]).config("spark.ui.enabled", "false").getOrCreate().stop()
	PY
fi
find .cache/sqlite -name '*sqlite-jdbc-*.jar' -exec cp {} "$jar" \;
rm -rf .cache/sqlite
printf '%s' "$driver" > "$stamp"
