package main

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is committed is what the program makes of the published rows, which are
// taken from the committed full load here.
func TestDataIsGenerated(t *testing.T) {
	committed := filepath.Join("..", "data", "mpd", "incidents")
	full := unzip(t, filepath.Join(committed, "LOAD00000001.csv.gz"))
	var published strings.Builder
	for line := range strings.Lines(full) {
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\r\n"), ",updated_at")
		published.WriteString(strings.TrimSuffix(line, ",") + "\n")
		if strings.HasPrefix(line, bom) {
			continue
		}
		require.True(t, strings.HasSuffix(line, ","), "updated_at is empty in the full load")
	}
	dir := t.TempDir()
	source, out := filepath.Join(dir, "published.csv"), filepath.Join(dir, "out")
	require.NoError(t, os.WriteFile(source, []byte(published.String()), 0o644))
	require.NoError(t, generate(source, out))

	names, err := filepath.Glob(filepath.Join(committed, "*"))
	require.NoError(t, err)
	require.Len(t, names, 7)
	for _, name := range names {
		made := filepath.Join(out, filepath.Base(name))
		if strings.HasSuffix(name, ".gz") {
			require.Equal(t, full, unzip(t, made))
			continue
		}
		want, err := os.ReadFile(name)
		require.NoError(t, err)
		got, err := os.ReadFile(made)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), name)
	}
}

func unzip(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	return string(text)
}
