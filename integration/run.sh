#!/usr/bin/env bash
# make integration: installs the servers, runs every test that needs one, and
# says what was skipped and why. DynamoDB Local is not open source: its part runs
# where TIDEMARK_DYNAMODB_LOCAL=1 accepts its licence (see dynamodb.sh).
set -euo pipefail
cd "$(dirname "$0")/.."

go=${GO:-go}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
skip=() missing=() status=0

# server SCRIPT PATTERN: the tests that go without, if it cannot be installed. The
# others run all the same, but the whole has failed.
server() {
	bash "integration/$1" >"$log" 2>&1 && return
	tail -3 "$log" >&2
	skip+=("$2")
	missing+=("$1 failed, so the tests $2 were left out")
	status=1
}
server s3.sh 'S3|Glue|REST|Stacks|Pipeline.|Workers'
server glue.sh 'Glue|REST|Stacks'
server icebergrest.sh REST
server sqs.sh 'SQS|Workers'

under=()
if [ "${TIDEMARK_DYNAMODB_LOCAL:-}" = 1 ]; then
	under=(integration/dynamodb.sh)
else
	missing+=("DynamoDB Local is opt-in (TIDEMARK_DYNAMODB_LOCAL=1): its tests skip, the others use the fake")
fi
pattern=$(IFS='|'; echo "${skip[*]}")
"${under[@]}" "$go" test -tags integration -count=1 -timeout 8m -p 1 -v ${pattern:+-skip "$pattern"} \
	./integration/ ./control/dynamocontrol/ ./lock/dynamolock/ >"$log" 2>&1 || status=$?

if [ $status != 0 ]; then
	grep -v '^=== ' "$log" | tail -150
fi
echo "== longest"
grep -E '^--- (PASS|FAIL)' "$log" | sort -t'(' -k2 -rn | head -8 || true
echo "== skipped"
awk '/^ +[a-z0-9_]+_test\.go:[0-9]+: /{ sub(/^ +[a-z0-9_]+_test\.go:[0-9]+: /, ""); why = $0 }
	/--- SKIP/{ sub(/^ *--- SKIP: /, ""); sub(/ \(.*/, ""); print $0 ": " why }' "$log"
if [ ${#missing[@]} != 0 ]; then
	printf '%s\n' "${missing[@]}"
fi
echo "== result"
grep -E '^(ok|FAIL|\?)' "$log" || true
exit $status
