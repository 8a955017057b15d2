package s3source_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/source/s3source"
)

// gauge counts the requests under way, from the call until the body is closed.
type gauge struct {
	s3source.Client
	mu        sync.Mutex
	now, most int
}

func (g *gauge) add(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now += n
	g.most = max(g.most, g.now)
}

func (g *gauge) underWay() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

func (g *gauge) GetObject(ctx context.Context, in *s3.GetObjectInput, o ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	g.add(1)
	out, err := g.Client.GetObject(ctx, in, o...)
	if err != nil {
		g.add(-1)
		return nil, err
	}
	out.Body = gaugedBody{out.Body, g}
	return out, nil
}

type gaugedBody struct {
	io.ReadCloser
	g *gauge
}

func (b gaugedBody) Close() error {
	err := b.ReadCloser.Close()
	time.Sleep(time.Millisecond)
	b.g.add(-1)
	return err
}

func TestReadaheadIsParallelAndBounded(t *testing.T) {
	content := noise(4 << 20)
	slow := onGet(func(int, awstest.S3Request) awstest.S3Fault { return awstest.S3Fault{Delay: 2 * time.Millisecond} })
	read := func(opts s3source.Options) int {
		opts.PartSize = 64 << 10
		fake, _, f := landed(t, slow, content, opts)
		g := &gauge{Client: fake}
		got, err := readAll(open(t, newSource(t, g, opts), f), 10_000)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, got))
		return g.most
	}
	require.Equal(t, 1, read(s3source.Options{Parts: 1}), "no readahead")
	require.Equal(t, 1, read(s3source.Options{Parts: 4, Memory: 1}), "no memory for it")
	most := read(s3source.Options{Parts: 4})
	require.Greater(t, most, 1)
	require.LessOrEqual(t, most, 4)
}

func TestMemoryIsBounded(t *testing.T) {
	const part, parts = 64 << 10, 3
	content := noise(2 << 20)
	_, s, f := landed(t, nil, content, s3source.Options{PartSize: part, Parts: parts})
	in := open(t, s, f)
	p := make([]byte, 5000)
	for off := int64(0); off < f.Size-int64(len(p)); off += int64(len(p)) {
		_, err := in.ReadAt(p, off)
		require.NoError(t, err)
		require.LessOrEqual(t, s.Held(), int64(parts*part))
		_, err = in.ReadAt(p[:10], f.Size-off-10)
		require.NoError(t, err)
		require.LessOrEqual(t, s.Held(), int64(parts*part))
	}
	require.NoError(t, in.Close())
	require.Zero(t, s.Held())
}

func TestJumpingReadsFetchLittle(t *testing.T) {
	const size = 32 << 20
	content := noise(size)
	fake, s, f := landed(t, nil, content, s3source.Options{})
	in := open(t, s, f)
	p := make([]byte, 8)
	for _, off := range []int64{size - 8, size - 1000, 20 << 20, 10 << 20} {
		_, err := in.ReadAt(p, off)
		require.NoError(t, err)
		require.Equal(t, content[off:off+8], p)
	}
	total := int64(0)
	for _, r := range fake.Requests() {
		var from, to int64
		_, err := fmt.Sscanf(r.Range, "bytes=%d-%d", &from, &to)
		require.NoError(t, err)
		total += to - from + 1
	}
	require.Less(t, total, int64(300<<10))
	require.NoError(t, in.Close())
}

func TestSpoolServesTheSecondPass(t *testing.T) {
	content := noise(1 << 20)
	dir := t.TempDir()
	fake, s, f := landed(t, nil, content, s3source.Options{PartSize: 64 << 10, SpoolBytes: 3 << 19, TempDir: dir})
	pass := func(f etl.File) int {
		fake.ForgetRequests()
		got, err := readAll(open(t, s, f), 50_000)
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, got))
		return len(fake.Requests())
	}
	require.Equal(t, 16, pass(f))
	require.Equal(t, 1, pass(f), "only whether it is still there")
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, names, "temporary files have no names")

	put(t, fake, "k", []byte("other"))
	_, err = s.Open(t.Context(), f)
	require.ErrorIs(t, err, etl.ErrFileChanged, "what is on disk does not stand for what is there")
}

func TestSpoolKeepsToItsLimit(t *testing.T) {
	fake := awstest.NewS3(awstest.S3Options{}, bucket)
	const limit = 2 << 20
	s := newSource(t, fake, s3source.Options{PartSize: 64 << 10, SpoolBytes: limit, TempDir: t.TempDir()})
	var wg sync.WaitGroup
	var failures atomic.Int64
	for i := range 6 {
		content := noise(1<<20 - i)
		key := fmt.Sprint("k", i)
		put(t, fake, key, content)
		f, err := s.Find(t.Context(), key)
		require.NoError(t, err)
		for range 3 {
			wg.Go(func() {
				in, err := s.Open(t.Context(), f)
				if err != nil {
					failures.Add(1)
					return
				}
				defer in.Close()
				if s.Spooled() > limit {
					failures.Add(1)
				}
				if got, err := readAll(in, 30_000); err != nil || !bytes.Equal(got, content) {
					failures.Add(1)
				}
			})
		}
	}
	wg.Wait()
	require.Zero(t, failures.Load())
	require.Positive(t, s.Spooled())
	require.NoError(t, s.Close())
	require.Zero(t, s.Spooled())
}
