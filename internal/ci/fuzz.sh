#!/bin/sh
# Runs every fuzz target of the module for FUZZTIME, one after the other; each package
# is built once. Inputs are hardly made smaller: by default that may take the whole
# time. What is found stays in the package's testdata/fuzz, as with go test -fuzz.
set -eu
go=${GO:-go}
time=${FUZZTIME:-20s}
cache=$($go env GOCACHE)/fuzz
module=$($go list -m)
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do
	$go test -c -fuzz . -o "$bin/fuzz.test" "$dir"
	grep -h '^func Fuzz' "$dir"/*_test.go | sed 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/' | sort | while read -r target; do
		echo "== $dir $target"
		(cd "$dir" && "$bin/fuzz.test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$time" -test.fuzzminimizetime 100x \
			-test.fuzzcachedir "$cache/$module/${dir#./}")
	done
done
