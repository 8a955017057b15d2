//go:build integration

package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/source/s3source"
)

func s3Source(t testing.TB, client s3source.Client, bucket *string, opts s3source.Options) *s3source.Source {
	t.Helper()
	opts.Bucket = *bucket
	s, err := s3source.New(client, opts)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func TestS3SourceConformance(t *testing.T) {
	client := s3Client(startS3(t))
	var buckets atomic.Int64
	for name, c := range map[string]struct {
		opts       s3source.Options
		versioning bool
	}{
		"whole":    {},
		"ranges":   {opts: s3source.Options{PartSize: 64 << 10}},
		"prefix":   {opts: s3source.Options{Prefix: "land ing+%2F/"}},
		"versions": {opts: s3source.Options{Versions: true}, versioning: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			etltest.Source(t, func(t *testing.T) etltest.SourceUnderTest {
				bucket := newBucket(t, client, fmt.Sprint("conformance-", buckets.Add(1)), c.versioning)
				return etltest.SourceUnderTest{
					Source: s3Source(t, pathClient{client}, bucket, c.opts),
					Put: func(location string, content []byte) error {
						if location == "" {
							return errors.New("no name")
						}
						return putS3(t, client, bucket, c.opts.Prefix+location, content)
					},
					Remove: func(location string) error {
						_, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String(c.opts.Prefix + location)})
						return err
					},
				}
			})
		})
	}
}

func s3Noise(seed byte, size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}

// TestS3SourceOnABadNetwork reads through a proxy that delays, cuts and resets
// connections in the middle of bodies.
func TestS3SourceOnABadNetwork(t *testing.T) {
	gateway := startS3(t)
	direct := s3Client(gateway)
	bucket := newBucket(t, direct, "bad-network", false)
	want := map[string][32]byte{}
	for i := range 6 {
		data := s3Noise(byte(i), 3<<20+i*(1<<20)+i)
		key := fmt.Sprintf("t/%d.bin", i)
		require.NoError(t, putS3(t, direct, bucket, key, data))
		want[key] = sha256.Sum256(data)
	}
	for name, poison := range map[string]func(*proxy){
		"latency": func(p *proxy) {
			p.poison(t, "latency", 1, map[string]any{"latency": 20, "jitter": 20})
		},
		"cuts": func(p *proxy) {
			p.poison(t, "limit_data", 1, map[string]any{"bytes": 700_000})
		},
		"resets": func(p *proxy) {
			p.poison(t, "reset_peer", 0.5, map[string]any{"timeout": 30})
			p.poison(t, "bandwidth", 1, map[string]any{"rate": 20_000})
		},
		"all": func(p *proxy) {
			p.poison(t, "latency", 1, map[string]any{"latency": 10, "jitter": 10})
			p.poison(t, "limit_data", 0.5, map[string]any{"bytes": 300_000})
			p.poison(t, "reset_peer", 0.2, map[string]any{"timeout": 40})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := startProxy(t, gateway)
			poison(p)
			s := s3Source(t, s3Client(p.addr), bucket, s3source.Options{PartSize: 1 << 20, Attempts: 20, RetryDelay: 5 * time.Millisecond})
			files := 0
			for f, err := range s.List(t.Context()) {
				require.NoError(t, err)
				files++
				require.Equal(t, want[f.Location], readSum(t, s, f), f.Location)
			}
			require.Equal(t, len(want), files)
		})
	}
}

// readSum reads a file from its start and, at the same time, here and there.
func readSum(t *testing.T, s *s3source.Source, f etl.File) [32]byte {
	t.Helper()
	in, err := s.Open(t.Context(), f)
	require.NoError(t, err)
	defer in.Close()
	var group sync.WaitGroup
	group.Go(func() {
		p := make([]byte, 1000)
		for range 20 {
			if _, err := in.ReadAt(p, rand.Int64N(f.Size-1000)); err != nil {
				t.Error(err)
			}
		}
	})
	data, err := io.ReadAll(io.NewSectionReader(in, 0, in.Size()))
	group.Wait()
	require.NoError(t, err)
	return sha256.Sum256(data)
}

// TestS3SourceNeverMixesContents replaces an object while it is read. The
// contents differ in size, because the gateway looks at the entity tag before it
// opens the file: under load it sends one content with the tag of the other,
// which the size then shows. The fake, which has no such gap, is tested with
// contents of one size.
func TestS3SourceNeverMixesContents(t *testing.T) {
	client := s3Client(startS3(t))
	bucket := newBucket(t, client, "replaced", false)
	s := s3Source(t, client, bucket, s3source.Options{PartSize: 64 << 10, Parts: 2})
	contents := [][]byte{bytes.Repeat([]byte("a"), 2<<20), bytes.Repeat([]byte("b"), 2<<20+1)}
	require.NoError(t, putS3(t, client, bucket, "k", contents[0]))
	ctx, cancel := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 1; ctx.Err() == nil; i++ {
			if err := putS3(t, client, bucket, "k", contents[i%2]); err != nil {
				t.Error(err)
			}
		}
	})
	whole, broken := 0, 0
	for i := 0; i < 200 && (whole < 3 || broken < 3); i++ {
		f, err := s.Find(t.Context(), "k")
		require.NoError(t, err)
		in, err := s.Open(t.Context(), f)
		if errors.Is(err, etl.ErrFileChanged) {
			broken++
			continue
		}
		require.NoError(t, err)
		data, err := io.ReadAll(io.NewSectionReader(in, 0, in.Size()))
		require.NoError(t, in.Close())
		require.True(t, len(data) == 0 || len(bytes.Trim(data, string(data[:1]))) == 0, "bytes of both contents")
		if err == nil {
			whole++
		} else {
			require.ErrorIs(t, err, etl.ErrFileChanged)
			broken++
		}
	}
	cancel()
	writer.Wait()
	require.Positive(t, broken)
}

func TestS3SourceDisposes(t *testing.T) {
	client := s3Client(startS3(t))
	for _, versioning := range []bool{false, true} {
		bucket := newBucket(t, client, fmt.Sprint("dispose-", versioning), versioning)
		for name, effect := range map[string]s3source.Effect{
			"move":   {MoveTo: "done", Tags: map[string]string{"state": "applied"}},
			"delete": {Delete: true},
		} {
			s := s3Source(t, client, bucket, s3source.Options{Prefix: name, Versions: versioning, OnApplied: effect})
			location := "a b+ü&=.csv"
			require.NoError(t, putS3(t, client, bucket, name+"/"+location, []byte("one")))
			f, err := s.Find(t.Context(), location)
			require.NoError(t, err)
			require.NoError(t, s.Dispose(t.Context(), f, etl.Applied))
			require.NoError(t, s.Dispose(t.Context(), f, etl.Applied), "again")
			_, err = s.Find(t.Context(), location)
			require.ErrorIs(t, err, etl.ErrFileVanished)
			if effect.MoveTo != "" {
				moved := aws.String("done/" + f.ID() + "/" + location)
				_, err = client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: moved})
				require.NoError(t, err)
				tags, err := client.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: bucket, Key: moved})
				require.NoError(t, err)
				require.Len(t, tags.TagSet, 1)
			}

			require.NoError(t, putS3(t, client, bucket, name+"/"+location, []byte("two")))
			newer, err := s.Find(t.Context(), location)
			require.NoError(t, err)
			require.NoError(t, s.Dispose(t.Context(), f, etl.Applied))
			still, err := s.Find(t.Context(), location)
			require.NoError(t, err, "newer content is left alone")
			require.Equal(t, newer.ID(), still.ID())
		}
	}
}
