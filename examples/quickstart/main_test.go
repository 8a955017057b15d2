package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/internal/config"
)

func TestQuickstart(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	var out bytes.Buffer
	reports, err := run(ctx, dir, &out)
	require.NoError(t, err)
	require.Len(t, reports, len(steps))

	want := newModel()
	shown := 0
	for i, rep := range reports {
		require.Len(t, rep.Tables, 1)
		table := rep.Tables[0]
		if len(steps[i].lands) == 0 {
			require.Zero(t, rep.Registered)
			require.Empty(t, table.Loads)
			continue
		}
		require.Len(t, table.Loads, 1, "step %d", i+1)
		load := table.Loads[0]
		require.Len(t, load.Load.Files, len(steps[i].lands))
		var names []string
		for _, f := range load.Load.Files {
			names = append(names, filepath.Base(f.Location))
		}
		require.Equal(t, want.apply(t, names...), load.Receipt.Counts, "step %d", i+1)
		shown++
	}
	require.Equal(t, 5, shown)
	require.Equal(t, 4, int(reports[0].Tables[0].Loads[0].Receipt.Counts.Superseded), "the duplicates of the published data")
	require.NotZero(t, reports[3].Tables[0].Loads[0].Receipt.Counts.Superseded, "rows of the late file")
	require.Equal(t, 2, reports[4].Listed, "one file shown twice")
	require.Equal(t, 1, reports[4].Registered)
	want.compare(t, tableOf(t, dir))
	require.Contains(t, out.String(), "THEFT/OTHER")
	require.Contains(t, out.String(), "Nothing to do.")

	out.Reset()
	reports, err = run(ctx, dir, &out)
	require.NoError(t, err)
	for _, rep := range reports {
		require.Zero(t, rep.Registered)
		require.Empty(t, rep.Tables[0].Loads)
	}
	want.compare(t, tableOf(t, dir))
}

// The config file must declare what the program declares.
func TestConfigFile(t *testing.T) {
	dir := t.TempDir()
	var out strings.Builder
	require.NoError(t, landAll(dir, &out))
	c, err := config.Load(filepath.Join(dir, "tidemark.yaml"))
	require.NoError(t, err)
	require.Equal(t, []etl.Table{incidents()}, c.Tables)
	require.Equal(t, format.DMS{}, c.Layout)
	require.Equal(t, filepath.Join(dir, "landing"), c.Source)
	require.Equal(t, filepath.Join(dir, "control.db"), c.State)
	require.Equal(t, filepath.Join(dir, "catalog.db"), c.Catalog)
	require.Equal(t, filepath.Join(dir, "warehouse"), c.Warehouse)

	landed, err := filepath.Glob(filepath.Join(dir, "landing", "mpd", "incidents", "*"))
	require.NoError(t, err)
	require.Len(t, landed, 7)
	require.Contains(t, out.String(), "tidemark -c ")
}
