package sqlitecontrol_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/sqlitecontrol"
)

func TestPaths(t *testing.T) {
	names := []string{"with space", "100%", "%41", "50%25", "a#b", "a;b&c=d", "ünï", ":memory:", "file:x", "'quoted'", "+", "~", "sub/dir/x.db"}
	if runtime.GOOS != "windows" {
		names = append(names, "what?", "x?mode=memory", "x?_pragma=foo", "back\\slash", "new\nline", `"`)
	}
	dir := t.TempDir()
	for i, name := range names {
		path := filepath.Join(dir, name)
		s := open(t, path)
		require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b", Epoch: int64(i + 1)}}), name)
		info, err := os.Stat(path)
		require.NoError(t, err, name)
		require.True(t, info.Mode().IsRegular(), name)
		require.NoError(t, s.Close())
	}
	t.Chdir(dir)
	for i, name := range names { // again, by relative path
		st, err := open(t, name).State(t.Context(), "a.b")
		require.NoError(t, err, name)
		require.Equal(t, int64(i+1), st.Epoch, name)
	}
	var found []string
	require.NoError(t, filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasSuffix(path, "-wal") && !strings.HasSuffix(path, "-shm") {
			found = append(found, filepath.ToSlash(path))
		}
		return err
	}))
	require.ElementsMatch(t, names, found)
	for _, path := range []string{"", "a\x00b", dir} {
		_, err := sqlitecontrol.Open(path)
		require.Error(t, err, "%q", path)
	}
}

func TestSettings(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "control.db"))
	for range 3 {
		c, err := s.DB().Conn(t.Context()) // each is a connection of its own
		require.NoError(t, err)
		defer c.Close()
		for pragma, want := range map[string]string{
			"journal_mode": "wal", "synchronous": "2", "busy_timeout": "1000", "user_version": "1", "application_id": "1415867755",
		} {
			var got string
			require.NoError(t, c.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
			require.Equal(t, want, got, pragma)
		}
	}
}

func raw(t *testing.T, path, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(query)
	require.NoError(t, err)
}

// Files that are not ours are refused, and left as they are to the byte.
func TestForeignFiles(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]string{
		"other tables":         "another application",
		"other application":    "another application",
		"other schema version": "another application",
		"from the future":      "upgrade",
		"negative":             "schema version -1",
		"no database":          "not a database",
	} {
		path := filepath.Join(dir, name)
		switch name {
		case "other tables":
			raw(t, path, "CREATE TABLE secret (x)")
		case "other application":
			raw(t, path, "PRAGMA application_id = 77")
		case "other schema version":
			raw(t, path, "PRAGMA user_version = 1")
		case "from the future":
			require.NoError(t, open(t, path).Close())
			raw(t, path, "PRAGMA user_version = 2")
		case "negative":
			require.NoError(t, open(t, path).Close())
			raw(t, path, "PRAGMA user_version = -1")
		case "no database":
			require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("ccn,offense\n", 500)), 0o600))
		}
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		_, err = sqlitecontrol.Open(path)
		require.ErrorContains(t, err, want, name)
		require.ErrorContains(t, err, name, "the path")
		require.NotContains(t, err.Error(), "_pragma", "the settings are nobody's business")
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err), name)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, before, after, name)
	}
}

// An empty file is as good as none.
func TestEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, open(t, path).Update(t.Context(), etl.Update{State: etl.State{Table: "a.b"}}))
}

func TestClosed(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "control.db"))
	require.NoError(t, s.Close())
	_, err := s.State(t.Context(), "a.b")
	require.Error(t, err)
	require.Error(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b"}}))
	for _, err := range s.Files(t.Context(), etl.FileQuery{}) {
		require.Error(t, err)
	}
	for _, err := range s.History(t.Context(), "a.b") {
		require.Error(t, err)
	}
}
