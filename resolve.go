package etl

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// Resolution is what becomes of the keys of a part. Rows must be drained before
// the other methods are called.
type Resolution struct {
	part    *Part
	exists  []bool
	state   []int64
	orders  [][]byte // greatest known, by key
	memory  [][]byte // remembered before, by key
	filter  []bool   // keys whose winner was filtered; nil if none
	below   []origin // by change, where rows may be partial
	rowOf   []rowRef // committed rows, where rows may be partial
	counts  Counts
	drained bool
}

// rowRef is a row of a batch.
type rowRef struct {
	record arrow.RecordBatch
	row    int
}

// Resolve settles the changes against what is committed. For a full load
// nothing is.
func (p *Part) Resolve(ctx context.Context, c Committed) (*Resolution, error) {
	r := &Resolution{
		part:   p,
		exists: make([]bool, p.Len()),
		orders: make([][]byte, p.Len()),
		memory: make([][]byte, p.Len()),
	}
	if p.c.partial() {
		r.below = make([]origin, len(p.changes))
		r.rowOf = make([]rowRef, p.Len())
	}
	for _, f := range c.Rows {
		if err := r.found(f); err != nil {
			return nil, err
		}
	}
	if len(p.c.target.OrderBy) > 0 {
		for _, m := range c.Memory {
			r.remember(m)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.state = p.fold(r.orders, r.below)
	r.count()
	return r, nil
}

// remember takes in an order that the row of the key does not show, or shows
// wrongly; an empty one is none.
func (r *Resolution) remember(m Memory) {
	r.memory[m.Ordinal] = append([]byte{}, m.Order...)
	r.orders[m.Ordinal] = nil
	if len(m.Order) > 0 {
		r.orders[m.Ordinal] = m.Order
	}
}

// found takes in rows that the table holds, and their orders.
func (r *Resolution) found(f Found) error {
	target := r.part.c.target
	for i, k := range f.Ordinals {
		if k < 0 || int(k) >= len(r.exists) {
			return fmt.Errorf("sink gave ordinal %d of %d", k, len(r.exists))
		}
		if r.exists[k] {
			return fmt.Errorf("%w: table %s holds more than one row for a key", ErrAccounting, target.Name)
		}
		r.exists[k] = true
		if r.rowOf != nil {
			r.rowOf[k] = rowRef{f.Record, i}
		}
	}
	if len(target.OrderBy) == 0 || f.Base || f.Record == nil {
		return nil
	}
	cols := make([]arrow.Array, len(target.OrderBy))
	for i, name := range target.OrderBy {
		idx := f.Record.Schema().FieldIndices(name)
		if len(idx) != 1 {
			return fmt.Errorf("sink gave rows without column %s", name)
		}
		cols[i] = f.Record.Column(idx[0])
	}
	orders, err := rowkey.NewReader(cols)
	if err != nil {
		return err
	}
	for i, k := range f.Ordinals {
		if orders.Null(i) >= 0 {
			continue
		}
		if o := orders.Append(nil, i); bytes.Compare(o, r.orders[k]) > 0 {
			r.orders[k] = o
		}
	}
	return nil
}

// count gives each row read its fate, as if no winner were filtered.
func (r *Resolution) count() {
	n := Counts{Read: r.part.read, Superseded: r.part.read}
	winner := func(fate *int64) {
		n.Superseded--
		*fate++
	}
	decided := make([]bool, len(r.state)) // deletes: which row was it?
	for i := len(r.part.changes) - 1; i >= 0; i-- {
		c := r.part.changes[i]
		if c.key < 0 || decided[c.key] {
			continue
		}
		switch s := r.state[c.key]; {
		case s == int64(i) && r.exists[c.key]:
			winner(&n.Updated)
		case s == int64(i):
			winner(&n.Inserted)
		case s == stateDeleted && c.op == Delete && r.winsStill(c) && r.exists[c.key]:
			winner(&n.Deleted)
		case s == stateDeleted && c.op == Delete && r.winsStill(c):
			winner(&n.Unchanged)
		default:
			continue
		}
		decided[c.key] = true
	}
	for k, s := range r.state {
		if s == stateMoved && r.exists[k] {
			n.RemovedAsOldKey++
		}
	}
	r.counts = n
}

// winsStill reports whether c is not overtaken by the greatest order of its
// key: of the deletes of a deleted key the last such one made the state.
func (r *Resolution) winsStill(c change) bool {
	o := r.part.order(c.order)
	return o == nil || bytes.Compare(o, r.orders[c.key]) >= 0
}

// Rows yields the rows to write, in the schema of the target, one for a key. A
// batch is valid until the next one is asked for, or longer if it is retained.
// It can be called once.
func (r *Resolution) Rows(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		w := newWinners(r)
		defer w.close()
		if err := w.run(ctx, func(b arrow.RecordBatch) bool { return yield(b, nil) }); err != nil {
			yield(nil, err)
			return
		}
		r.drained = true
	}
}

// Removes reports whether the committed row of the key must go: because a row of
// Rows replaces it, or because the key leaves the table.
func (r *Resolution) Removes(ordinal int32) bool {
	return r.exists[ordinal] && r.state[ordinal] != stateCommitted
}

// Counts accounts for the rows of the part. RowsBefore and RowsAfter are the
// sink's to fill in.
func (r *Resolution) Counts() Counts { return r.counts }

// Memory is what the sink has to remember from now on for the keys of the part.
// It replaces whatever it remembered for them.
func (r *Resolution) Memory() []Memory {
	p := r.part
	if len(p.c.target.OrderBy) == 0 || p.c.load.Kind == Full || p.c.target.TombstoneRetention <= 0 {
		return nil
	}
	var out []Memory
	for k, s := range r.state {
		o := r.orders[k]
		switch {
		case s == stateCommitted:
			o = r.memory[k]
		case s < 0 || r.filtered(int32(k)):
		case p.order(p.changes[s].order) != nil:
			o = nil // the row shows it
		case o == nil && p.c.partial():
			o = []byte{} // the row may show one that it has from below
		}
		if o != nil {
			out = append(out, Memory{Ordinal: int32(k), Order: o})
		}
	}
	return out
}

func (r *Resolution) filtered(k int32) bool { return r.filter != nil && r.filter[k] }

// drop takes note that the winner of a key was filtered.
func (r *Resolution) drop(k int32) {
	if r.filter == nil {
		r.filter = make([]bool, len(r.state))
	}
	r.filter[k] = true
	r.counts.Filtered++
	if r.exists[k] {
		r.counts.Updated--
		r.counts.RemovedByFilter++
		return
	}
	r.counts.Inserted--
}
