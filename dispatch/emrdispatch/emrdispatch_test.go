package emrdispatch_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/emrserverless/types"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/dispatch/emrdispatch"
	"github.com/tidemark-data/etl/dispatch/internal/jobtest"
	"github.com/tidemark-data/etl/dispatch/s3store"
	"github.com/tidemark-data/etl/etltest/awstest"
)

const role = "arn:aws:iam::111122223333:role/job"

// bench is a dispatcher over services in memory.
type bench struct {
	*emrdispatch.Dispatcher
	t     *testing.T
	emr   *awstest.EMRServerless
	store *s3store.Store
	clock time.Time
	fault map[string]awstest.JobFault // of the next call of an operation
}

func newBench(t *testing.T, change func(*emrdispatch.Config)) *bench {
	b := &bench{
		t: t, emr: awstest.NewEMRServerless("app1"), clock: time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC),
		fault: map[string]awstest.JobFault{},
	}
	b.emr.Now = func() time.Time { return b.clock }
	b.emr.Fault = func(op string) awstest.JobFault {
		f := b.fault[op]
		delete(b.fault, op)
		return f
	}
	var err error
	b.store, err = s3store.New(awstest.NewS3(awstest.S3Options{}, "lake"), s3store.Config{Location: "s3://lake/tidemark"})
	require.NoError(t, err)
	cfg := emrdispatch.Config{Client: b.emr, Store: b.store, Application: "app1", Role: role}
	if change != nil {
		change(&cfg)
	}
	b.Dispatcher, err = emrdispatch.New(cfg)
	require.NoError(t, err)
	return b
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

func TestRunIsStartedWithAllItNeeds(t *testing.T) {
	b := newBench(t, func(c *emrdispatch.Config) {
		c.Environment, c.SparkSubmit, c.Logs = "s3://lake/env.tar.gz", "--conf spark.executor.cores=4", "s3://lake/logs/"
	})
	ref := b.submit("job-1")
	require.Equal(t, "emr-serverless", ref.Engine)
	require.Equal(t, "arn:aws:emr-serverless:eu-west-1:111122223333:/applications/app1/jobruns/"+ref.ID, ref.ARN)
	require.Equal(t, "s3://lake/tidemark/jobs/job-1/result.json", ref.Result)
	run := b.emr.Runs()[0]
	require.Equal(t, role, *run.ExecutionRole)
	require.EqualValues(t, 10, *run.ExecutionTimeoutMinutes)
	spark := run.JobDriver.(*types.JobDriverMemberSparkSubmit).Value
	require.Equal(t, []string{"s3://lake/tidemark/jobs/job-1/manifest.json", ref.Result}, spark.EntryPointArguments)
	manifest, err := b.store.Get(t.Context(), spark.EntryPointArguments[0], 1<<20)
	require.NoError(t, err)
	var m dispatch.Manifest
	require.NoError(t, json.Unmarshal(manifest, &m))
	require.EqualValues(t, 7, m.Load.Fence)
	script, err := b.store.Get(t.Context(), *spark.EntryPoint, 1<<20)
	require.NoError(t, err)
	require.Contains(t, string(script), "tidemark_spark")
	require.Regexp(t, `^--py-files s3://lake/tidemark/code/[0-9a-f]{16}/tidemark_spark.zip --conf spark.jars=/usr/share/aws/iceberg/lib/iceberg-spark3-runtime.jar `+
		`--conf spark.archives=s3://lake/env.tar.gz#environment .*PYSPARK_PYTHON=./environment/bin/python --conf spark.executor.cores=4$`, *spark.SparkSubmitParameters)
}

func TestSubmittingTwiceStartsOneRun(t *testing.T) {
	for _, fault := range []awstest.JobFault{awstest.JobNone, awstest.JobLoseAnswer, awstest.JobFailAfter} {
		b := newBench(t, nil)
		b.fault["StartJobRun"] = fault
		_, err := b.Submit(t.Context(), jobtest.Job("job-1"))
		if fault != awstest.JobNone {
			require.Equal(t, etl.Indeterminate, etl.OutcomeOf(err))
		}
		found, ok, err := b.Find(t.Context(), jobtest.Job("job-1"))
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, found, b.submit("job-1"))
		require.Len(t, b.emr.Runs(), 1)

		changed := jobtest.Job("job-1")
		changed.Timeout *= 2
		again, err := b.Submit(t.Context(), changed)
		require.NoError(t, err, "the token is taken: by this job")
		require.Equal(t, found, again)
	}
}

func TestPhases(t *testing.T) {
	b := newBench(t, nil)
	ref := b.submit("job-1")
	for _, c := range []struct {
		state   types.JobRunState
		details string
		phase   etl.JobPhase
		reason  string
	}{
		{types.JobRunStateSubmitted, "", etl.JobWaiting, "SUBMITTED"},
		{types.JobRunStateQueued, "", etl.JobWaiting, "QUEUED"},
		{types.JobRunStatePending, "", etl.JobWaiting, "PENDING"},
		{types.JobRunStateScheduled, "", etl.JobWaiting, "SCHEDULED"},
		{types.JobRunStateRunning, "", etl.JobRunning, "RUNNING"},
		{types.JobRunStateCancelling, "", etl.JobRunning, "CANCELLING"},
		{"BRAND_NEW", "", etl.JobRunning, "BRAND_NEW"},
		{types.JobRunStateSuccess, "", etl.JobSucceeded, "SUCCESS"},
		{types.JobRunStateCancelled, "", etl.JobCanceled, "CANCELLED"},
		{types.JobRunStateFailed, "Job failed, please check complete logs. ExitCode: 1. Last few exceptions: cell 'Ann 555'", etl.JobFailed, "FAILED (exit code 1)"},
	} {
		b.emr.Set(ref.ID, c.state, c.details)
		s := b.status(ref)
		require.Equal(t, c.phase, s.Phase, c.state)
		require.Equal(t, c.reason, s.Reason)
		require.Equal(t, c.phase.Ended(), !s.Ended.IsZero(), c.state)
	}
	_, err := b.store.Put(t.Context(), "jobs/job-1/result.json", []byte(`{"job_id":"job-1","failure":{"cause":"c","outcome":"refused"}}`))
	require.NoError(t, err)
	require.Equal(t, "refused", b.status(ref).Result.Failure.Outcome)
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
	b := newBench(t, func(c *emrdispatch.Config) { c.Application = "gone" })
	_, err := b.Submit(t.Context(), jobtest.Job("job-1"))
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	_, ok, err := b.Find(t.Context(), jobtest.Job("job-1"))
	require.NoError(t, err)
	require.False(t, ok)
	job := jobtest.Job("job-1")
	job.URIs = nil
	_, err = b.Submit(t.Context(), job)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}

func TestRunsBeyondTheLimitWait(t *testing.T) {
	b := newBench(t, nil)
	b.emr.MaxConcurrent = 1
	b.submit("job-1")
	require.Equal(t, "QUEUED", b.status(b.submit("job-2")).Reason)
}

func TestFindGoesThroughAllPages(t *testing.T) {
	b := newBench(t, nil)
	b.emr.Page = 2
	first := b.submit("job-1")
	for _, other := range []string{"job-2", "job-3", "job-4", "job-10"} {
		b.submit(other)
	}
	ref, ok, err := b.Find(t.Context(), jobtest.Job("job-1"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, first, ref)
	b.fault["ListJobRuns"] = awstest.JobThrottle
	_, _, err = b.Find(t.Context(), jobtest.Job("job-1"))
	require.Equal(t, etl.Retry, etl.OutcomeOf(err))
}

func TestUnknownRuns(t *testing.T) {
	b := newBench(t, nil)
	for _, ref := range []etl.JobRef{{}, {Engine: "emr-serverless", ID: "00f9"}, {Engine: "glue", ID: "00f1"}} {
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
}

func TestCancel(t *testing.T) {
	b := newBench(t, nil)
	ref := b.submit("job-1")
	b.fault["CancelJobRun"] = awstest.JobFailBefore
	require.Equal(t, etl.Retry, etl.OutcomeOf(b.Cancel(t.Context(), ref)))
	require.NoError(t, b.Cancel(t.Context(), ref))
	require.NoError(t, b.Cancel(t.Context(), ref))
	require.Equal(t, etl.JobRunning, b.status(ref).Phase, "it still runs")
	b.emr.Set(ref.ID, types.JobRunStateCancelled, "")
	require.Equal(t, etl.JobCanceled, b.status(ref).Phase)
	require.NoError(t, b.Cancel(t.Context(), ref), "it has ended")
}

// TestTimeout: the service has no state of its own for a run that lasted too long.
func TestTimeout(t *testing.T) {
	b := newBench(t, nil)
	ref := b.submit("job-1")
	b.emr.Set(ref.ID, types.JobRunStateRunning, "")
	b.clock = b.clock.Add(10*time.Minute - time.Second)
	require.Equal(t, etl.JobRunning, b.status(ref).Phase)
	b.clock = b.clock.Add(time.Second)
	require.Equal(t, etl.JobTimedOut, b.status(ref).Phase)

	short := jobtest.Job("job-2")
	short.Timeout = time.Second
	_, err := b.Submit(t.Context(), short)
	require.NoError(t, err)
	require.EqualValues(t, 5, *b.emr.Runs()[1].ExecutionTimeoutMinutes, "the least that the service takes")
}

func TestConfig(t *testing.T) {
	good := newBench(t, nil)
	for _, change := range []func(*emrdispatch.Config){
		func(c *emrdispatch.Config) { c.Client = nil },
		func(c *emrdispatch.Config) { c.Store = nil },
		func(c *emrdispatch.Config) { c.Application = "" },
		func(c *emrdispatch.Config) { c.Application = "../app" },
		func(c *emrdispatch.Config) { c.Role = "job" },
		func(c *emrdispatch.Config) { c.Timeout = -1 },
		func(c *emrdispatch.Config) { c.Jars = "a b" },
	} {
		cfg := emrdispatch.Config{Client: good.emr, Store: good.store, Application: "app1", Role: role}
		change(&cfg)
		_, err := emrdispatch.New(cfg)
		require.Error(t, err)
	}
}
