package etl

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
)

// winners reads the rows that won, in a second pass over the files, transforms
// them and gives them out.
type winners struct {
	r     *Resolution
	c     *Changes
	in    *inputs
	rows  bitmap   // needed, by position
	patch *patcher // nil where all rows are whole
	next  int      // change whose row comes next, where there is a patcher
}

func newWinners(r *Resolution) *winners {
	w := &winners{r: r, c: r.part.c, in: r.part.in}
	if d := r.part.defers; d != nil {
		w.rows = d.wanted
	} else {
		w.rows = newBitmap(w.in.base[len(w.in.base)-1])
		r.settlement.wanted(w.rows)
	}
	if w.c.partial() {
		w.patch = newPatcher(r.settlement.(*replay))
	}
	return w
}

func (w *winners) close() {
	if w.patch != nil {
		w.patch.close()
	}
}

var errStop = errors.New("consumer stopped")

// won is a batch of winners.
type won struct {
	rec     arrow.RecordBatch
	read    int     // rows read
	at      []int64 // positions of the rows read, where there is a patcher
	gaps    Rows    // of which Unsupplied is set
	dropped int
	keys    []int32 // of the rows dropped, unless the load replaces the table
	same    int     // rows left out because they equal the committed ones
}

func (w *winners) run(ctx context.Context, yield func(arrow.RecordBatch) bool) error {
	done := int64(0) // rows of the current file
	r := &reading[*won]{
		c: w.c, in: w.in, again: true, req: ScanRequest{Kind: w.c.load.Kind},
		wants: func(file int, first, rows int64) bool {
			base := w.in.base[file]
			if rows < 0 {
				rows = w.in.base[file+1] - base
			}
			return w.rows.count(base+first, base+first+rows) > 0
		},
		picks: func(file int) func(int64) bool {
			base, end := w.in.base[file], w.in.base[file+1]
			if w.rows.count(base, end) == end-base {
				return nil // all of them
			}
			return func(row int64) bool { return w.rows.has(base + row) }
		},
		work: w.batch,
		take: func(u *unit[*won], b *won) error {
			u.rows += int64(b.read)
			done += int64(b.read)
			err := w.take(ctx, b, yield)
			w.c.notify(w.c.load.Files[u.file].Location, 2, done)
			return err
		},
		unitDone: func(u *unit[*won]) error { return w.checkUnit(u.file, u.open == nil, u.chunk, u.rows) },
		fileDone: func(int) error { done = 0; return nil },
	}
	for _, col := range w.c.table.Columns {
		r.req.Columns = append(r.req.Columns, ScanColumn{Column: col})
	}
	if err := r.run(ctx); errors.Is(err, errStop) {
		return nil
	} else if err != nil || w.patch == nil {
		return err
	}
	return w.patched(ctx, yield)
}

// checkUnit makes sure that the rows wanted were there, and no others.
func (w *winners) checkUnit(file int, whole bool, c Chunk, rows int64) error {
	first, last := w.in.base[file], w.in.base[file+1]
	if !whole {
		first, last = first+c.First, first+c.First+c.Rows
	}
	if w.rows.count(first, last) == rows {
		return nil
	}
	return &FileError{File: w.c.load.Files[file].Location, Err: fmt.Errorf("%w: its rows differ between two readings", ErrFileChanged)}
}

// batch checks and transforms a batch, unless it may have to be completed first.
// It is safe for concurrent use.
func (w *winners) batch(ctx context.Context, file int, rows Rows) (*won, error) {
	at := make([]int64, len(rows.Numbers))
	for i, n := range rows.Numbers {
		at[i] = w.in.base[file] + n
	}
	if w.patch != nil {
		rows.Record.Retain()
		return &won{rec: rows.Record, read: len(at), at: at, gaps: rows}, nil
	}
	if err := w.checkRequired(rows.Record, at, nil); err != nil {
		return nil, err
	}
	out, err := w.transformed(ctx, rows.Record, at)
	if err != nil {
		return nil, err
	}
	if err := w.compare(out); err != nil {
		out.rec.Release()
		return nil, err
	}
	return out, nil
}

// take gives out a batch.
func (w *winners) take(ctx context.Context, b *won, yield func(arrow.RecordBatch) bool) error {
	defer b.rec.Release()
	if w.patch != nil {
		ids := w.changesAt(b.at)
		return w.patch.take(b.gaps, ids, func(whole arrow.RecordBatch, ids []int64) error {
			return w.emit(ctx, whole, ids, yield)
		})
	}
	if b.dropped > 0 {
		w.r.drop(b.dropped, b.keys)
	}
	w.r.counts.Updated -= int64(b.same)
	w.r.counts.Unchanged += int64(b.same)
	if err := w.c.checks.look(ctx, w, b.rec, b.at); err != nil {
		return err
	}
	if b.rec.NumRows() > 0 && !yield(b.rec) {
		return errStop
	}
	return nil
}

// changesAt returns the changes at positions, which rise from call to call.
func (w *winners) changesAt(at []int64) []int64 {
	ids := make([]int64, len(at))
	changes := w.r.part.all.changes
	for i, pos := range at {
		for changes[w.next].mark.position() < pos || changes[w.next].key < 0 {
			w.next++
		}
		ids[i] = int64(w.next)
	}
	return ids
}

// patched gives out the rows that were completed from others.
func (w *winners) patched(ctx context.Context, yield func(arrow.RecordBatch) bool) error {
	for {
		batch, ids, err := w.patch.next()
		if err != nil || batch == nil {
			return err
		}
		err = w.emit(ctx, batch, ids, yield)
		batch.Release()
		if errors.Is(err, errStop) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// emit checks, transforms and gives out the rows of the changes ids, some of
// whose values are those of the table.
func (w *winners) emit(ctx context.Context, rec arrow.RecordBatch, ids []int64, yield func(arrow.RecordBatch) bool) error {
	at := make([]int64, len(ids))
	for i, id := range ids {
		at[i] = w.r.part.all.changes[id].mark.position()
	}
	if err := w.checkRequired(rec, at, ids); err != nil {
		return err
	}
	out, err := w.transformed(ctx, rec, at)
	if err != nil {
		return err
	}
	if out.dropped > 0 {
		w.r.drop(out.dropped, out.keys)
	}
	if len(out.at) > 0 {
		kept := make([]int64, 0, len(out.at))
		for i, pos := range at {
			if _, ok := slices.BinarySearch(out.at, pos); ok {
				kept = append(kept, ids[i])
			}
		}
		whole, err := w.patch.fromTable(out.rec, kept)
		out.rec.Release()
		if err != nil {
			return err
		}
		out.rec = whole
	}
	defer out.rec.Release()
	if err := w.c.checks.look(ctx, w, out.rec, out.at); err != nil {
		return err
	}
	if out.rec.NumRows() > 0 && !yield(out.rec) {
		return errStop
	}
	return nil
}

// badRow places a mistake in the row at a position.
func (w *winners) badRow(at int64, column, rule string, err error) error {
	base := w.in.base
	file, _ := slices.BinarySearch(base, at)
	file--
	return &RowError{File: w.c.load.Files[file].Location, Row: at - base[file], Column: column, Rule: rule, Err: err}
}

// checkRequired looks for nulls; ids are the changes of the rows, where some
// values may come from the table.
func (w *winners) checkRequired(rec arrow.RecordBatch, at, ids []int64) error {
	for i, col := range w.c.table.Columns {
		a := rec.Column(i)
		if !col.Required || a.NullN() == 0 {
			continue
		}
		for row := range at {
			if a.IsNull(row) && (ids == nil || !w.patch.suppliedByTable(ids[row], i)) {
				return w.badRow(at[row], col.Name, "required value is null", nil)
			}
		}
	}
	return nil
}
