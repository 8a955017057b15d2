package quarantine_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/quarantine"
)

func TestMemory(t *testing.T) {
	etltest.Quarantine(t, func(*testing.T) etl.Quarantine { return quarantine.NewMemory() }, nil)
}

func TestDir(t *testing.T) {
	paths := map[etl.Quarantine]string{}
	open := func(t *testing.T) etl.Quarantine {
		path := filepath.Join(t.TempDir(), "bad", "rows")
		q, err := quarantine.Dir(path)
		require.NoError(t, err)
		paths[q] = path
		return q
	}
	etltest.Quarantine(t, open, func(t *testing.T, q etl.Quarantine) etl.Quarantine {
		again, err := quarantine.Dir(paths[q])
		require.NoError(t, err)
		return again
	})
}

func TestDirIsClosedToOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	q, err := quarantine.Dir(path)
	require.NoError(t, err)
	require.NoError(t, q.Put(t.Context(), "a.b", "l1", []etl.BadRow{{ID: "1", Table: "a.b", LoadID: "l1", Raw: []byte("secret")}}))
	n := 0
	require.NoError(t, filepath.WalkDir(path, func(name string, e os.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := e.Info()
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, name)
		n++
		return nil
	}))
	require.Equal(t, 4, n, "folder, table, lock and set")
	require.NoError(t, os.Chmod(path, 0o755))
	_, err = quarantine.Dir(path)
	require.ErrorIs(t, err, quarantine.ErrOpenToOthers)
}

func TestDirBrokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q")
	q, err := quarantine.Dir(path)
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(path, "a.b"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(path, "a.b", "l1.jsonl"), []byte("s3cr3t"), 0o600))
	for _, err := range q.Rows(t.Context(), "a.b") {
		require.ErrorContains(t, err, "l1.jsonl")
		require.NotContains(t, err.Error(), "s3cr3t")
	}
}
