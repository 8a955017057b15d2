package etl

import (
	"context"
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
)

// transformUnkeyed is transform for rows without keys. Where rows are dropped it is
// not known which ones stay, so the batch comes without positions; they are looked for
// when a check refuses rows.
func (w *winners) transformUnkeyed(ctx context.Context, rec arrow.RecordBatch, at []int64) (*won, error) {
	out := &won{read: len(at), at: at}
	src := rec
	rec.Retain()
	for step, t := range w.c.table.Transforms {
		made, err := t.Transform(ctx, rec)
		if err == nil && made.NumRows() > rec.NumRows() {
			made.Release()
			err = WithOutcome(Terminal, errors.New("a transform added rows"))
		}
		rows := rec.NumRows()
		rec.Release()
		if err != nil {
			return nil, w.unkeyedError(ctx, src, at, step, rows, err)
		}
		out.dropped += int(rows - made.NumRows())
		rec = made
	}
	if err := sameColumns(rec.Schema(), w.c.target.Schema); err != nil {
		rec.Release()
		return nil, WithOutcome(Terminal, err)
	}
	if out.rec = rec; out.dropped > 0 {
		out.at = nil
		src.Retain()
		out.source = &untold{src, at}
	}
	return out, nil
}

// untold are the rows of a batch from which transforms have dropped some.
type untold struct {
	rec arrow.RecordBatch
	at  []int64
}

// release gives up what is kept of a batch.
func (u *untold) release() {
	if u != nil {
		u.rec.Release()
	}
}

// places returns the positions of the rows that are left: those of a slice of which
// all are left, or none, are known, others are divided.
func (w *winners) places(ctx context.Context, u *untold) ([]int64, error) {
	left, err := w.rowsLeft(ctx, u.rec.NewSlice(0, u.rec.NumRows()), len(w.c.table.Transforms))
	switch n := len(u.at); {
	case err != nil:
		return nil, err
	case left == 0:
		return nil, nil
	case left == int64(n):
		return u.at, nil
	case n == 1:
		return nil, WithOutcome(Terminal, errors.New("a transform added rows"))
	}
	var kept []int64
	mid := len(u.at) / 2
	for _, half := range [][2]int{{0, mid}, {mid, len(u.at)}} {
		part := &untold{u.rec.NewSlice(int64(half[0]), int64(half[1])), u.at[half[0]:half[1]]}
		at, err := w.places(ctx, part)
		part.release()
		if err != nil {
			return nil, err
		}
		kept = append(kept, at...)
	}
	return kept, nil
}

// unkeyedError places the error of a transform, that of step, in the row of src which
// it is about.
func (w *winners) unkeyedError(ctx context.Context, src arrow.RecordBatch, at []int64, step int, rows int64, err error) error {
	var re *RowError
	if !errors.As(err, &re) || re.File != "" || re.Row < 1 || re.Row > rows {
		return err
	}
	row := int(re.Row) - 1
	if rows < src.NumRows() {
		traced, terr := w.trace(ctx, src, step, row)
		if terr != nil {
			return terr
		}
		row = traced
	}
	return w.badRow(at[row], re.Column, re.Rule, re.Err)
}

// trace returns which row of src becomes the given row before a step: the last one of
// the shortest beginning of src of which so many rows are left.
func (w *winners) trace(ctx context.Context, src arrow.RecordBatch, step, row int) (int, error) {
	from, to := row, int(src.NumRows())-1
	for from < to {
		mid := (from + to) / 2
		left, err := w.rowsLeft(ctx, src.NewSlice(0, int64(mid)+1), step)
		switch {
		case err != nil:
			return 0, err
		case left > int64(row):
			to = mid
		default:
			from = mid + 1
		}
	}
	return from, nil
}

// rowsLeft counts the rows that the transforms before a step leave of rec, which it
// releases.
func (w *winners) rowsLeft(ctx context.Context, rec arrow.RecordBatch, step int) (int64, error) {
	for _, t := range w.c.table.Transforms[:step] {
		made, err := t.Transform(ctx, rec)
		rec.Release()
		if err != nil {
			return 0, err
		}
		rec = made
	}
	defer rec.Release()
	return rec.NumRows(), nil
}
