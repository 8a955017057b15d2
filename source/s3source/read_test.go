package s3source_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/source/s3source"
)

func noise(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

// landed is a fake with one object, and its file.
func landed(t testing.TB, hook func(awstest.S3Request) awstest.S3Fault, content []byte, opts s3source.Options) (*awstest.S3, *s3source.Source, etl.File) {
	t.Helper()
	fake := awstest.NewS3(awstest.S3Options{Hook: hook}, bucket)
	put(t, fake, "k", content)
	s := newSource(t, fake, opts)
	f, err := s.Find(t.Context(), "k")
	require.NoError(t, err)
	fake.ForgetRequests()
	return fake, s, f
}

func open(t testing.TB, s *s3source.Source, f etl.File) etl.Input {
	t.Helper()
	in, err := s.Open(t.Context(), f)
	require.NoError(t, err)
	t.Cleanup(func() { in.Close() })
	return in
}

func readAll(in etl.Input, step int) ([]byte, error) {
	var all []byte
	buf := make([]byte, step)
	for {
		n, err := in.ReadAt(buf, int64(len(all)))
		all = append(all, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

func onGet(fault func(n int, r awstest.S3Request) awstest.S3Fault) func(awstest.S3Request) awstest.S3Fault {
	var n atomic.Int64
	return func(r awstest.S3Request) awstest.S3Fault {
		if r.Op != "GetObject" {
			return awstest.S3Fault{}
		}
		return fault(int(n.Add(1)), r)
	}
}

func TestSmallObjectsAreFetchedOnceAndWhole(t *testing.T) {
	content := noise(100_000)
	fake, s, f := landed(t, nil, content, s3source.Options{})
	in := open(t, s, f)
	for _, step := range []int{7_000, 1 << 20} {
		got, err := readAll(in, step)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, got))
	}
	require.Len(t, fake.Requests(), 1)
	require.Empty(t, fake.Requests()[0].Range, "the SDK checks checksums of whole objects only")
}

func TestEveryRequestNamesTheContent(t *testing.T) {
	for _, versioning := range []bool{false, true} {
		fake := awstest.NewS3(awstest.S3Options{}, bucket)
		fake.SetVersioning(bucket, versioning)
		put(t, fake, "k", noise(1<<20))
		s := newSource(t, fake, s3source.Options{PartSize: 64 << 10, Versions: versioning})
		f, err := s.Find(t.Context(), "k")
		require.NoError(t, err)
		_, err = readAll(open(t, s, f), 10_000)
		require.NoError(t, err)
		gets := 0
		for _, r := range fake.Requests() {
			if r.Op != "GetObject" {
				continue
			}
			gets++
			require.Equal(t, versioning, r.VersionID == f.VersionID && r.VersionID != "")
			require.Equal(t, !versioning, r.IfMatch == `"`+f.ETag+`"`)
		}
		require.Equal(t, 16, gets)
	}
}

func TestContentNeverChangesUnderARead(t *testing.T) {
	content := noise(1 << 20)
	fake, s, f := landed(t, nil, content, s3source.Options{PartSize: 64 << 10, Parts: 3, Memory: 1}) // no readahead
	in := open(t, s, f)
	buf := make([]byte, 200_000)
	_, err := in.ReadAt(buf, 0)
	require.NoError(t, err)
	put(t, fake, "k", append([]byte("!"), content[1:]...))
	_, err = in.ReadAt(buf[:1], 190_000)
	require.NoError(t, err, "it is in memory")
	_, err = in.ReadAt(buf, 500_000)
	require.ErrorIs(t, err, etl.ErrFileChanged)
	_, err = in.ReadAt(buf[:1], 190_000)
	require.ErrorIs(t, err, etl.ErrFileChanged, "it stays so, also for what was fetched")
	_, err = s.Open(t.Context(), f)
	require.ErrorIs(t, err, etl.ErrFileChanged)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}

func TestContentsAreNeverMixed(t *testing.T) {
	contents := [][]byte{bytes.Repeat([]byte("a"), 1<<20), bytes.Repeat([]byte("b"), 1<<20)}
	fake, s, _ := landed(t, nil, contents[0], s3source.Options{PartSize: 64 << 10})
	ctx, cancel := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 1; ctx.Err() == nil; i++ {
			_ = putObject(context.Background(), fake, "k", contents[i%2])
			time.Sleep(time.Duration(i%7) * time.Millisecond)
		}
	})
	whole, broken := 0, 0
	for i := 0; i < 2000 && (whole < 20 || broken < 20); i++ {
		f, err := s.Find(t.Context(), "k")
		require.NoError(t, err)
		var data []byte
		in, err := s.Open(t.Context(), f)
		if err == nil {
			data, err = readAll(in, 20_000)
			require.NoError(t, in.Close())
		}
		require.True(t, len(data) == 0 || len(bytes.Trim(data, string(data[:1]))) == 0, "bytes of both contents")
		if err == nil {
			require.Len(t, data, 1<<20)
			whole++
		} else {
			require.ErrorIs(t, err, etl.ErrFileChanged)
			broken++
		}
	}
	cancel()
	writer.Wait()
	require.Positive(t, broken)
	require.Positive(t, whole)
}

func TestAVersionThatIsGone(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{}, bucket)
	fake.SetVersioning(bucket, true)
	s := newSource(t, fake, s3source.Options{Versions: true})
	put(t, fake, "k", []byte("one"))
	f, err := s.Find(t.Context(), "k")
	require.NoError(t, err)
	put(t, fake, "k", []byte("two"))
	got, err := readAll(open(t, s, f), 10)
	require.NoError(t, err)
	require.Equal(t, "one", string(got), "an older version can be read")

	remove := func(version *string) {
		_, err := fake.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String("k"), VersionId: version})
		require.NoError(t, err)
	}
	remove(&f.VersionID)
	_, err = s.Open(t.Context(), f)
	require.ErrorIs(t, err, etl.ErrFileChanged)
	remove(nil)
	_, err = s.Open(t.Context(), f)
	require.ErrorIs(t, err, etl.ErrFileVanished)
}

func TestCloseEndsEverything(t *testing.T) {
	fake, _, f := landed(t, onGet(func(n int, _ awstest.S3Request) awstest.S3Fault {
		return awstest.S3Fault{Stall: n > 3, After: 10}
	}), noise(2<<20), s3source.Options{PartSize: 64 << 10})
	g := &gauge{Client: fake}
	s := newSource(t, g, s3source.Options{PartSize: 64 << 10})
	in, err := s.Open(t.Context(), f)
	require.NoError(t, err)
	failed := make(chan error, 1)
	go func() {
		_, err := readAll(in, 100)
		failed <- err
	}()
	require.Eventually(t, func() bool { return g.underWay() > 1 }, 10*time.Second, time.Millisecond)
	require.NoError(t, in.Close())
	require.Zero(t, g.underWay(), "no request is under way any more")
	require.Zero(t, s.Held())
	require.ErrorIs(t, <-failed, os.ErrClosed)
	require.NoError(t, in.Close())
}

func TestContextEndsReads(t *testing.T) {
	_, s, f := landed(t, onGet(func(n int, _ awstest.S3Request) awstest.S3Fault {
		return awstest.S3Fault{Stall: n > 1}
	}), noise(2<<20), s3source.Options{PartSize: 64 << 10})
	ctx, cancel := context.WithCancel(t.Context())
	in, err := s.Open(ctx, f)
	require.NoError(t, err)
	time.AfterFunc(10*time.Millisecond, cancel)
	_, err = readAll(in, 1000)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, in.Close())
}

func TestSizesAreNotBelieved(t *testing.T) {
	_, s, f := landed(t, nil, []byte("content"), s3source.Options{})
	for _, size := range []int64{0, 6, 8, 1 << 50, -1} {
		f.Size = size
		_, err := s.Open(t.Context(), f)
		require.Error(t, err, "%d", size)
		require.True(t, errors.Is(err, etl.ErrFileChanged) || errors.Is(err, etl.ErrFileVanished), "%d", size)
	}
	f.Size, f.ETag = 7, ""
	in, err := s.Open(t.Context(), f)
	require.NoError(t, err, "time and size are enough")
	require.NoError(t, in.Close())
	f.ModTime = f.ModTime.Add(time.Hour)
	_, err = s.Open(t.Context(), f)
	require.ErrorIs(t, err, etl.ErrFileChanged)
	require.False(t, strings.Contains(err.Error(), "content"))
}
