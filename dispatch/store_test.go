package dispatch_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
)

func newFolder(t *testing.T) *dispatch.Folder {
	f, err := dispatch.NewFolder(filepath.Join(t.TempDir(), "jobs"))
	require.NoError(t, err)
	return f
}

func TestFolder(t *testing.T) {
	f := newFolder(t)
	uri, err := f.Put(t.Context(), "jobs/a-1/manifest.json", []byte("one"))
	require.NoError(t, err)
	where, err := f.URI("jobs/a-1/manifest.json")
	require.NoError(t, err)
	require.Equal(t, where, uri)
	require.True(t, filepath.IsAbs(uri))
	_, err = f.Put(t.Context(), "jobs/a-1/manifest.json", []byte("two"))
	require.NoError(t, err)
	got, err := f.Get(t.Context(), uri, 3)
	require.NoError(t, err)
	require.Equal(t, "two", string(got))
	info, err := os.Stat(uri)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	entries, err := os.ReadDir(filepath.Dir(uri))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file is left")

	_, err = f.Get(t.Context(), uri, 2)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.False(t, errors.Is(err, etl.ErrNotFound))
	other, err := f.URI("jobs/b/result.json")
	require.NoError(t, err)
	_, err = f.Get(t.Context(), other, 2)
	require.ErrorIs(t, err, etl.ErrNotFound)
}

func TestFolderRefusesOtherPlaces(t *testing.T) {
	f := newFolder(t)
	secret := filepath.Join(filepath.Dir(f.Root()), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("s"), 0o600))
	require.NoError(t, os.Symlink(secret, filepath.Join(f.Root(), "link")))
	for _, uri := range []string{secret, f.Root() + "/../secret", "secret", "", f.Root(), filepath.Join(f.Root(), "link")} {
		_, err := f.Get(t.Context(), uri, 10)
		require.Error(t, err, uri)
		require.NotErrorIs(t, err, etl.ErrNotFound, uri)
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"a", "a/b.json", "jobs/A-1_x/r.json"} {
		require.NoError(t, dispatch.CheckName(name), name)
	}
	for _, name := range []string{"", ".", "..", "a/../b", "/a", "a/", "a//b", ".a", "a/.b", "a\\b", "a b", "ä", "a\x00", strings.Repeat("a", 513)} {
		require.Error(t, dispatch.CheckName(name), name)
		_, err := newFolder(t).Put(t.Context(), name, nil)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err), name)
	}
	for _, id := range []string{"", "a.b", "a/b", "a_b", strings.Repeat("a", 65)} {
		require.Error(t, dispatch.CheckJobID(id), id)
	}
	require.NoError(t, dispatch.CheckJobID(strings.Repeat("aZ0-", 16)))
}

func TestReadResult(t *testing.T) {
	f := newFolder(t)
	docs, err := dispatch.Locate(f, "j")
	require.NoError(t, err)
	r, err := dispatch.ReadResult(t.Context(), f, "j", docs.Result)
	require.NoError(t, err)
	require.Nil(t, r)
	for content, ok := range map[string]bool{
		`{"job_id":"j","receipt":{"load_id":"l"}}`:                    true,
		`{"job_id":"j","failure":{"cause":"c","outcome":"terminal"}}`: true,
		`{"job_id":"k","receipt":{"load_id":"l"}}`:                    false,
		`{"job_id":"j"}`: false,
		`{"job_id":"j","receipt":{"load_id":"l"},"failure":{"cause":"c"}}`: false,
		`{"job_id":"j","receipt":`: false,
		`[]`:                       false,
		``:                         false,
		`{"job_id":"j","x":"` + strings.Repeat("x", dispatch.MaxResult) + `"}`: false,
	} {
		_, err := f.Put(t.Context(), "jobs/j/result.json", []byte(content))
		require.NoError(t, err)
		r, err := dispatch.ReadResult(t.Context(), f, "j", docs.Result)
		require.Equal(t, ok, err == nil, "%.60s", content)
		require.Equal(t, ok, r != nil)
		if !ok {
			require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
		}
	}
}
