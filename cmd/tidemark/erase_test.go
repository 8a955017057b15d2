package main

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestErase(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, fullPeople)
	b.want(exitOK, "ingest")
	before := b.rows("hr.people")
	require.Contains(t, strings.Join(before, "\n"), "Ada")

	for _, args := range [][]string{
		{"erase"}, {"erase", "hr.people"}, {"erase", "hr.people", "--key", "1"}, {"erase", "hr.nobody", "--key", "1", "--yes"},
		{"erase", "hr.people", "--key", "1,2", "--yes"}, {"erase", "hr.people", "--key", "secret", "--yes"},
		{"erase", "hr.people", "--key", "1\n2", "--yes"}, {"erase", "hr.people", "--key", "1", "--within", "-1h", "--yes"},
		{"erase", "hr.people", "--keys-file", "nowhere.csv", "--yes"},
	} {
		r := b.want(exitUsage, args...)
		require.NotContains(t, r.stderr, "secret")
	}
	require.ElementsMatch(t, before, b.rows("hr.people"), "nothing was done")

	var doc eraseDoc
	b.json(exitOK, &doc, "erase", "hr.people", "--key", "1", "--by", "dpo", "--why", "request 17", "--within", "72h", "--yes")
	require.EqualValues(t, 1, doc.Rows)
	require.Nil(t, doc.Purged)
	require.NotContains(t, strings.Join(b.rows("hr.people"), "\n"), "Ada")
	require.Contains(t, b.want(exitOK, "status").stdout, "older versions")
	require.Contains(t, b.want(exitOK, "why", "hr.people").stdout, "older versions")
	require.Contains(t, b.want(exitOK, "history", "hr.people").stdout, "by dpo: request 17")

	r := b.callWith(context.Background(), "1\n", "erase", "hr.people", "--keys-file", "-", "--yes")
	require.Equal(t, exitOK, r.code, r.stderr)
	require.Contains(t, r.stdout, "Older versions are gone")
	require.NotContains(t, b.want(exitOK, "status").stdout, "older versions")
}
