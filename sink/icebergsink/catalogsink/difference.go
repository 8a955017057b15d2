package catalogsink

import (
	"context"
	"fmt"

	"github.com/tidemark-data/etl"
)

// A full load that is committed as a difference is a delta like any other. The
// rows that it has are found by their keys; those that no part of it has leave
// with the rest. Rows that stay keep their data sequence number, which is below
// that of the commit: after it all rows are those of the epoch's full load.

// swaps reports whether the load replaces all that the table holds.
func (w *work) swaps() bool { return w.load.Kind == etl.Full && !w.load.Difference }

// compared takes note of which rows the part has, and which of them go.
func (w *work) compared(matches []*match, res *etl.Resolution) {
	if w.found == nil {
		w.found = map[*dataFile]bits{}
	}
	for _, m := range matches {
		b := w.found[m.file]
		if b == nil {
			b = newBits(m.file.Count())
			w.found[m.file] = b
		}
		for _, pos := range m.positions {
			b.set(pos)
		}
	}
	w.takeRemoved(matches, res)
}

// removeAbsent removes the rows that a difference does not have, once all its
// parts are settled. Data files of which it has no row go as they are.
func (w *work) removeAbsent(ctx context.Context) error {
	if w.load.Kind != etl.Full || !w.load.Difference || w.target.Mode == etl.ModeHistory {
		return nil
	}
	for _, f := range w.list.data {
		dead, err := w.list.deadOf(ctx, f)
		if err != nil {
			return fmt.Errorf("table %s: %w", w.target.Name, err)
		}
		stay := w.found[f]
		if stay == nil && w.mode == mergeOnRead {
			w.recast = append(w.recast, recast{old: f})
			n := f.Count() - dead.count()
			w.gone += n
			w.counts.RemovedAsAbsent += n
			continue
		}
		gone := absent(f.Count(), stay, dead)
		if len(gone) > 0 {
			w.removed[f] = append(w.removed[f], gone...)
			w.counts.RemovedAsAbsent += int64(len(gone))
		}
	}
	return nil
}

// absent returns the positions below rows that are in neither set.
func absent(rows int64, stay, dead bits) []int64 {
	left := newBits(rows)
	for i := range left {
		left[i] = ^uint64(0)
		if i < len(stay) {
			left[i] &^= stay[i]
		}
		if i < len(dead) {
			left[i] &^= dead[i]
		}
	}
	if tail := rows & 63; tail > 0 {
		left[len(left)-1] &= 1<<tail - 1
	}
	return left.positions()
}
