#!/usr/bin/env bash
# Installs what the REST catalog tests run against into integration/.cache: the
# REST catalog that the Iceberg project tests its own clients with (it is part of
# the test jar of iceberg-core), over a JDBC catalog in memory, served by Jetty.
# Needs a JDK 17 or later and Maven. S3 comes from s3.sh. Running it again
# changes nothing. Then: go test -tags integration -run REST ./integration/
set -euo pipefail
cd "$(dirname "$0")"

iceberg=1.10.1
sqlite=3.50.3.0
jetty=11.0.26
slf4j=2.0.17
dir=$PWD/.cache/icebergrest
mkdir -p "$dir" .cache/bin
[ -f .cache/.gitignore ] || printf '*\n' > .cache/.gitignore

dependency() {
	printf '<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version>%s</dependency>' "$@"
}

wanted="$iceberg $sqlite $jetty $slf4j"
if [ "$(cat "$dir/stamp" 2>/dev/null)" != "$wanted" ]; then
	{
		printf '<project><modelVersion>4.0.0</modelVersion><groupId>test</groupId><artifactId>rest</artifactId><version>1</version><dependencies>'
		dependency org.apache.iceberg iceberg-core $iceberg ''
		dependency org.apache.iceberg iceberg-core $iceberg '<classifier>tests</classifier>'
		dependency org.apache.iceberg iceberg-aws $iceberg ''
		dependency org.apache.iceberg iceberg-aws-bundle $iceberg ''
		dependency org.xerial sqlite-jdbc $sqlite ''
		dependency org.slf4j slf4j-simple $slf4j ''
		dependency org.eclipse.jetty jetty-servlet $jetty ''
		printf '</dependencies></project>'
	} > "$dir/pom.xml"
	rm -rf "$dir/lib"
	mvn -q -B -f "$dir/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$dir/lib"
	printf '%s' "$wanted" > "$dir/stamp"
fi
if [ IcebergRest.java -nt "$dir/classes/IcebergRest.class" ]; then
	javac -cp "$dir/lib/*" -d "$dir/classes" IcebergRest.java
fi
cat > .cache/bin/iceberg-rest <<-EOF
	#!/usr/bin/env bash
	exec java -Xmx512m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$dir/classes:$dir/lib/*" IcebergRest "\$@"
EOF
chmod +x .cache/bin/iceberg-rest
echo "icebergrest: ready in integration/.cache"
