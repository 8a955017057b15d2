//go:build spark

package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/sink/icebergsink"
)

// TestExample runs the example on Spark and in this process: the tables must be equal.
func TestExample(t *testing.T) {
	s, err := findSpark(t.Context())
	if err != nil {
		t.Skip(err)
	}
	var onSpark, here bytes.Buffer
	one, two := t.TempDir(), t.TempDir()
	require.NoError(t, run(t.Context(), one, s, etl.FlagDistributed, &onSpark))
	require.NoError(t, run(t.Context(), two, s, etl.FlagLocal, &here))
	want, got := rows(t, two), rows(t, one)
	require.NotEmpty(t, want)
	require.Empty(t, want.Diff(got))
	require.Contains(t, onSpark.String(), "on spark-submit took")
	require.Contains(t, onSpark.String(), "flag G")
	require.NotContains(t, here.String(), "on spark-submit")
	t.Log(onSpark.String())
}

func rows(t *testing.T, dir string) etltest.Rows {
	lake, err := icebergsink.Open(t.Context(), icebergsink.Config{Warehouse: filepath.Join(dir, "warehouse"), Catalog: filepath.Join(dir, "catalog.db")})
	require.NoError(t, err)
	defer lake.Close()
	found, err := etltest.ReadRows(t.Context(), lake, "mpd.incidents")
	require.NoError(t, err)
	return found
}
