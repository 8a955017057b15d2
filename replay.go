package etl

import (
	"bytes"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// replay settles the changes of a part one by one.
type replay struct {
	r      *Resolution
	h      *history
	state  []int64
	orders [][]byte   // greatest known, by key
	below  []origin   // by change, where rows may be partial
	rowOf  []rowRef   // committed rows, where rows may be partial or are marked
	marks  *softMarks // where deletes leave marked rows
	full   *fullRows  // where the load brings mended rows of the full load
}

var (
	_ settlement = (*replay)(nil)
	_ rewriter   = (*replay)(nil)
	_ lineage    = (*replay)(nil)
)

// rowRef is a row of a batch.
type rowRef struct {
	record arrow.RecordBatch
	row    int
}

func newReplay(r *Resolution) *replay {
	p := r.part
	s := &replay{r: r, h: p.all, orders: make([][]byte, p.Len()), full: newFullRows(p)}
	if p.c.partial() {
		s.below = make([]origin, len(s.h.changes))
	}
	if p.c.softens() {
		s.marks = newSoftMarks(r.exists)
	}
	if s.below != nil || s.marks != nil {
		s.rowOf = make([]rowRef, p.Len())
	}
	return s
}

func (s *replay) committed(f Found, orders *rowkey.Batch) {
	var arena []byte
	for i, k := range f.Ordinals {
		if s.rowOf != nil {
			s.rowOf[k] = rowRef{f.Record, i}
		}
		var order []byte
		if orders != nil && !orders.Null(i) {
			at := len(arena)
			arena = orders.Append(arena, i)
			order = arena[at:len(arena):len(arena)]
		}
		if s.full.committed(k, f.Base, order); !f.Base {
			s.orders[k] = order
		}
	}
}

func (s *replay) remembered(k int32, order []byte) {
	s.full.remembered(k, order)
	s.orders[k] = nil
	if len(order) > 0 {
		s.orders[k] = order
	}
}

// settle gives each row read its fate, as if no winner were filtered.
func (s *replay) settle() Counts {
	s.state = s.h.fold(s.r.part.Len(), s.orders, s.below, s.marks, s.full)
	if s.marks != nil {
		return s.settleSoft()
	}
	n := Counts{Read: s.r.part.read, Superseded: s.r.part.read}
	winner := func(fate *int64) {
		n.Superseded--
		*fate++
	}
	exists := s.r.exists
	decided := make([]bool, len(s.state)) // deletes: which row was it?
	for i := len(s.h.changes) - 1; i >= 0; i-- {
		c := s.h.changes[i]
		if c.key < 0 || decided[c.key] {
			continue
		}
		deletes := c.mark&markDelete != 0
		switch state := s.state[c.key]; {
		case state == int64(i) && exists[c.key]:
			winner(&n.Updated)
		case state == int64(i):
			winner(&n.Inserted)
		case state == stateDeleted && deletes && s.winsStill(i) && exists[c.key]:
			winner(&n.Deleted)
		case state == stateDeleted && deletes && s.winsStill(i):
			winner(&n.Unchanged)
		default:
			continue
		}
		decided[c.key] = true
	}
	for k, state := range s.state {
		if state == stateMoved && exists[k] {
			n.RemovedAsOldKey++
		}
	}
	return n
}

// winsStill reports whether change i is not overtaken by the greatest order of
// its key: of the deletes of a deleted key the last such one made the state.
func (s *replay) winsStill(i int) bool {
	o := s.h.order(i)
	return o == nil || bytes.Compare(o, s.orders[s.h.changes[i].key]) >= 0
}

func (s *replay) changed(k int32) bool { return s.state[k] != stateCommitted || s.marks.has(k) }

func (s *replay) memory(k int32, filtered bool) []byte {
	state, o := s.state[k], s.orders[k]
	switch {
	case filtered:
	case s.marks.has(k):
		if o == nil {
			o = []byte{} // what the row shows is not the order of the delete
		}
	case state < 0:
	case s.h.changes[state].mark&markOrdered != 0:
		o = nil // the row shows it
	case o == nil && s.below != nil:
		o = []byte{} // the row may show one that it has from below
	}
	return o
}

// wanted are the changes whose rows are needed: winners, and where they may be
// partial those below them.
func (s *replay) wanted(rows bitmap) {
	for _, state := range s.state {
		for state >= 0 && !rows.has(s.h.changes[state].mark.position()) {
			rows.set(s.h.changes[state].mark.position())
			if s.below == nil {
				break
			}
			state = s.below[state].state
		}
	}
}

func (s *replay) position(id int64) int64 { return s.h.changes[id].mark.position() }

func (s *replay) wins(id int64) bool { return s.state[s.h.changes[id].key] == id }

func (s *replay) winning() iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for _, state := range s.state {
			if state >= 0 && !yield(state) {
				return
			}
		}
	}
}

func (s *replay) valuesBelow(id int64) int64 { return max(s.below[id].state, -1) }

func (s *replay) committedBelow(id int64) (rowRef, bool) {
	b := s.below[id]
	if b.state != stateCommitted || !s.r.exists[b.key] {
		return rowRef{}, false
	}
	return s.rowOf[b.key], true
}
