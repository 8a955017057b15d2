#!/usr/bin/env bash
# Installs the peers. They are the engines of the interop tests, in the same
# versions, so the same set-up makes them: interop/.cache.
set -euo pipefail
cd "$(dirname "$0")"
exec bash ../interop/setup.sh
