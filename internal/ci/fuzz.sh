#!/bin/sh
# Runs every fuzz target of the module for FUZZTIME, one after the other. Inputs are
# hardly made smaller: by default that may take the whole time.
set -eu
go=${GO:-go}
time=${FUZZTIME:-20s}
grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do
	grep -h '^func Fuzz' "$dir"/*_test.go | sed 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/' | sort | while read -r target; do
		echo "== $dir $target"
		$go test "$dir" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 100x
	done
done
