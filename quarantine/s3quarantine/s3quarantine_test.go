package s3quarantine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/quarantine/s3quarantine"
)

func TestConformance(t *testing.T) {
	clients := map[etl.Quarantine]*awstest.S3{}
	open := func(t *testing.T, fake *awstest.S3) etl.Quarantine {
		q, err := s3quarantine.New(fake, s3quarantine.Options{Bucket: "bad", Prefix: "rows"})
		require.NoError(t, err)
		clients[q] = fake
		return q
	}
	etltest.Quarantine(t,
		func(t *testing.T) etl.Quarantine { return open(t, awstest.NewS3(awstest.S3Options{}, "bad")) },
		func(t *testing.T, q etl.Quarantine) etl.Quarantine { return open(t, clients[q]) })
}

func TestErrors(t *testing.T) {
	_, err := s3quarantine.New(nil, s3quarantine.Options{Bucket: "b"})
	require.Error(t, err)
	q, err := s3quarantine.New(awstest.NewS3(awstest.S3Options{}), s3quarantine.Options{Bucket: "none"})
	require.NoError(t, err)
	err = q.Put(t.Context(), "a.b", "l1", []etl.BadRow{{ID: "1", Raw: []byte("s3cr3t")}})
	require.ErrorContains(t, err, "NoSuchBucket")
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.NotContains(t, err.Error(), "s3cr3t")
}
