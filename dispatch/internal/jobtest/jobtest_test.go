package jobtest_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch/emrdispatch"
	"github.com/tidemark-data/etl/dispatch/gluedispatch"
	"github.com/tidemark-data/etl/dispatch/internal/jobtest"
	"github.com/tidemark-data/etl/dispatch/s3store"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/etltest/awstest"
)

func newSpark(t *testing.T) *jobtest.Spark {
	store, err := s3store.New(awstest.NewS3(awstest.S3Options{}, "lake"), s3store.Config{Location: "s3://lake/tidemark"})
	require.NoError(t, err)
	return &jobtest.Spark{Store: store}
}

func TestGlue(t *testing.T) {
	etltest.Dispatcher(t, func(t *testing.T) etltest.Engine {
		spark, glue := newSpark(t), awstest.NewGlueJobs("tidemark")
		t.Cleanup(glue.Close)
		glue.MaxConcurrent, glue.Page = 3, 1
		glue.Run = func(ctx context.Context, args map[string]string) error {
			return spark.Run(ctx, args["--manifest"], args["--result"])
		}
		d, err := gluedispatch.New(gluedispatch.Config{Client: glue, Store: spark.Store, Job: "tidemark"})
		require.NoError(t, err)
		return engine(spark, d, func(t *testing.T) {
			for _, id := range []string{"long-a", "long-b", "long-c"} {
				_, err := d.Submit(t.Context(), jobtest.Job(id))
				require.NoError(t, err)
			}
		})
	})
}

func TestEMRServerless(t *testing.T) {
	etltest.Dispatcher(t, func(t *testing.T) etltest.Engine {
		spark, emr := newSpark(t), awstest.NewEMRServerless("app1")
		t.Cleanup(emr.Close)
		emr.Page = 1
		emr.Run = func(ctx context.Context, args []string) error { return spark.Run(ctx, args[0], args[1]) }
		full := false
		emr.Fault = func(op string) awstest.JobFault {
			if full && op == "StartJobRun" { // the service lets runs wait, up to a quota
				return awstest.JobLimit
			}
			return awstest.JobNone
		}
		d, err := emrdispatch.New(emrdispatch.Config{
			Client: emr, Store: spark.Store, Application: "app1", Role: "arn:aws:iam::111122223333:role/job",
		})
		require.NoError(t, err)
		return engine(spark, d, func(*testing.T) { full = true })
	})
}

// engine is what the public suite needs. full lets the engine be full.
func engine(s *jobtest.Spark, d etl.Dispatcher, full func(t *testing.T)) etltest.Engine {
	var serial atomic.Int64
	job := func(kind string) func(*testing.T) etl.Job {
		return func(*testing.T) etl.Job { return jobtest.Job(fmt.Sprintf("%s-%d", kind, serial.Add(1))) }
	}
	return etltest.Engine{
		Dispatcher: d, Job: job("job"), Bad: job("bad"), Long: job("long"),
		Undeclared: func(t *testing.T) etl.Job {
			j := job("job")(t)
			j.Table.Format = struct{ etl.Format }{j.Table.Format} // which declares nothing
			return j
		},
		Applied: func(_ *testing.T, j etl.Job) bool { return s.Applied(j.Load.ID) > 0 },
		Full: func(t *testing.T) etl.Job {
			full(t)
			return job("job")(t)
		},
	}
}
