package etl

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

// work takes one load from intent to record.
func (r *Runner) work(ctx context.Context, t *Table, fence int64, st State, d Decision) (AppliedLoad, error) {
	load := *d.Load
	load.Fence, load.erased = fence, st.Erasures
	start := r.cfg.Now()
	if err := r.begin(ctx, t, load, st.Version); err != nil {
		return AppliedLoad{}, err
	}
	if f := r.cfg.Observer.LoadPlanned; f != nil {
		if err := r.tell(t, "LoadPlanned", func() { f(load) }); err != nil {
			return AppliedLoad{}, r.notApplied(ctx, t, load, err)
		}
	}
	r.cfg.Logger.Debug("load begins", "table", t.Name, "load", load.ID, "run", load.Fence, "kind", load.Kind.String(), "files", len(load.Files), "again", d.Again)
	watched, done := r.watched(ctx, st, load)
	receipt, err := r.attempts(watched, t, load)
	done()
	took := r.cfg.Now().Sub(start)
	if interrupts(err) {
		return AppliedLoad{}, err
	}
	if err != nil {
		if h, ok := tooBig(watched); ok && ctx.Err() == nil {
			return AppliedLoad{}, r.handOver(ctx, t, load, h)
		}
		return AppliedLoad{}, r.notApplied(ctx, t, load, err)
	}
	return r.recordApplied(ctx, t, load, receipt, took)
}

// recordApplied puts a commit into the ledger, and tells of it.
func (r *Runner) recordApplied(ctx context.Context, t *Table, load Load, receipt Receipt, took time.Duration) (AppliedLoad, error) {
	if err := r.record(ctx, t, load, receipt, took); err != nil {
		return AppliedLoad{}, err
	}
	if f := r.cfg.Observer.LoadApplied; f != nil {
		if err := r.tell(t, "LoadApplied", func() { f(load, receipt, took) }); err != nil {
			return AppliedLoad{}, r.pauseAfter(ctx, t, load, err)
		}
	}
	if err := r.tellEvolved(t, load, receipt.Evolved); err != nil {
		return AppliedLoad{}, r.pauseAfter(ctx, t, load, err)
	}
	if err := r.tellChecked(t, load, receipt.Checks); err != nil {
		return AppliedLoad{}, r.pauseAfter(ctx, t, load, err)
	}
	r.cfg.Logger.Info("load applied", "table", t.Name, "load", load.ID, "run", load.Fence, "kind", load.Kind.String(),
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
		if err == nil || interrupts(err) {
			return receipt, err
		}
		if ctx.Err() != nil {
			if f := r.cfg.Observer.LoadFailed; f != nil {
				_ = r.tell(t, "LoadFailed", func() { f(load, err, attempt, -1) })
			}
			return Receipt{}, errors.Join(context.Cause(ctx), err)
		}
		wait := time.Duration(-1)
		if o := OutcomeOf(err); (o == Retry || o == Indeterminate) && attempt < r.cfg.Retry.Attempts {
			wait = r.pause(attempt)
		}
		if f := r.cfg.Observer.LoadFailed; f != nil {
			told := r.tell(t, "LoadFailed", func() { f(load, err, attempt, wait) })
			if told != nil && OutcomeOf(err) == Retry {
				return Receipt{}, errors.Join(told, err)
			}
		}
		r.cfg.Logger.Warn("load not applied", "table", t.Name, "load", load.ID, "run", load.Fence, "attempt", attempt, "outcome", OutcomeOf(err).String(), "error", err)
		if wait < 0 {
			return Receipt{}, err
		}
		if serr := sleep(ctx, wait); serr != nil {
			return Receipt{}, errors.Join(context.Cause(ctx), err)
		}
	}
}

// changesConfig is that of the changes of a load, which stop if the observer panics.
func (r *Runner) changesConfig(ctx context.Context, t *Table, load Load) (context.Context, ChangesConfig, context.CancelCauseFunc) {
	cfg := ChangesConfig{Table: *t, Load: load, Source: r.cfg.Source, TempDir: r.cfg.TempDir, shared: r.cfg.budget, onePass: true}
	if r.cfg.Quarantine != nil {
		cfg.Source = mendedSource{r.cfg.Source, r.cfg.Quarantine}
	}
	watch, _ := ctx.Value(watchKey{}).(*watch)
	ctx, stop := context.WithCancelCause(ctx)
	f := r.cfg.Observer.Progress
	if f == nil && watch == nil {
		return ctx, cfg, stop
	}
	cfg.Progress = func(location string, pass int, rows int64) {
		if watch != nil {
			watch.told(location, pass, rows)
		}
		if f == nil {
			return
		}
		if err := r.tell(t, "Progress", func() { f(load, location, pass, rows) }); err != nil {
			stop(err)
		}
	}
	return ctx, cfg, stop
}

func (r *Runner) apply(ctx context.Context, t *Table, load Load) (Receipt, error) {
	if load.Staged {
		return r.applyStaged(ctx, t, load)
	}
	ctx, cfg, stop := r.changesConfig(ctx, t, load)
	defer stop(nil)
	var err error
	if cfg.Scope, err = r.checkScope(ctx, t); err != nil {
		return Receipt{}, err
	}
	if cfg.aside, err = r.aside(ctx, t, load, -1); err != nil {
		return Receipt{}, err
	}
	changes, receipt, err := r.applyEvolving(ctx, t, load, cfg)
	if err == nil && receipt.LoadID != load.ID {
		err = WithOutcome(Terminal, fmt.Errorf("sink answered for load %s", printable(receipt.LoadID)))
	}
	if err == nil && !receipt.Found {
		receipt.Checks = changes.Verdicts()
		r.tellQuarantined(t, load, changes)
	}
	return receipt, ownPanic(ctx, err)
}

// ownPanic prefers the panic that stopped the work to what came of it. A commit whose
// outcome is unknown stays unknown, whatever stopped it.
func ownPanic(ctx context.Context, err error) error {
	if p := (*panicError)(nil); err != nil && OutcomeOf(err) != Indeterminate && errors.As(context.Cause(ctx), &p) {
		return context.Cause(ctx)
	}
	return err
}

// notApplied records the failure of a load that cannot go through. Others stay
// as begun, for the next Drain.
func (r *Runner) notApplied(ctx context.Context, t *Table, load Load, err error) error {
	if OutcomeOf(err) != Terminal || ctx.Err() != nil {
		return r.leave(ctx, t, load, err)
	}
	return r.giveUp(ctx, t, load, Diagnose(err, load.ID), err)
}

// leave keeps what stood in the way of a load, for the diagnosis if it does so
// every time.
func (r *Runner) leave(ctx context.Context, t *Table, load Load, err error) error {
	if OutcomeOf(err) == Refused || ctx.Err() != nil {
		return err
	}
	_, terr := r.transition(ctx, t, load.Fence, FileQuery{}, func(v *view) error {
		if run := v.state.Running; run == nil || run.ID != load.ID {
			return errDone
		}
		v.trouble(err.Error())
		return nil
	})
	if terr != nil {
		r.cfg.Logger.Warn("error not kept", "table", t.Name, "load", load.ID, "error", terr)
	}
	return err
}

// giveUp records a load that cannot go through, and pauses the table.
func (r *Runner) giveUp(ctx context.Context, t *Table, load Load, d Diagnosis, err error) error {
	vanished := errors.Is(err, ErrFileVanished)
	r.forget(ctx, t, load)
	_, terr := r.transition(ctx, t, load.Fence, FileQuery{Statuses: live}, func(v *view) error {
		if run := v.state.Running; run == nil || run.ID != load.ID {
			return errDone
		}
		v.failed(load, d, vanished).Checks = verdictsOf(err)
		return nil
	})
	if terr != nil {
		return errors.Join(err, terr)
	}
	_ = r.tellChecked(t, load, verdictsOf(err))
	return r.tellPaused(t, d, err)
}

// record puts a commit into the ledger.
func (r *Runner) record(ctx context.Context, t *Table, load Load, receipt Receipt, took time.Duration) error {
	q := FileQuery{IDs: fileIDs(load.Files)}
	if load.Kind == Full {
		q = FileQuery{Statuses: live}
	}
	lost := r.takeOver(ctx, t, load, receipt)
	if lost != nil && (OutcomeOf(lost) != Terminal || ctx.Err() != nil) {
		return fmt.Errorf("load %s is in the table, but not yet in the ledger: %w", load.ID, lost)
	}
	_, err := r.transition(ctx, t, load.Fence, q, func(v *view) error {
		if run := v.state.Running; run == nil || run.ID != load.ID {
			return errDone
		}
		v.applied(load, receipt, took)
		if lost != nil {
			v.lost(load, lost)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("load %s is in the table, but not yet in the ledger: %w", load.ID, err)
	}
	if lost != nil {
		return r.tellPaused(t, Diagnose(lost, load.ID), lost)
	}
	return nil
}

// pauseAfter pauses the table after a load that went through, but whose observer
// panicked.
func (r *Runner) pauseAfter(ctx context.Context, t *Table, load Load, err error) error {
	d := Diagnose(err, load.ID)
	_, terr := r.transition(ctx, t, load.Fence, FileQuery{IDs: fileIDs(load.Files)}, func(v *view) error {
		v.pause(d)
		v.log(EntryFailed, "after the load: %s", d.Cause).Diagnosis = &d
		return nil
	})
	if terr != nil {
		return errors.Join(err, terr)
	}
	return r.tellPaused(t, d, err)
}

func (r *Runner) tellPaused(t *Table, d Diagnosis, err error) error {
	_ = r.tell(t, "Paused", func() { r.paused(t.Name, d) })
	return err
}

// tell calls a function of the observer.
func (r *Runner) tell(t *Table, name string, f func()) (err error) {
	defer func() {
		if err != nil {
			r.cfg.Logger.Error("observer panicked", "table", t.Name, "error", err)
		}
	}()
	defer recovered("observer "+name, &err)
	f()
	return nil
}

// transformed is transform, where a panic of a transform is an error.
func (w *winners) transformed(ctx context.Context, rec arrow.RecordBatch, at []int64) (out *won, err error) {
	defer recovered("transform", &err)
	if s, ok := w.r.settlement.(*chronicle); ok {
		return s.transform(ctx, w, rec, at)
	}
	return w.transform(ctx, rec, at)
}

// panicError is a panic of the user's code, which pauses the table: the process
// has other tables to work on. It keeps where the panic was and its type, but not
// its value, which may hold a cell.
type panicError struct{ what, where, kind string }

func (e *panicError) Error() string {
	return fmt.Sprintf("%s panicked in %s (%s)", e.what, e.where, e.kind)
}

// recovered is deferred around code of the user's.
func recovered(what string, err *error) {
	p := recover()
	if p == nil {
		return
	}
	*err = WithOutcome(Terminal, &panicError{what, panicPlace(), fmt.Sprintf("%T", p)})
}

// panicPlace names the function that panicked, from within a deferred one.
func panicPlace() string {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	panicking := false
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panicking = true
		case panicking && !strings.HasPrefix(f.Function, "runtime."):
			return fmt.Sprintf("%s, %s line %d", f.Function, filepath.Base(f.File), f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}
