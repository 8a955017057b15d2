package awsetl

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/dispatch/emrdispatch"
	"github.com/tidemark-data/etl/dispatch/gluedispatch"
	"github.com/tidemark-data/etl/dispatch/s3store"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/sink/icebergsink/gluesink"
	"github.com/tidemark-data/etl/source/s3source"
)

// sparkOf makes an engine's program over the cloud's buckets and catalog.
func (c *cloud) sparkOf(t *testing.T) *spark {
	c.s3.AddBucket("jobs")
	store, err := s3store.New(c.s3, s3store.Config{Location: "s3://jobs/tidemark"})
	require.NoError(t, err)
	source, err := s3source.New(c.s3, s3source.Options{Bucket: "raw", Prefix: "in"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, source.Close()) })
	conf := c.opts.Glue
	conf.AWS, conf.Warehouse = c.cfg, c.opts.Warehouse
	lake, err := gluesink.Open(t.Context(), conf)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, lake.Close()) })
	c.opts.Jobs.Location, c.opts.Clients.Documents = "s3://jobs/tidemark", c.s3
	return &spark{store: store, source: source, sink: lake, tables: c.opts.Tables}
}

// TestNewHandsLoadsToGlue: what New composes from names finds its way to the engine
// and back, through buckets and catalog.
func TestNewHandsLoadsToGlue(t *testing.T) {
	c := newCloud(t)
	s := c.sparkOf(t)
	glue := awstest.NewGlueJobs("tidemark")
	glue.Run = func(ctx context.Context, args map[string]string) error {
		return s.run(ctx, args["--manifest"], args["--result"])
	}
	c.opts.Jobs.Glue, c.opts.Clients.Glue = gluedispatch.Config{Job: "tidemark"}, glue
	c.roundTrip(t, glue.Wait, glueEvent("jr_1", "SUCCEEDED"))
}

func TestNewHandsLoadsToEMRServerless(t *testing.T) {
	c := newCloud(t)
	s := c.sparkOf(t)
	emr := awstest.NewEMRServerless("app1")
	emr.Run = func(ctx context.Context, args []string) error { return s.run(ctx, args[0], args[1]) }
	c.opts.Jobs.EMR = emrdispatch.Config{Application: "app1", Role: "arn:aws:iam::111122223333:role/job"}
	c.opts.Clients.EMRServerless = emr
	c.roundTrip(t, emr.Wait, `{"detail-type":"EMR Serverless Job Run State Change","source":"aws.emr-serverless","detail":{"applicationId":"app1","jobRunId":"00f1","state":"SUCCESS"}}`)
}

// roundTrip lands a full load under flag G. wait waits for its job, event is that
// of its end.
func (c *cloud) roundTrip(t *testing.T, wait func(), event string) {
	t.Helper()
	require.Empty(t, c.handle(t, verb("flag", people, `"flag":"G"`)).Error)
	a := c.handle(t, c.land(t, "in/hr/people/LOAD00000001.csv", "1,Ann,1\n2,Bob,1\n"))
	require.Empty(t, a.Tables[0].Error)
	if wait(); len(a.Tables[0].Loads) == 0 { // else it was done at once
		a = c.handle(t, event)
	}
	require.Empty(t, a.Tables[0].Error)
	require.EqualValues(t, 2, a.Tables[0].Loads[0].Counts.Inserted)
	require.NotEmpty(t, a.Tables[0].Loads[0].Snapshot)
	history := c.handle(t, verb("history", people))
	require.Contains(t, fmt.Sprint(history.Entries), "job")
}

func TestNewRefusesHalfAnEngine(t *testing.T) {
	for want, jobs := range map[string]JobOptions{
		"s3://bucket/prefix": {Glue: gluedispatch.Config{Job: "tidemark"}},
		"both set":           {Location: "s3://jobs", Glue: gluedispatch.Config{Job: "tidemark"}, EMR: emrdispatch.Config{Application: "app1"}},
		"ARN of a role":      {Location: "s3://jobs", EMR: emrdispatch.Config{Application: "app1"}},
	} {
		c := newCloud(t)
		c.opts.Jobs = jobs
		_, err := New(t.Context(), c.cfg, c.opts)
		require.ErrorContains(t, err, want)
	}
}
