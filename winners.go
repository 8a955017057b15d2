package etl

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

// winners reads the rows that won, in a second pass over the files, transforms
// them and gives them out.
type winners struct {
	r     *Resolution
	files [][]int64 // by file: the changes whose rows are needed, rising
	patch *patcher  // nil where all rows are whole
	find  []int32
}

func newWinners(r *Resolution) *winners {
	w := &winners{r: r, files: make([][]int64, len(r.part.c.load.Files))}
	need := make([]bool, len(r.part.changes))
	for k := range r.state {
		for s := r.state[k]; s >= 0 && !need[s]; {
			need[s] = true
			if r.below == nil {
				break
			}
			s = r.below[s].state
		}
	}
	for i, n := range need {
		if n {
			f := r.part.changes[i].file
			w.files[f] = append(w.files[f], int64(i))
		}
	}
	if r.below != nil {
		w.patch = newPatcher(r)
	}
	return w
}

func (w *winners) close() {
	if w.patch != nil {
		w.patch.close()
	}
}

var errStop = errors.New("consumer stopped")

func (w *winners) run(ctx context.Context, yield func(arrow.RecordBatch) bool) error {
	c := w.r.part.c
	for i, f := range c.load.Files {
		if len(w.files[i]) == 0 {
			continue
		}
		err := c.withInput(ctx, f, func(in Input) error { return w.file(ctx, in, f.Location, w.files[i], yield) })
		if errors.Is(err, errStop) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	if w.patch == nil {
		return nil
	}
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

// file reads the rows of one file that are needed; ids are their changes.
func (w *winners) file(ctx context.Context, in Input, location string, ids []int64, yield func(arrow.RecordBatch) bool) error {
	c := w.r.part.c
	rowOf := func(i int) int64 { return w.r.part.changes[ids[i]].row }
	at := 0
	req := ScanRequest{Location: location, Kind: c.load.Kind, Select: func(row int64) bool {
		for at < len(ids) && rowOf(at) < row {
			at++
		}
		return at < len(ids) && rowOf(at) == row
	}}
	for _, col := range c.table.Columns {
		req.Columns = append(req.Columns, ScanColumn{Column: col})
	}
	done := 0
	for rows, err := range c.format.Scan(ctx, in, req) {
		if err != nil {
			return inFile(location, err)
		}
		n := len(rows.Numbers)
		if done+n > len(ids) || n > 0 && rowOf(done+n-1) != rows.Numbers[n-1] {
			return &FileError{File: location, Err: fmt.Errorf("%w: its rows differ between two readings", ErrFileChanged)}
		}
		batch := ids[done : done+n]
		done += n
		if w.patch != nil {
			err = w.patch.take(rows, batch, func(whole arrow.RecordBatch, ids []int64) error {
				return w.emit(ctx, whole, ids, yield)
			})
		} else {
			err = w.emit(ctx, rows.Record, batch, yield)
		}
		if err != nil {
			return err
		}
		c.notify(location, 2, int64(done))
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if done != len(ids) {
		return &FileError{File: location, Err: fmt.Errorf("%w: its rows differ between two readings", ErrFileChanged)}
	}
	return nil
}

// emit checks, transforms and gives out the rows of the changes ids.
func (w *winners) emit(ctx context.Context, rec arrow.RecordBatch, ids []int64, yield func(arrow.RecordBatch) bool) error {
	if err := w.checkRequired(rec, ids); err != nil {
		return err
	}
	out, kept, err := w.transform(ctx, rec, ids)
	if err != nil {
		return err
	}
	if w.patch != nil && len(kept) > 0 {
		whole, err := w.patch.fromTable(out, kept)
		out.Release()
		if err != nil {
			return err
		}
		out = whole
	}
	defer out.Release()
	if out.NumRows() > 0 && !yield(out) {
		return errStop
	}
	return nil
}

func (w *winners) badRow(id int64, column, rule string, err error) error {
	c := w.r.part.changes[id]
	return &RowError{File: w.r.part.c.load.Files[c.file].Location, Row: c.row, Column: column, Rule: rule, Err: err}
}

func (w *winners) checkRequired(rec arrow.RecordBatch, ids []int64) error {
	for i, col := range w.r.part.c.table.Columns {
		a := rec.Column(i)
		if !col.Required || a.NullN() == 0 {
			continue
		}
		for row := range ids {
			missing := a.IsNull(row) && (w.patch == nil || !w.patch.suppliedByTable(ids[row], i))
			if missing {
				return w.badRow(ids[row], col.Name, "required value is null", nil)
			}
		}
	}
	return nil
}

// transform runs the chain and returns the batch and the changes whose rows
// are still in it. Rows are told apart by their keys, which must not change.
func (w *winners) transform(ctx context.Context, rec arrow.RecordBatch, ids []int64) (arrow.RecordBatch, []int64, error) {
	rec.Retain()
	for _, t := range w.r.part.c.table.Transforms {
		out, err := t.Transform(ctx, rec)
		rec.Release()
		if err != nil {
			var re *RowError
			if errors.As(err, &re) && re.File == "" && re.Row >= 1 && int(re.Row) <= len(ids) {
				err = w.badRow(ids[re.Row-1], re.Column, re.Rule, re.Err)
			}
			return nil, nil, err
		}
		rec = out
		if ids, err = w.match(rec, ids); err != nil {
			rec.Release()
			return nil, nil, err
		}
	}
	if err := sameColumns(rec.Schema(), w.r.part.c.target.Schema); err != nil {
		rec.Release()
		return nil, nil, WithOutcome(Terminal, err)
	}
	return rec, ids, nil
}

func (w *winners) match(rec arrow.RecordBatch, ids []int64) ([]int64, error) {
	p := w.r.part
	keys := make([]arrow.Array, len(p.c.table.Key))
	for i, name := range p.c.table.Key {
		idx := rec.Schema().FieldIndices(name)
		if len(idx) != 1 {
			return nil, WithOutcome(Terminal, fmt.Errorf("a transform lost key column %s", name))
		}
		keys[i] = rec.Column(idx[0])
	}
	if cap(w.find) < int(rec.NumRows()) {
		w.find = make([]int32, rec.NumRows())
	}
	found := w.find[:rec.NumRows()]
	if err := p.Find(keys, found); err != nil {
		return nil, WithOutcome(Terminal, fmt.Errorf("a transform changed the type of a key column: %w", err))
	}
	kept := make([]int64, 0, len(found))
	at := 0
	for _, k := range found {
		for at < len(ids) && p.changes[ids[at]].key != k {
			w.r.drop(p.changes[ids[at]].key)
			at++
		}
		if at == len(ids) {
			return nil, WithOutcome(Terminal, errors.New("a transform added or reordered rows, or changed a key"))
		}
		kept = append(kept, ids[at])
		at++
	}
	for ; at < len(ids); at++ {
		w.r.drop(p.changes[ids[at]].key)
	}
	return kept, nil
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
