package s3source_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/source/s3source"
)

func TestReadingResumesWhereItBroke(t *testing.T) {
	content := noise(300_000)
	fake, s, f := landed(t, onGet(func(n int, _ awstest.S3Request) awstest.S3Fault {
		return awstest.S3Fault{Break: n < 4, After: 70_000}
	}), content, s3source.Options{})
	got, err := readAll(open(t, s, f), 1<<20)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, got))
	var ranges []string
	for _, r := range fake.Requests() {
		ranges = append(ranges, r.Range)
	}
	require.Equal(t, []string{"", "bytes=70000-299999", "bytes=140000-299999", "bytes=210000-299999"}, ranges)
}

func TestReadingGivesUp(t *testing.T) {
	for name, fault := range map[string]awstest.S3Fault{
		"no connection": {Err: awstest.ErrReset},
		"throttled":     {Err: awstest.S3SlowDown()},
		"lost answer":   {LostAnswer: true},
		"drop by drop":  {Break: true, After: 10},
		"no more bytes": {Stall: true, After: 10},
	} {
		t.Run(name, func(t *testing.T) {
			fake, s, f := landed(t, onGet(func(int, awstest.S3Request) awstest.S3Fault { return fault }), noise(1000),
				s3source.Options{Attempts: 3, StallTimeout: 20 * time.Millisecond})
			_, err := s.Open(t.Context(), f)
			require.Equal(t, etl.Retry, etl.OutcomeOf(err))
			require.ErrorContains(t, err, "s3://raw/k")
			require.Len(t, fake.Requests(), 3)
		})
	}
}

func TestStalledConnectionsAreReplaced(t *testing.T) {
	content := noise(500_000)
	_, s, f := landed(t, onGet(func(n int, _ awstest.S3Request) awstest.S3Fault {
		return awstest.S3Fault{Stall: n%2 == 1, After: 50_000}
	}), content, s3source.Options{StallTimeout: 30 * time.Millisecond})
	got, err := readAll(open(t, s, f), 1<<20)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, got))
}

// badEnd fails the end of whole objects, as the SDK does where checksums differ.
type badEnd struct {
	s3source.Client
	times atomic.Int64
}

func (c *badEnd) GetObject(ctx context.Context, in *s3.GetObjectInput, o ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	out, err := c.Client.GetObject(ctx, in, o...)
	if err == nil && c.times.Add(-1) >= 0 {
		data, _ := io.ReadAll(out.Body)
		data[0] ^= 1
		out.Body = io.NopCloser(io.MultiReader(bytes.NewReader(data), errorReader{}))
	}
	return out, err
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, errors.New("checksum did not match") }

func TestWrongChecksumsAreFetchedAgain(t *testing.T) {
	content := noise(5000)
	fake := awstest.NewS3(awstest.S3Options{}, bucket)
	put(t, fake, "k", content)
	client := &badEnd{Client: fake}
	s := newSource(t, client, s3source.Options{Attempts: 4})
	f, err := s.Find(t.Context(), "k")
	require.NoError(t, err)
	client.times.Store(2)
	got, err := readAll(open(t, s, f), 1<<20)
	require.NoError(t, err)
	require.True(t, bytes.Equal(content, got))
	client.times.Store(100)
	_, err = s.Open(t.Context(), f)
	require.ErrorContains(t, err, "did not end well")
	require.Equal(t, etl.Retry, etl.OutcomeOf(err))
}
