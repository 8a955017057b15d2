package etl

import (
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl/internal/cells"
)

// A delete in a table of ModeSoftDelete is like an upsert that supplies nothing but
// the mark: the row below it stays. It may be one of the load, or the committed one,
// which is then written once more as it is, not transformed again.

// softens reports whether deletes of the load leave marked rows.
func (c *Changes) softens() bool { return c.table.Mode == ModeSoftDelete && c.load.Kind != Full }

// softMarks are what the fold of a soft-delete load knows beside the states of keys.
type softMarks struct {
	exists []bool  // by key: the table has a row
	gone   []int64 // by key: the change that marks its row as deleted, or -1
}

func newSoftMarks(exists []bool) *softMarks {
	m := &softMarks{exists: exists, gone: make([]int64, len(exists))}
	for k := range m.gone {
		m.gone[k] = -1
	}
	return m
}

// keep marks the row that a key has in a state, and reports whether it has one.
func (m *softMarks) keep(k int32, state, change int64) bool {
	if m == nil || state < 0 && (state != stateCommitted || !m.exists[k]) {
		return false
	}
	m.gone[k] = change
	return true
}

// clear takes note of an upsert that won.
func (m *softMarks) clear(k int32) {
	if m != nil {
		m.gone[k] = -1
	}
}

// has reports whether the row of a key is marked by a change of the load.
func (m *softMarks) has(k int32) bool { return m != nil && m.gone[k] >= 0 }

// settleSoft gives each row read its fate. A change that marks a row updates it, or
// inserts it where the row is one of the load. That of a row whose key was given up
// is the upsert's that made it, if that is of the load.
func (s *replay) settleSoft() Counts {
	n := Counts{Read: s.r.part.read}
	fate := func(k int32) {
		if s.r.exists[k] {
			n.Updated++
		} else {
			n.Inserted++
		}
	}
	for k, state := range s.state {
		k := int32(k)
		switch d := s.marks.gone[k]; {
		case state >= 0:
			fate(k)
		case d >= 0 && s.h.changes[d].mark&markDelete != 0:
			fate(k)
		case state == stateDeleted:
			n.Unchanged++
		}
	}
	n.Superseded = n.Read - n.Inserted - n.Updated - n.Unchanged
	return n
}

// deletedAt is when change i deleted a row, in microseconds since 1970.
func (s *replay) deletedAt(i int64) arrow.Timestamp { return arrow.Timestamp(s.r.part.timeOf(int(i))) }

// ordersByTime reports whether the first ordering column is a timestamp, whose
// encoding is that of a number of microseconds.
func (t Table) ordersByTime() bool {
	if len(t.OrderBy) == 0 {
		return false
	}
	i := t.Columns.Index(t.OrderBy[0])
	return i >= 0 && (t.Columns[i].Type == Timestamp || t.Columns[i].Type == TimestampTZ)
}

// dressSoft marks rows that deletes of the load have marked.
func dressSoft(w *winners, out *won, _ []int64) error {
	deleted, at := array.NewBooleanBuilder(memory.DefaultAllocator), newTimes()
	defer deleted.Release()
	defer at.Release()
	rows := int(out.rec.NumRows())
	deleted.Reserve(rows)
	at.Reserve(rows)
	found, err := w.ordinals(out.rec)
	if err != nil {
		return err
	}
	for i := range rows {
		if s, ok := w.r.settlement.(*replay); ok && found != nil && s.marks.has(found[i]) {
			deleted.UnsafeAppend(true)
			at.UnsafeAppend(s.deletedAt(s.marks.gone[found[i]]))
			continue
		}
		deleted.UnsafeAppend(false)
		at.AppendNull()
	}
	out.with(w.c.target.Schema, []arrow.Array{deleted.NewArray(), at.NewArray()})
	return nil
}

// ordinals finds the keys of rows; nil where the load marks none.
func (w *winners) ordinals(rec arrow.RecordBatch) ([]int32, error) {
	if !w.c.softens() || rec.NumRows() == 0 {
		return nil, nil
	}
	return w.keysOf(rec)
}

// rewritten gives out the committed rows that deletes mark.
func (s *replay) rewritten(ctx context.Context, base bool, give func(arrow.RecordBatch, []int64) error) error {
	if s.marks == nil || base {
		return nil
	}
	const batch = 4096
	var keys []int32
	for k, state := range s.state {
		if state == stateCommitted && s.marks.gone[k] >= 0 {
			keys = append(keys, int32(k))
		}
	}
	for some := range slices.Chunk(keys, batch) {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec, at, err := s.marked(some)
		if err != nil {
			return err
		}
		err = give(rec, at)
		rec.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// marked makes rows of the committed ones of keys, and tells the positions of the
// changes that mark them.
func (s *replay) marked(keys []int32) (arrow.RecordBatch, []int64, error) {
	target := s.r.part.c.target.Schema
	b := array.NewRecordBuilder(memory.DefaultAllocator, target)
	defer b.Release()
	plain := target.NumFields() - 2
	for i := range plain {
		from := map[arrow.RecordBatch]func(int){}
		for _, k := range keys {
			ref := s.rowOf[k]
			add := from[ref.record]
			if add == nil {
				var err error
				if add, err = cells.Appender(b.Field(i), ref.record.Column(i)); err != nil {
					return nil, nil, err
				}
				from[ref.record] = add
			}
			add(ref.row)
		}
	}
	at := make([]int64, len(keys))
	for i, k := range keys {
		d := s.marks.gone[k]
		b.Field(plain).(*array.BooleanBuilder).Append(true)
		b.Field(plain + 1).(*array.TimestampBuilder).Append(s.deletedAt(d))
		at[i] = s.h.changes[d].mark.position()
	}
	return b.NewRecordBatch(), at, nil
}
