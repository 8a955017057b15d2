package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/internal/config"
)

func TestMaintain(t *testing.T) {
	b := newBench(t, people+"    batch: {files: 1}\n    maintenance: {small_files: 3}\n")
	r := b.want(exitOK, "maintain")
	require.Contains(t, r.stdout, "nothing to do", "there is no table yet")
	b.land(fullFile, fullPeople)
	for i := range 4 {
		b.land(fmt.Sprintf("hr/people/20240318-09000000%d.csv", i), fmt.Sprintf("Op,id,name,pay,born\nI,%d,Cid,,\n", 10+i))
	}
	b.want(exitOK, "ingest")
	rows := b.rows("hr.people")

	var doc maintainDoc
	b.json(exitOK, &doc, "maintain", "--dry-run", "hr.people")
	require.True(t, doc.DryRun)
	require.Equal(t, 4, doc.Tables[0].RewrittenFiles)
	require.Equal(t, 5, doc.Tables[0].After.DataFiles)
	require.Contains(t, b.want(exitOK, "maintain", "--dry-run").stdout, "would rewrite 4 data files")

	r = b.want(exitOK, "maintain")
	lines := strings.Split(r.stdout, "\n")
	require.Equal(t, "TABLE DATA FILES DELETE FILES MANIFESTS SNAPSHOTS SIZE WHAT", strings.Join(strings.Fields(lines[0]), " "))
	require.Regexp(t, `^hr\.people +5 > 2 +0 +\d.* +5 > 6 +\d+\.\d KiB +rewrote 4 data files$`, lines[1])
	require.ElementsMatch(t, rows, b.rows("hr.people"))
	require.Contains(t, b.want(exitOK, "maintain").stdout, "nothing to do")

	b.json(exitOK, &doc, "maintain")
	require.Empty(t, doc.Tables[0].Commits)
	b.want(exitUsage, "maintain", "hr.nobody")
	b.want(exitUsage, "maintain", "--wet-run")
}

func TestMaintainWaitsForTheLock(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, fullPeople)
	b.want(exitOK, "ingest")
	c, err := config.Load(b.dir + "/tidemark.yaml")
	require.NoError(t, err)
	cfg, closing, err := c.Open(context.Background(), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, closing()) }()
	lease, err := cfg.Locker.Acquire(t.Context(), "hr.people", time.Minute)
	require.NoError(t, err)
	require.Contains(t, b.want(exitWaits, "maintain").stdout, "another process works on it")
	require.NoError(t, lease.Release(t.Context()))
	b.want(exitOK, "maintain")
}

func TestMaintainAfterIngest(t *testing.T) {
	b := newBench(t, people+"    batch: {files: 1}\n    maintenance: {auto: true, small_files: 3}\n")
	b.land(fullFile, fullPeople)
	for i := range 4 {
		b.land(fmt.Sprintf("hr/people/20240318-09000000%d.csv", i), fmt.Sprintf("Op,id,name,pay,born\nI,%d,Cid,,\n", 10+i))
	}
	b.want(exitOK, "ingest")
	require.Contains(t, b.want(exitOK, "maintain").stdout, "nothing to do")
	var doc maintainDoc
	b.json(exitOK, &doc, "maintain")
	require.Equal(t, 2, doc.Tables[0].After.DataFiles)
}
