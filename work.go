package etl

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// work takes one load from intent to record.
func (r *Runner) work(ctx context.Context, t *Table, fence int64, st State, d Decision) (AppliedLoad, error) {
	load := *d.Load
	load.Fence = fence
	start := r.cfg.Now()
	if err := r.begin(ctx, t, load, st.Version); err != nil {
		return AppliedLoad{}, err
	}
	if f := r.cfg.Observer.LoadPlanned; f != nil {
		f(load)
	}
	r.cfg.Logger.Debug("load begins", "table", t.Name, "load", load.ID, "kind", load.Kind.String(), "files", len(load.Files), "again", d.Again)
	receipt, err := r.attempts(ctx, t, load)
	took := r.cfg.Now().Sub(start)
	if err != nil {
		return AppliedLoad{}, r.notApplied(ctx, t, load, err)
	}
	if err := r.record(ctx, t, load, receipt, took); err != nil {
		return AppliedLoad{}, err
	}
	if f := r.cfg.Observer.LoadApplied; f != nil {
		f(load, receipt, took)
	}
	r.cfg.Logger.Info("load applied", "table", t.Name, "load", load.ID, "kind", load.Kind.String(),
		"epoch", load.Epoch, "files", len(load.Files), "snapshot", receipt.Snapshot, "took", took)
	return AppliedLoad{Load: load, Receipt: receipt, Took: took}, nil
}

// begin records the intent, if the state is still the one that was planned on.
func (r *Runner) begin(ctx context.Context, t *Table, load Load, version int64) error {
	_, err := r.transition(ctx, t, load.Fence, FileQuery{IDs: fileIDs(load.Files)}, func(v *view) error {
		if run := v.state.Running; run != nil && run.ID == load.ID && run.Fence == load.Fence {
			return errDone
		}
		if v.state.Version != version {
			return errStalePlan
		}
		v.begin(load)
		return nil
	})
	return err
}

// errStalePlan: the table moved on between plan and intent. Plan again.
var errStalePlan = WithOutcome(Terminal, errors.New("the state changed after planning"))

// attempts applies a load, repeating it after transient errors and unknown
// outcomes. That is safe because the sink looks for the load ID first.
func (r *Runner) attempts(ctx context.Context, t *Table, load Load) (Receipt, error) {
	for attempt := 1; ; attempt++ {
		receipt, err := r.apply(ctx, t, load)
		if err == nil {
			return receipt, nil
		}
		if ctx.Err() != nil {
			return Receipt{}, errors.Join(context.Cause(ctx), err)
		}
		wait := time.Duration(-1)
		if o := OutcomeOf(err); (o == Retry || o == Indeterminate) && attempt < r.cfg.Retry.Attempts {
			wait = r.pause(attempt)
		}
		if f := r.cfg.Observer.LoadFailed; f != nil {
			f(load, err, attempt, wait)
		}
		r.cfg.Logger.Warn("load not applied", "table", t.Name, "load", load.ID, "attempt", attempt, "outcome", OutcomeOf(err).String(), "error", err)
		if wait < 0 {
			return Receipt{}, err
		}
		if serr := sleep(ctx, wait); serr != nil {
			return Receipt{}, errors.Join(context.Cause(ctx), err)
		}
	}
}

func (r *Runner) apply(ctx context.Context, t *Table, load Load) (Receipt, error) {
	cfg := ChangesConfig{Table: *t, Load: load, Source: r.cfg.Source, TempDir: r.cfg.TempDir, shared: r.cfg.budget}
	if f := r.cfg.Observer.Progress; f != nil {
		cfg.Progress = func(location string, pass int, rows int64) { f(load, location, pass, rows) }
	}
	changes, err := NewChanges(cfg)
	if err != nil {
		return Receipt{}, WithOutcome(Terminal, err)
	}
	receipt, err := r.cfg.Sink.Apply(ctx, changes.target, load, changes)
	if err == nil && receipt.LoadID != load.ID {
		err = WithOutcome(Terminal, fmt.Errorf("sink answered for load %s", printable(receipt.LoadID)))
	}
	return receipt, err
}

// notApplied records the failure of a load that cannot go through. Others stay
// as begun, for the next Drain.
func (r *Runner) notApplied(ctx context.Context, t *Table, load Load, err error) error {
	if OutcomeOf(err) != Terminal || ctx.Err() != nil {
		return err
	}
	d := Diagnose(err, load.ID)
	vanished := errors.Is(err, ErrFileVanished)
	_, terr := r.transition(ctx, t, load.Fence, FileQuery{Statuses: live}, func(v *view) error {
		if run := v.state.Running; run == nil || run.ID != load.ID {
			return errDone
		}
		v.failed(load, d, vanished)
		return nil
	})
	if terr != nil {
		return errors.Join(err, terr)
	}
	r.paused(t.Name, d)
	return err
}

// record puts a commit into the ledger.
func (r *Runner) record(ctx context.Context, t *Table, load Load, receipt Receipt, took time.Duration) error {
	q := FileQuery{IDs: fileIDs(load.Files)}
	if load.Kind == Full {
		q = FileQuery{Statuses: live}
	}
	_, err := r.transition(ctx, t, load.Fence, q, func(v *view) error {
		if run := v.state.Running; run == nil || run.ID != load.ID {
			return errDone
		}
		v.applied(load, receipt, took)
		return nil
	})
	if err != nil {
		return fmt.Errorf("load %s is in the table, but not yet in the ledger: %w", load.ID, err)
	}
	return nil
}
