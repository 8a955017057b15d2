#!/usr/bin/env bash
# Installs the engines into interop/.cache: a Python environment with the
# packages of requirements.txt, and Iceberg's runtime for Spark. Needs python3
# 3.11 or later with venv, and a Java 17 or later. Running it again changes
# nothing unless a version has changed.
set -euo pipefail
cd "$(dirname "$0")"

iceberg=org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0
cache=.cache
jar=$cache/iceberg-spark-runtime.jar

fail() { echo "setup: $*" >&2; exit 1; }

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "python 3.11 or later is needed"
java_major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
[ "${java_major:-0}" -ge 17 ] || fail "java 17 or later is needed"

mkdir -p "$cache"

# stamp NAME TEXT: whether NAME was last made from TEXT.
done_with() { [ -f "$cache/$1.stamp" ] && [ "$(cat "$cache/$1.stamp")" = "$2" ]; }
mark() { printf '%s' "$2" > "$cache/$1.stamp"; }

wanted=$(cat requirements.txt)
if ! done_with venv "$wanted"; then
	"$python" -m venv "$cache/venv"
	"$cache/venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt
	mark venv "$wanted"
fi

fetch_with_maven() {
	mvn -q -B dependency:copy -Dartifact="$iceberg" -DoutputDirectory="$PWD/$cache/maven"
	cp "$cache"/maven/iceberg-spark-runtime-*.jar "$jar"
	rm -rf "$cache/maven"
}

# Spark resolves coordinates itself; without Maven it is asked to.
fetch_with_spark() {
	"$cache/venv/bin/python" - "$iceberg" "$PWD/$cache/ivy" <<-'PY'
		import sys
		from pyspark.sql import SparkSession
		SparkSession.builder.master("local[1]").config("spark.jars.packages", sys.argv[1]) \
		    .config("spark.jars.ivy", sys.argv[2]).config("spark.ui.enabled", "false").getOrCreate().stop()
	PY
	cp "$cache"/ivy/jars/*iceberg-spark-runtime-*.jar "$jar"
	rm -rf "$cache/ivy"
}

if ! done_with jar "$iceberg" || [ ! -f "$jar" ]; then
	if command -v mvn >/dev/null; then fetch_with_maven; else fetch_with_spark; fi
	mark jar "$iceberg"
fi
echo "setup: ready in interop/$cache"
