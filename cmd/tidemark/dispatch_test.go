//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A table under flag G whose job finds a bad row is paused with what the job says.
// A script stands in for spark-submit.
func TestIngestAwaitsJobs(t *testing.T) {
	b := newBench(t)
	script := `#!/bin/sh
for a; do result=$a; done
id=$(basename "$(dirname "$result")")
printf '{"job_id":"%s","failure":{"cause":"row 2 of hr/people/LOAD00000001.csv: column pay: not a decimal","file":"hr/people/LOAD00000001.csv","row":2,"column":"pay","rule":"not a decimal","outcome":"terminal"}}' "$id" >"$result.new"
mv "$result.new" "$result"
`
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "spark-submit"), []byte(script), 0o700))
	jobs := "dispatcher: {kind: spark-submit, command: ./spark-submit}\njob: {poll: 10ms}\n"
	b.write("tidemark.yaml", jobs+head+people+"    flag: G\n")
	b.land("hr/people/LOAD00000001.csv", "id,name,pay,born\n1,Ann,1.50,2000-01-01\n2,Bob,x,2000-01-01\n")

	doc := b.ingestDoc(exitPaused)
	require.Equal(t, "paused", doc.Tables[0].Outcome)
	require.Equal(t, int64(2), doc.Tables[0].Paused.Row)
	require.Equal(t, "pay", doc.Tables[0].Paused.Column)
	manifests, err := filepath.Glob(filepath.Join(b.dir, "jobs", "jobs", "*", "manifest.json"))
	require.NoError(t, err)
	require.Len(t, manifests, 1)
	manifest, err := os.ReadFile(manifests[0])
	require.NoError(t, err)
	require.Contains(t, string(manifest), strings.ReplaceAll(filepath.Join(b.dir, "landing", "hr", "people", "LOAD00000001.csv"), `\`, `\\`))
}

// Without a dispatcher such a table waits, and says so.
func TestNoDispatcher(t *testing.T) {
	b := newBench(t, people+"    flag: G\n")
	b.land("hr/people/LOAD00000001.csv", "id,name,pay,born\n1,Ann,1.50,2000-01-01\n")
	doc := b.ingestDoc(exitWaits)
	require.Contains(t, doc.Tables[0].Reason, "dispatcher")
}
