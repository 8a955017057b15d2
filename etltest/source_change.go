package etltest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// replacements are contents of other and of the same size.
var replacements = []string{"longer than the old content", "short", "old contenT", ""}

const oldContent = "old content"

func sourceReplaced(t *testing.T, s SourceUnderTest) {
	for i, content := range replacements {
		location := fmt.Sprint("f", i)
		old := put(t, s, location, []byte(oldContent))
		time.Sleep(50 * time.Millisecond)
		now := put(t, s, location, []byte(content))
		require.NotEqual(t, old.ID(), now.ID(), "other content is another file")
		requireContent(t, s, now, []byte(content))
		in, err := s.Source.Open(t.Context(), old)
		if err == nil && old.VersionID != "" { // a store that keeps old versions may give them
			in.Close()
			requireContent(t, s, old, []byte(oldContent))
			continue
		}
		require.ErrorIs(t, err, etl.ErrFileChanged, "%q", content)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	}
}

// sourceReplacedWhileOpen accepts the old content, which some stores hold on to
// while it is open, or an error, but no other bytes.
func sourceReplacedWhileOpen(t *testing.T, s SourceUnderTest) {
	for i, content := range replacements {
		location := fmt.Sprint("f", i)
		f := put(t, s, location, []byte(oldContent))
		in := openFile(t, s, f)
		time.Sleep(50 * time.Millisecond)
		require.NoError(t, s.Put(location, []byte(content)))
		got, err := readAll(in, f.Size)
		if err == nil {
			require.Equal(t, oldContent, string(got))
			continue
		}
		require.ErrorIs(t, err, etl.ErrFileChanged, "%q", content)
	}
}

func sourceVanished(t *testing.T, s SourceUnderTest) {
	f := put(t, s, "dir/f", []byte(oldContent))
	in := openFile(t, s, f)
	require.NoError(t, s.Remove("dir/f"))
	require.Empty(t, list(t, s))
	if got, err := readAll(in, f.Size); err == nil {
		require.Equal(t, oldContent, string(got))
	} else {
		require.True(t, errors.Is(err, etl.ErrFileVanished) || errors.Is(err, etl.ErrFileChanged), "%v", err)
	}
	_, err := s.Source.Open(t.Context(), f)
	if f.VersionID == "" || err != nil {
		require.ErrorIs(t, err, etl.ErrFileVanished)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	}
	time.Sleep(50 * time.Millisecond)
	again := put(t, s, "dir/f", []byte("new content"))
	requireContent(t, s, again, []byte("new content"))
}

// sourceNeverThere opens what the source never listed.
func sourceNeverThere(t *testing.T, s SourceUnderTest) {
	f := put(t, s, "dir/f", []byte(oldContent))
	f.Location = "dir/g"
	_, err := s.Source.Open(t.Context(), f)
	require.ErrorIs(t, err, etl.ErrFileVanished)
	for _, location := range []string{"", ".", "..", "dir", "dir/", "dir/f/", "dir/f/x", "./dir/f", "../dir/f", "/etc/passwd", "../../../../../../etc/passwd", "dir/../../x", "a\x00b", "\xff"} {
		f.Location = location
		_, err := s.Source.Open(t.Context(), f)
		require.Error(t, err, "%q", location)
	}
	f.Location = "dir/f"
	if f.VersionID == "" {
		f.Size++
		_, err := s.Source.Open(t.Context(), f)
		require.ErrorIs(t, err, etl.ErrFileChanged, "another version than the one that is there")
	}
}

func sourceContext(t *testing.T, s SourceUnderTest) {
	f := put(t, s, "f", []byte(oldContent))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Source.Open(ctx, f)
	require.ErrorIs(t, err, context.Canceled)
	n := 0
	for _, err = range s.Source.List(ctx) {
		n++
	}
	require.Equal(t, 1, n, "an error ends a listing")
	require.ErrorIs(t, err, context.Canceled)
}
