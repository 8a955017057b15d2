package source_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/source"
)

func TestDirURI(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "a", "b c.csv")
	require.NoError(t, os.Mkdir(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
	d := source.Dir(root)
	var f etl.File
	for listed, err := range d.List(t.Context()) {
		require.NoError(t, err)
		f = listed
	}
	uri, err := d.URI(t.Context(), f)
	require.NoError(t, err)
	require.Equal(t, path, uri)

	require.NoError(t, os.Chtimes(path, time.Now(), time.Now().Add(time.Hour)))
	_, err = d.URI(t.Context(), f)
	require.ErrorIs(t, err, etl.ErrFileChanged)
	require.NoError(t, os.Remove(path))
	_, err = d.URI(t.Context(), f)
	require.ErrorIs(t, err, etl.ErrFileVanished)
	f.Location = "../x"
	_, err = d.URI(t.Context(), f)
	require.ErrorIs(t, err, etl.ErrFileVanished)
}

// A bucket in memory is nowhere that another engine could look.
func TestMemoryHasNoURI(t *testing.T) {
	_, ok := any(source.NewMemory()).(etl.Locator)
	require.False(t, ok)
}
