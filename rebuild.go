package etl

import (
	"context"
	"fmt"
	"slices"
)

// Rebuild makes the state and ledger of a table anew from what the table itself
// carries and what the source lists, for a control store that was lost. Files
// that the table's metadata names are applied; of the others, those that the
// metadata reaches back far enough to tell about wait, and those that it does
// not are taken for applied up to the watermark. The table comes back paused,
// for a person to look at before it is resumed.
//
// It returns an error where the ledger already knows files of the table, unless
// none of them was ever applied.
func (r *Runner) Rebuild(ctx context.Context, table string) error {
	t, err := r.table(table)
	if err != nil {
		return err
	}
	witness, ok := r.cfg.Sink.(Witness)
	if !ok {
		return WithOutcome(Terminal, fmt.Errorf("the sink does not tell which loads table %s holds", printable(table)))
	}
	target, err := t.Target()
	if err != nil {
		return err
	}
	standing, err := witness.Standing(ctx, target)
	if err != nil {
		return fmt.Errorf("read what table %s holds: %w", printable(table), err)
	}
	if raiser, ok := r.cfg.Locker.(FenceRaiser); ok {
		if err := raiser.RaiseFence(ctx, table, standing.Fence); err != nil {
			return fmt.Errorf("raise fence of table %s: %w", printable(table), err)
		}
	}
	files, err := r.list(ctx)
	if err != nil {
		return err
	}
	return r.withLease(ctx, table, func(ctx context.Context, fence int64) error {
		if fence <= standing.Fence {
			return WithOutcome(Terminal, fmt.Errorf("%w: the locker gave %d, table %s has %d and the locker cannot raise it", ErrStaleFence, fence, printable(table), standing.Fence))
		}
		_, err := r.transition(ctx, t, fence, FileQuery{Statuses: append([]FileStatus{Applied, Skipped, SetAside}, live...)}, func(v *view) error {
			if v.state.Version > 0 && (v.state.LastApplied != nil || v.state.Running != nil) {
				return WithOutcome(Terminal, fmt.Errorf("the control store knows table %s: nothing to rebuild", printable(table)))
			}
			v.rebuild(r.ofTable(files, table), standing)
			return nil
		})
		return err
	}, nil)
}

func (r *Runner) ofTable(files []File, table string) []FileRecord {
	var out []FileRecord
	for _, f := range files {
		for _, rec := range r.cfg.Records(f) {
			if rec.Table == table {
				out = append(out, rec)
			}
		}
	}
	sortRecords(out)
	return out
}

func (v *view) rebuild(files []FileRecord, s Standing) {
	known := map[string]int{} // by file ID: index of the record
	for i := range v.records {
		known[v.records[i].ID()] = i
	}
	v.state.Epoch, v.state.EpochLanded = s.Epoch, s.Landed
	v.state.Watermark, v.state.WatermarkFile = s.Watermark, s.WatermarkFile
	v.state.Open, v.state.Evolved = nil, s.Evolved
	v.state.Erasures = s.Erasures
	loadOf := map[string]StandingLoad{}
	for _, l := range s.Loads {
		for _, id := range l.FileIDs {
			loadOf[id] = l
		}
		receipt := l.Receipt
		v.entries = append(v.entries, Entry{
			At: receipt.Committed, Table: v.state.Table, Kind: EntryApplied, Text: l.Kind.String() + " load found in the table",
			LoadID: l.ID, LoadKind: l.Kind, Epoch: l.Epoch, Files: len(l.FileIDs), LastFile: l.LastName, Receipt: &receipt,
		})
		v.state.LastApplied = &LastFile{Location: l.LastName, LoadID: l.ID, At: receipt.Committed}
	}
	var waiting []FileRecord
	for _, rec := range slices.Concat(v.records, files) {
		id := rec.ID()
		at, isKnown := known[id]
		load, applied := loadOf[id]
		if !applied && !reflects(rec, s) {
			if !isKnown {
				waiting = append(waiting, rec)
			}
			continue
		}
		if !isKnown {
			at = len(v.records)
			known[id], v.fresh[id] = at, true
			rec.Table, rec.Registered, rec.Updated = v.state.Table, v.now, v.now
			v.records = append(v.records, rec)
		}
		r := &v.records[at]
		r.Epoch, r.LoadID = s.Epoch, load.ID
		if applied {
			r.Epoch = load.Epoch
		}
		v.set(r, Applied, "rebuilt from the table")
	}
	v.register(waiting)
	v.pause(Diagnosis{Cause: "the ledger was rebuilt from the table: look at what is waiting, then resume"})
	v.log(EntryRebuilt, "rebuilt from %d loads, %d files wait", len(s.Loads), len(waiting))
}

// reflects reports whether a file that no load names was, as far as one can
// tell, applied or overtaken all the same.
func reflects(rec FileRecord, s Standing) bool {
	switch {
	case s.Epoch > 0 && before(rec.Landed(), s.Landed):
		return true
	case s.Complete:
		return false
	case rec.Kind == Full: // the full load came before every load that is left
		return len(s.Loads) > 0 && rec.Landed().Before(s.Loads[0].Receipt.Committed)
	}
	return comparePosition(rec.Order, rec.Location, s.Watermark, s.WatermarkFile) <= 0
}
