package source_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/source"
)

func write(t testing.TB, path, content string) {
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func list(t testing.TB, s etl.Source) map[string]etl.File {
	files := map[string]etl.File{}
	for f, err := range s.List(t.Context()) {
		require.NoError(t, err)
		files[f.Location] = f
	}
	return files
}

func locations(files map[string]etl.File) []string {
	var l []string
	for name := range files {
		l = append(l, name)
	}
	slices.Sort(l)
	return l
}

func read(t testing.TB, in etl.Input) string {
	b, err := io.ReadAll(io.NewSectionReader(in, 0, in.Size()))
	require.NoError(t, err)
	return string(b)
}

func TestDirListsFilesThatArePublished(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a/b/LOAD1.csv", "x + y/ü.csv", ".hidden", "_tmp/file", "a/_SUCCESS", "a/file.tmp", "a/file.part", ".git/config", "top"} {
		write(t, filepath.Join(root, name), name)
	}
	require.NoError(t, os.Symlink("b", filepath.Join(root, "a", "folder-link")))
	require.NoError(t, os.Symlink(filepath.Join("b", "LOAD1.csv"), filepath.Join(root, "a", "link.csv")))
	files := list(t, source.Dir(root))
	require.Equal(t, []string{"a/b/LOAD1.csv", "a/link.csv", "top", "x + y/ü.csv"}, locations(files))

	for name, f := range files {
		in, err := source.Dir(root).Open(t.Context(), f)
		require.NoError(t, err)
		require.Equal(t, f.Size, in.Size())
		want := name
		if name == "a/link.csv" {
			want = "a/b/LOAD1.csv"
		}
		require.Equal(t, want, read(t, in))
		require.NoError(t, in.Close())
		_, err = in.ReadAt(make([]byte, 1), 0)
		require.ErrorIs(t, err, os.ErrClosed)
	}
}

func TestDirReportsWhatCannotBeAFile(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	write(t, outside, "secret")
	root := t.TempDir()
	write(t, filepath.Join(root, "good"), "x")
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "escape")))
	require.NoError(t, os.Symlink("nowhere", filepath.Join(root, "dangling")))
	long := strings.Repeat(strings.Repeat("d", 200)+"/", 6) + "file"
	write(t, filepath.Join(root, long), "x")
	want := []string{"escape", long}
	if os.WriteFile(filepath.Join(root, "bad\xff"), nil, 0o600) == nil {
		want = append(want, "bad\xff")
	}
	var problems []string
	s := source.Dir(root, source.OnProblem(func(location string, err error) {
		require.Error(t, err)
		problems = append(problems, location)
	}))
	require.Equal(t, []string{"good"}, locations(list(t, s)))
	require.ElementsMatch(t, want, problems)
	require.Equal(t, []string{"good"}, locations(list(t, source.Dir(root))), "nobody needs to listen")
}

func TestDirNeverLeavesTheFolder(t *testing.T) {
	parent := t.TempDir()
	write(t, filepath.Join(parent, "secret"), "secret")
	root := filepath.Join(parent, "root")
	write(t, filepath.Join(root, "a", "file"), "x")
	require.NoError(t, os.Symlink("../secret", filepath.Join(root, "escape")))
	require.NoError(t, os.Symlink("..", filepath.Join(root, "up")))
	require.NoError(t, os.Symlink("loop", filepath.Join(root, "loop")))
	info, err := os.Stat(filepath.Join(parent, "secret"))
	require.NoError(t, err)
	for _, location := range []string{
		"../secret", "a/../../secret", "/etc/passwd", filepath.Join(parent, "secret"), "escape", "up/secret", "loop",
		"", ".", "a", "a/", "a/file/", "a/file/x", "a//file", "./a/file", "a/\x00", strings.Repeat("x", 1024), strings.Repeat("x/", 600), "\xff",
	} {
		in, err := source.Dir(root).Open(t.Context(), etl.File{Location: location, Size: info.Size(), ModTime: info.ModTime()})
		require.ErrorIs(t, err, etl.ErrFileVanished, "%q", location)
		require.Nil(t, in)
	}
}

func TestDirKnowsOtherContent(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "file")
	write(t, path, "one")
	s := source.Dir(root)
	f := list(t, s)["file"]
	in, err := s.Open(t.Context(), f)
	require.NoError(t, err)

	write(t, path, "three")
	_, err = in.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, etl.ErrFileChanged, "changed while it is read")
	require.ErrorIs(t, in.Close(), etl.ErrFileChanged)
	_, err = s.Open(t.Context(), f)
	require.ErrorIs(t, err, etl.ErrFileChanged, "changed before it is read")

	f = list(t, s)["file"]
	require.NoError(t, os.Chtimes(path, time.Time{}, f.ModTime.Add(time.Second)))
	_, err = s.Open(t.Context(), f)
	require.ErrorIs(t, err, etl.ErrFileChanged, "same size, other time")

	require.NoError(t, os.Remove(path))
	_, err = s.Open(t.Context(), f)
	require.ErrorIs(t, err, etl.ErrFileVanished)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}

func TestDirIsLazyAboutItsFolder(t *testing.T) {
	s := source.Dir(filepath.Join(t.TempDir(), "none"))
	n := 0
	for _, err := range s.List(t.Context()) {
		require.ErrorIs(t, err, os.ErrNotExist)
		n++
	}
	require.Equal(t, 1, n)
	_, err := s.Open(t.Context(), etl.File{Location: "x"})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.False(t, errors.Is(err, etl.ErrFileVanished), "a missing folder says nothing of the file")
}

func TestDirMinAge(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "old"), "x")
	write(t, filepath.Join(root, "new"), "x")
	require.NoError(t, os.Chtimes(filepath.Join(root, "old"), time.Time{}, time.Now().Add(-time.Hour)))
	require.Equal(t, []string{"old"}, locations(list(t, source.Dir(root, source.MinAge(time.Minute)))))
	for range source.Dir(root).List(t.Context()) {
		break
	}
}
