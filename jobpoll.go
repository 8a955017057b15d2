package etl

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// oversee takes one step with the job of a table. stop says that this Drain has
// nothing more to do, and the report why.
func (r *Runner) oversee(ctx context.Context, t *Table, fence int64, st State, rep *TableReport) (stop bool, err error) {
	job := *st.Job
	switch {
	case r.cfg.Dispatcher == nil:
		return r.orphaned(ctx, t, fence, st, rep)
	case job.Cancel:
		return false, r.canceled(ctx, t, fence, st)
	case job.Phase.Ended():
		return r.resubmit(ctx, t, fence, st, rep)
	case job.Ref == nil:
		return r.unanswered(ctx, t, fence, st, rep)
	}
	var s JobStatus
	err = r.retry(ctx, func() error {
		s, err = r.cfg.Dispatcher.Status(ctx, *job.Ref)
		return err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return false, r.jobEnded(ctx, t, fence, st, JobStatus{Phase: JobFailed, Reason: "the engine does not know it any more"}, rep)
	case err != nil:
		return false, fmt.Errorf("ask for job %s: %w", job.ID, err)
	case s.Phase.Ended():
		return false, r.jobEnded(ctx, t, fence, st, s, rep)
	case job.Timeout > 0 && r.cfg.Now().Sub(job.Submitted) > job.Timeout:
		r.stopJob(ctx, t, st)
		reason := fmt.Sprintf("it took longer than %v", job.Timeout)
		return false, r.jobEnded(ctx, t, fence, st, JobStatus{Phase: JobTimedOut, Reason: reason}, rep)
	}
	return r.goesOn(ctx, t, fence, job, s, rep)
}

// goesOn keeps what is new about a job, and now and then that it was asked for.
func (r *Runner) goesOn(ctx context.Context, t *Table, fence int64, job JobState, s JobStatus, rep *TableReport) (stop bool, err error) {
	s.Reason = clipped(s.Reason)
	if s.Phase != job.Phase || s.Reason != job.Reason || r.cfg.Now().Sub(job.Polled) > 5*r.cfg.JobPoll {
		err := r.withJob(ctx, t, fence, job.ID, func(v *view, j *JobState) error {
			v.polled(j, s)
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	job.Phase, job.Reason = s.Phase, s.Reason
	return r.await(ctx, rep, job.describe())
}

// orphaned looks for the load of a job that nobody here can ask for.
func (r *Runner) orphaned(ctx context.Context, t *Table, fence int64, st State, rep *TableReport) (stop bool, err error) {
	receipt, found, err := r.lookFor(ctx, t, st.Running.ID)
	if err != nil {
		return false, err
	}
	if found {
		return false, r.jobApplied(ctx, t, fence, st, receipt, JobStatus{}, rep)
	}
	rep.Reason, rep.Wait = st.Job.describe()+"; no dispatcher is configured to ask for it", r.cfg.JobPoll
	return true, nil
}

// unanswered finds out what became of a submission.
func (r *Runner) unanswered(ctx context.Context, t *Table, fence int64, st State, rep *TableReport) (stop bool, err error) {
	job, err := r.jobOf(ctx, t, *st.Running, st.Job.ID, false)
	if err != nil {
		return false, err
	}
	ref, found, err := r.find(ctx, job)
	switch {
	case err != nil:
		return false, fmt.Errorf("look for job %s: %w", job.ID, err)
	case found:
		return false, r.submitted(ctx, t, fence, job.ID, ref)
	}
	return r.resubmit(ctx, t, fence, st, rep)
}

// resubmit submits a load again whose job does nothing any more, unless the
// table's flag says otherwise by now.
func (r *Runner) resubmit(ctx context.Context, t *Table, fence int64, st State, rep *TableReport) (stop bool, err error) {
	switch {
	case st.Flag == FlagPaused:
		rep.Reason = "paused; " + st.Job.describe()
		return true, nil
	case st.Flag == FlagLocal:
		return false, r.withJob(ctx, t, fence, st.Job.ID, func(v *view, j *JobState) error {
			v.jobDropped()
			return nil
		})
	case fence <= st.Running.Fence:
		return false, newerThan(st, fence)
	case st.Begun >= r.cfg.MaxBegins:
		return false, r.exhausted(ctx, t, fence, st)
	}
	return r.hand(ctx, t, fence, st, *st.Running, rep)
}

// jobEnded settles a job that does nothing any more, as far as the engine tells.
// The table is the judge of what it did.
func (r *Runner) jobEnded(ctx context.Context, t *Table, fence int64, st State, s JobStatus, rep *TableReport) error {
	load := *st.Running
	receipt, found, err := r.lookFor(ctx, t, load.ID)
	if err != nil {
		return err
	}
	if found {
		return r.jobApplied(ctx, t, fence, st, receipt, s, rep)
	}
	failure, relaxes := jobFailure(*st.Job, load, s).ruled(t, *st.Job)
	if relaxes != "" {
		return r.withJob(ctx, t, fence, st.Job.ID, func(v *view, j *JobState) error {
			if j.Phase.Ended() {
				return errDone
			}
			v.relaxed(j, s.Phase, relaxes, failure.File)
			return nil
		})
	}
	final := failure.Outcome == Terminal.String()
	again := !final && st.Job.Attempt < r.cfg.JobAttempts
	if again {
		r.tellEnded(t, load, *st.Job, s, failure, true)
		return r.withJob(ctx, t, fence, st.Job.ID, func(v *view, j *JobState) error {
			if j.Phase.Ended() {
				return errDone
			}
			v.jobEnded(j, s.Phase, failure.Cause)
			return nil
		})
	}
	if err := newerThan(st, fence); err != nil {
		return err
	}
	load.Fence = fence
	if found, err := r.closeTo(ctx, t, load); found || err != nil {
		return err
	}
	r.tellEnded(t, load, *st.Job, s, failure, false)
	d := failure.Diagnosis
	if !final {
		d.Cause = fmt.Sprintf("%d jobs ended without the load, the last one, %s: %s", st.Job.Attempt, s.Phase, d.Cause)
	}
	err = heldBack(d.Cause, failure.Checks)
	if r.gone(ctx, load, failure) {
		err = WithOutcome(Terminal, fmt.Errorf("%w: %s", ErrFileVanished, d.Cause))
	}
	return r.giveUp(ctx, t, load, d, err)
}

// gone reports whether a file that a job could not read is no longer there.
func (r *Runner) gone(ctx context.Context, load Load, failure JobFailure) bool {
	for _, f := range load.Files {
		if failure.File == "" || f.Location != failure.File || failure.Row != 0 {
			continue
		}
		in, err := r.cfg.Source.Open(ctx, f)
		if err != nil {
			return errors.Is(err, ErrFileVanished)
		}
		_ = in.Close()
	}
	return false
}

// tellEnded tells of a job that ended without its load.
func (r *Runner) tellEnded(t *Table, load Load, job JobState, s JobStatus, f JobFailure, again bool) {
	r.cfg.Logger.Warn("job ended without its load", "table", t.Name, "load", load.ID, "run", load.Fence, "job", job.ID,
		"attempt", job.Attempt, "phase", string(s.Phase), "cause", f.Cause)
	failed := r.cfg.Observer.LoadFailed
	if failed == nil {
		return
	}
	outcome, wait := Retry, time.Duration(0)
	if !again {
		outcome, wait = Terminal, -1
	}
	err := WithOutcome(outcome, fmt.Errorf("job %s: %s: %s", job.ID, s.Phase, f.Cause))
	_ = r.tell(t, "LoadFailed", func() { failed(load, err, job.Attempt, wait) })
}

// jobFailure is why a job ended without its load.
func jobFailure(job JobState, load Load, s JobStatus) JobFailure {
	var f JobFailure
	if res := s.Result; res != nil && res.Failure != nil && (res.JobID == "" || res.JobID == job.ID) {
		f = *res.Failure
	}
	switch {
	case f.Cause != "":
	case s.Reason != "":
		f.Cause = s.Reason
	case s.Phase == JobSucceeded:
		f.Cause = "the engine says that it succeeded, but the table does not carry its load"
	default:
		f.Cause = "the engine does not say why"
	}
	for _, text := range []*string{&f.Cause, &f.File, &f.Column, &f.Rule} {
		*text = clipped(*text)
	}
	f.LoadID, f.Checks = load.ID, clippedVerdicts(f.Checks)
	return f
}

// jobApplied records a load that is in the table. The job's result completes the
// table's receipt where both speak of the same load.
func (r *Runner) jobApplied(ctx context.Context, t *Table, fence int64, st State, receipt Receipt, s JobStatus, rep *TableReport) error {
	load, job := *st.Running, *st.Job
	load.Fence = fence
	receipt, reconciled := reconcile(receipt, load, s)
	if !reconciled {
		r.cfg.Logger.Warn("job left no result of its load; the counts are the table's", "table", t.Name, "load", load.ID, "job", job.ID)
	}
	took := s.Ended.Sub(s.Started)
	if s.Started.IsZero() || s.Ended.IsZero() {
		took = max(r.cfg.Now().Sub(job.Submitted), 0)
	}
	if job.Submitted.IsZero() {
		took = 0
	}
	done, err := r.recordApplied(ctx, t, load, receipt, took)
	if err != nil {
		return err
	}
	rep.Loads = append(rep.Loads, done)
	if reconciled {
		if err := (Target{Mode: t.Mode}).Check(load, receipt.Counts); err != nil {
			return r.pauseAfter(ctx, t, load, fmt.Errorf("result of job %s: %w", job.ID, err))
		}
	}
	return nil
}

func reconcile(receipt Receipt, load Load, s JobStatus) (Receipt, bool) {
	if s.Result == nil || s.Result.Receipt == nil || s.Result.Receipt.LoadID != load.ID {
		return receipt, false
	}
	told := *s.Result.Receipt
	receipt.Counts, receipt.FilesWritten, receipt.BytesWritten = told.Counts, told.FilesWritten, told.BytesWritten
	receipt.Found = told.Found
	if len(told.Checks) > 0 {
		receipt.Checks = clippedVerdicts(told.Checks)
	}
	return receipt, true
}
