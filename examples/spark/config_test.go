package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/internal/config"
)

// TestConfig: the file is one that the command takes, and all of its table's checks are
// such that Spark makes them.
func TestConfig(t *testing.T) {
	dir := t.TempDir()
	content, err := os.ReadFile("tidemark.yaml")
	require.NoError(t, err)
	file := filepath.Join(dir, "tidemark.yaml")
	require.NoError(t, os.WriteFile(file, content, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "landing"), 0o700))
	c, err := config.Load(file)
	require.NoError(t, err)
	require.Len(t, c.Tables, 1)
	table := c.Tables[0]
	require.Equal(t, etl.FlagDistributed, table.Flag)
	target, err := table.Target()
	require.NoError(t, err)
	table.BadRows = etl.ErrorBudget{} // whose folders are the dispatcher's
	m, err := dispatch.NewManifest(t.Context(), etl.Job{Table: table, Target: target, Sink: etl.Declaration{Kind: "iceberg"}})
	require.NoError(t, err)
	require.Len(t, m.Checks, 9)
}
