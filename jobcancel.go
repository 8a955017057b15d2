package etl

import (
	"context"
	"errors"
	"fmt"
)

// canceled ends a job as an operator wished.
func (r *Runner) canceled(ctx context.Context, t *Table, fence int64, st State) error {
	load := *st.Running
	if err := newerThan(st, fence); err != nil {
		return err
	}
	r.stopJob(ctx, t, st)
	load.Fence = fence
	if found, err := r.closeTo(ctx, t, load); found || err != nil {
		return err
	}
	_, err := r.transition(ctx, t, fence, FileQuery{Statuses: live}, func(v *view) error {
		if _, ok := v.job(st.Job.ID); !ok {
			return errDone
		}
		v.jobCanceled()
		return nil
	})
	if err != nil {
		return err
	}
	d := Diagnosis{Cause: "cancelled by an operator", LoadID: load.ID}
	_ = r.tell(t, "Paused", func() { r.paused(t.Name, d) })
	return nil
}

// stopJob asks the engine to end a job. What keeps the job from the table is its
// fence, so it is no error where that does not succeed.
func (r *Runner) stopJob(ctx context.Context, t *Table, st State) {
	job := st.Job
	if r.cfg.Dispatcher == nil || job == nil || job.Phase.Ended() {
		return
	}
	err := r.cancelJob(ctx, t, st)
	if err != nil && !errors.Is(err, ErrNotFound) {
		r.cfg.Logger.Warn("job not cancelled", "table", t.Name, "job", job.ID, "error", err)
	}
}

func (r *Runner) cancelJob(ctx context.Context, t *Table, st State) error {
	ref := st.Job.Ref
	if ref == nil {
		job, err := r.jobOf(ctx, t, *st.Running, st.Job.ID, false)
		if err != nil {
			return err
		}
		was, found, err := r.find(ctx, job)
		if err != nil || !found {
			return err
		}
		ref = &was
	}
	return r.retry(ctx, func() error { return r.cfg.Dispatcher.Cancel(ctx, *ref) })
}

// Cancel ends the job that works on a table: the next [Runner.Drain] asks the engine
// to, closes the table to the job's commit, and pauses the table. If the load is in
// the table by then it is recorded, and the table goes on. ErrNotFound is returned
// where no job is.
func (r *Runner) Cancel(ctx context.Context, table string) error {
	return r.verb(ctx, table, FileQuery{}, func(v *view) error {
		if v.state.Job == nil || v.state.Running == nil {
			return fmt.Errorf("%w: no job works on table %s", ErrNotFound, printable(table))
		}
		job, _ := v.job(v.state.Job.ID)
		job.Cancel = true
		v.log(EntryOperator, "cancel of job %s", job.ID)
		return nil
	})
}
