package etl

import (
	"bytes"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
)

// erasing is one call of Erase.
type erasing struct {
	r      *Runner
	t      *Table
	given  arrow.RecordBatch
	sink   Eraser
	target Target
	keys   *erasureKeys
	opts   EraseOptions
	fence  int64
	report ErasureReport
}

func (r *Runner) newErasing(ctx context.Context, t *Table, keys arrow.RecordBatch, opts EraseOptions) (*erasing, error) {
	refused := func(format string, args ...any) error {
		return WithOutcome(Terminal, fmt.Errorf("erase: table %s: %w", printable(t.Name), fmt.Errorf(format, args...)))
	}
	eraser, ok := Ability[Eraser](r.cfg.Sink)
	switch {
	case !ok:
		return nil, refused("its sink cannot erase")
	case t.Mode == ModeAppend:
		return nil, refused("an append table has no key")
	case opts.Within < 0:
		return nil, refused("the time must not be negative")
	}
	e := &erasing{r: r, t: t, given: keys, sink: eraser, opts: opts}
	e.opts.By, e.opts.Why = printable(opts.By), printable(opts.Why)
	now, err := r.evolvedTable(ctx, t)
	if err != nil {
		return nil, err
	}
	if e.keys, err = newErasureKeys(ctx, *now, keys); err != nil {
		return nil, refused("%w", err)
	}
	return e, nil
}

// run erases under the table's lease.
func (e *erasing) run(ctx context.Context, fence int64) error {
	e.fence = fence
	if err := e.settle(ctx); err != nil {
		return err
	}
	all, err := e.intend(ctx)
	if err != nil {
		return err
	}
	err = e.r.retry(ctx, func() (err error) {
		e.report.ErasedRows, err = e.sink.Erase(ctx, e.target, ErasureRequest{Keys: e.keys.part, Fence: fence, All: all})
		return err
	})
	if err != nil {
		return fmt.Errorf("erase from table %s: %w", printable(e.t.Name), err)
	}
	if e.report.Quarantined, err = e.cleanQuarantine(ctx); err != nil {
		return fmt.Errorf("erase from the quarantine of %s: %w", printable(e.t.Name), err)
	}
	if e.opts.Within == 0 {
		purged, err := e.r.purge(ctx, e.sink, e.target, fence)
		if err != nil {
			return err
		}
		e.report.Purged = &purged
	}
	return e.done(ctx)
}

// settle ends what is under way, which may hold the keys, and takes the table as it
// is then: its columns may have evolved, and those of keys become wider.
func (e *erasing) settle(ctx context.Context) error {
	if err := e.r.free(ctx, e.t.Name); err != nil {
		return err
	}
	if err := e.r.settleRunning(ctx, e.t, e.fence); err != nil {
		return err
	}
	t, err := e.r.evolvedTable(ctx, e.t) // by what was settled too
	if err != nil {
		return err
	}
	if e.target, err = t.Target(); err != nil {
		return WithOutcome(Terminal, fmt.Errorf("table %s: %w", printable(t.Name), err))
	}
	if e.keys, err = newErasureKeys(ctx, *t, e.given); err != nil {
		return WithOutcome(Terminal, fmt.Errorf("erase: table %s: %w", printable(t.Name), err))
	}
	stager, ok := e.r.cfg.Sink.(Stager)
	if !ok {
		return nil
	}
	if err := e.r.retry(ctx, func() error { return stager.Discard(ctx, e.target) }); err != nil {
		return fmt.Errorf("remove a staging: %w", err)
	}
	return nil
}

// intend records the erasure before anything of it is done: from here on files of
// before cannot bring the keys back.
func (e *erasing) intend(ctx context.Context) (all Erasures, err error) {
	id := crand.Text()
	salt := make([]byte, 32)
	_, _ = crand.Read(salt) // never fails
	_, err = e.r.transition(ctx, e.t, e.fence, FileQuery{}, func(v *view) error {
		all = Erasures{Salt: salt}
		if old := v.state.Erasures; old != nil {
			all = Erasures{Salt: old.Salt, List: slices.Clone(old.List)}
		}
		next := Erasure{ID: id, At: v.now, Keys: e.keys.hashes(all.Salt), Due: v.now.Add(e.opts.Within)}
		if i := slices.IndexFunc(all.List, func(x Erasure) bool { return bytes.Equal(x.Keys, next.Keys) }); i >= 0 {
			next.ID = all.List[i].ID // done once more
			all.List = slices.Delete(all.List, i, i+1)
		}
		all.List = append(all.List, next)
		if n := all.count(); n > MaxErasedKeys {
			return WithOutcome(Terminal, fmt.Errorf("erase: table %s would have %d erased keys, more than %d", printable(v.state.Table), n, MaxErasedKeys))
		}
		v.state.Erasures = &all
		e.report.ID, e.report.Keys, e.report.By, e.report.Why = next.ID, next.Count(), e.opts.By, e.opts.Why
		if e.report.Due = (time.Time{}); e.opts.Within > 0 {
			e.report.Due = next.Due
		}
		v.log(EntryErased, "erasure %s of %d keys begins%s", next.ID, next.Count(), e.reason())
		return nil
	})
	return all, err
}

func (e *erasing) reason() string {
	text := ""
	if e.opts.By != "" {
		text += " by " + e.opts.By
	}
	if e.opts.Why != "" {
		text += ": " + e.opts.Why
	}
	return text
}

// cleanQuarantine removes the keys' rows from quarantine.
func (e *erasing) cleanQuarantine(ctx context.Context) (int, error) {
	q := e.r.cfg.Quarantine
	if q == nil {
		return 0, nil
	}
	var ids []string
	err := e.r.retry(ctx, func() error {
		ids = nil
		for row, err := range q.Rows(ctx, e.t.Name) {
			if err != nil {
				return err
			}
			if e.keys.in(row) {
				ids = append(ids, row.ID)
			}
		}
		if len(ids) == 0 {
			return nil
		}
		return q.Remove(ctx, e.t.Name, ids...)
	})
	return len(ids), err
}

// done records the end of the erasure, as far as it has come.
func (e *erasing) done(ctx context.Context) error {
	_, err := e.r.transition(ctx, e.t, e.fence, FileQuery{}, func(v *view) error {
		what := fmt.Sprintf("erasure %s: %d keys, %d rows", e.report.ID, e.report.Keys, e.report.Rows)
		if e.report.Purged != nil {
			v.purged()
		} else {
			what += ", older versions go by " + e.report.Due.UTC().Format(time.RFC3339)
		}
		v.erasure(e.report.ID, func(x *Erasure) { x.Removed = true })
		report := e.report
		v.log(EntryErased, "%s%s", what, e.reason()).Erasure = &report
		return nil
	})
	if err == nil {
		e.r.cfg.Logger.Info("keys erased", "table", e.t.Name, "erasure", e.report.ID, "run", e.fence, "keys", e.report.Keys, "rows", e.report.Rows)
	}
	return err
}

// erasure changes an erasure of the state, which others may share.
func (v *view) erasure(id string, change func(*Erasure)) {
	all := *v.state.Erasures
	all.List = slices.Clone(all.List)
	for i := range all.List {
		if id == "" || all.List[i].ID == id {
			change(&all.List[i])
		}
	}
	v.state.Erasures = &all
}

// purged takes note that no older version of the table is left.
func (v *view) purged() {
	v.erasure("", func(x *Erasure) { x.Due, x.Trouble = time.Time{}, "" })
}

// waiting says what of the erasures is not done; empty if nothing is.
func (e *Erasures) waiting(now time.Time) string {
	if e == nil {
		return ""
	}
	for _, x := range e.List {
		when := x.Due.UTC().Format(time.RFC3339)
		switch {
		case !x.Removed:
			return fmt.Sprintf("erasure %s of %d keys was begun at %s and is not done: it must be called again", x.ID, x.Count(), x.At.UTC().Format(time.RFC3339))
		case x.Due.IsZero():
		case x.Trouble != "":
			return fmt.Sprintf("older versions of the table were to go by %s for an erasure: %s", when, x.Trouble)
		case now.Before(x.Due):
			return fmt.Sprintf("older versions of the table go after %s for an erasure", when)
		default:
			return fmt.Sprintf("older versions of the table go with the next drain: an erasure was due at %s", when)
		}
	}
	return ""
}

func (r *Runner) purge(ctx context.Context, sink Eraser, target Target, fence int64) (PurgeReport, error) {
	var report PurgeReport
	err := r.retry(ctx, func() error {
		step, err := sink.Purge(ctx, target, fence)
		report.add(step)
		return err
	})
	if err != nil {
		return report, fmt.Errorf("remove older versions of table %s: %w", printable(target.Name), err)
	}
	return report, nil
}

// purgeDue removes older versions of a table whose time has come. The caller holds
// the table's lock. What fails is kept in the state, and tried again the next time.
func (r *Runner) purgeDue(ctx context.Context, t *Table, fence int64) {
	st, err := r.cfg.Control.State(ctx, t.Name)
	if err != nil || !st.Erasures.due(r.cfg.Now()) {
		return
	}
	report, err := r.purgeOnce(ctx, t.as(st.Evolved), fence)
	_, serr := r.transition(ctx, t, fence, FileQuery{}, func(v *view) error {
		if v.state.Erasures == nil {
			return errDone
		}
		v.purgeTried(report, err)
		return nil
	})
	if err = errors.Join(err, serr); err != nil {
		r.cfg.Logger.Warn("erasure not finished", "table", t.Name, "run", fence, "error", err)
	}
}

func (r *Runner) purgeOnce(ctx context.Context, t *Table, fence int64) (PurgeReport, error) {
	eraser, ok := Ability[Eraser](r.cfg.Sink)
	if !ok {
		return PurgeReport{}, errors.New("the sink cannot erase")
	}
	target, err := t.Target()
	if err != nil {
		return PurgeReport{}, err
	}
	if err := r.free(ctx, t.Name); err != nil {
		return PurgeReport{}, err
	}
	return r.purge(ctx, eraser, target, fence)
}

// purgeTried takes note of how a purge ended.
func (v *view) purgeTried(report PurgeReport, err error) {
	if err != nil {
		v.erasure("", func(x *Erasure) {
			if !x.Due.IsZero() {
				x.Trouble = err.Error()
			}
		})
		return
	}
	v.purged()
	v.log(EntryErased, "older versions of the table removed: %d snapshots, %d files", report.Snapshots, report.Files).Erasure =
		&ErasureReport{Purged: &report}
}
