package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

func TestWhy(t *testing.T) {
	b := newBench(t, people)
	b.land("hr/people/LOAD00000001.csv", "id,name,pay,born\n1,Ann,1.5,2000-01-01\n")
	b.want(exitOK, "ingest")
	out := b.want(exitOK, "why", "hr.people").stdout
	require.Contains(t, out, "next   nothing is pending\n")
	require.Contains(t, out, "waits  nothing\n")

	bad := "hr/people/20240220-110825123.csv"
	b.land(bad, "Op,id,name,pay,born\nI,2,Bob,12 bucks,2000-01-01\n")
	b.land("hr/people/20240220-110900000.csv", "Op,id,name,pay,born\nI,3,Cy,2,2000-01-01\n")
	b.want(exitPaused, "ingest")
	out = b.want(exitPaused, "why", "hr.people").stdout
	for _, line := range []string{
		"flag    P(L)", "file    " + bad, "row     1", "column  pay", "failed  " + bad,
		"waits   1 pending, 0 deferred, 40 B, from hr/people/20240220-110900000.csv on",
		"VERB       WHAT IT WOULD DO NOW\nretry      1 file waits again (" + bad + ")",
		"skip       passes over " + bad + " for good; 1 later file goes on; flag L again; next load: 1 change file, 40 B, on L\n",
		"complete   not possible: no full load is open\n",
	} {
		require.Contains(t, out, line)
	}
	require.NotContains(t, out, "bucks", "a cell's value")
	require.False(t, strings.HasPrefix(out, "\n"))

	var doc etl.Explanation
	b.json(exitPaused, &doc, "why", "hr.people")
	require.Equal(t, "pay", doc.Diagnosis.Column)
	require.Equal(t, "retry", doc.Advice[0].Verb)
	require.Len(t, doc.Advice[0].Next.Load.Files, 2)
	b.want(exitUsage, "why")
	b.want(exitUsage, "why", "hr.nobody")
}
