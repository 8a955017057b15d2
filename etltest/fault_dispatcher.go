package etltest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidemark-data/etl"
)

// Dispatcher returns d with points: dispatcher.Submit, dispatcher.Find,
// dispatcher.Status and dispatcher.Cancel, before and after; and, where it is an
// [etl.BadRowKeeper], dispatcher.HandedOver and dispatcher.Forget. A fault after Submit is
// an answer lost although the job runs. The jobs themselves outlive a crash.
func (i *Injector) Dispatcher(d etl.Dispatcher) etl.Dispatcher {
	f := &faultDispatcher{i, d}
	if k, ok := etl.Ability[etl.BadRowKeeper](d); ok {
		return &faultKeeper{f, k}
	}
	return f
}

type faultKeeper struct {
	*faultDispatcher
	k etl.BadRowKeeper
}

func (f *faultKeeper) HandedOver(ctx context.Context, jobID string) (etl.HandedOver, error) {
	return value(f.inj.scope(), "dispatcher.HandedOver", func() (etl.HandedOver, error) { return f.k.HandedOver(ctx, jobID) })
}

func (f *faultKeeper) Forget(ctx context.Context, jobID string) error {
	return f.inj.scope().call("dispatcher.Forget", func() error { return f.k.Forget(ctx, jobID) })
}

type faultDispatcher struct {
	inj *Injector
	d   etl.Dispatcher
}

func (f *faultDispatcher) Submit(ctx context.Context, job etl.Job) (etl.JobRef, error) {
	return value(f.inj.scope(), "dispatcher.Submit", func() (etl.JobRef, error) { return f.d.Submit(ctx, job) })
}

func (f *faultDispatcher) Find(ctx context.Context, job etl.Job) (etl.JobRef, bool, error) {
	found := false
	ref, err := value(f.inj.scope(), "dispatcher.Find", func() (ref etl.JobRef, err error) {
		ref, found, err = f.d.Find(ctx, job)
		return ref, err
	})
	return ref, found && err == nil, err
}

func (f *faultDispatcher) Status(ctx context.Context, ref etl.JobRef) (etl.JobStatus, error) {
	return value(f.inj.scope(), "dispatcher.Status", func() (etl.JobStatus, error) { return f.d.Status(ctx, ref) })
}

func (f *faultDispatcher) Cancel(ctx context.Context, ref etl.JobRef) error {
	return f.inj.scope().call("dispatcher.Cancel", func() error { return f.d.Cancel(ctx, ref) })
}

// JobFault is what goes wrong with a job of [FaultyJobs].
type JobFault int

// The faults of jobs.
const (
	JobSound       JobFault = iota
	JobKilled               // it is killed in the middle, at no particular place, and says nothing
	JobMute                 // it ends as it should, but its result and its end are lost: it failed, says the engine
	JobForgotten            // the engine does not know it any more once it has ended
	JobNeverStarts          // it waits for ever, until it is cancelled
	JobRefused              // the engine takes no more jobs now
	JobLost                 // its submission is answered by nothing, and it was not started
	JobUnanswered           // its submission is answered by nothing, but it runs
	JobFaults               // how many there are
)

// FaultyJobs is an [etl.Dispatcher] whose jobs fare badly. Each submission asks Fault
// for its fate, by the number of the submission from 1. It is safe for concurrent
// use where Fault is.
type FaultyJobs struct {
	etl.Dispatcher
	Fault func(n int) JobFault
	// Delay is how long after its submission a job is killed at most; zero is at once.
	Delay func() time.Duration

	mu    sync.Mutex
	n     int
	fates map[string]JobFault // by job ID
	gone  map[string]bool     // never started, and cancelled
}

// Unwrap implements [etl.Wrapper].
func (f *FaultyJobs) Unwrap() any { return f.Dispatcher }

// Submissions returns how many there were.
func (f *FaultyJobs) Submissions() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

func (f *FaultyJobs) fate(job etl.Job) JobFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	if f.fates == nil {
		f.fates, f.gone = map[string]JobFault{}, map[string]bool{}
	}
	fate := f.Fault(f.n)
	f.fates[job.ID] = fate
	return fate
}

func (f *FaultyJobs) is(jobID string, fate JobFault) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fates[jobID] == fate
}

func (f *FaultyJobs) stuck(job etl.Job) etl.JobRef {
	return etl.JobRef{Engine: "stuck", ID: "stuck-" + job.ID, JobID: job.ID}
}

// Submit implements [etl.Dispatcher].
func (f *FaultyJobs) Submit(ctx context.Context, job etl.Job) (etl.JobRef, error) {
	fate := f.fate(job)
	switch fate {
	case JobRefused:
		return etl.JobRef{}, etl.WithOutcome(etl.Retry, errors.New("etltest: too many jobs"))
	case JobLost:
		return etl.JobRef{}, etl.WithOutcome(etl.Indeterminate, errors.New("etltest: no answer"))
	case JobNeverStarts:
		return f.stuck(job), nil
	}
	ref, err := f.Dispatcher.Submit(ctx, job)
	switch {
	case err != nil:
	case fate == JobUnanswered:
		return etl.JobRef{}, etl.WithOutcome(etl.Indeterminate, errors.New("etltest: no answer"))
	case fate == JobKilled:
		if f.Delay != nil {
			time.Sleep(f.Delay())
		}
		err = f.Dispatcher.Cancel(ctx, ref)
	}
	return ref, err
}

// Find implements [etl.Dispatcher].
func (f *FaultyJobs) Find(ctx context.Context, job etl.Job) (etl.JobRef, bool, error) {
	if f.is(job.ID, JobNeverStarts) {
		return f.stuck(job), true, nil
	}
	return f.Dispatcher.Find(ctx, job)
}

// Status implements [etl.Dispatcher].
func (f *FaultyJobs) Status(ctx context.Context, ref etl.JobRef) (etl.JobStatus, error) {
	if f.is(ref.JobID, JobNeverStarts) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.gone[ref.JobID] {
			return etl.JobStatus{Phase: etl.JobCanceled}, nil
		}
		return etl.JobStatus{Phase: etl.JobWaiting}, nil
	}
	s, err := f.Dispatcher.Status(ctx, ref)
	if err != nil || !s.Phase.Ended() {
		return s, err
	}
	switch {
	case f.is(ref.JobID, JobMute), f.is(ref.JobID, JobKilled):
		return etl.JobStatus{Phase: etl.JobFailed, Reason: "etltest: the cluster went away"}, nil
	case f.is(ref.JobID, JobForgotten):
		return etl.JobStatus{}, fmt.Errorf("etltest: job %w", etl.ErrNotFound)
	}
	return s, nil
}

// Cancel implements [etl.Dispatcher].
func (f *FaultyJobs) Cancel(ctx context.Context, ref etl.JobRef) error {
	if f.is(ref.JobID, JobNeverStarts) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.gone[ref.JobID] = true
		return nil
	}
	return f.Dispatcher.Cancel(ctx, ref)
}
