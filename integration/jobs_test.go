//go:build integration

package integration

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/emrserverless"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	gluetypes "github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/dispatch/emrdispatch"
	"github.com/tidemark-data/etl/dispatch/gluedispatch"
	"github.com/tidemark-data/etl/dispatch/s3store"
	"github.com/tidemark-data/etl/format"
)

// engine is a dispatcher through the SDK and HTTP to moto, whose runs go by the
// script that the job's ID names (moto_jobs.py).
type engine struct {
	etl.Dispatcher
	t     *testing.T
	store dispatch.Store
	lose  *losing
}

// losing drops the answer to the next request whose target or path has a text.
type losing struct {
	next atomic.Pointer[string]
	hits atomic.Int64
}

func (l *losing) Do(req *http.Request) (*http.Response, error) {
	res, err := http.DefaultClient.Do(req)
	text := l.next.Load()
	if err != nil || text == nil || !strings.Contains(req.Header.Get("X-Amz-Target")+" "+req.Method+" "+req.URL.Path, *text) {
		return res, err
	}
	l.hits.Add(1)
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return nil, errors.New("connection reset")
}

type engines struct {
	glue, emr func(t *testing.T) *engine
}

func newEngines(t *testing.T) engines {
	url := "http://" + startServer(t, "pyiceberg", "moto_jobs.py", "-H", "127.0.0.1", "-p", "{port}")
	cfg := s3Config()
	cfg.BaseEndpoint = &url
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = 10 * time.Millisecond })
	}
	docs := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	newBucket(t, docs, "documents", false)
	store, err := s3store.New(docs, s3store.Config{Location: "s3://documents/tidemark-jobs"})
	require.NoError(t, err)
	open := func(t *testing.T, make func(aws.Config) (etl.Dispatcher, error)) *engine {
		e := &engine{t: t, store: store, lose: &losing{}}
		own := cfg
		own.HTTPClient = e.lose
		e.Dispatcher, err = make(own)
		require.NoError(t, err)
		return e
	}
	return engines{
		glue: func(t *testing.T) *engine {
			return open(t, func(c aws.Config) (etl.Dispatcher, error) {
				client := glue.NewFromConfig(c)
				job := strings.ReplaceAll(t.Name(), "/", "-")
				_, err := client.CreateJob(t.Context(), &glue.CreateJobInput{
					Name: &job, Role: aws.String("arn:aws:iam::123456789012:role/job"), Command: &gluetypes.JobCommand{Name: aws.String("glueetl")},
					ExecutionProperty: &gluetypes.ExecutionProperty{MaxConcurrentRuns: 1},
				})
				require.NoError(t, err)
				return gluedispatch.New(gluedispatch.Config{
					Client: client, Store: store, Job: "arn:aws:glue:us-east-1:123456789012:job/" + job, WorkerType: "G.1X", Workers: 5,
				})
			})
		},
		emr: func(t *testing.T) *engine {
			return open(t, func(c aws.Config) (etl.Dispatcher, error) {
				client := emrserverless.NewFromConfig(c)
				app, err := client.CreateApplication(t.Context(), &emrserverless.CreateApplicationInput{
					ReleaseLabel: aws.String("emr-7.9.0"), Type: aws.String("SPARK"), ClientToken: aws.String(t.Name()),
				})
				require.NoError(t, err)
				return emrdispatch.New(emrdispatch.Config{
					Client: client, Store: store, Application: *app.ApplicationId, Role: "arn:aws:iam::123456789012:role/job",
				})
			})
		},
	}
}

func engineJob(id string) etl.Job {
	return etl.Job{
		ID: id, Table: etl.Table{Name: "hr.people", Key: []string{"id"}, Format: format.CSV{Header: true}},
		Load: etl.Load{ID: "load-" + id, Table: "hr.people", Kind: etl.Full, Files: []etl.File{{Location: "a.csv", Size: 3}}},
		URIs: []string{"s3://raw/a.csv"}, Sink: etl.Declaration{Kind: "iceberg"}, Timeout: 10 * time.Minute,
	}
}

func (e *engine) submit(id string) etl.JobRef {
	e.t.Helper()
	ref, err := e.Submit(e.t.Context(), engineJob(id))
	require.NoError(e.t, err)
	require.Equal(e.t, id, ref.JobID)
	require.True(e.t, strings.HasPrefix(ref.ARN, "arn:aws:"), ref.ARN)
	return ref
}

// phases looks at a job until it has ended, and returns the phases that it saw.
func (e *engine) phases(ref etl.JobRef) (seen []etl.JobPhase, last etl.JobStatus) {
	e.t.Helper()
	for range 20 {
		s, err := e.Status(e.t.Context(), ref)
		require.NoError(e.t, err)
		require.NotContains(e.t, s.Reason, "secret")
		if len(seen) == 0 || seen[len(seen)-1] != s.Phase {
			seen = append(seen, s.Phase)
		}
		if s.Phase.Ended() {
			return seen, s
		}
	}
	require.Fail(e.t, "the job does not end", "%v", seen)
	return nil, etl.JobStatus{}
}

func (e *engine) leave(id, result string) {
	uri, err := e.store.URI("jobs/" + id + "/result.json")
	require.NoError(e.t, err)
	put, err := e.store.Put(e.t.Context(), "jobs/"+id+"/result.json", []byte(result))
	require.NoError(e.t, err)
	require.Equal(e.t, uri, put)
}

// TestGlueJobsAndEMRServerless: both adapters, through the SDK, against moto.
func TestGlueJobsAndEMRServerless(t *testing.T) {
	all := newEngines(t)
	for name, open := range map[string]func(*testing.T) *engine{"Glue": all.glue, "EMR": all.emr} {
		t.Run(name, func(t *testing.T) {
			t.Run("Succeeds", func(t *testing.T) { engineSucceeds(open(t)) })
			t.Run("Fails", func(t *testing.T) { engineFails(open(t)) })
			t.Run("TimesOut", func(t *testing.T) { engineTimesOut(open(t)) })
			t.Run("Canceled", func(t *testing.T) { engineCanceled(open(t)) })
			t.Run("LostAnswer", func(t *testing.T) { engineLosesAnswer(open(t)) })
			t.Run("Unknown", func(t *testing.T) { engineDoesNotKnow(open(t)) })
		})
	}
	t.Run("GlueLimit", func(t *testing.T) { engineLimit(all.glue(t)) })
	t.Run("EMRTwice", func(t *testing.T) {
		e := all.emr(t)
		require.Equal(t, e.submit("long-1"), e.submit("long-1"), "the job's ID is the client token")
	})
}

func engineSucceeds(e *engine) {
	ref := e.submit("good-1")
	e.leave("good-1", `{"job_id":"good-1","receipt":{"load_id":"load-good-1","counts":{"read":3,"inserted":3}}}`)
	seen, s := e.phases(ref)
	require.Equal(e.t, etl.JobSucceeded, seen[len(seen)-1])
	require.Contains(e.t, seen, etl.JobWaiting)
	require.Contains(e.t, seen, etl.JobRunning)
	require.EqualValues(e.t, 3, s.Result.Receipt.Counts.Inserted)
	require.False(e.t, s.Ended.Before(s.Started))
	require.NoError(e.t, e.Cancel(e.t.Context(), ref), "it has ended")
	found, ok, err := e.Find(e.t.Context(), engineJob("good-1"))
	require.NoError(e.t, err)
	require.True(e.t, ok)
	require.Equal(e.t, ref, found)
}

func engineFails(e *engine) {
	seen, s := e.phases(e.submit("fail-1"))
	require.Equal(e.t, etl.JobFailed, seen[len(seen)-1])
	require.Contains(e.t, s.Reason, "QUERY_ERROR")
	require.Contains(e.t, s.Reason, "exit code 1")
	require.Nil(e.t, s.Result)
}

func engineTimesOut(e *engine) {
	seen, _ := e.phases(e.submit("timeout-1"))
	require.Equal(e.t, etl.JobTimedOut, seen[len(seen)-1])
}

func engineCanceled(e *engine) {
	ref := e.submit("long-1")
	for range 5 {
		s, err := e.Status(e.t.Context(), ref)
		require.NoError(e.t, err)
		require.False(e.t, s.Phase.Ended())
	}
	require.NoError(e.t, e.Cancel(e.t.Context(), ref))
	require.NoError(e.t, e.Cancel(e.t.Context(), ref), "it ends already")
	seen, _ := e.phases(ref)
	require.Equal(e.t, etl.JobCanceled, seen[len(seen)-1])
}

func engineLosesAnswer(e *engine) {
	_, ok, err := e.Find(e.t.Context(), engineJob("long-1"))
	require.NoError(e.t, err)
	require.False(e.t, ok)
	e.lose.next.Store(aws.String("AWSGlue.StartJobRun"))
	if _, emr := e.Dispatcher.(*emrdispatch.Dispatcher); emr {
		e.lose.next.Store(aws.String("POST /applications/"))
	}
	_, err = e.Submit(e.t.Context(), engineJob("long-1"))
	require.Equal(e.t, etl.Indeterminate, etl.OutcomeOf(err), "%v", err)
	require.Positive(e.t, e.lose.hits.Load())
	e.lose.next.Store(nil)
	ref, ok, err := e.Find(e.t.Context(), engineJob("long-1"))
	require.NoError(e.t, err)
	require.True(e.t, ok, "the run was started")
	require.Equal(e.t, "s3://documents/tidemark-jobs/jobs/long-1/result.json", ref.Result)
	_, err = e.Status(e.t.Context(), ref)
	require.NoError(e.t, err)
	if _, emr := e.Dispatcher.(*emrdispatch.Dispatcher); !emr {
		require.EqualValues(e.t, 1, e.lose.hits.Load(), "without a token the SDK must not try again")
	}
}

func engineDoesNotKnow(e *engine) {
	ref := e.submit("good-1")
	ref.ID = "jr_0000"
	_, err := e.Status(e.t.Context(), ref)
	require.ErrorIs(e.t, err, etl.ErrNotFound)
	require.ErrorIs(e.t, e.Cancel(e.t.Context(), ref), etl.ErrNotFound)
}

func engineLimit(e *engine) {
	ref := e.submit("long-1")
	_, err := e.Submit(e.t.Context(), engineJob("good-2"))
	require.ErrorContains(e.t, err, "ConcurrentRunsExceededException")
	require.Equal(e.t, etl.Retry, etl.OutcomeOf(err))
	_, ok, err := e.Find(e.t.Context(), engineJob("good-2"))
	require.NoError(e.t, err)
	require.False(e.t, ok)
	require.NoError(e.t, e.Cancel(e.t.Context(), ref))
	_, _ = e.phases(ref)
	e.submit("good-2")
}
