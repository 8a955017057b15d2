#!/usr/bin/env bash
# Runs DynamoDB Local for the tests of dynamocontrol and dynamolock:
#
#   TIDEMARK_DYNAMODB_LOCAL=1 integration/dynamodb.sh            # until interrupted; prints the endpoint
#   TIDEMARK_DYNAMODB_LOCAL=1 integration/dynamodb.sh go test ./control/dynamocontrol/ ./lock/dynamolock/
#
# With a command, the server runs as long as the command does, which finds its
# endpoint in TIDEMARK_DYNAMODB_ENDPOINT. DynamoDB Local is not open source: it is
# fetched from Maven Central into integration/.cache when TIDEMARK_DYNAMODB_LOCAL=1
# says that its licence (aws.amazon.com/dynamodblocallicense) is accepted, and never
# committed. Needs Maven and a JDK 17 or later. DYNAMODB_PORT is the port, 18765 unless set.
set -euo pipefail

version=3.1.0
port=${DYNAMODB_PORT:-18765}
cache=$(cd "$(dirname "$0")" && pwd)/.cache
lib=$cache/dynamodb-$version

fail() { echo "dynamodb: $*" >&2; exit 1; }

[ "${TIDEMARK_DYNAMODB_LOCAL:-}" = 1 ] || fail "set TIDEMARK_DYNAMODB_LOCAL=1 to accept the licence of DynamoDB Local and fetch it"
command -v java >/dev/null || fail "java 17 or later is needed"

mkdir -p "$cache"
echo '*' > "$cache/.gitignore"

fetch() {
	command -v mvn >/dev/null || fail "mvn is needed to fetch DynamoDB Local"
	rm -rf "$lib.part"
	mkdir -p "$lib.part"
	cat > "$lib.part/pom.xml" <<-XML
		<project xmlns="http://maven.apache.org/POM/4.0.0">
		  <modelVersion>4.0.0</modelVersion>
		  <groupId>local</groupId><artifactId>dynamodb</artifactId><version>1</version><packaging>pom</packaging>
		  <dependencies><dependency>
		    <groupId>software.amazon.dynamodb</groupId><artifactId>DynamoDBLocal</artifactId><version>$version</version>
		  </dependency></dependencies>
		</project>
	XML
	mvn -q -B -f "$lib.part/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$lib.part/lib" >&2
	mv "$lib.part" "$lib"
}
[ -d "$lib" ] || fetch

# The server's own main class listens on all interfaces. This one shuts it in.
cat > "$cache/Loopback.java" <<'JAVA'
import software.amazon.dynamodb.services.local.main.ServerRunner;
import software.amazon.dynamodb.services.local.server.DynamoDBProxyServer;
import java.lang.reflect.Field;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

public class Loopback {
    public static void main(String[] args) throws Exception {
        DynamoDBProxyServer proxy = ServerRunner.createServerFromCommandLineArgs(args);
        boolean shut = false;
        for (Class<?> c = proxy.getClass(); c != null; c = c.getSuperclass()) {
            for (Field f : c.getDeclaredFields()) {
                f.setAccessible(true);
                if (f.get(proxy) instanceof Server server) {
                    for (Connector connector : server.getConnectors()) {
                        ((ServerConnector) connector).setHost("127.0.0.1");
                        shut = true;
                    }
                }
            }
        }
        if (!shut) {
            throw new IllegalStateException("no connector found to bind to 127.0.0.1");
        }
        proxy.start();
        proxy.join();
    }
}
JAVA

(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && fail "port $port is taken"
log=$cache/dynamodb.log
java --add-opens java.base/java.lang=ALL-UNNAMED -Djava.library.path="$lib/lib" -cp "$lib/lib/*" "$cache/Loopback.java" \
	-inMemory -sharedDb -disableTelemetry -port "$port" >"$log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for _ in $(seq 120); do
	(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && ready=1 && break
	kill -0 "$server" 2>/dev/null || break
	sleep 0.25
done
[ "${ready:-}" = 1 ] || { cat "$log" >&2; fail "the server did not start"; }

export TIDEMARK_DYNAMODB_ENDPOINT=http://127.0.0.1:$port
if [ $# -gt 0 ]; then
	"$@"
else
	echo "TIDEMARK_DYNAMODB_ENDPOINT=$TIDEMARK_DYNAMODB_ENDPOINT"
	wait "$server"
fi
