#!/usr/bin/env bash
# Checks the CloudFormation templates with cfn-lint, which it installs into
# integration/.cache. Needs python3 with venv; asks nothing of AWS.
set -euo pipefail
cd "$(dirname "$0")"

wanted='cfn-lint==1.58.0'
cache=../../../integration/.cache
venv=$cache/cfn-lint
mkdir -p "$cache"
[ -f "$cache/.gitignore" ] || printf '*\n' > "$cache/.gitignore"
if [ "$(cat "$venv/.stamp" 2>/dev/null)" != "$wanted" ]; then
	"${PYTHON:-python3}" -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check "$wanted"
	printf '%s' "$wanted" > "$venv/.stamp"
fi

# I: also what is merely informational, such as resources without a deletion policy.
"$venv/bin/cfn-lint" --include-checks I --regions us-east-1 eu-west-1 -- storage.yaml spark.yaml function.yaml
for template in storage.yaml spark.yaml function.yaml; do
	size=$(wc -c < "$template")
	[ "$size" -le 51200 ] || { echo "$template: $size bytes; CloudFormation takes 51200 in a request" >&2; exit 1; }
done
echo "templates: no complaints"
