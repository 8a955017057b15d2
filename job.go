package etl

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A load on another engine. Its job is in the state from before it is submitted
// until its load is in the table or given up, and as long as it is there nobody
// else works on the table. Every step is one Drain's, under the lease, and leaves
// a state from which any other can go on:
//
//	intended ──Submit──> waiting, running ──polled──> in the table: recorded
//	    └─ no answer: Find ──┘                   └──> not in it: again, or P
//
// A submission and whatever gives a job up need a fence that is newer than that of
// the job before, so they take place under a lease of their own.

// errNewLease asks for a new lease, and with it a newer fence.
var errNewLease = WithOutcome(Terminal, errors.New("a new lease is needed"))

// newerThan returns nil if a fence is newer than that of the load that runs.
func newerThan(st State, fence int64) error {
	switch was := st.Running.Fence; {
	case fence > was:
		return nil
	case fence == was:
		return errNewLease
	default:
		return fmt.Errorf("%w: the locker gave %d, the load that runs has %d", ErrStaleFence, fence, was)
	}
}

// elsewhere takes a step with a load that another engine has, or is to get.
func (r *Runner) elsewhere(ctx context.Context, t *Table, fence int64, st State, d Decision, rep *TableReport) (stop bool, err error) {
	switch {
	case d.Job != nil:
		return r.oversee(ctx, t, fence, st, rep)
	case d.Again && st.Begun >= r.cfg.MaxBegins:
		return false, r.exhausted(ctx, t, fence, st)
	}
	return r.hand(ctx, t, fence, st, *d.Load, rep)
}

// hand records the intent to submit a load, and submits it.
func (r *Runner) hand(ctx context.Context, t *Table, fence int64, st State, load Load, rep *TableReport) (stop bool, err error) {
	again := st.Running != nil
	if again && fence <= st.Running.Fence {
		return false, newerThan(st, fence)
	}
	attempt := 1
	if st.Job != nil {
		attempt = st.Job.Attempt
		if st.Job.Phase.Ended() {
			attempt++
		}
	}
	load.Fence, load.Staged = fence, false
	if r.cfg.Quarantine != nil {
		load = load.with(jobID(load))
	}
	job := JobState{ID: jobID(load), Phase: JobIntended, Attempt: attempt, Intended: r.cfg.Now(), Timeout: r.cfg.JobTimeout}
	if st.Job != nil {
		job.Nulls = st.Job.Nulls
	}
	if err := r.intend(ctx, t, load, job, st.Version); err != nil {
		return false, ignoreStale(err)
	}
	if again { // an attempt before may still be at work, in this process's name or in another's
		if found, err := r.closeTo(ctx, t, load); found || err != nil {
			return false, err
		}
	}
	if f := r.cfg.Observer.LoadPlanned; f != nil {
		if err := r.tell(t, "LoadPlanned", func() { f(load) }); err != nil {
			return false, r.notApplied(ctx, t, load, err)
		}
	}
	return r.submit(ctx, t, load, job.ID, job.Nulls, rep)
}

func ignoreStale(err error) error {
	if errors.Is(err, errStalePlan) {
		return nil
	}
	return err
}

func (r *Runner) intend(ctx context.Context, t *Table, load Load, job JobState, version int64) error {
	_, err := r.transition(ctx, t, load.Fence, FileQuery{IDs: fileIDs(load.Files)}, func(v *view) error {
		if j, ok := v.job(job.ID); ok && j.Phase == JobIntended {
			return errDone
		}
		if v.state.Version != version {
			return errStalePlan
		}
		v.intend(load, job)
		return nil
	})
	return err
}

func (r *Runner) submit(ctx context.Context, t *Table, load Load, id string, nulls map[string]string, rep *TableReport) (stop bool, err error) {
	job, err := r.jobOf(ctx, t, load, id, true)
	if err == nil {
		err = r.planEvolution(ctx, t, &job, nulls)
	}
	if err != nil {
		return false, r.notApplied(ctx, t, load, fmt.Errorf("job %s: %w", id, err))
	}
	ref, err := r.cfg.Dispatcher.Submit(ctx, job)
	if OutcomeOf(err) == Indeterminate && ctx.Err() == nil {
		if was, found, ferr := r.find(ctx, job); ferr == nil && found {
			ref, err = was, nil
		}
	}
	switch o := OutcomeOf(err); {
	case err == nil:
		r.cfg.Logger.Info("job submitted", "table", t.Name, "load", load.ID, "run", load.Fence, "job", id, "engine", ref.Engine, "ref", ref.ID)
		return false, r.submitted(ctx, t, load.Fence, id, ref)
	case o == Refused || ctx.Err() != nil:
		return false, err
	case o == Terminal:
		return false, r.notApplied(ctx, t, load, fmt.Errorf("job %s cannot be submitted: %w", id, err))
	}
	r.cfg.Logger.Warn("job not submitted", "table", t.Name, "load", load.ID, "run", load.Fence, "job", id, "outcome", OutcomeOf(err).String(), "error", err)
	if serr := r.withJob(ctx, t, load.Fence, id, func(v *view, j *JobState) error {
		if j.Reason != "" || j.Ref != nil {
			return errDone
		}
		v.postponed(j, err)
		return nil
	}); serr != nil {
		return false, errors.Join(err, serr)
	}
	return r.await(ctx, rep, fmt.Sprintf("job %s waits to be submitted: %v", id, err))
}

// submitted keeps the engine's name of a job. A job that may not be kept, because
// somebody else has taken the table over, is ended: its load could not commit.
func (r *Runner) submitted(ctx context.Context, t *Table, fence int64, id string, ref JobRef) error {
	err := r.withJob(ctx, t, fence, id, func(v *view, j *JobState) error {
		if j.Ref != nil {
			return errDone
		}
		v.submitted(j, ref)
		return nil
	})
	if OutcomeOf(err) == Refused && ctx.Err() == nil {
		_ = r.cfg.Dispatcher.Cancel(ctx, ref)
	}
	return err
}

// withJob changes the state of a job, if it still is the table's.
func (r *Runner) withJob(ctx context.Context, t *Table, fence int64, id string, fn func(*view, *JobState) error) error {
	_, err := r.transition(ctx, t, fence, FileQuery{}, func(v *view) error {
		job, ok := v.job(id)
		if !ok {
			return errDone
		}
		return fn(v, job)
	})
	return err
}

// jobOf makes the job of a load.
func (r *Runner) jobOf(ctx context.Context, t *Table, load Load, id string, located bool) (Job, error) {
	target, err := t.Target()
	if err != nil {
		return Job{}, WithOutcome(Terminal, err)
	}
	job := Job{ID: id, Table: *t, Target: target, Load: load, Timeout: r.cfg.JobTimeout}
	if d, ok := r.cfg.Sink.(Declarer); ok {
		if job.Sink, err = d.Declare(); err != nil {
			return Job{}, WithOutcome(Terminal, fmt.Errorf("sink: %w", err))
		}
	}
	if located {
		if job.Scope, err = r.jobScope(ctx, job); err != nil {
			return Job{}, err
		}
	}
	if located {
		if job.Aside, err = r.jobAside(ctx, t, load); err != nil {
			return Job{}, err
		}
	}
	l, ok := r.cfg.Source.(Locator)
	for _, f := range load.Files {
		if !ok || !located {
			break
		}
		if job.Aside.mends(f) {
			job.URIs = append(job.URIs, "")
			continue
		}
		uri, err := l.URI(ctx, f)
		if err != nil {
			return Job{}, &FileError{File: f.Location, Err: err}
		}
		job.URIs = append(job.URIs, uri)
	}
	return job, nil
}

func (r *Runner) find(ctx context.Context, job Job) (ref JobRef, found bool, err error) {
	err = r.retry(ctx, func() error {
		ref, found, err = r.cfg.Dispatcher.Find(ctx, job)
		return err
	})
	return ref, found, err
}

// await lets the time pass until a job is looked at again: here, or until the next Drain.
func (r *Runner) await(ctx context.Context, rep *TableReport, reason string) (stop bool, err error) {
	rep.Reason, rep.Wait = reason, r.cfg.JobPoll
	if !r.cfg.AwaitJobs {
		return true, nil
	}
	if end, ok := ctx.Deadline(); ok && time.Until(end) < r.cfg.JobPoll+r.cfg.Margin {
		rep.More = true
		return true, nil
	}
	if sleep(ctx, r.cfg.JobPoll) != nil {
		return false, context.Cause(ctx)
	}
	rep.Reason, rep.Wait = "", 0
	return false, nil
}

// lookFor looks for a load in the table, and raises no fence.
func (r *Runner) lookFor(ctx context.Context, t *Table, loadID string) (receipt Receipt, found bool, err error) {
	target, err := t.Target()
	if err != nil {
		return receipt, false, err
	}
	err = r.retry(ctx, func() (err error) {
		receipt, found, err = r.cfg.Sink.Applied(ctx, target, loadID)
		return err
	})
	if err != nil {
		err = fmt.Errorf("look for load %s: %w", loadID, err)
	}
	return receipt, found, err
}
