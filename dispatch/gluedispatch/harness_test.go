package gluedispatch_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch/gluedispatch"
	"github.com/tidemark-data/etl/dispatch/internal/jobtest"
	"github.com/tidemark-data/etl/dispatch/s3store"
	"github.com/tidemark-data/etl/etltest/awstest"
)

const jobARN = "arn:aws:glue:eu-west-1:111122223333:job/tidemark"

// bench is a dispatcher over services in memory.
type bench struct {
	*gluedispatch.Dispatcher
	t     *testing.T
	glue  *awstest.GlueJobs
	store *s3store.Store
	s3    *awstest.S3
	clock time.Time
	fault map[string]awstest.JobFault // of the next call of an operation
}

func newBench(t *testing.T, change func(*gluedispatch.Config)) *bench {
	b := &bench{
		t: t, glue: awstest.NewGlueJobs("tidemark"), s3: awstest.NewS3(awstest.S3Options{}, "lake"),
		clock: time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC), fault: map[string]awstest.JobFault{},
	}
	b.glue.Now = func() time.Time { return b.clock }
	b.glue.Fault = func(op string) awstest.JobFault {
		f := b.fault[op]
		delete(b.fault, op)
		return f
	}
	b.store = storeOn(t, b.s3)
	cfg := gluedispatch.Config{Client: b.glue, Store: b.store, Job: jobARN}
	if change != nil {
		change(&cfg)
	}
	var err error
	b.Dispatcher, err = gluedispatch.New(cfg)
	require.NoError(t, err)
	return b
}

func storeOn(t *testing.T, client s3store.Client) *s3store.Store {
	s, err := s3store.New(client, s3store.Config{Location: "s3://lake/tidemark"})
	require.NoError(t, err)
	return s
}

func (b *bench) submit(id string) etl.JobRef {
	b.t.Helper()
	ref, err := b.Submit(b.t.Context(), jobtest.Job(id))
	require.NoError(b.t, err)
	return ref
}

func (b *bench) status(ref etl.JobRef) etl.JobStatus {
	b.t.Helper()
	s, err := b.Status(b.t.Context(), ref)
	require.NoError(b.t, err)
	return s
}

// leave writes what a job leaves.
func (b *bench) leave(id, result string) {
	_, err := b.store.Put(b.t.Context(), "jobs/"+id+"/result.json", []byte(result))
	require.NoError(b.t, err)
}
