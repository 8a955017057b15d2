package s3source_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/source/s3source"
)

func TestURI(t *testing.T) {
	s := newSource(t, awstest.NewS3(awstest.S3Options{}, bucket), s3source.Options{Prefix: "in"})
	uri, err := s.URI(t.Context(), etl.File{Location: "a b/ü%20.csv"})
	require.NoError(t, err)
	require.Equal(t, "s3://"+bucket+"/in/a b/ü%20.csv", uri)
	for _, location := range []string{"", strings.Repeat("x", 1024), "\xff"} {
		_, err := s.URI(t.Context(), etl.File{Location: location})
		require.ErrorIs(t, err, etl.ErrFileVanished)
	}
	point, err := s3source.New(awstest.NewS3(awstest.S3Options{}, bucket), s3source.Options{Bucket: "arn:aws:s3:eu-west-1:123456789012:accesspoint/p"})
	require.NoError(t, err)
	_, err = point.URI(t.Context(), etl.File{Location: "a"})
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}
