package etl

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Drain works off what the ledger says is next for a table, until nothing is or
// something is in the way. It is also how work is recovered that another
// process left behind. If another runner holds the table's lock it returns at
// once with that reason and no error.
//
// An error means that the table was paused by it, or that a load was left for
// the next Drain after too many transient errors; nothing is lost either way.
func (r *Runner) Drain(ctx context.Context, table string) (TableReport, error) {
	rep := TableReport{Table: table}
	t, err := r.table(table)
	if err == nil {
		err = errNewLease
		for errors.Is(err, errNewLease) {
			err = r.drain(ctx, t, &rep)
		}
	}
	if err == nil {
		r.upkeep(ctx, table, &rep)
	}
	if err != nil {
		rep.Reason, rep.Err = err.Error(), fmt.Errorf("table %s: %w", printable(table), err)
	}
	return rep, rep.Err
}

func (r *Runner) drain(ctx context.Context, t *Table, rep *TableReport) error {
	if d, st, err := r.decide(ctx, t); err != nil || d.Load == nil && len(d.Late) == 0 && len(st.Disposals) == 0 && !r.litter(st) && !st.Erasures.due(r.cfg.Now()) {
		rep.Reason, rep.Wait = d.Reason, d.Wait
		return err
	}
	return r.withLease(ctx, t.Name, func(ctx context.Context, fence int64) error {
		r.dispose(ctx, t, fence)
		r.purgeDue(ctx, t, fence)
		for {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			d, st, err := r.decide(ctx, t)
			t := t.as(st.Evolved)
			switch {
			case err != nil:
				return err
			case st.overtaken():
				if err := r.giveWay(ctx, t, fence); err != nil {
					return err
				}
				continue
			case r.litter(st):
				if err := r.tidyStaging(ctx, t, fence); err != nil {
					return err
				}
				continue
			case len(d.Late) > 0:
				if err := r.late(ctx, t, fence, d); err != nil {
					return err
				}
				continue
			case d.Load == nil:
				rep.Reason, rep.Wait = d.Reason, d.Wait
				return nil
			case d.Job != nil || d.Load.Engine == FlagDistributed:
				if stop, err := r.elsewhere(ctx, t, fence, st, d, rep); stop || err != nil {
					r.dispose(ctx, t, fence)
					return err
				}
				continue
			case r.short(ctx, rep):
				return nil
			case d.Again && st.Begun >= r.cfg.MaxBegins:
				if err := r.exhausted(ctx, t, fence, st); err != nil {
					return err
				}
				continue
			}
			done, err := r.work(ctx, t, fence, st, d)
			if errors.Is(err, errStalePlan) || errors.Is(err, errHandedOver) || errors.Is(err, errOvertaken) || errors.Is(err, errHalted) {
				continue
			}
			if errors.Is(err, errLater) {
				rep.Reason, rep.More = err.Error(), true
				return nil
			}
			if err != nil {
				r.dispose(ctx, t, fence)
				return err
			}
			rep.Loads = append(rep.Loads, done)
			r.dispose(ctx, t, fence)
		}
	}, func() { r.helped(ctx, t, rep) })
}

// short reports whether the context ends too soon for another load, and says so.
func (r *Runner) short(ctx context.Context, rep *TableReport) bool {
	end, ok := ctx.Deadline()
	if !ok || r.cfg.Margin == 0 {
		return false
	}
	need := r.cfg.Margin
	for _, l := range rep.Loads {
		if l.Load.Engine != FlagDistributed {
			need = max(need, 2*l.Took)
		}
	}
	left := time.Until(end)
	if left >= need {
		return false
	}
	rep.More = true
	rep.Reason = fmt.Sprintf("the next load needs %v, and %v are left", need.Round(time.Millisecond), left.Round(time.Millisecond))
	return true
}

// exhausted ends a load that was begun too often: a load that kills its process, or
// that outlasts every deadline, would come up for ever.
func (r *Runner) exhausted(ctx context.Context, t *Table, fence int64, st State) error {
	load := *st.Running
	load.Fence = fence
	found, err := r.closeTo(ctx, t, load)
	if found || err != nil {
		return err
	}
	text := fmt.Sprintf("the load was begun %d times, and each time its process died or ran out of time", st.Begun)
	if p := st.Trouble; p != nil {
		text = fmt.Sprintf("the load was begun %d times without an end; %d times something failed that might have passed, the last time: %s",
			st.Begun, p.Count, p.Cause)
	}
	return r.notApplied(ctx, t, load, WithOutcome(Terminal, errors.New(text)))
}

// withLease runs fn under the lock of the table. Its context ends when the
// lease is lost. If another holder has the lock, busy is called instead.
func (r *Runner) withLease(ctx context.Context, table string, fn func(ctx context.Context, fence int64) error, busy func()) error {
	lease, err := r.acquire(ctx, table)
	if errors.Is(err, ErrLocked) && busy != nil {
		busy()
		return nil
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.heartbeat(ctx, lease, cancel)
	}()
	err = fn(ctx, lease.Fence())
	cancel(nil)
	<-stopped
	// The lease is given back even if the caller's context has ended. If that
	// fails it runs out by itself.
	release, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	if rerr := lease.Release(release); rerr != nil {
		r.cfg.Logger.Warn("lease not released", "table", table, "error", rerr)
	}
	return err
}

func (r *Runner) acquire(ctx context.Context, table string) (Lease, error) {
	var lease Lease
	var locked error
	err := r.retry(ctx, func() (err error) {
		lease, err = r.cfg.Locker.Acquire(ctx, table, r.cfg.LeaseTTL)
		if errors.Is(err, ErrLocked) {
			locked = err
			return nil
		}
		return err
	})
	if err == nil && locked != nil {
		err = locked
	}
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	return lease, nil
}

// heartbeat renews the lease three times in its life, and ends the work when
// it is lost or has not been renewed for a whole life.
func (r *Runner) heartbeat(ctx context.Context, lease Lease, lost context.CancelCauseFunc) {
	renewed := time.Now()
	for sleep(ctx, r.cfg.LeaseTTL/3) == nil {
		err := lease.Renew(ctx)
		switch {
		case err == nil:
			renewed = time.Now()
		case ctx.Err() != nil:
		case OutcomeOf(err) == Refused || time.Since(renewed) > r.cfg.LeaseTTL:
			lost(fmt.Errorf("lease lost: %w", errors.Join(err, ErrStaleFence)))
			return
		}
	}
}

// decide reads what plan needs, and plans.
func (r *Runner) decide(ctx context.Context, t *Table) (d Decision, st State, err error) {
	err = r.retry(ctx, func() error {
		if st, err = r.cfg.Control.State(ctx, t.Name); err != nil {
			return fmt.Errorf("read state: %w", err)
		}
		q := FileQuery{Statuses: []FileStatus{Pending, Deferred}, Kind: Incremental, Limit: t.MaxBatchFiles + 1}
		if st.Open != nil {
			q = FileQuery{Statuses: []FileStatus{Pending}, Kind: Full}
		}
		waiting, err := r.files(ctx, t.Name, q)
		if err != nil {
			return err
		}
		d = routed(st, plan(r.able(t), st, waiting, r.cfg.Now()), r.conditions(ctx, t.Name))
		return nil
	})
	return d, st, err
}

// conditions are those under which a load would begin now.
func (r *Runner) conditions(ctx context.Context, table string) conditions {
	c := conditions{dispatcher: r.cfg.Dispatcher != nil, budget: r.cfg.MemoryBudget, limit: r.cfg.LocalLimit}
	if t, err := r.table(table); err == nil {
		c.local = t.local()
	}
	if end, ok := ctx.Deadline(); ok {
		c.bounded, c.left = true, time.Until(end)-r.cfg.Margin
	}
	return c
}

// late deals with change files that come too late to be placed.
func (r *Runner) late(ctx context.Context, t *Table, fence int64, d Decision) error {
	var diagnosis *Diagnosis
	_, err := r.transition(ctx, t, fence, FileQuery{IDs: recordIDs(d.Late)}, func(v *view) error {
		diagnosis = nil
		acted := false
		for i := range v.records {
			rec := &v.records[i]
			if rec.Status != Pending && rec.Status != Deferred {
				continue
			}
			acted = true
			if t.Late == LateSetAside {
				v.set(rec, SetAside, d.Reason)
				continue
			}
			diagnosis = &Diagnosis{Cause: d.Reason, File: rec.Location, Rule: "late"}
			v.set(rec, Failed, d.Reason)
			v.state.LastFailed = &LastFile{Location: rec.Location, At: v.now}
			v.pause(*diagnosis)
		}
		if !acted {
			return errDone
		}
		kind := EntrySetAside
		if diagnosis != nil {
			kind = EntryFailed
		}
		e := v.log(kind, "%s", d.Reason)
		e.Files, e.Diagnosis = len(v.records), diagnosis
		return nil
	})
	if err == nil && diagnosis != nil {
		return r.tellPaused(t, *diagnosis, WithOutcome(Terminal, errors.New(diagnosis.Cause)))
	}
	return err
}

func (r *Runner) paused(table string, d Diagnosis) {
	if f := r.cfg.Observer.Paused; f != nil {
		f(table, d)
	}
	r.cfg.Logger.Error("paused", "table", table, "load", d.LoadID, "file", d.File, "row", d.Row, "column", d.Column, "rule", d.Rule, "cause", d.Cause)
}
