package s3store_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/dispatch/s3store"
	"github.com/tidemark-data/etl/etltest/awstest"
)

func newStore(t *testing.T, hook func(awstest.S3Request) awstest.S3Fault) (*s3store.Store, *awstest.S3) {
	service := awstest.NewS3(awstest.S3Options{Hook: hook}, "lake")
	s, err := s3store.New(service, s3store.Config{Location: "s3://lake/jobs/"})
	require.NoError(t, err)
	return s, service
}

func TestDocuments(t *testing.T) {
	s, service := newStore(t, nil)
	uri, err := s.URI("jobs/a-1/result.json")
	require.NoError(t, err)
	require.Equal(t, "s3://lake/jobs/jobs/a-1/result.json", uri)
	_, err = s.Get(t.Context(), uri, 10)
	require.ErrorIs(t, err, etl.ErrNotFound)

	for _, text := range []string{"first", "second"} {
		put, err := s.Put(t.Context(), "jobs/a-1/result.json", []byte(text))
		require.NoError(t, err)
		require.Equal(t, uri, put)
		got, err := s.Get(t.Context(), uri, 6)
		require.NoError(t, err)
		require.Equal(t, text, string(got))
	}
	_, err = s.Put(t.Context(), "jobs/a-1/badrows.json", []byte("x"))
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, s.Remove(t.Context(), "jobs/a-1/badrows.json"))
		_, err = s.Get(t.Context(), "s3://lake/jobs/jobs/a-1/badrows.json", 10)
		require.ErrorIs(t, err, etl.ErrNotFound)
	}
	require.Equal(t, etl.Terminal, etl.OutcomeOf(s.Remove(t.Context(), "../other")))
	_, err = s.Get(t.Context(), uri, 5)
	require.ErrorContains(t, err, "longer than 5 bytes")
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))

	_, err = service.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("lake"), Key: aws.String("other"), Body: strings.NewReader("x")})
	require.NoError(t, err)
	for _, outside := range []string{"s3://lake/other", "s3://lake/jobs/../other", "s3://raw/jobs/x", "/etc/hosts", "", "s3://lake/jobs/"} {
		_, err := s.Get(t.Context(), outside, 10)
		require.ErrorContains(t, err, "outside", outside)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	}
	for _, name := range []string{"", "../x", "a//b", "/a", "a b", ".a", "ä"} {
		_, err := s.Put(t.Context(), name, nil)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err), name)
	}
}

func TestManifestAndResult(t *testing.T) {
	s, _ := newStore(t, nil)
	docs, err := dispatch.Locate(s, "a-1")
	require.NoError(t, err)
	got, err := dispatch.ReadResult(t.Context(), s, "a-1", docs.Result)
	require.NoError(t, err)
	require.Nil(t, got)
	_, err = s.Put(t.Context(), "jobs/a-1/result.json", []byte(`{"job_id":"a-1","failure":{"cause":"c","outcome":"retry"}}`))
	require.NoError(t, err)
	got, err = dispatch.ReadResult(t.Context(), s, "a-1", docs.Result)
	require.NoError(t, err)
	require.Equal(t, "retry", got.Failure.Outcome)
}

func TestWhatErrorsMean(t *testing.T) {
	for _, c := range []struct {
		status  int
		code    string
		outcome etl.Outcome
	}{
		{503, "SlowDown", etl.Retry}, {500, "InternalError", etl.Retry}, {400, "ExpiredToken", etl.Retry},
		{403, "AccessDenied", etl.Terminal}, {404, "NoSuchBucket", etl.Terminal},
	} {
		s, _ := newStore(t, func(awstest.S3Request) awstest.S3Fault {
			return awstest.S3Fault{Err: awstest.S3Error(c.status, c.code, "https://lake/?X-Amz-Signature=secret")}
		})
		_, err := s.Put(t.Context(), "a", nil)
		require.Equal(t, c.outcome, etl.OutcomeOf(err), c.code)
		require.ErrorContains(t, err, c.code)
		require.NotContains(t, err.Error(), "secret")
		_, err = s.Get(t.Context(), "s3://lake/jobs/a", 1)
		require.Equal(t, c.outcome, etl.OutcomeOf(err), c.code)
	}
	s, _ := newStore(t, func(awstest.S3Request) awstest.S3Fault { return awstest.S3Fault{Err: awstest.ErrReset} })
	_, err := s.Put(t.Context(), "a", nil)
	require.Equal(t, etl.Retry, etl.OutcomeOf(err))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s, _ = newStore(t, nil)
	_, err = s.Get(ended, "s3://lake/jobs/a", 1)
	require.ErrorIs(t, err, context.Canceled)
}

func TestBodyBreaks(t *testing.T) {
	s, _ := newStore(t, func(r awstest.S3Request) awstest.S3Fault {
		return awstest.S3Fault{Break: r.Op == "GetObject", After: 2}
	})
	uri, err := s.Put(t.Context(), "a", []byte("abcdef"))
	require.NoError(t, err)
	_, err = s.Get(t.Context(), uri, 10)
	require.Equal(t, etl.Retry, etl.OutcomeOf(err))
}

func TestLocations(t *testing.T) {
	for _, bad := range []string{"", "lake/jobs", "s3://", "s3:///jobs", "s3://lake/../x", "s3://lake/a b"} {
		_, err := s3store.New(awstest.NewS3(awstest.S3Options{}), s3store.Config{Location: bad})
		require.Error(t, err, bad)
	}
	_, err := s3store.New(nil, s3store.Config{Location: "s3://lake"})
	require.Error(t, err)
	s, err := s3store.New(awstest.NewS3(awstest.S3Options{}), s3store.Config{Location: "s3://lake", ExpectedOwner: "111122223333"})
	require.NoError(t, err)
	uri, err := s.URI("a")
	require.NoError(t, err)
	require.Equal(t, "s3://lake/a", uri)
}
