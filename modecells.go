package etl

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// dresser adds the columns of the table's mode to rows that the transforms have made.
// ids are their changes where they are known; else they are told by their positions.
// It is safe for concurrent use.
type dresser func(w *winners, out *won, ids []int64) error

// dressing returns how rows of a load get the columns of the mode; nil where it has
// none.
func (c *Changes) dressing() dresser {
	switch {
	case c.table.Mode == ModeSoftDelete:
		return dressSoft
	case c.chronicles():
		return func(w *winners, out *won, ids []int64) error { return w.r.settlement.(*chronicle).dress(out, ids) }
	case c.succeeds():
		return func(w *winners, out *won, _ []int64) error { return w.r.succeeds.dress(w, out) }
	case c.table.Mode == ModeHistory:
		return dressBeginning
	}
	return nil
}

// dressed adds the mode's columns.
func (w *winners) dressed(out *won, ids []int64) error {
	if w.c.dress == nil || out.rec == nil {
		return nil
	}
	err := w.c.dress(w, out, ids)
	if err != nil {
		out.rec.Release()
		out.rec = nil
	}
	return err
}

// with replaces the rows by those with more columns, which it takes over.
func (o *won) with(target *arrow.Schema, more []arrow.Array) {
	cols := append(append([]arrow.Array{}, o.rec.Columns()...), more...)
	rec := array.NewRecordBatch(target, cols, o.rec.NumRows())
	for _, col := range more {
		col.Release()
	}
	o.rec.Release()
	o.rec = rec
}

// dressBeginning makes rows of a full load the first versions of their keys.
func dressBeginning(w *winners, out *won, _ []int64) error {
	times := w.times(out)
	vs := make([]*version, len(times))
	for i, t := range times {
		vs[i] = &version{from: t, to: forever, current: true}
	}
	out.with(w.c.target.Schema, versionCells(vs))
	return nil
}

// times are when the changes of rows took place, as far as their ordering columns
// tell.
func (w *winners) times(out *won) []int64 {
	var orders []arrow.Array
	for _, name := range w.c.target.OrderBy {
		orders = append(orders, out.rec.Column(w.c.target.Columns.Index(name)))
	}
	times := make([]int64, out.rec.NumRows())
	for i := range times {
		ordered := w.c.timed
		for _, col := range orders {
			ordered = ordered && col.IsValid(i)
		}
		if ordered {
			times[i] = int64(orders[0].(*array.Timestamp).Value(i))
			continue
		}
		times[i] = w.c.load.Files[w.in.fileOf(out.at[i])].ModTime.UnixMicro()
	}
	return times
}

// versionCells are the columns of [ModeHistory].
func versionCells(vs []*version) []arrow.Array {
	from, to := newTimes(), newTimes()
	current, deleted := array.NewBooleanBuilder(memory.DefaultAllocator), array.NewBooleanBuilder(memory.DefaultAllocator)
	builders := []array.Builder{from, to, current, deleted}
	for _, b := range builders {
		defer b.Release()
		b.Reserve(len(vs))
	}
	for _, v := range vs {
		from.UnsafeAppend(arrow.Timestamp(v.from))
		if v.to == forever {
			to.AppendNull()
		} else {
			to.UnsafeAppend(arrow.Timestamp(v.to))
		}
		current.UnsafeAppend(v.current)
		deleted.UnsafeAppend(v.deleted)
	}
	cols := make([]arrow.Array, len(builders))
	for i, b := range builders {
		cols[i] = b.NewArray()
	}
	return cols
}

func newTimes() *array.TimestampBuilder {
	return array.NewTimestampBuilder(memory.DefaultAllocator, TimestampTZ.Arrow().(*arrow.TimestampType))
}
