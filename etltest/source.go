package etltest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// SourceUnderTest is a source and the hand that feeds it.
type SourceUnderTest struct {
	Source etl.Source
	// Put lands a file, over the one that is there. It returns an error where
	// such a location cannot be, which is no failure.
	Put func(location string, content []byte) error
	// Remove takes a file away.
	Remove func(location string) error
}

// Source checks an implementation of [etl.Source] against its contract. open
// returns a new, empty source for each call, and closes it by t.Cleanup. Where
// versions rest on modification times, these must tell 50 milliseconds apart.
func Source(t *testing.T, open func(t *testing.T) SourceUnderTest) {
	run := func(name string, f func(t *testing.T, s SourceUnderTest)) {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
	run("Empty", func(t *testing.T, s SourceUnderTest) { require.Empty(t, list(t, s)) })
	run("List", listTwice)
	run("ManyFiles", listMany)
	run("HostileNames", sourceNames)
	run("Content", sourceContent)
	run("Concurrent", sourceConcurrent)
	run("Close", inputClose)
	run("Replaced", sourceReplaced)
	run("ReplacedWhileOpen", sourceReplacedWhileOpen)
	run("Vanished", sourceVanished)
	run("NeverThere", sourceNeverThere)
	run("Context", sourceContext)
}

// list returns the files by location, and checks that each is there once.
func list(t testing.TB, s SourceUnderTest) map[string]etl.File {
	t.Helper()
	out := map[string]etl.File{}
	for f, err := range s.Source.List(t.Context()) {
		require.NoError(t, err)
		require.NotContains(t, out, f.Location)
		out[f.Location] = f
	}
	return out
}

func put(t testing.TB, s SourceUnderTest, location string, content []byte) etl.File {
	t.Helper()
	require.NoError(t, s.Put(location, content))
	f, ok := list(t, s)[location]
	require.True(t, ok, "%q is not listed", location)
	require.Equal(t, int64(len(content)), f.Size)
	return f
}

func openFile(t testing.TB, s SourceUnderTest, f etl.File) etl.Input {
	t.Helper()
	in, err := s.Source.Open(t.Context(), f)
	require.NoError(t, err, "%q", f.Location)
	t.Cleanup(func() { in.Close() })
	return in
}

func readAll(in io.ReaderAt, size int64) ([]byte, error) {
	return io.ReadAll(io.NewSectionReader(in, 0, size))
}

func requireContent(t testing.TB, s SourceUnderTest, f etl.File, want []byte) {
	t.Helper()
	in := openFile(t, s, f)
	require.Equal(t, int64(len(want)), in.Size())
	for range 2 {
		got, err := readAll(in, in.Size())
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "content of %q", f.Location)
	}
	require.NoError(t, in.Close())
}

func listTwice(t *testing.T, s SourceUnderTest) {
	for i, location := range []string{"b/2.csv", "a/1.csv", "a/b/c/3.csv", "4.csv"} {
		require.NoError(t, s.Put(location, fmt.Append(nil, i)))
	}
	first := list(t, s)
	require.Len(t, first, 4)
	ids := map[string]bool{}
	for _, f := range first {
		ids[f.ID()] = true
	}
	require.Len(t, ids, 4)
	for range 3 {
		again := list(t, s)
		require.Len(t, again, 4)
		for location, f := range first {
			require.Equal(t, f.ID(), again[location].ID(), "a listing changes nothing")
			require.True(t, f.ModTime.Equal(again[location].ModTime))
			requireContent(t, s, again[location], []byte(fmt.Sprint(slices.Index([]string{"b/2.csv", "a/1.csv", "a/b/c/3.csv", "4.csv"}, location))))
		}
	}
	n := 0
	for _, err := range s.Source.List(t.Context()) {
		require.NoError(t, err)
		if n++; n == 2 {
			break
		}
	}
	require.Equal(t, 2, n)
	require.NoError(t, s.Remove("a/1.csv"))
	require.NotContains(t, list(t, s), "a/1.csv")
	require.Len(t, list(t, s), 3)
}

// listMany has more files than stores put on a page.
func listMany(t *testing.T, s SourceUnderTest) {
	want := map[string]bool{}
	for i := range 1100 {
		location := fmt.Sprintf("t/%04d.csv", i)
		require.NoError(t, s.Put(location, []byte("x")))
		want[location] = true
	}
	for location := range list(t, s) {
		require.Contains(t, want, location)
		delete(want, location)
	}
	require.Empty(t, want, "not listed")
}

func sourceNames(t *testing.T, s SourceUnderTest) {
	names := []string{
		"plain.csv", "with space.csv", "plus+.csv", "%41", "100%", "a?b#c", "a&b=c;d", "*.csv", "-rf", ".hidden", "~", "CON", "a:b",
		"u\u0308.csv", "\u00fc.csv", "\u65e5\u672c/\u8a9e.csv", "\U0001f600", "new\nline", "tab\t", "quote\"'", "back\\slash", "\x01",
		"UPPER/case", "upper/Case", "deep/" + strings.Repeat("d/", 100) + "f", "trailing.", "trailing ", " leading",
		"../up", "a/../b", "./dot", "a/./b", "a//b", "/absolute", "slash/", "..", ".", "", "nul\x00", strings.Repeat("l", 200),
		strings.Repeat("long/", 204) + "1024", "\u2028", "\u202etxt", "\ufeff",
	}
	accepted := map[string][]byte{}
	for i, name := range names {
		content := fmt.Appendf(nil, "content %d", i)
		if s.Put(name, content) == nil {
			accepted[name] = content
		}
	}
	require.Contains(t, accepted, "plain.csv")
	files := list(t, s)
	for name, content := range accepted {
		require.Contains(t, files, name)
		requireContent(t, s, files[name], content)
	}
	require.Len(t, files, len(accepted))
}

func sourceContent(t *testing.T, s SourceUnderTest) {
	for _, size := range []int{0, 1, 511, 4096, 100001} {
		content := noise(size)
		f := put(t, s, fmt.Sprintf("f%d", size), content)
		requireContent(t, s, f, content)
		in := openFile(t, s, f)
		require.NoError(t, iotest.TestReader(io.NewSectionReader(in, 0, in.Size()), content))
		buf := make([]byte, 10)
		n, err := in.ReadAt(buf, int64(size))
		require.Zero(t, n, "behind the end")
		require.ErrorIs(t, err, io.EOF)
		n, err = in.ReadAt(buf, int64(size)+1000)
		require.Zero(t, n, "far behind the end")
		require.ErrorIs(t, err, io.EOF)
		if size > 5 {
			n, err = in.ReadAt(buf, int64(size)-5)
			require.Equal(t, 5, n, "over the end")
			require.ErrorIs(t, err, io.EOF)
			require.Equal(t, content[size-5:], buf[:5])
		}
		_, err = in.ReadAt(buf, -1)
		require.Error(t, err)
		_, err = in.ReadAt(nil, 0)
		if !errors.Is(err, io.EOF) {
			require.NoError(t, err, "reading nothing")
		}
	}
}

func noise(size int) []byte {
	rng := rand.NewChaCha8([32]byte{byte(size)})
	b := make([]byte, size)
	_, _ = rng.Read(b)
	return b
}

// sourceConcurrent reads one input from all sides, and several at a time.
func sourceConcurrent(t *testing.T, s SourceUnderTest) {
	content := noise(3<<20 + 17)
	f := put(t, s, "big", content)
	shared := openFile(t, s, f)
	errs := race(func(i int) error {
		in := shared
		if i%2 == 1 {
			own, err := s.Source.Open(t.Context(), f)
			if err != nil {
				return err
			}
			defer own.Close()
			in = own
		}
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		buf := make([]byte, 100000)
		for range 50 {
			off := rng.IntN(len(content))
			p := buf[:rng.IntN(len(buf))]
			n, err := in.ReadAt(p, int64(off))
			if err != nil && (!errors.Is(err, io.EOF) || off+n != len(content)) {
				return fmt.Errorf("%d bytes at %d: %w", len(p), off, err)
			}
			if n != min(len(p), len(content)-off) || !bytes.Equal(p[:n], content[off:off+n]) {
				return fmt.Errorf("%d bytes at %d: got %d or others", len(p), off, n)
			}
		}
		return nil
	})
	require.NoError(t, errors.Join(errs...))
}

func inputClose(t *testing.T, s SourceUnderTest) {
	f := put(t, s, "f", []byte("content"))
	one, other := openFile(t, s, f), openFile(t, s, f)
	require.NoError(t, one.Close())
	n, err := one.ReadAt(make([]byte, 3), 0)
	require.Error(t, err, "reading after Close")
	require.Zero(t, n)
	got, err := readAll(other, other.Size())
	require.NoError(t, err, "inputs are closed one by one")
	require.Equal(t, "content", string(got))
}
