package etl

import (
	"cmp"
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl/internal/cells"
)

// transform runs the chain on rows, several of a key perhaps. Rows that a transform
// drops are told by the keys of the others, so where some are missing, or have
// mistakes, rows of one key are transformed apart from each other.
func (s *chronicle) transform(ctx context.Context, w *winners, rec arrow.RecordBatch, at []int64) (*won, error) {
	out, err := w.transform(ctx, rec, at)
	if err == nil && out.dropped == 0 {
		return out, nil
	}
	rounds := s.rounds(at)
	if len(rounds) < 2 {
		if err == nil {
			slices.Sort(out.lost)
		}
		return out, err
	}
	if err == nil {
		out.rec.Release()
	}
	all := &won{read: len(at)}
	var rows []placed
	for _, round := range rounds {
		out, err := w.transformRound(ctx, rec, at, round)
		if err != nil {
			return nil, err
		}
		defer out.rec.Release()
		all.dropped += out.dropped
		all.lost = append(all.lost, out.lost...)
		for i, pos := range out.at {
			rows = append(rows, placed{rowRef{out.rec, i}, pos})
		}
	}
	slices.Sort(all.lost)
	slices.SortFunc(rows, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	all.rec, all.at, err = gather(w.c.made, rows)
	return all, err
}

// placed is a row and its position.
type placed struct {
	rowRef
	at int64
}

// rounds divides rows among rounds in which no key comes twice.
func (s *chronicle) rounds(at []int64) (rounds [][]int) {
	seen := map[int32]int{}
	for i, id := range s.changesAt(at) {
		k := s.h.changes[id].key
		if seen[k] == len(rounds) {
			rounds = append(rounds, nil)
		}
		rounds[seen[k]] = append(rounds[seen[k]], i)
		seen[k]++
	}
	return rounds
}

func (w *winners) transformRound(ctx context.Context, rec arrow.RecordBatch, at []int64, rows []int) (*won, error) {
	some, err := cells.Take(memory.DefaultAllocator, rec, rows)
	if err != nil {
		return nil, err
	}
	defer some.Release()
	own := make([]int64, len(rows))
	for i, row := range rows {
		own[i] = at[row]
	}
	return w.transform(ctx, some, own)
}

// gather makes a batch of rows of several.
func gather(schema *arrow.Schema, rows []placed) (arrow.RecordBatch, []int64, error) {
	refs, at := make([]rowRef, len(rows)), make([]int64, len(rows))
	for i, r := range rows {
		refs[i], at[i] = r.rowRef, r.at
	}
	cols := make([]arrow.Array, 0, schema.NumFields())
	defer func() {
		for _, col := range cols {
			col.Release()
		}
	}()
	for i, f := range schema.Fields() {
		col, err := versionColumn(f, i, refs, nil, ownOrders{})
		if err != nil {
			return nil, nil, err
		}
		cols = append(cols, col)
	}
	return array.NewRecordBatch(schema, cols, int64(len(rows))), at, nil
}
