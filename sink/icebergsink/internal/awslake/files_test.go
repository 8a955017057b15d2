package awslake

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/utils"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// store is an S3 on this machine that keeps what it was asked.
type store struct {
	Storage
	t testing.TB

	mu   sync.Mutex
	asks []string
	deny string
}

func newStore(t testing.TB) *store {
	back := s3mem.New()
	require.NoError(t, back.CreateBucket("lake"))
	require.NoError(t, back.CreateBucket("side"))
	s := &store{t: t}
	fake := gofakes3.New(back).Server()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asks = append(s.asks, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("Range"))
		deny := s.deny != "" && strings.HasPrefix(r.Method+r.URL.RequestURI(), s.deny)
		s.mu.Unlock()
		if deny {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`<Error><Code>AccessDenied</Code><Message>no</Message></Error>`))
			return
		}
		fake.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	s.Storage = Storage{
		AWS:      aws.Config{Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")},
		Endpoint: web.URL, PathStyle: true,
	}
	return s
}

func (s *store) files(ctx context.Context) *files {
	cfg := s.Config()
	ctx = utils.WithAwsConfig(ctx, &cfg)
	inner, err := iceio.LoadFS(ctx, s.Properties(), "s3://lake/table")
	require.NoError(s.t, err)
	return newFiles(ctx, inner, "s3://lake/table", s.Properties(), newCache()).(*files)
}

func (s *store) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asks := s.asks
	s.asks = nil
	return asks
}

func content(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// Whatever the size and the place, what is read is what was written.
func TestReadAt(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	f := s.files(t.Context())
	for _, size := range []int{1, window - 1, window, window + 1, 2*window - 1, 2 * window, 3*window + 17} {
		want := content(size)
		require.NoError(t, f.WriteFile("s3://lake/table/data", want))
		in, err := f.Open("s3://lake/table/data")
		require.NoError(t, err)
		info, err := in.Stat()
		require.NoError(t, err)
		require.EqualValues(t, size, info.Size())
		for _, off := range []int{0, 1, size / 2, window - 1, window, size - window - 1, size - window, size - 8, size - 1} {
			for _, n := range []int{1, 8, window / 2, window, size} {
				if off < 0 || off >= size {
					continue
				}
				got := make([]byte, n)
				k, err := in.ReadAt(got, int64(off))
				if off+n > size {
					require.ErrorIs(t, err, io.EOF)
				} else {
					require.NoError(t, err)
				}
				require.True(t, bytes.Equal(want[off:min(off+n, size)], got[:k]), "%d bytes at %d of %d", n, off, size)
			}
		}
		_, err = in.ReadAt(make([]byte, 1), int64(size))
		require.ErrorIs(t, err, io.EOF)
		_, err = in.ReadAt(make([]byte, 1), -1)
		require.Error(t, err)
		all, err := io.ReadAll(in)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, all))
		_, err = in.Seek(-1, io.SeekEnd)
		require.NoError(t, err)
		last, err := io.ReadAll(in)
		require.NoError(t, err)
		require.Equal(t, want[size-1:], last)
		require.NoError(t, in.Close())
	}
}

// An object that is small is one request; of one that is not, the beginning,
// the end and each place asked for are one.
func TestRequestsOfReading(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	f := s.files(t.Context())
	require.NoError(t, f.WriteFile("s3://lake/table/small", content(window)))
	require.NoError(t, f.WriteFile("s3://lake/table/large", content(1<<20)))
	for name, requests := range map[string]int{"small": 1, "large": 3} {
		s.asked()
		in, err := f.Open("s3://lake/table/" + name)
		require.NoError(t, err)
		info, _ := in.Stat()
		for _, off := range []int64{info.Size() - 8, info.Size() - 4000, info.Size() / 2} {
			_, err = in.ReadAt(make([]byte, 8), off)
			require.NoError(t, err)
		}
		require.NoError(t, in.Close())
		asked := s.asked()
		require.Len(t, asked, requests)
		for _, a := range asked {
			require.Contains(t, a, "bytes=", "the whole object is asked for")
		}
	}
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	f := newStore(t).files(t.Context())
	_, err := f.Open("s3://lake/table/none")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = f.ReadFile("s3://lake/table/none")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = f.Open("s3://nobucket/none")
	require.Error(t, err)
	_, err = f.Open("/folder/file")
	require.ErrorContains(t, err, "not a location in S3")
}

// Parts go up while more is written, so memory is bounded and time overlaps.
func TestUploadOverlapsWriting(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	out, err := s.files(t.Context()).Create("s3://lake/table/big")
	require.NoError(t, err)
	chunk := content(1 << 20)
	for range 40 {
		_, err = out.Write(chunk)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(s.asked(), func(a string) bool { return strings.Contains(a, "partNumber=") })
	}, 10*time.Second, time.Millisecond, "nothing was sent before the file was closed")
	require.NoError(t, out.Close())
	got, err := s.files(t.Context()).ReadFile("s3://lake/table/big")
	require.NoError(t, err)
	require.Len(t, got, 40<<20)
}

// What was written in part is never there under its name.
func TestAbortPublishesNothing(t *testing.T) {
	t.Parallel()
	for _, size := range []int{100, 20 << 20} {
		s := newStore(t)
		out, err := s.files(t.Context()).Create("s3://lake/table/part")
		require.NoError(t, err)
		_, err = out.Write(content(size))
		require.NoError(t, err)
		out.(*upload).Abort()
		_, err = s.files(t.Context()).ReadFile("s3://lake/table/part")
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
}

func TestCanceledUploadPublishesNothing(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	out, err := s.files(ctx).Create("s3://lake/table/part")
	require.NoError(t, err)
	_, err = out.Write(content(20 << 20))
	require.NoError(t, err)
	cancel()
	require.Error(t, out.Close())
	_, err = s.files(t.Context()).ReadFile("s3://lake/table/part")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// Clean-up happens when the context has ended.
func TestRemoveAfterCancel(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	f := s.files(ctx)
	require.NoError(t, f.WriteFile("s3://lake/table/a", content(5)))
	cancel()
	require.NoError(t, f.Remove("s3://lake/table/a"))
	_, err := s.files(t.Context()).ReadFile("s3://lake/table/a")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestOtherBucket(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	f := s.files(t.Context())
	require.NoError(t, f.WriteFile("s3://side/orders/x", []byte("side")))
	require.NoError(t, f.WriteFile("s3://lake/orders/x", []byte("lake")))
	got, err := f.ReadFile("s3://side/orders/x")
	require.NoError(t, err)
	require.Equal(t, "side", string(got))
	var walked []string
	require.NoError(t, f.WalkDir("s3://side/orders", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			walked = append(walked, p)
		}
		return err
	}))
	require.Equal(t, []string{"s3://side/orders/x"}, walked)
	gone, err := f.DeleteFiles(t.Context(), []string{"s3://side/orders/x", "s3://lake/orders/x"})
	require.NoError(t, err)
	require.Len(t, gone, 2)
	_, err = f.Open("s3://side/orders/x")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestRefusalsOfS3AreTerminal(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	f := s.files(t.Context())
	s.deny = "PUT/lake/table/no"
	err := f.WriteFile("s3://lake/table/no", content(5))
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "%v", err)
	out, err := f.Create("s3://lake/table/no2")
	require.NoError(t, err)
	_, err = out.Write(content(5))
	err = errors.Join(err, out.Close())
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "%v", err)
	require.NoError(t, f.WriteFile("s3://lake/table/yes", content(5)))
}

// A manifest is fetched at most once, and not at all by who wrote it.
func TestManifestsAreCached(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	writer, reader := s.files(t.Context()), s.files(t.Context())
	const name = "s3://lake/table/metadata/snap-1.avro"
	want := content(3 * window)
	kept := bytes.Clone(want)
	require.NoError(t, writer.WriteFile(name, kept))
	kept[0]++ // the writer may use its buffer again
	streamer := s.files(t.Context())
	out, err := streamer.Create(name)
	require.NoError(t, err)
	_, err = out.ReadFrom(bytes.NewReader(want))
	require.NoError(t, err)
	require.NoError(t, out.Close())
	for f, requests := range map[*files]int{writer: 0, streamer: 0, reader: 1} {
		s.asked()
		for range 3 {
			in, err := f.Open(name)
			require.NoError(t, err)
			got, err := io.ReadAll(in)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got))
			require.NoError(t, in.Close())
		}
		require.Len(t, s.asked(), requests)
	}
	require.NoError(t, writer.Remove(name))
	_, err = writer.Open(name)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newCache()
	name := func(i int) string { return fmt.Sprintf("s3://lake/t/metadata/%d.avro", i) }
	for i := range 40 {
		c.put(name(i), make([]byte, cacheObject))
		require.NotNil(t, c.get(name(0)), "what is used stays")
		require.LessOrEqual(t, c.used, cacheBytes)
	}
	require.Len(t, c.items, cacheBytes/cacheObject)
	require.Nil(t, c.get(name(1)))
	c.put(name(100), make([]byte, cacheObject+1))
	require.Nil(t, c.get(name(100)))
	c.put("s3://lake/t/metadata/v1.metadata.json", []byte("x"))
	require.Nil(t, c.get("s3://lake/t/metadata/v1.metadata.json"))
	for i := range 40 {
		c.drop(name(i))
	}
	require.Zero(t, c.used)
}
