package icebergsink_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/sink/icebergsink"
)

// Folders whose path needs escapes are refused: no reader finds files in them.
func TestOpenOddFolders(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"with space", "per%20cent", "ha#sh?query&x", "ünï"} {
		_, err := icebergsink.Open(t.Context(), icebergsink.Config{Warehouse: filepath.Join(t.TempDir(), name, "lake")})
		require.ErrorContains(t, err, "choose another", name)
	}
	l := newLake(t, ordered())
	l.apply(etl.Full, ins(1, "a", 1), ins(2, "a", 1))
	l.apply(etl.Incremental, upd(1, "b", 2), delAt(2, 5))
	require.Equal(t, []string{"1|b|2"}, l.rows())
	l.sink = l.open()
	require.Equal(t, []string{"1|b|2"}, l.rows())
	require.FileExists(t, filepath.Join(l.dir, "lake", "catalog.db"))
	require.DirExists(t, filepath.Join(l.dir, "lake", "mpd.db", "people", "data"))
	require.Len(t, l.memories(), 1)
}

func TestOpenByURLAndCatalogElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	catalog := filepath.Join(dir, "elsewhere", "c.db")
	s, err := icebergsink.Open(t.Context(), icebergsink.Config{Warehouse: "file://" + dir + "/lake", Catalog: catalog})
	require.NoError(t, err)
	l := &lake{t: t, dir: dir, sink: s, table: people(), files: &files{rows: map[string][]row{}}, fence: 1}
	l.apply(etl.Full, ins(1, "a", 1))
	require.NoError(t, s.Close())
	require.FileExists(t, catalog)
	_, err = os.Stat(filepath.Join(dir, "lake", "catalog.db"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, w := range []string{"", "s3://bucket/x", "file://host/x", "a folder", "100%25", "ü"} {
		_, err := icebergsink.Open(t.Context(), icebergsink.Config{Warehouse: w})
		require.ErrorContains(t, err, "warehouse", w)
	}
}
