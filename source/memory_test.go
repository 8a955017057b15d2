package source_test

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/source"
)

func TestMemoryRoundTripsAnyLocation(t *testing.T) {
	m := source.NewMemory()
	names := []string{"../../etc/passwd", "a b+c%20", "ü/日本/\n", strings.Repeat("é", 512), "a//b", "/abs", "a", "a/b", "nul\x00"}
	at := time.Date(2024, 2, 20, 11, 8, 25, 0, time.UTC)
	for _, name := range names {
		f := m.Put(name, []byte("content of "+name), at)
		require.Equal(t, at, f.ModTime)
	}
	files := list(t, m)
	require.Len(t, files, len(names))
	for _, name := range names {
		in, err := m.Open(t.Context(), files[name])
		require.NoError(t, err)
		require.Equal(t, "content of "+name, read(t, in))
		require.NoError(t, in.Close())
		_, err = in.ReadAt(make([]byte, 1), 0)
		require.ErrorIs(t, err, os.ErrClosed)
	}
}

func TestMemoryVersions(t *testing.T) {
	m := source.NewMemory()
	first := m.Put("k", []byte("one"))
	require.Equal(t, first.ID(), m.Put("k", []byte("one")).ID(), "the same content is the same file")
	in, err := m.Open(t.Context(), first)
	require.NoError(t, err)

	second := m.Put("k", []byte("two"))
	require.NotEqual(t, first.ID(), second.ID())
	_, err = m.Open(t.Context(), first)
	require.ErrorIs(t, err, etl.ErrFileChanged)
	require.Equal(t, "one", read(t, in), "what was opened stays")

	m.Remove("k")
	m.Remove("k")
	_, err = m.Open(t.Context(), second)
	require.ErrorIs(t, err, etl.ErrFileVanished)
	require.Empty(t, list(t, m))
}

func TestMemoryReadAt(t *testing.T) {
	m := source.NewMemory()
	content := []byte("abc")
	f := m.Put("k", content)
	content[0] = 'x'
	in, err := m.Open(t.Context(), f)
	require.NoError(t, err)
	p := make([]byte, 2)
	n, err := in.ReadAt(p, 2)
	require.Equal(t, 1, n)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, byte('c'), p[0])
	n, err = in.ReadAt(p, 0)
	require.NoError(t, err)
	require.Equal(t, "ab", string(p[:n]), "the bucket keeps a copy")
	_, err = in.ReadAt(p, 3)
	require.ErrorIs(t, err, io.EOF)
	_, err = in.ReadAt(p, -1)
	require.Error(t, err)
}

func TestMemoryCancelled(t *testing.T) {
	m := source.NewMemory()
	f := m.Put("k", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := m.Open(ctx, f)
	require.ErrorIs(t, err, context.Canceled)
	m.Remove("k")
	n := 0
	for _, err := range m.List(ctx) {
		require.ErrorIs(t, err, context.Canceled)
		n++
	}
	require.Equal(t, 1, n)
}

func TestMemoryConcurrently(t *testing.T) {
	m := source.NewMemory()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 100 {
				f := m.Put("k", []byte{byte(g), byte(i)})
				if in, err := m.Open(t.Context(), f); err == nil {
					_, _ = in.ReadAt(make([]byte, 2), 0)
				}
				for range m.List(t.Context()) {
				}
				m.Remove("k")
			}
		})
	}
	wg.Wait()
}
