package etltest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// Engine is what the suite [Dispatcher] needs of an implementation. Each of its
// jobs is another one, with an ID and a load of its own. A part that is nil leaves
// its checks out.
type Engine struct {
	Dispatcher etl.Dispatcher
	// Job returns a job that succeeds.
	Job func(t *testing.T) etl.Job
	// Bad returns a job whose second file row breaks a rule.
	Bad func(t *testing.T) etl.Job
	// Long returns a job that runs until it is cancelled.
	Long func(t *testing.T) etl.Job
	// Undeclared returns a job that the engine cannot run, as one with a
	// transform that has no declared form.
	Undeclared func(t *testing.T) etl.Job
	// Applied looks for the job's load in its table.
	Applied func(t *testing.T, job etl.Job) bool
	// Full lets as many jobs run as the engine takes, and returns one more.
	Full func(t *testing.T) etl.Job
	// Patience is how long a job may take; zero is ten seconds. Poll is the pause
	// between questions; zero is five milliseconds.
	Patience, Poll time.Duration
}

// Dispatcher checks an implementation of [etl.Dispatcher] against its contract.
// open returns a new engine without jobs for each call, and closes it by t.Cleanup.
func Dispatcher(t *testing.T, open func(t *testing.T) Engine) {
	run := func(name string, f func(t *testing.T, e Engine)) {
		t.Run(name, func(t *testing.T) {
			e := open(t)
			if e.Patience == 0 {
				e.Patience = 10 * time.Second
			}
			if e.Poll == 0 {
				e.Poll = 5 * time.Millisecond
			}
			f(t, e)
		})
	}
	run("Succeeds", jobSucceeds)
	run("Find", jobFound)
	run("SubmitTwice", jobTwice)
	run("UnknownRef", jobUnknown)
	run("Cancel", jobCanceled)
	run("CancelEnded", jobCanceledLate)
	run("BadInput", jobBadInput)
	run("Undeclared", jobUndeclared)
	run("Limit", jobLimit)
	run("Context", jobContext)
}

// ended waits until a job has ended.
func (e Engine) ended(t *testing.T, ref etl.JobRef) etl.JobStatus {
	t.Helper()
	return e.until(t, ref, func(s etl.JobStatus) bool { return s.Phase.Ended() })
}

func (e Engine) until(t *testing.T, ref etl.JobRef, done func(etl.JobStatus) bool) etl.JobStatus {
	t.Helper()
	for end := time.Now().Add(e.Patience); ; time.Sleep(e.Poll) {
		s, err := e.Dispatcher.Status(t.Context(), ref)
		require.NoError(t, err)
		require.Contains(t, []etl.JobPhase{etl.JobWaiting, etl.JobRunning, etl.JobSucceeded, etl.JobFailed, etl.JobCanceled, etl.JobTimedOut}, s.Phase)
		if done(s) {
			return s
		}
		require.True(t, time.Now().Before(end), "job is %s after %v: %s", s.Phase, e.Patience, s.Reason)
	}
}

func need[T any](t *testing.T, f func(*testing.T) T) T {
	t.Helper()
	if f == nil {
		t.Skip("the engine has none")
	}
	return f(t)
}

func (e Engine) submit(t *testing.T, job etl.Job) etl.JobRef {
	t.Helper()
	ref, err := e.Dispatcher.Submit(t.Context(), job)
	require.NoError(t, err)
	require.NotEmpty(t, ref.Engine)
	require.NotEmpty(t, ref.ID)
	require.Equal(t, job.ID, ref.JobID)
	return ref
}

func jobSucceeds(t *testing.T, e Engine) {
	job := need(t, e.Job)
	s := e.ended(t, e.submit(t, job))
	require.Equal(t, etl.JobSucceeded, s.Phase, s.Reason)
	require.NotNil(t, s.Result, "what has been done is in the result")
	require.Equal(t, job.ID, s.Result.JobID)
	require.Nil(t, s.Result.Failure)
	require.NotNil(t, s.Result.Receipt)
	require.Equal(t, job.Load.ID, s.Result.Receipt.LoadID)
	require.False(t, s.Ended.Before(s.Started), "ended %v, started %v", s.Ended, s.Started)
	if e.Applied != nil {
		require.True(t, e.Applied(t, job))
	}
}

// jobFound: a Runner that got no answer knows the job only.
func jobFound(t *testing.T, e Engine) {
	job := need(t, e.Job)
	unlocated := job
	unlocated.URIs = nil
	_, found, err := e.Dispatcher.Find(t.Context(), unlocated)
	require.NoError(t, err)
	require.False(t, found, "it was not submitted")
	ref := e.submit(t, job)
	again, found, err := e.Dispatcher.Find(t.Context(), unlocated)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, ref.ID, again.ID)
	require.Equal(t, ref.Engine, again.Engine)
	require.Equal(t, job.ID, again.JobID)
	e.ended(t, again)
	_, found, err = e.Dispatcher.Find(t.Context(), unlocated)
	require.NoError(t, err)
	require.True(t, found, "also when it has ended")
}

// jobTwice: the second submission either is the first one's job or finds the load.
func jobTwice(t *testing.T, e Engine) {
	job := need(t, e.Job)
	first := e.submit(t, job)
	second := e.submit(t, job)
	for _, ref := range []etl.JobRef{first, second} {
		s := e.ended(t, ref)
		require.Equal(t, etl.JobSucceeded, s.Phase, s.Reason)
	}
	third := e.submit(t, job)
	require.Equal(t, etl.JobSucceeded, e.ended(t, third).Phase)
}

func jobUnknown(t *testing.T, e Engine) {
	ref := e.submit(t, need(t, e.Job))
	e.ended(t, ref)
	ref.ID, ref.JobID = changed(ref.ID), "00000000000000000000000000000000-7"
	_, err := e.Dispatcher.Status(t.Context(), ref)
	require.ErrorIs(t, err, etl.ErrNotFound)
}

// changed is an ID of the same form that no job has.
func changed(id string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '1' && r <= '8':
			return r + 1
		case r >= 'a' && r <= 'e':
			return r + 1
		}
		return r
	}, id)
}

func jobCanceled(t *testing.T, e Engine) {
	job := need(t, e.Long)
	ref := e.submit(t, job)
	e.until(t, ref, func(s etl.JobStatus) bool {
		require.False(t, s.Phase.Ended(), "it ended by itself: %s", s.Reason)
		return s.Phase == etl.JobRunning
	})
	require.NoError(t, e.Dispatcher.Cancel(t.Context(), ref))
	s := e.ended(t, ref)
	require.Equal(t, etl.JobCanceled, s.Phase)
	if e.Applied != nil {
		require.False(t, e.Applied(t, job))
	}
}

func jobCanceledLate(t *testing.T, e Engine) {
	ref := e.submit(t, need(t, e.Job))
	e.ended(t, ref)
	require.NoError(t, e.Dispatcher.Cancel(t.Context(), ref))
	require.Equal(t, etl.JobSucceeded, e.ended(t, ref).Phase, "it stays what it was")
}

// jobBadInput: the diagnosis reaches the operator as that of an engine in process does.
func jobBadInput(t *testing.T, e Engine) {
	job := need(t, e.Bad)
	s := e.ended(t, e.submit(t, job))
	require.Equal(t, etl.JobFailed, s.Phase)
	require.NotNil(t, s.Result)
	require.Equal(t, job.ID, s.Result.JobID)
	require.Nil(t, s.Result.Receipt)
	f := s.Result.Failure
	require.NotNil(t, f)
	require.Equal(t, etl.Terminal.String(), f.Outcome)
	require.Equal(t, job.Load.Files[0].Location, f.File)
	require.Equal(t, int64(2), f.Row)
	require.NotEmpty(t, f.Column)
	require.NotEmpty(t, f.Rule)
	require.NotEmpty(t, f.Cause)
	if e.Applied != nil {
		require.False(t, e.Applied(t, job))
	}
}

func jobUndeclared(t *testing.T, e Engine) {
	_, err := e.Dispatcher.Submit(t.Context(), need(t, e.Undeclared))
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "%v", err)
}

func jobLimit(t *testing.T, e Engine) {
	job := need(t, e.Full)
	_, err := e.Dispatcher.Submit(t.Context(), job)
	require.Error(t, err)
	require.Equal(t, etl.Retry, etl.OutcomeOf(err), "%v", err)
	_, found, err := e.Dispatcher.Find(t.Context(), job)
	require.NoError(t, err)
	require.False(t, found, "it was not started")
}

func jobContext(t *testing.T, e Engine) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := e.Dispatcher.Submit(ctx, need(t, e.Job))
	require.Error(t, err)
	_, err = e.Dispatcher.Status(ctx, etl.JobRef{ID: "x"})
	require.Error(t, err)
}
