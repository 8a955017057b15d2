package etl

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Pause sets the flag P. A load that runs is finished; none is begun after it. One
// that is staged halts between two files, and goes on after Resume.
// Files keep being registered.
func (r *Runner) Pause(ctx context.Context, table, reason string) error {
	return r.verb(ctx, table, FileQuery{}, func(v *view) error {
		cause := "paused by an operator"
		if reason != "" {
			cause += ": " + reason
		}
		v.pause(Diagnosis{Cause: cause})
		v.log(EntryOperator, "pause: %s", cause)
		return nil
	})
}

// Resume sets the flag back to what it was before P. Files that failed wait
// again: nothing is passed over.
func (r *Runner) Resume(ctx context.Context, table string) error {
	return r.verb(ctx, table, FileQuery{Statuses: live}, (*view).resumeAll)
}

func (v *view) resumeAll() error {
	n := v.retryFailed()
	v.resume()
	v.log(EntryOperator, "resume with flag %s, %d files again", v.state.Flag, n)
	return nil
}

// Retry lets the files that failed or vanished wait again and resumes the table. A
// late file is applied now although it comes late. ErrNotFound is returned
// where no file failed.
func (r *Runner) Retry(ctx context.Context, table string) error {
	return r.verb(ctx, table, FileQuery{Statuses: live}, (*view).retry)
}

func (v *view) retry() error {
	n := v.retryFailed()
	if n == 0 {
		return fmt.Errorf("%w: table %s has no failed file", ErrNotFound, printable(v.state.Table))
	}
	v.resume()
	v.log(EntryOperator, "retry of %d files", n)
	return nil
}

func (v *view) retryFailed() int {
	n := 0
	for i := range v.records {
		if rec := &v.records[i]; rec.Status == Failed || rec.Status == Vanished {
			rec.Accepted = rec.Kind == Incremental
			v.set(rec, Pending, "")
			n++
		}
	}
	v.settle()
	return n
}

// Skip passes over files for good and resumes the table. Without locations it
// takes those that failed or vanished; with them those of the locations that
// are not applied. A full load of which a file is skipped is given up whole,
// since the table must not lack a part of it; changes that waited for it wait
// for their turn again. ErrNotFound is returned where there is nothing to skip.
func (r *Runner) Skip(ctx context.Context, table string, locations ...string) error {
	return r.leased(ctx, table, func(v *view) error { return v.skip(locations) })
}

func (v *view) skip(locations []string) error {
	n, err := v.skipFiles(locations)
	if err != nil {
		return err
	}
	v.resume()
	v.log(EntryOperator, "skip of %d files", n).Files = n
	return nil
}

func (v *view) skipFiles(locations []string) (int, error) {
	n, giveUp := 0, false
	for i := range v.records {
		rec := &v.records[i]
		hit := rec.Status == Failed || rec.Status == Vanished
		if len(locations) > 0 {
			hit = slices.Contains(locations, rec.Location) && rec.Status != Superseded && rec.Status != Applied && rec.Status != Skipped
		}
		if hit {
			giveUp = giveUp || v.ofOpen(rec)
			v.set(rec, Skipped, "skipped by an operator")
			n++
		}
	}
	if n == 0 {
		return 0, fmt.Errorf("%w: table %s has no such file to skip", ErrNotFound, printable(v.state.Table))
	}
	if giveUp {
		for i := range v.records {
			switch rec := &v.records[i]; {
			case rec.Kind == Full && rec.InTable:
				v.back(rec)
			case v.ofOpen(rec) && (rec.Status == Pending || rec.Status == Failed || rec.Status == Vanished):
				v.set(rec, Skipped, "its full load was given up")
				n++
			}
		}
		v.state.Open = nil
	}
	v.settle()
	return n, nil
}

// Reload loads the table again in a new epoch: from the full-load files of its
// epoch, or from those at the given locations, followed by the change files
// that landed at the same time or later, applied ones too. The table is
// resumed. Readers see the old content until the swap.
func (r *Runner) Reload(ctx context.Context, table string, locations ...string) error {
	return r.leased(ctx, table, func(v *view) error { return v.reload(locations) })
}

func (v *view) reload(locations []string) error {
	newest := map[string]int{} // by location: the newest content
	for i, rec := range v.records {
		hit := v.holds(&rec)
		if len(locations) > 0 {
			hit = slices.Contains(locations, rec.Location)
		}
		if rec.Kind != Full || !hit {
			continue
		}
		if j, ok := newest[rec.Location]; !ok || v.records[j].Landed().Before(rec.Landed()) {
			newest[rec.Location] = i
		}
	}
	if len(newest) == 0 || len(locations) > 0 && len(newest) < len(slices.Compact(slices.Sorted(slices.Values(locations)))) {
		return fmt.Errorf("%w: table %s has no such full load to load again", ErrNotFound, printable(v.state.Table))
	}
	v.abort()
	open := &OpenLoad{Epoch: v.nextEpoch(), Seen: v.now, Files: len(newest), Complete: true}
	for _, i := range newest {
		rec := &v.records[i]
		if open.Landed.IsZero() || rec.Landed().Before(open.Landed) {
			open.Landed = rec.Landed()
		}
		rec.InTable = v.holds(rec)
		v.set(rec, Pending, "loaded again")
		rec.Epoch = open.Epoch
	}
	for i := range v.records {
		rec := &v.records[i]
		replay := rec.Status == Applied || rec.Status == Failed || rec.Status == Vanished
		if rec.Kind == Incremental && replay && !before(rec.Landed(), open.Landed) {
			rec.InTable = v.holds(rec)
			v.set(rec, Pending, "")
		}
	}
	v.state.Open = open
	v.settle()
	v.resume()
	v.log(EntryOperator, "reload from %d files in epoch %d", len(newest), open.Epoch).Files = len(newest)
	return nil
}

// holds reports whether the table holds the file.
func (v *view) holds(r *FileRecord) bool {
	return r.InTable || r.Status == Applied && r.Epoch == v.state.Epoch
}

// Complete says that the open full load of a table has all its files.
// ErrNotFound is returned where none is open.
func (r *Runner) Complete(ctx context.Context, table string) error {
	return r.verb(ctx, table, FileQuery{}, (*view).complete)
}

func (v *view) complete() error {
	if v.state.Open == nil {
		return fmt.Errorf("%w: table %s has no open full load", ErrNotFound, printable(v.state.Table))
	}
	v.state.Open.Complete = true
	v.log(EntryOperator, "full load %d is complete with %d files", v.state.Open.Epoch, v.state.Open.Files)
	return nil
}

// SetFlag sets the table's flag to L, G or auto. The flag of a paused table
// becomes what Resume goes back to.
func (r *Runner) SetFlag(ctx context.Context, table string, flag JobFlag) error {
	if !flag.Valid() || flag == FlagPaused {
		return WithOutcome(Terminal, fmt.Errorf("flag %q is not L, G or auto", string(flag)))
	}
	return r.verb(ctx, table, FileQuery{}, func(v *view) error { return v.setFlag(flag) })
}

func (v *view) setFlag(flag JobFlag) error {
	if v.state.Flag == FlagPaused {
		v.state.ResumeTo = flag
	} else {
		v.state.Flag = flag
	}
	v.log(EntryOperator, "flag %s", flag)
	return nil
}

// Classify says by hand what a file is that was set aside. ErrNotFound is
// returned where no file at the location is.
func (r *Runner) Classify(ctx context.Context, location string, p Placement) error {
	t, err := r.table(p.Table)
	if err != nil {
		return err
	}
	if p.Kind != Full && p.Kind != Incremental {
		return WithOutcome(Terminal, errors.New("a file is classified as full or incremental"))
	}
	_, err = r.transition(ctx, t, 0, FileQuery{Statuses: append([]FileStatus{SetAside}, live...)}, func(v *view) error {
		unplaced, err := r.files(ctx, "", FileQuery{Statuses: []FileStatus{SetAside}})
		if err != nil {
			return err
		}
		var found []FileRecord
		for _, rec := range append(unplaced, v.records...) {
			if rec.Status == SetAside && rec.Location == location {
				rec.Kind, rec.Order, rec.Accepted, rec.Note = p.Kind, p.Order, true, ""
				found = append(found, rec)
			}
		}
		if len(found) == 0 {
			return fmt.Errorf("%w: no file at %s is set aside", ErrNotFound, printable(location))
		}
		v.records = slices.DeleteFunc(v.records, func(rec FileRecord) bool { return rec.Status == SetAside })
		v.register(found)
		for _, rec := range found {
			delete(v.fresh, rec.ID())
			v.changed[rec.ID()] = true
		}
		v.log(EntryOperator, "%s classified as %s", printable(location), p.Kind)
		return nil
	})
	return err
}

// verb is a transition of an operator that needs no lease.
func (r *Runner) verb(ctx context.Context, table string, q FileQuery, fn func(*view) error) error {
	t, err := r.table(table)
	if err != nil {
		return err
	}
	_, err = r.transition(ctx, t, 0, q, fn)
	return err
}

// leased is a transition that takes files away from a load that may be running,
// so it holds the table's lock, and settles first what a dead runner left.
func (r *Runner) leased(ctx context.Context, table string, fn func(*view) error) error {
	t, err := r.table(table)
	if err != nil {
		return err
	}
	return r.withLease(ctx, table, func(ctx context.Context, fence int64) error {
		if err := r.settleRunning(ctx, t, fence); err != nil {
			return err
		}
		if _, err = r.transition(ctx, t, fence, FileQuery{Statuses: append([]FileStatus{Applied}, live...)}, fn); err != nil {
			return err
		}
		return r.tidyStaging(ctx, t, fence)
	}, nil)
}

// settleRunning finds out what became of a load that was begun by a runner
// that holds the lock no more: it is recorded if it is in the table, else given
// up, after the table has been closed to it.
func (r *Runner) settleRunning(ctx context.Context, t *Table, fence int64) error {
	st, err := r.cfg.Control.State(ctx, t.Name)
	if err != nil || st.Running == nil {
		return err
	}
	t = t.as(st.Evolved)
	r.stopJob(ctx, t, st)
	load := *st.Running
	load.Fence = fence
	if found, err := r.closeTo(ctx, t, load); found || err != nil {
		return err
	}
	_, err = r.transition(ctx, t, fence, FileQuery{Statuses: live}, func(v *view) error {
		if v.state.Running == nil {
			return errDone
		}
		v.abandon()
		return nil
	})
	return err
}

// closeTo closes the table to a load that was begun under an older fence, and
// records it if it is in the table all the same.
func (r *Runner) closeTo(ctx context.Context, t *Table, load Load) (found bool, err error) {
	target, err := t.Target()
	if err != nil {
		return false, err
	}
	if f, ok := r.cfg.Sink.(Fencer); ok {
		if err := r.retry(ctx, func() error { return f.Fence(ctx, target, load.Fence) }); err != nil {
			return false, fmt.Errorf("close the table to load %s: %w", load.ID, err)
		}
	}
	var receipt Receipt
	err = r.retry(ctx, func() (err error) {
		receipt, found, err = r.cfg.Sink.Applied(ctx, target, load.ID)
		return err
	})
	switch {
	case err != nil:
		return false, fmt.Errorf("look for load %s: %w", load.ID, err)
	case found:
		return true, r.record(ctx, t, load, receipt, 0)
	}
	if _, ok := r.cfg.Sink.(Fencer); ok { // no job of it can commit any more
		r.forget(ctx, t, load)
	}
	return false, nil
}
