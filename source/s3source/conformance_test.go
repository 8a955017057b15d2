package s3source_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/source/s3source"
)

const bucket = "raw"

// putObject lands an object; the key is taken as it is.
func putObject(ctx context.Context, fake *awstest.S3, key string, content []byte) error {
	_, err := fake.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: &key, Body: bytes.NewReader(content)})
	return err
}

func newSource(t testing.TB, client s3source.Client, opts s3source.Options) *s3source.Source {
	t.Helper()
	opts.Bucket = bucket
	if opts.RetryDelay == 0 {
		opts.RetryDelay = time.Millisecond
	}
	s, err := s3source.New(client, opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func underTest(t *testing.T, fake *awstest.S3, opts s3source.Options) etltest.SourceUnderTest {
	ctx := context.WithoutCancel(t.Context())
	return etltest.SourceUnderTest{
		Source: newSource(t, fake, opts),
		Put: func(location string, content []byte) error {
			if location == "" {
				return fmt.Errorf("no key")
			}
			return putObject(ctx, fake, opts.Prefix+location, content)
		},
		Remove: func(location string) error {
			_, err := fake.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bucket), Key: aws.String(opts.Prefix + location)})
			return err
		},
	}
}

func TestConformance(t *testing.T) {
	small := s3source.Options{PartSize: 64 << 10, Parts: 2}
	for name, c := range map[string]struct {
		opts       s3source.Options
		versioning bool
	}{
		"whole objects":     {},
		"ranges":            {opts: small},
		"one part":          {opts: s3source.Options{PartSize: 64 << 10, Parts: 1, Memory: 1}},
		"spooled":           {opts: s3source.Options{PartSize: 64 << 10, SpoolBytes: 16 << 20}},
		"prefix":            {opts: s3source.Options{Prefix: "land ing+%2F/"}},
		"versions":          {opts: s3source.Options{Versions: true, PartSize: 64 << 10}, versioning: true},
		"versioning, ETags": {opts: small, versioning: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			etltest.Source(t, func(t *testing.T) etltest.SourceUnderTest {
				c.opts.TempDir = t.TempDir()
				fake := awstest.NewS3(awstest.S3Options{}, bucket)
				fake.SetVersioning(bucket, c.versioning)
				return underTest(t, fake, c.opts)
			})
		})
	}
}

// TestConformanceOnABadNetwork breaks every third answer somewhere.
func TestConformanceOnABadNetwork(t *testing.T) {
	t.Parallel()
	etltest.Source(t, func(t *testing.T) etltest.SourceUnderTest {
		fake := awstest.NewS3(awstest.S3Options{Hook: func(r awstest.S3Request) awstest.S3Fault {
			if r.Op == "PutObject" || r.Op == "DeleteObject" {
				return awstest.S3Fault{}
			}
			switch r.N % 9 {
			case 0:
				return awstest.S3Fault{Err: awstest.ErrReset}
			case 3:
				return awstest.S3Fault{Err: awstest.S3SlowDown()}
			case 6:
				return awstest.S3Fault{Break: true, After: int64(r.N*1009) % 70000}
			}
			return awstest.S3Fault{}
		}}, bucket)
		return underTest(t, fake, s3source.Options{PartSize: 64 << 10, Attempts: 12})
	})
}

var _ etl.Source = (*s3source.Source)(nil)
