package etl

import (
	"context"
	"fmt"
)

// help works on the staged load that another process leads, if one does, and
// returns how many files it staged. What stands in the way is the leader's to meet.
func (r *Runner) help(ctx context.Context, t *Table) (int, error) {
	if _, ok := r.cfg.Sink.(Stager); !ok {
		return 0, nil
	}
	st, err := r.cfg.Control.State(ctx, t.Name)
	if err != nil || st.Running == nil || !st.Running.Staged || st.Flag == FlagPaused {
		return 0, err
	}
	if t.evolves() && st.Evolving == nil {
		return 0, nil // the leader has not looked at the files yet
	}
	load := *st.Running
	load.erased = st.Erasures
	s, err := r.newStageRun(t.as(st.Evolved), load, false)
	if err == nil {
		err = s.become(st.Evolving)
	}
	if err != nil {
		return 0, err
	}
	err = s.run(ctx)
	return s.own, err
}

// helped is what Drain reports where another process has the table's lock.
func (r *Runner) helped(ctx context.Context, t *Table, rep *TableReport) {
	rep.Reason, rep.Wait, rep.Locked = "locked by another runner", r.cfg.LeaseTTL, true
	n, err := r.help(ctx, t)
	if n > 0 {
		rep.Reason = fmt.Sprintf("staged %d files of a full load that another runner leads", n)
	}
	if err != nil && ctx.Err() == nil {
		r.cfg.Logger.Debug("help with a staged load ended", "table", t.Name, "outcome", OutcomeOf(err).String(), "error", err)
	}
}

// giveWay ends a staged load that a newer full load has overtaken.
func (r *Runner) giveWay(ctx context.Context, t *Table, fence int64) error {
	if err := r.settleRunning(ctx, t, fence); err != nil {
		return err
	}
	return r.tidyStaging(ctx, t, fence)
}

// able is the table's declaration without what the sink cannot do.
func (r *Runner) able(t *Table) Table {
	able := *t
	if _, ok := r.cfg.Sink.(Stager); !ok {
		able.Staging.Mode = StageNever
	}
	return able
}

// litter reports whether there is a staging to remove.
func (r *Runner) litter(st State) bool {
	_, ok := r.cfg.Sink.(Stager)
	return ok && st.stale()
}

// stale reports whether the sink may hold a staging that no load will take up.
func (st State) stale() bool {
	return st.Staging > 0 && (st.Running == nil || st.Running.Epoch != st.Staging) && (st.Open == nil || st.Open.Epoch != st.Staging)
}

// tidyStaging removes what is staged of a load that was given up. The caller holds
// the table's lock.
func (r *Runner) tidyStaging(ctx context.Context, t *Table, fence int64) error {
	st, err := r.cfg.Control.State(ctx, t.Name)
	stager, ok := r.cfg.Sink.(Stager)
	if err != nil || !ok || !st.stale() {
		return err
	}
	target, err := t.as(st.Evolved).Target()
	if err != nil {
		return err
	}
	if err := r.retry(ctx, func() error { return stager.Discard(ctx, target) }); err != nil {
		return fmt.Errorf("remove a staging: %w", err)
	}
	_, err = r.transition(ctx, t, fence, FileQuery{}, func(v *view) error {
		if !v.state.stale() {
			return errDone
		}
		v.state.Staging = 0
		return nil
	})
	return err
}
