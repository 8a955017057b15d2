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
		w.patch = newPatcher(r.part, r.settlement.(lineage))
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
	lost    []int64 // positions of the rows dropped, in place of keys where those have several
	same    int     // rows left out because they equal the committed ones

	all arrow.RecordBatch // with those, where checks look at them; else nil

	source *untold // of which rows rec was made, where at does not say
}

// run gives out the rows that won; it returns errStop where no more are asked for.
func (w *winners) run(ctx context.Context, yield func(arrow.RecordBatch) bool) error {
	err := w.read(ctx, w.batch, func(b *won) error { return w.take(ctx, b, yield) })
	if err == nil && w.patch != nil && !w.c.bad.stale() {
		err = w.patched(ctx, yield)
	}
	if err == nil && w.r.part.lastOne() {
		err = w.c.bad.verdict()
	}
	return err
}

// read reads the rows needed. work is called from several goroutines, take in the order
// of the rows.
func (w *winners) read(ctx context.Context, work func(context.Context, int, Rows) (*won, error), take func(*won) error) error {
	done := int64(0) // rows of the current file
	r := &reading[*won]{
		c: w.c, in: w.in, again: true, req: ScanRequest{Kind: w.c.load.Kind, Tolerant: w.c.bad.tolerates()},
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
		work: work,
		take: func(u *unit[*won], b *won) error {
			u.rows += int64(b.read)
			done += int64(b.read)
			err := take(b)
			w.c.notify(w.c.load.Files[u.file].Location, 2, done)
			return err
		},
		unitDone: func(u *unit[*won]) error { return w.checkUnit(u.file, u.open == nil, u.chunk, u.rows) },
		fileDone: func(int) error { done = 0; return nil },
	}
	for _, col := range w.c.table.Columns {
		r.req.Columns = append(r.req.Columns, ScanColumn{Column: col})
	}
	return r.run(ctx)
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
	for _, bad := range rows.Bad {
		w.c.bad.winner(file, bad.Number, bad.Err)
	}
	if w.patch != nil {
		rows.Record.Retain()
		return &won{rec: rows.Record, read: len(at) + len(rows.Bad), at: at, gaps: rows}, nil
	}
	out, err := w.sift(ctx, rows.Record, at, nil)
	if err != nil {
		return nil, err
	}
	out.read += len(rows.Bad)
	if err := w.dressed(out, nil); err != nil {
		return nil, err
	}
	if err := w.compare(out); err != nil {
		out.rec.Release()
		return nil, err
	}
	return out, nil
}

// whole checks and transforms rows; ids are their changes, where some of the values
// are those of the table.
func (w *winners) whole(ctx context.Context, rec arrow.RecordBatch, at, ids []int64) (*won, error) {
	if err := w.checkRequired(rec, at, ids); err != nil {
		return nil, err
	}
	return w.transformed(ctx, rec, at)
}

// take gives out a batch.
func (w *winners) take(ctx context.Context, b *won, yield func(arrow.RecordBatch) bool) error {
	if b.rec == nil {
		return nil // it had bad rows
	}
	defer b.rec.Release()
	defer b.source.release()
	if w.c.bad.stale() {
		return nil
	}
	if w.patch != nil {
		ids := w.changesAt(b.at)
		return w.patch.take(b.gaps, ids, func(whole arrow.RecordBatch, ids []int64) error {
			return w.emit(ctx, whole, ids, yield)
		})
	}
	w.r.drop(b)
	w.r.same(int64(b.same))
	seen := b.rec
	if b.all != nil {
		defer b.all.Release()
		seen = b.all
	}
	if err := w.c.checks.look(ctx, w, seen, b.at, b.source); err != nil {
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
	if w.refuseBelow(); w.c.bad.stale() {
		return nil
	}
	for {
		batch, ids, err := w.patch.next()
		if err != nil || batch == nil {
			return err
		}
		err = w.emit(ctx, batch, ids, yield)
		batch.Release()
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
	out, err := w.sift(ctx, rec, at, ids)
	if err != nil || out.rec == nil {
		return err
	}
	w.r.drop(out)
	kept := make([]int64, 0, len(out.at))
	if len(out.at) > 0 {
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
	if err := w.dressed(out, kept); err != nil {
		return err
	}
	defer out.rec.Release()
	if err := w.c.checks.look(ctx, w, out.rec, out.at, nil); err != nil {
		return err
	}
	if out.rec.NumRows() > 0 && !yield(out.rec) {
		return errStop
	}
	return nil
}

// badRow places a mistake in the row at a position.
func (w *winners) badRow(at int64, column, rule string, err error) error {
	file := w.in.fileOf(at)
	bad := &RowError{File: w.c.load.Files[file].Location, Row: at - w.in.base[file], Column: column, Rule: rule, Err: err}
	if w.c.bad.tolerates() {
		return &rowAt{bad, at}
	}
	return bad
}

// nullRow is badRow for a null in a required column, unless the table's contract says
// otherwise.
func (w *winners) nullRow(at int64, column string) error {
	err := w.badRow(at, column, requiredIsNull, nil)
	var bad *RowError
	if errors.As(err, &bad) {
		if other := w.c.table.null(bad, column); other != nil {
			return other
		}
	}
	return err
}

const requiredIsNull = "required value is null"

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
				return w.nullRow(at[row], col.Name)
			}
		}
	}
	return nil
}
