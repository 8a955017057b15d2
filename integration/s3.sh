#!/usr/bin/env bash
# Installs what the S3 tests run against into integration/.cache/bin: an S3
# gateway over a folder, and a proxy that breaks connections. Needs Go. Running
# it again changes nothing. Then: go test -tags integration -run S3 ./integration/
set -euo pipefail
cd "$(dirname "$0")"

bin=$PWD/.cache/bin
mkdir -p "$bin"
[ -f .cache/.gitignore ] || printf '*\n' > .cache/.gitignore

# install NAME MODULE/PATH VERSION
install() {
	local stamp=$bin/.$1.version
	[ -x "$bin/$1" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$3" ] && return
	local tmp
	tmp=$(mktemp -d "$bin/.install.XXXXXX")
	GOBIN=$tmp GOFLAGS= ${GO:-go} install "$2@$3"
	mv "$tmp/$(basename "$2")" "$bin/$1"
	rmdir "$tmp"
	printf '%s' "$3" > "$stamp"
}

install versitygw github.com/versity/versitygw/cmd/versitygw v1.8.0
install toxiproxy-server github.com/Shopify/toxiproxy/v2/cmd/server v2.12.0
echo "s3: ready in integration/.cache"
