package etl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// QuarantinedRow is a bad row as it stands now.
type QuarantinedRow struct {
	// BadRow is the row. Its Status tells too whether it was overtaken.
	BadRow
	// InTable is set where the load that set the row aside is in the table. Others
	// are those of loads that did not go through (yet).
	InTable bool
}

// BadRows yields the rows of a table that were set aside, ordered by load, file and
// row. Those of a load that was given up are left out once another load has taken the
// file.
func (r *Runner) BadRows(ctx context.Context, table string) iter.Seq2[QuarantinedRow, error] {
	return func(yield func(QuarantinedRow, error) bool) {
		rows, err := r.badRows(ctx, table)
		if err != nil {
			yield(QuarantinedRow{}, err)
			return
		}
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

func (r *Runner) badRows(ctx context.Context, table string) ([]QuarantinedRow, error) {
	t, err := r.table(table)
	if err != nil {
		return nil, err
	}
	if r.cfg.Quarantine == nil {
		return nil, nil
	}
	var rows []QuarantinedRow
	files, loads := map[string]FileRecord{}, map[string]bool{}
	for row, err := range r.cfg.Quarantine.Rows(ctx, t.Name) {
		if err != nil {
			return nil, fmt.Errorf("read quarantine of %s: %w", t.Name, err)
		}
		rows = append(rows, QuarantinedRow{BadRow: row})
		files[row.FileID] = FileRecord{}
		for _, l := range row.OvertakenBy {
			loads[l] = false
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	st, err := r.cfg.Control.State(ctx, t.Name)
	if err != nil {
		return nil, fmt.Errorf("read state of %s: %w", t.Name, err)
	}
	known, err := r.files(ctx, t.Name, FileQuery{IDs: slices.Collect(maps.Keys(files))})
	if err != nil {
		return nil, err
	}
	for _, rec := range known {
		files[rec.ID()] = rec
	}
	if err := r.committed(ctx, t.Name, loads); err != nil {
		return nil, err
	}
	return standing(rows, st, files, loads), nil
}

// standing tells where rows stand, and leaves out those of loads that were given up.
func standing(rows []QuarantinedRow, st State, files map[string]FileRecord, loads map[string]bool) []QuarantinedRow {
	out := rows[:0]
	for _, row := range rows {
		rec := files[row.FileID]
		if rec.LoadID != "" && rec.LoadID != row.LoadID {
			continue
		}
		row.InTable = rec.LoadID == row.LoadID && (rec.Status == Applied || rec.InTable)
		overtaken := row.Epoch < st.Epoch || slices.ContainsFunc(row.OvertakenBy, func(l string) bool { return loads[l] })
		if row.Status == BadOpen && overtaken {
			row.Status = BadOvertaken
		}
		out = append(out, row)
	}
	return out
}

// committed finds out which of the loads are in the table. Where the ledger was
// rebuilt it does not know, and takes them to be.
func (r *Runner) committed(ctx context.Context, table string, loads map[string]bool) error {
	left := len(loads)
	if left == 0 {
		return nil
	}
	for e, err := range r.cfg.Control.History(ctx, table) {
		if err != nil {
			return fmt.Errorf("read history of %s: %w", table, err)
		}
		if done, asked := loads[e.LoadID]; asked && !done && e.Kind == EntryApplied {
			loads[e.LoadID] = true
			left--
		}
		if e.Kind == EntryRebuilt {
			for l := range loads {
				loads[l] = true
			}
			left = 0
		}
		if left == 0 {
			break
		}
	}
	return nil
}

// ReplayOption is an option of [Runner.ReplayBad].
type ReplayOption func(*replaying)

type replaying struct{ blind bool }

// ReplayBlind hands a row in although nobody can tell whether later rows of its key
// are in the table already.
func ReplayBlind() ReplayOption { return func(o *replaying) { o.blind = true } }

// ReplayBad hands in a mended version of a bad row: a record in the form of Raw, which
// becomes a file of its own at the place in the order where the row stood. The next
// Drain applies it, exactly once. It waits for the table's lock as [Runner.Skip] does.
//
// Where the table has no ordering columns, and for rows of full loads, a row that was
// overtaken is refused, because it would undo what came later; so is one whose key is
// not known, unless [ReplayBlind] is given. A record that still is bad is refused with
// a [RowError]. ErrNotFound is returned where no such row waits.
func (r *Runner) ReplayBad(ctx context.Context, table, id string, mended []byte, options ...ReplayOption) error {
	var o replaying
	for _, option := range options {
		option(&o)
	}
	t, err := r.table(table)
	if err != nil {
		return err
	}
	return r.withLease(ctx, table, func(ctx context.Context, fence int64) error {
		if err := r.settleRunning(ctx, t, fence); err != nil {
			return err
		}
		rows, err := r.badRows(ctx, table)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(rows, func(row QuarantinedRow) bool { return row.ID == id })
		if at < 0 {
			return noBadRow(id)
		}
		return r.replayBad(ctx, t, fence, rows[at], mended, o.blind)
	}, nil)
}

func noBadRow(id string) error {
	return fmt.Errorf("%w: bad row %s", ErrNotFound, printable(id))
}

func (r *Runner) replayBad(ctx context.Context, t *Table, fence int64, row QuarantinedRow, mended []byte, blind bool) error {
	raw, ok := t.Format.(RawFormat)
	if !ok {
		return WithOutcome(Terminal, errors.New("the table's format does not read single records"))
	}
	if err := row.replayable(*t, blind); err != nil {
		return WithOutcome(Terminal, fmt.Errorf("bad row %s: %w", row.ID, err))
	}
	content := bytes.Join([][]byte{row.Head, bytes.TrimRight(mended, "\r\n"), []byte("\n")}, nil)
	place := row.place()
	rec := FileRecord{
		File: File{Location: mendedLocation(t.Name, row.ID, place), ETag: contentTag(content), Size: int64(len(content)), ModTime: row.Landed},
		Kind: Incremental, Order: place.Order, Accepted: true,
	}
	if place.Kind == Full {
		rec.Order = ""
	}
	if err := r.checkMended(ctx, t, raw, rec.File, place.Kind, content); err != nil {
		return err
	}
	there, err := r.files(ctx, t.Name, FileQuery{IDs: []string{rec.ID()}})
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return WithOutcome(Terminal, fmt.Errorf("bad row %s was replayed like that already: it is %s", row.ID, there[0].Status))
	}
	if row.Status == BadReplayed && !bytes.Equal(row.Mended, content) {
		return WithOutcome(Terminal, fmt.Errorf("bad row %s was replayed already", row.ID))
	}
	row.Status, row.Mended = BadReplayed, content
	if err := r.cfg.Quarantine.Update(ctx, row.BadRow); err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	_, err = r.transition(ctx, t, fence, FileQuery{IDs: []string{rec.ID()}}, func(v *view) error {
		if len(v.records) > 0 {
			return errDone
		}
		if v.state.Open != nil || v.state.Epoch != row.Epoch {
			return WithOutcome(Terminal, errors.New("a newer full load takes the place of the row"))
		}
		v.register([]FileRecord{rec})
		v.log(EntryOperator, "replay of bad row %s: row %d of %s", row.ID, row.Row, printable(row.File)).Files = 1
		return nil
	})
	return err
}

// replayable reports why a row cannot be handed in again.
func (row QuarantinedRow) replayable(t Table, blind bool) error {
	positional := len(t.OrderBy) == 0 || row.place().Kind == Full
	switch {
	case !row.InTable:
		return errors.New("the load that set it aside is not in the table")
	case row.Status == BadOvertaken && positional, row.Status == BadOvertaken && len(row.OvertakenBy) == 0:
		return errors.New("it was overtaken: the table has a later version of its key, or a later full load")
	case row.Status == BadDropped:
		return errors.New("it was given up")
	case row.Key == nil && positional && !blind:
		return errors.New("its key is not known, so nobody can tell whether the table has a later version of it")
	}
	return nil
}

// DropBad gives bad rows up: nobody will mend them. They stay listed, with the note.
// ErrNotFound is returned, and nothing done, where one of them does not wait.
func (r *Runner) DropBad(ctx context.Context, table, note string, ids ...string) error {
	t, err := r.table(table)
	if err != nil {
		return err
	}
	rows, err := r.badRows(ctx, table)
	if err != nil {
		return err
	}
	var dropped []BadRow
	for _, id := range ids {
		at := slices.IndexFunc(rows, func(row QuarantinedRow) bool { return row.ID == id && row.Status != BadReplayed })
		if at < 0 {
			return noBadRow(id)
		}
		row := rows[at].BadRow
		row.Status, row.Note = BadDropped, note
		dropped = append(dropped, row)
	}
	if len(dropped) == 0 {
		return nil
	}
	if err := r.cfg.Quarantine.Update(ctx, dropped...); err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	_, err = r.transition(ctx, t, 0, FileQuery{}, func(v *view) error {
		v.log(EntryOperator, "%d bad rows dropped: %s", len(dropped), note)
		return nil
	})
	return err
}

// RemoveBad removes bad rows for good, with their bytes. Mended versions that were
// not applied yet can then not be read any more. Unknown rows are no error.
func (r *Runner) RemoveBad(ctx context.Context, table string, ids ...string) error {
	if _, err := r.table(table); err != nil || r.cfg.Quarantine == nil {
		return err
	}
	if err := r.cfg.Quarantine.Remove(ctx, table, ids...); err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	return nil
}
