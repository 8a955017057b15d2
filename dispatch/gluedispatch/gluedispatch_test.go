package gluedispatch_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/dispatch/gluedispatch"
	"github.com/tidemark-data/etl/dispatch/internal/jobtest"
	"github.com/tidemark-data/etl/etltest/awstest"
)

func TestRunIsStartedWithAllItNeeds(t *testing.T) {
	b := newBench(t, func(c *gluedispatch.Config) {
		c.WorkerType, c.Workers, c.SecurityConfiguration = "G.2X", 7, "encrypted"
		c.Arguments = map[string]string{"--conf": "spark.x=1", "--extra-py-files": "s3://lake/more.zip"}
	})
	ref := b.submit("job-1")
	require.Equal(t, etl.JobRef{
		Engine: "glue", ID: "jr_1", JobID: "job-1", ARN: jobARN, Result: "s3://lake/tidemark/jobs/job-1/result.json",
	}, ref)
	run := b.glue.Runs()[0]
	require.EqualValues(t, 10, *run.Timeout)
	require.Equal(t, types.WorkerType("G.2X"), run.WorkerType)
	require.EqualValues(t, 7, *run.NumberOfWorkers)
	require.Equal(t, "encrypted", *run.SecurityConfiguration)
	args := run.Arguments
	require.Equal(t, "job-1", args["--tidemark-job"])
	require.Equal(t, ref.Result, args["--result"])
	require.Equal(t, "iceberg", args["--datalake-formats"])
	require.Equal(t, "spark.x=1", args["--conf"])

	manifest, err := b.store.Get(t.Context(), args["--manifest"], 1<<20)
	require.NoError(t, err)
	var m dispatch.Manifest
	require.NoError(t, json.Unmarshal(manifest, &m))
	require.Equal(t, "job-1", m.JobID)
	require.EqualValues(t, 7, m.Load.Fence)
	script, err := b.store.Get(t.Context(), args["--scriptLocation"], 1<<20)
	require.NoError(t, err)
	require.Contains(t, string(script), "tidemark_spark")
	archive, more, ok := strings.Cut(args["--extra-py-files"], ",")
	require.True(t, ok)
	require.Equal(t, "s3://lake/more.zip", more)
	zipped, err := b.store.Get(t.Context(), archive, 8<<20)
	require.NoError(t, err)
	require.Equal(t, "PK", string(zipped[:2]))
}

func TestPhases(t *testing.T) {
	b := newBench(t, nil)
	ref := b.submit("job-1")
	for _, c := range []struct {
		state   types.JobRunState
		message string
		phase   etl.JobPhase
		reason  string
	}{
		{types.JobRunStateStarting, "", etl.JobWaiting, "STARTING"},
		{types.JobRunStateWaiting, "", etl.JobWaiting, "WAITING"},
		{types.JobRunStateRunning, "", etl.JobRunning, "RUNNING"},
		{types.JobRunStateStopping, "", etl.JobRunning, "STOPPING"},
		{"BRAND_NEW", "", etl.JobRunning, "BRAND_NEW"},
		{types.JobRunStateStopped, "", etl.JobCanceled, "STOPPED"},
		{types.JobRunStateSucceeded, "", etl.JobSucceeded, "SUCCEEDED"},
		{types.JobRunStateError, "", etl.JobFailed, "ERROR"},
		{types.JobRunStateExpired, "", etl.JobFailed, "EXPIRED"},
		{types.JobRunStateTimeout, "Job Run timed out", etl.JobTimedOut, "TIMEOUT (timed out)"},
		{types.JobRunStateFailed, "Error Category: QUERY_ERROR; SparkException: cell 'Ann 555-1234' is bad", etl.JobFailed, "FAILED (QUERY_ERROR, SparkException)"},
	} {
		b.glue.Set(ref.ID, c.state, c.message)
		s := b.status(ref)
		require.Equal(t, c.phase, s.Phase, c.state)
		require.Equal(t, c.reason, s.Reason)
		require.Equal(t, b.clock, s.Started)
		require.Equal(t, c.phase.Ended(), !s.Ended.IsZero(), c.state)
		require.NotContains(t, s.Reason, "Ann")
	}
}

func TestResult(t *testing.T) {
	b := newBench(t, nil)
	ref := b.submit("job-1")
	b.leave("job-1", `{"job_id":"job-1","receipt":{"counts":{"read":3,"inserted":3}}}`)
	require.Nil(t, b.status(ref).Result, "not before the end")
	b.glue.Set(ref.ID, types.JobRunStateSucceeded, "")
	s := b.status(ref)
	require.EqualValues(t, 3, s.Result.Receipt.Counts.Inserted)
	ref.Result = ""
	require.NotNil(t, b.status(ref).Result, "found by the job's ID")

	b.leave("job-1", `{"job_id":"job-1","failure":{"cause":"row 3 of a.csv: column id: not a long","file":"a.csv","row":3,"column":"id","rule":"not a long","outcome":"terminal"}}`)
	b.glue.Set(ref.ID, types.JobRunStateFailed, "Command failed with exit code 1")
	s = b.status(ref)
	require.Equal(t, etl.JobFailed, s.Phase)
	require.EqualValues(t, 3, s.Result.Failure.Row)

	b.leave("job-1", `{"job_id":"job-2","failure":{"outcome":"retry"}}`)
	s = b.status(ref)
	require.Nil(t, s.Result)
	require.Contains(t, s.Reason, "that of another job")
}

func TestResultIsAskedForAgain(t *testing.T) {
	b := newBench(t, nil)
	ref := b.submit("job-1")
	b.glue.Set(ref.ID, types.JobRunStateSucceeded, "")
	slow := awstest.NewS3(awstest.S3Options{Hook: func(awstest.S3Request) awstest.S3Fault {
		return awstest.S3Fault{Err: awstest.S3SlowDown()}
	}}, "lake")
	d, err := gluedispatch.New(gluedispatch.Config{Client: b.glue, Store: storeOn(t, slow), Job: "tidemark"})
	require.NoError(t, err)
	_, err = d.Status(t.Context(), ref)
	require.Equal(t, etl.Retry, etl.OutcomeOf(err), "the job may have left something")
	_, err = d.Submit(t.Context(), jobtest.Job("job-2"))
	require.Equal(t, etl.Retry, etl.OutcomeOf(err))
	require.Len(t, b.glue.Runs(), 1, "nothing is started without its manifest")
}

func TestWhatKeepsAJobFromStarting(t *testing.T) {
	for fault, want := range map[awstest.JobFault]etl.Outcome{
		awstest.JobThrottle: etl.Retry, awstest.JobLimit: etl.Retry, awstest.JobDeny: etl.Terminal,
		awstest.JobFailBefore: etl.Indeterminate, awstest.JobCutBefore: etl.Indeterminate,
	} {
		b := newBench(t, nil)
		b.fault["StartJobRun"] = fault
		_, err := b.Submit(t.Context(), jobtest.Job("job-1"))
		require.Equal(t, want, etl.OutcomeOf(err), err)
		_, ok, err := b.Find(t.Context(), jobtest.Job("job-1"))
		require.NoError(t, err)
		require.False(t, ok)
	}
	b := newBench(t, nil)
	b.submit("job-1")
	_, err := b.Submit(t.Context(), jobtest.Job("job-2"))
	require.ErrorContains(t, err, "ConcurrentRunsExceededException")
	require.Equal(t, etl.Retry, etl.OutcomeOf(err))

	job := jobtest.Job("job-3")
	job.Sink = etl.Declaration{}
	_, err = b.Submit(t.Context(), job)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))

	b = newBench(t, func(c *gluedispatch.Config) { c.Job = "deleted" })
	_, err = b.Submit(t.Context(), jobtest.Job("job-1"))
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	_, ok, err := b.Find(t.Context(), jobtest.Job("job-1"))
	require.NoError(t, err)
	require.False(t, ok)
}

func TestLostAnswerIsFoundAgain(t *testing.T) {
	for _, fault := range []awstest.JobFault{awstest.JobLoseAnswer, awstest.JobFailAfter} {
		b := newBench(t, nil)
		b.glue.MaxConcurrent, b.glue.Page = 100, 2
		b.fault["StartJobRun"] = fault
		_, err := b.Submit(t.Context(), jobtest.Job("job-1"))
		require.Equal(t, etl.Indeterminate, etl.OutcomeOf(err))
		for _, other := range []string{"job-2", "job-3", "job-4", "job-10"} {
			b.submit(other)
		}
		ref, ok, err := b.Find(t.Context(), jobtest.Job("job-1"))
		require.NoError(t, err)
		require.True(t, ok, "on the last page")
		require.Equal(t, etl.JobRef{
			Engine: "glue", ID: "jr_1", JobID: "job-1", ARN: jobARN, Result: "s3://lake/tidemark/jobs/job-1/result.json",
		}, ref)
		require.Equal(t, etl.JobWaiting, b.status(ref).Phase)
		b.fault["GetJobRuns"] = awstest.JobThrottle
		_, _, err = b.Find(t.Context(), jobtest.Job("job-1"))
		require.Equal(t, etl.Retry, etl.OutcomeOf(err))
	}
}

func TestTheRunThatGoesOnIsFound(t *testing.T) {
	b := newBench(t, nil)
	b.glue.MaxConcurrent = 2
	first, second := b.submit("job-1"), b.submit("job-1")
	require.NotEqual(t, first.ID, second.ID)
	b.glue.Set(second.ID, types.JobRunStateFailed, "")
	ref, ok, err := b.Find(t.Context(), jobtest.Job("job-1"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, first.ID, ref.ID)
}

func TestUnknownRuns(t *testing.T) {
	b := newBench(t, nil)
	for _, ref := range []etl.JobRef{{}, {Engine: "glue", ID: "jr_9"}, {Engine: "emr-serverless", ID: "jr_1"}} {
		_, err := b.Status(t.Context(), ref)
		require.ErrorIs(t, err, etl.ErrNotFound)
		require.ErrorIs(t, b.Cancel(t.Context(), ref), etl.ErrNotFound)
	}
	ref := b.submit("job-1")
	for fault, want := range map[awstest.JobFault]etl.Outcome{awstest.JobThrottle: etl.Retry, awstest.JobLoseAnswer: etl.Retry, awstest.JobDeny: etl.Terminal} {
		b.fault["GetJobRun"] = fault
		_, err := b.Status(t.Context(), ref)
		require.NotErrorIs(t, err, etl.ErrNotFound)
		require.Equal(t, want, etl.OutcomeOf(err))
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Status(ended, ref)
	require.ErrorIs(t, err, context.Canceled)
}

func TestCancel(t *testing.T) {
	b := newBench(t, nil)
	ref := b.submit("job-1")
	b.fault["BatchStopJobRun"] = awstest.JobFailBefore
	require.Equal(t, etl.Retry, etl.OutcomeOf(b.Cancel(t.Context(), ref)))
	b.fault["BatchStopJobRun"] = awstest.JobLoseAnswer
	require.Error(t, b.Cancel(t.Context(), ref))
	require.NoError(t, b.Cancel(t.Context(), ref), "it stops already")
	require.Equal(t, etl.JobRunning, b.status(ref).Phase, "and still runs")
	b.glue.Set(ref.ID, types.JobRunStateStopped, "")
	require.Equal(t, etl.JobCanceled, b.status(ref).Phase)
	require.NoError(t, b.Cancel(t.Context(), ref), "it has ended")
}

func TestTimeout(t *testing.T) {
	b := newBench(t, nil)
	job := jobtest.Job("job-1")
	job.Timeout = 90 * time.Second
	ref, err := b.Submit(t.Context(), job)
	require.NoError(t, err)
	require.EqualValues(t, 2, *b.glue.Runs()[0].Timeout, "minutes, rounded up")
	b.clock = b.clock.Add(119 * time.Second)
	require.Equal(t, etl.JobWaiting, b.status(ref).Phase)
	b.clock = b.clock.Add(time.Second)
	require.Equal(t, etl.JobTimedOut, b.status(ref).Phase)
}

func TestConfig(t *testing.T) {
	good := newBench(t, nil)
	for _, change := range []func(*gluedispatch.Config){
		func(c *gluedispatch.Config) { c.Client = nil },
		func(c *gluedispatch.Config) { c.Store = nil },
		func(c *gluedispatch.Config) { c.Job = "" },
		func(c *gluedispatch.Config) { c.Job = "arn:aws:lambda:eu-west-1:111122223333:function:x" },
		func(c *gluedispatch.Config) { c.Workers = 3 },
		func(c *gluedispatch.Config) { c.WorkerType = "G.1X" },
		func(c *gluedispatch.Config) { c.Timeout = -1 },
		func(c *gluedispatch.Config) { c.Arguments = map[string]string{"--manifest": "x"} },
		func(c *gluedispatch.Config) { c.Arguments = map[string]string{"conf": "x"} },
	} {
		cfg := gluedispatch.Config{Client: good.glue, Store: good.store, Job: "tidemark"}
		change(&cfg)
		_, err := gluedispatch.New(cfg)
		require.Error(t, err)
	}
	require.Empty(t, newBench(t, func(c *gluedispatch.Config) { c.Job = "tidemark" }).submit("job-1").ARN)
	b := newBench(t, func(c *gluedispatch.Config) { c.Timeout = 100 * 24 * time.Hour })
	job := jobtest.Job("job-1")
	job.Timeout = 0
	_, err := b.Submit(t.Context(), job)
	require.NoError(t, err)
	require.EqualValues(t, 7*24*60, *b.glue.Runs()[0].Timeout)
}
