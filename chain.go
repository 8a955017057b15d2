package etl

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl/internal/cells"
	"github.com/tidemark-data/etl/internal/rowkey"
)

// transform runs the chain on the rows at positions. Rows are told apart by
// their keys, which must not change but by a [KeyTransformer].
func (w *winners) transform(ctx context.Context, rec arrow.RecordBatch, at []int64) (*won, error) {
	if w.c.appends() {
		return w.transformUnkeyed(ctx, rec, at)
	}
	out := &won{read: len(at)}
	rec.Retain()
	for step, t := range w.c.table.Transforms {
		made, err := t.Transform(ctx, rec)
		if err == nil {
			var kept []int64
			if kept, err = w.match(ctx, step, rec, made, at, out); err != nil {
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
	if err := sameColumns(rec.Schema(), w.c.made); err != nil {
		rec.Release()
		return nil, WithOutcome(Terminal, err)
	}
	if err := w.checkKeys(rec); err != nil {
		rec.Release()
		return nil, err
	}
	out.at, out.rec = at, rec
	return out, nil
}

// match finds the rows of made, which step made of rec, among those of rec and
// returns their positions.
func (w *winners) match(ctx context.Context, step int, rec, made arrow.RecordBatch, at []int64, out *won) ([]int64, error) {
	if w.c.keys.changedBy(step) {
		if made.NumRows() != rec.NumRows() {
			return nil, WithOutcome(Terminal, errors.New("a transform of keys added or dropped rows"))
		}
		return at, nil
	}
	var before, after rowkey.Batch
	if err := w.encodeKeys(&before, step, rec); err != nil {
		return nil, err
	}
	if err := w.encodeKeys(&after, step, made); err != nil {
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
	switch {
	case w.c.swaps():
		return kept, nil
	case w.c.chronicles(): // where a row is one of several of its key
		for _, i := range gone {
			out.lost = append(out.lost, at[i])
		}
		return kept, nil
	}
	return kept, w.droppedKeys(ctx, step, rec, gone, out)
}

// droppedKeys finds the keys of rows that step has dropped, as they are once the
// transforms that follow have changed them.
func (w *winners) droppedKeys(ctx context.Context, step int, rec arrow.RecordBatch, gone []int, out *won) error {
	cols, err := w.keyColumns(rec)
	if err != nil {
		return err
	}
	keys := array.NewRecordBatch(w.c.keys.schema(cols), cols, rec.NumRows())
	defer keys.Release()
	few, err := cells.Take(memory.DefaultAllocator, keys, gone)
	if err != nil {
		return err
	}
	defer few.Release()
	if cols, err = w.c.keys.apply(ctx, step+1, few.Columns()); err != nil {
		return err
	}
	var last rowkey.Batch
	if err := w.c.key.Encode(&last, cols); err != nil {
		return WithOutcome(Terminal, err)
	}
	found := make([]int32, last.Len())
	w.r.part.keys.Find(&last, found)
	for _, k := range found {
		if k < 0 {
			return WithOutcome(Terminal, errUnstableKey)
		}
	}
	out.keys = append(out.keys, found...)
	return nil
}

var errUnstableKey = errors.New("a transform made another key of a row than of its change")

// checkKeys makes sure that rows have the keys that their changes were settled by.
func (w *winners) checkKeys(rec arrow.RecordBatch) error {
	if !w.c.keys.changed() || w.c.swaps() {
		return nil
	}
	var last rowkey.Batch
	if err := w.encodeKeys(&last, len(w.c.table.Transforms)-1, rec); err != nil {
		return err
	}
	found := make([]int32, last.Len())
	w.r.part.keys.Find(&last, found)
	for i, k := range found {
		if k < 0 || last.Null(i) {
			return WithOutcome(Terminal, errUnstableKey)
		}
	}
	return nil
}

func sameKeys(a, b *rowkey.Batch) bool {
	for i := range a.Len() {
		if b.Null(i) || !a.Equal(i, b, i) {
			return false
		}
	}
	return true
}

func (w *winners) keyColumns(rec arrow.RecordBatch) ([]arrow.Array, error) {
	keys := make([]arrow.Array, len(w.c.table.Key))
	for i, name := range w.c.table.Key {
		idx := rec.Schema().FieldIndices(name)
		if len(idx) != 1 {
			return nil, WithOutcome(Terminal, fmt.Errorf("a transform lost key column %s", name))
		}
		keys[i] = rec.Column(idx[0])
	}
	return keys, nil
}

// encodeKeys encodes keys as they are after step.
func (w *winners) encodeKeys(b *rowkey.Batch, step int, rec arrow.RecordBatch) error {
	keys, err := w.keyColumns(rec)
	if err != nil {
		return err
	}
	if err := w.c.keys.codecs[step+1].Encode(b, keys); err != nil {
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

// keysOf finds the keys of rows that the transforms have made.
func (w *winners) keysOf(rec arrow.RecordBatch) ([]int32, error) {
	keys, err := w.keyColumns(rec)
	if err != nil {
		return nil, err
	}
	b := batches.Get().(*rowkey.Batch)
	defer batches.Put(b)
	if err := w.c.key.Encode(b, keys); err != nil {
		return nil, WithOutcome(Terminal, err)
	}
	found := make([]int32, b.Len())
	w.r.part.keys.Find(b, found)
	if slices.Contains(found, -1) {
		return nil, WithOutcome(Terminal, errUnstableKey)
	}
	return found, nil
}
