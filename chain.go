package etl

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// transform runs the chain on the rows at positions. Rows are told apart by
// their keys, which must not change.
func (w *winners) transform(ctx context.Context, rec arrow.RecordBatch, at []int64) (*won, error) {
	out := &won{read: len(at)}
	rec.Retain()
	for _, t := range w.c.table.Transforms {
		made, err := t.Transform(ctx, rec)
		if err == nil {
			var kept []int64
			if kept, err = w.match(rec, made, at, out); err != nil {
				made.Release()
			}
			rec.Release()
			if err != nil {
				return nil, err
			}
			rec, at = made, kept
			continue
		}
		rec.Release()
		var re *RowError
		if errors.As(err, &re) && re.File == "" && re.Row >= 1 && int(re.Row) <= len(at) {
			err = w.badRow(at[re.Row-1], re.Column, re.Rule, re.Err)
		}
		return nil, err
	}
	if err := sameColumns(rec.Schema(), w.c.target.Schema); err != nil {
		rec.Release()
		return nil, WithOutcome(Terminal, err)
	}
	out.rec, out.at = rec, at
	return out, nil
}

// match finds the rows of made among those of rec and returns their positions.
func (w *winners) match(rec, made arrow.RecordBatch, at []int64, out *won) ([]int64, error) {
	var before, after rowkey.Batch
	if err := w.encodeKeys(&before, rec); err != nil {
		return nil, err
	}
	if err := w.encodeKeys(&after, made); err != nil {
		return nil, err
	}
	if after.Len() == before.Len() && sameKeys(&before, &after) {
		return at, nil
	}
	kept := make([]int64, 0, after.Len())
	var gone []int
	row := 0
	for i := range after.Len() {
		for row < len(at) && (after.Null(i) || !before.Equal(row, &after, i)) {
			gone = append(gone, row)
			row++
		}
		if row == len(at) {
			return nil, WithOutcome(Terminal, errors.New("a transform added or reordered rows, or changed a key"))
		}
		kept = append(kept, at[row])
		row++
	}
	for ; row < len(at); row++ {
		gone = append(gone, row)
	}
	out.dropped += len(gone)
	if w.c.load.Kind != Full {
		found := make([]int32, before.Len())
		w.r.part.keys.Find(&before, found)
		for _, i := range gone {
			out.keys = append(out.keys, found[i])
		}
	}
	return kept, nil
}

func sameKeys(a, b *rowkey.Batch) bool {
	for i := range a.Len() {
		if b.Null(i) || !a.Equal(i, b, i) {
			return false
		}
	}
	return true
}

func (w *winners) encodeKeys(b *rowkey.Batch, rec arrow.RecordBatch) error {
	keys := make([]arrow.Array, len(w.c.table.Key))
	for i, name := range w.c.table.Key {
		idx := rec.Schema().FieldIndices(name)
		if len(idx) != 1 {
			return WithOutcome(Terminal, fmt.Errorf("a transform lost key column %s", name))
		}
		keys[i] = rec.Column(idx[0])
	}
	if err := w.c.key.Encode(b, keys); err != nil {
		return WithOutcome(Terminal, fmt.Errorf("a transform changed the type of a key column: %w", err))
	}
	return nil
}

func sameColumns(got, want *arrow.Schema) error {
	if got.NumFields() != want.NumFields() {
		return fmt.Errorf("transforms made %d columns, announced %d", got.NumFields(), want.NumFields())
	}
	for i, f := range want.Fields() {
		if g := got.Field(i); g.Name != f.Name || !arrow.TypeEqual(g.Type, f.Type) {
			return fmt.Errorf("transforms made column %s of type %v, announced %s of type %v", g.Name, g.Type, f.Name, f.Type)
		}
	}
	return nil
}
