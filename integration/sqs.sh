#!/usr/bin/env bash
# Installs what the SQS tests run against into integration/.cache: fauxqs, an
# emulator of SQS and SNS that knows FIFO order, deduplication, visibility and
# redrive. Its own command listens on all interfaces; the one made here is shut
# in. Needs Node.js 20 or later with npm. Running it again changes nothing.
# Then: go test -tags integration -run SQS ./integration/
set -euo pipefail
cd "$(dirname "$0")"

wanted=fauxqs@1.9.2
dir=$PWD/.cache/fauxqs
mkdir -p "$dir" .cache/bin
[ -f .cache/.gitignore ] || printf '*\n' > .cache/.gitignore
if [ "$(cat "$dir/stamp" 2>/dev/null)" != "$wanted" ]; then
	npm install --prefix "$dir" --silent --no-audit --no-fund "$wanted" >&2
	printf '%s' "$wanted" > "$dir/stamp"
fi
cat > "$dir/serve.mjs" <<'JS'
import { buildApp } from "fauxqs";
const app = buildApp({ logger: false });
await app.listen({ port: Number(process.argv[2]), host: "127.0.0.1" });
JS
printf '#!/bin/sh\nexec node "%s" "$@"\n' "$dir/serve.mjs" > .cache/bin/fauxqs
chmod +x .cache/bin/fauxqs
echo "sqs: ready in integration/.cache"
