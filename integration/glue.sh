#!/usr/bin/env bash
# Installs what the Glue tests run against into integration/.cache: moto's
# server, and PyIceberg, which reads the tables, those of the REST tests too.
# Needs python3 with venv. S3 comes from s3.sh. Running it again changes nothing.
# Then: go test -tags integration -run Glue ./integration/
set -euo pipefail
cd "$(dirname "$0")"

wanted='moto[server]==5.2.5 pyiceberg[glue,pyarrow]==0.12.0'
mkdir -p .cache/bin
[ -f .cache/.gitignore ] || printf '*\n' > .cache/.gitignore
if [ "$(cat .cache/moto.stamp 2>/dev/null)" != "$wanted" ]; then
	"${PYTHON:-python3}" -m venv .cache/moto
	.cache/moto/bin/pip install --quiet --disable-pip-version-check $wanted
	ln -sf ../moto/bin/moto_server .cache/bin/moto_server
	rm -f .cache/bin/pyiceberg
	printf '#!/bin/sh\nexec "%s" "$@"\n' "$PWD/.cache/moto/bin/python" > .cache/bin/pyiceberg
	chmod +x .cache/bin/pyiceberg
	printf '%s' "$wanted" > .cache/moto.stamp
fi
echo "glue: ready in integration/.cache"
