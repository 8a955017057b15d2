package etl

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// aside is what the changes of a load have to know of rows set aside; file is that
// of a staged load, or -1.
func (r *Runner) aside(ctx context.Context, t *Table, load Load, file int) (*aside, error) {
	q := r.cfg.Quarantine
	if q == nil {
		return nil, nil
	}
	a := &aside{file: file, mended: map[string]BadRow{}, contents: map[string][]byte{}}
	mended := map[string]string{} // file IDs by row and content
	for _, f := range load.Files {
		if _, id, ok := mendedRow(f.Location); ok {
			mended[id+f.ETag] = f.ID()
		}
	}
	set := load.ID
	if file >= 0 {
		set += "-" + strconv.Itoa(file)
	}
	a.keep = func(ctx context.Context, bad, overtaken []BadRow) error {
		return r.keepBad(ctx, t, load, set, bad, overtaken)
	}
	for row, err := range q.Rows(ctx, t.Name) {
		if err != nil {
			return nil, fmt.Errorf("read quarantine of %s: %w", t.Name, err)
		}
		if id, ok := mended[row.ID+contentTag(row.Mended)]; ok && row.Mended != nil {
			a.mended[id], a.contents[id] = row.Public(), row.Mended
		}
		if row.Status == BadOpen && row.Epoch == load.Epoch && row.LoadID != load.ID {
			key := row.Key
			row = row.Public()
			row.Key = key
			a.open = append(a.open, row)
		}
	}
	return a, nil
}

// keepBad stores the bad rows of a load, before its commit.
func (r *Runner) keepBad(ctx context.Context, t *Table, load Load, set string, bad, overtaken []BadRow) error {
	if len(bad) == 0 && len(overtaken) == 0 {
		return r.cfg.Quarantine.Put(ctx, t.Name, set, nil) // of an attempt before, perhaps
	}
	records := map[string]FileRecord{}
	known, err := r.files(ctx, t.Name, FileQuery{IDs: fileIDs(load.Files)})
	if err != nil {
		return err
	}
	for _, rec := range known {
		records[rec.ID()] = rec
	}
	handled := map[string]BadRow{}
	marks := map[string]bool{}
	for _, row := range overtaken {
		marks[row.LoadID+row.ID] = true
	}
	var marked []BadRow
	for row, err := range r.cfg.Quarantine.Rows(ctx, t.Name) {
		if err != nil {
			return err
		}
		if row.Status != BadOpen {
			handled[row.ID] = row
		}
		if marks[row.LoadID+row.ID] && !slices.Contains(row.OvertakenBy, load.ID) {
			row.OvertakenBy = append(row.OvertakenBy, load.ID)
			marked = append(marked, row)
		}
	}
	for i := range bad {
		row := &bad[i]
		row.At = r.cfg.Now()
		if rec, ok := records[row.FileID]; ok {
			row.Order, row.Landed, row.Kind = rec.Order, rec.Landed(), rec.Kind
		}
		if old, ok := handled[row.ID]; ok { // before the load was tried again
			row.Status, row.Note, row.Mended = old.Status, old.Note, old.Mended
		}
	}
	if err := r.cfg.Quarantine.Put(ctx, t.Name, set, bad); err != nil {
		return err
	}
	if len(marked) == 0 {
		return nil
	}
	return r.cfg.Quarantine.Update(ctx, marked...)
}

// tellQuarantined tells of the rows that a load has set aside.
func (r *Runner) tellQuarantined(t *Table, load Load, c *Changes) {
	if c.bad != nil {
		r.tellSetAside(t, load, c.bad.kept)
	}
}

func (r *Runner) tellSetAside(t *Table, load Load, kept []BadRow) {
	if len(kept) == 0 {
		return
	}
	rows := make([]BadRow, len(kept))
	for i, row := range kept {
		rows[i] = row.Public()
	}
	r.cfg.Logger.Warn("rows set aside", "table", t.Name, "load", load.ID, "rows", len(rows), "file", rows[0].File, "row", rows[0].Row,
		"column", rows[0].Column, "rule", rows[0].Rule)
	if f := r.cfg.Observer.Quarantined; f != nil {
		_ = r.tell(t, "Quarantined", func() { f(load, rows) }) // the commit is made
	}
}

// withinBudget checks the error budget of a load whose files were staged one by one.
func (s *stageRun) withinBudget(ctx context.Context) error {
	budget := s.t.BadRows
	if !budget.tolerant() {
		return nil
	}
	staged, err := s.stager.Staged(ctx, s.target, s.load)
	if err != nil {
		return fmt.Errorf("look what is staged: %w", err)
	}
	var n Counts
	for _, f := range staged {
		n.Add(f.Counts)
	}
	if budget.covers(n.Quarantined, n.Read) {
		return nil
	}
	var first *BadRow
	for row, err := range s.r.cfg.Quarantine.Rows(ctx, s.t.Name) {
		if err != nil {
			return fmt.Errorf("read quarantine: %w", err)
		}
		if row.LoadID == s.load.ID && (first == nil || cmp.Or(cmp.Compare(row.Order, first.Order), cmp.Compare(row.File, first.File), cmp.Compare(row.Row, first.Row)) < 0) {
			first = &row
		}
	}
	if first == nil {
		return WithOutcome(Terminal, fmt.Errorf("%d bad rows, budget %v", n.Quarantined, budget))
	}
	return &BudgetError{First: &RowError{File: first.File, Row: first.Row, Column: first.Column, Rule: first.Rule}, Bad: n.Quarantined, Budget: budget}
}

// mendedSource serves mended rows besides the files of a source.
type mendedSource struct {
	Source
	quarantine Quarantine
}

// Open implements [Source].
func (m mendedSource) Open(ctx context.Context, f File) (Input, error) {
	table, id, ok := mendedRow(f.Location)
	if !ok {
		return m.Source.Open(ctx, f)
	}
	for row, err := range m.quarantine.Rows(ctx, table) {
		if err != nil {
			return nil, fmt.Errorf("read quarantine of %s: %w", printable(table), err)
		}
		if row.ID == id && row.Mended != nil && contentTag(row.Mended) == f.ETag {
			return textInput{bytes.NewReader(row.Mended)}, nil
		}
	}
	return nil, &FileError{File: f.Location, Err: fmt.Errorf("%w: the quarantine has no such mended row", ErrFileVanished)}
}

// contentTag is the ETag of a mended row.
func contentTag(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// textInput is an [Input] in memory.
type textInput struct{ *bytes.Reader }

var _ io.ReaderAt = textInput{}

// Close implements [Input].
func (textInput) Close() error { return nil }
