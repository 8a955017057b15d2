package dispatch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidemark-data/etl"
)

var _ etl.Dispatcher = (*InProcess)(nil)

// InProcessConfig composes an [InProcess].
type InProcessConfig struct {
	// Source and Sink are where jobs read and write.
	Source etl.Source
	Sink   etl.Sink
	// Store keeps the bad rows that jobs set aside until they were taken over. It must
	// outlive the process as the sink does. Without it jobs that may set rows aside
	// are refused.
	Store Store
	// Limit is how many jobs run side by side; zero is 2. A submission beyond
	// it gets an error of outcome Retry.
	Limit int
	// Keep is how many jobs that have ended are remembered; zero is 1000.
	Keep int
	// MemoryBudget is the number of bytes that the changes of one job may take in
	// memory; zero is 256 MiB. TempDir is for what is beyond it.
	MemoryBudget int64
	TempDir      string
}

// InProcess runs jobs in goroutines of this process: for tests, and for services
// that want what flag G gives, loads beside the Runner with a limit of their own,
// without a cluster. Jobs end with the process; a Runner that finds them gone
// submits them again. It is safe for concurrent use.
type InProcess struct {
	cfg  InProcessConfig
	stop context.CancelFunc
	base context.Context
	busy sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	running int
	jobs    map[string]*inProcessJob // by job ID
	ended   []string                 // job IDs, oldest first
}

type inProcessJob struct {
	ref    etl.JobRef
	status etl.JobStatus
	cancel context.CancelFunc
}

// errCanceled is the cause with which Cancel ends a job.
var errCanceled = errors.New("job canceled")

// NewInProcess returns a dispatcher without jobs. Close it after use.
func NewInProcess(cfg InProcessConfig) *InProcess {
	if cfg.Limit == 0 {
		cfg.Limit = 2
	}
	if cfg.Keep == 0 {
		cfg.Keep = 1000
	}
	base, stop := context.WithCancel(context.Background())
	return &InProcess{cfg: cfg, base: base, stop: stop, jobs: map[string]*inProcessJob{}}
}

// Close cancels the jobs that run and waits until they have ended.
func (d *InProcess) Close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.stop()
	d.busy.Wait()
	return nil
}

// Submit implements [etl.Dispatcher]. A job that is known already is not run again.
func (d *InProcess) Submit(ctx context.Context, job etl.Job) (etl.JobRef, error) {
	if err := ctx.Err(); err != nil {
		return etl.JobRef{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if j, ok := d.jobs[job.ID]; ok {
		return j.ref, nil
	}
	switch {
	case job.Aside != nil && d.cfg.Store == nil:
		return etl.JobRef{}, etl.WithOutcome(etl.Terminal, errors.New("in-process: no store is configured for bad rows"))
	case job.ID == "":
		return etl.JobRef{}, etl.WithOutcome(etl.Terminal, errors.New("in-process: the job has no ID"))
	case d.closed:
		return etl.JobRef{}, etl.WithOutcome(etl.Retry, errors.New("in-process: the dispatcher is closed"))
	case d.running >= d.cfg.Limit:
		return etl.JobRef{}, etl.WithOutcome(etl.Retry, fmt.Errorf("in-process: %d jobs run, which is the limit", d.running))
	}
	run, cancel := context.WithCancelCause(d.base)
	j := &inProcessJob{
		ref:    etl.JobRef{Engine: "in-process", ID: "run-" + job.ID, JobID: job.ID},
		status: etl.JobStatus{Phase: etl.JobRunning, Started: time.Now()},
		cancel: func() { cancel(errCanceled) },
	}
	d.jobs[job.ID] = j
	d.running++
	d.busy.Go(func() {
		defer cancel(nil)
		d.run(run, job, j)
	})
	return j.ref, nil
}

func (d *InProcess) run(ctx context.Context, job etl.Job, j *inProcessJob) {
	if job.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, job.Timeout)
		defer cancel()
	}
	receipt, err := d.apply(ctx, job)
	status := etl.JobStatus{Phase: etl.JobSucceeded, Started: j.status.Started, Ended: time.Now()}
	switch cause := context.Cause(ctx); {
	case err == nil:
		status.Result = &etl.JobResult{JobID: job.ID, Receipt: &receipt}
	case errors.Is(cause, context.DeadlineExceeded):
		status.Phase, status.Reason = etl.JobTimedOut, "the job took longer than "+job.Timeout.String()
	case cause != nil:
		status.Phase, status.Reason = etl.JobCanceled, errCanceled.Error()
	default:
		failure := etl.JobFailure{Diagnosis: etl.Diagnose(err, job.Load.ID), Outcome: Outcome(err)}
		if held := (*etl.CheckError)(nil); errors.As(err, &held) {
			failure.Checks = held.All
		}
		status.Phase, status.Reason = etl.JobFailed, err.Error()
		status.Result = &etl.JobResult{JobID: job.ID, Failure: &failure}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	j.status = status
	d.running--
	d.ended = append(d.ended, job.ID)
	for len(d.ended) > d.cfg.Keep {
		delete(d.jobs, d.ended[0])
		d.ended = d.ended[1:]
	}
}

// apply does what a job is there for. Code of the user's that panics fails the job.
func (d *InProcess) apply(ctx context.Context, job etl.Job) (receipt etl.Receipt, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = etl.WithOutcome(etl.Terminal, fmt.Errorf("the job panicked (%T)", p))
		}
	}()
	changes, err := etl.NewChanges(etl.ChangesConfig{
		Table: job.Table, Load: job.Load, Source: job.Aside.Source(d.cfg.Source), Budget: d.cfg.MemoryBudget, TempDir: d.cfg.TempDir,
		Aside: job.Aside, HandOver: func(ctx context.Context, handed etl.HandedOver) error {
			return putHandedOver(ctx, d.cfg.Store, job.ID, handed)
		},
		Scope: job.Scope, Shapes: job.Shapes,
	})
	if err != nil {
		return receipt, etl.WithOutcome(etl.Terminal, err)
	}
	receipt, err = d.cfg.Sink.Apply(ctx, job.Target, job.Load, changes)
	for err != nil && ctx.Err() == nil && changes.StartsOver() {
		receipt, err = d.cfg.Sink.Apply(ctx, job.Target, job.Load, changes)
	}
	if err == nil && receipt.LoadID != job.Load.ID {
		err = etl.WithOutcome(etl.Terminal, errors.New("the sink answered for another load"))
	}
	return receipt, err
}

// Find implements [etl.Dispatcher].
func (d *InProcess) Find(ctx context.Context, job etl.Job) (etl.JobRef, bool, error) {
	if err := ctx.Err(); err != nil {
		return etl.JobRef{}, false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if j, ok := d.jobs[job.ID]; ok {
		return j.ref, true, nil
	}
	return etl.JobRef{}, false, nil
}

// Status implements [etl.Dispatcher].
func (d *InProcess) Status(ctx context.Context, ref etl.JobRef) (etl.JobStatus, error) {
	j, err := d.job(ctx, ref)
	if err != nil {
		return etl.JobStatus{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return j.status, nil
}

// Cancel implements [etl.Dispatcher].
func (d *InProcess) Cancel(ctx context.Context, ref etl.JobRef) error {
	j, err := d.job(ctx, ref)
	if err != nil {
		return err
	}
	j.cancel()
	return nil
}

func (d *InProcess) job(ctx context.Context, ref etl.JobRef) (*inProcessJob, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if j, ok := d.jobs[ref.JobID]; ok && j.ref.ID == ref.ID {
		return j, nil
	}
	return nil, fmt.Errorf("in-process: job %w", etl.ErrNotFound)
}

// Outcome is the outcome of an error as a [etl.JobFailure] has it.
func Outcome(err error) string {
	if o := etl.OutcomeOf(err); o != etl.Indeterminate {
		return o.String()
	}
	return "indeterminate"
}

var _ etl.BadRowKeeper = (*InProcess)(nil)

// HandedOver implements [etl.BadRowKeeper].
func (d *InProcess) HandedOver(ctx context.Context, jobID string) (etl.HandedOver, error) {
	if d.cfg.Store == nil {
		return etl.HandedOver{}, fmt.Errorf("in-process: bad rows: %w", etl.ErrNotFound)
	}
	return ReadHandedOver(ctx, d.cfg.Store, jobID)
}

// Forget implements [etl.BadRowKeeper].
func (d *InProcess) Forget(ctx context.Context, jobID string) error {
	if d.cfg.Store == nil {
		return nil
	}
	return Forget(ctx, d.cfg.Store, jobID)
}
