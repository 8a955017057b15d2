package etl

import (
	"context"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// Resolution is what becomes of the keys of a part. Rows must be drained before
// the other methods are called, except Expected and, unless [Part.Compares],
// Removes.
type Resolution struct {
	part       *Part
	exists     []bool      // by key; nil for a full load that replaces the table
	differs    *comparison // nil unless the load is committed as a difference
	settlement settlement
	remembered map[int32][]byte // before
	filter     []bool           // keys whose winner was filtered; nil if none
	counts     Counts
}

// settlement decides which change of each key wins: [contest] or [replay].
type settlement interface {
	// committed and remembered are called first, for what the sink found.
	committed(f Found, orders *rowkey.Batch)
	remembered(k int32, order []byte)
	// settle decides and counts.
	settle() Counts
	// changed reports whether a change won against what was committed.
	changed(k int32) bool
	// memory is the order to remember for a key that has changed; nil if none.
	memory(k int32, filtered bool) []byte
	// wanted adds the rows to read.
	wanted(rows bitmap)
}

// deferred gathers what the parts of a load have won, whose rows are read in one
// go with the last part: reading the files once for each part would take longer.
// Loads whose rows may take values from others, or be filtered, are settled with
// their rows; but in a full load it matters to nobody which rows were filtered.
type deferred struct {
	wanted bitmap
	counts Counts
	last   bool
}

// Resolve settles the changes against what is committed. For a full load that
// replaces the table nothing is; for one that is committed as a difference no
// order is.
func (p *Part) Resolve(ctx context.Context, c Committed) (*Resolution, error) {
	r := &Resolution{part: p, remembered: map[int32][]byte{}}
	if p.c.checks != nil {
		p.c.checks.settled = append(p.c.checks.settled, r)
	}
	if !p.c.swaps() && !p.c.appends() {
		r.exists = make([]bool, p.Len())
	}
	if p.c.compares() {
		r.differs = newComparison(p.Len())
	}
	switch {
	case p.c.appends():
		r.settlement = newAppending(r)
	case p.stream:
		r.settlement = newStream(r)
	case p.latest != nil:
		r.settlement = newContest(r)
	default:
		r.settlement = newReplay(r)
	}
	for _, f := range c.Rows {
		if err := r.found(f); err != nil {
			return nil, err
		}
	}
	if len(p.c.target.OrderBy) > 0 && p.c.load.Kind != Full {
		for _, m := range c.Memory {
			if m.Ordinal < 0 || int(m.Ordinal) >= p.Len() {
				return nil, fmt.Errorf("sink gave ordinal %d of %d", m.Ordinal, p.Len())
			}
			r.remembered[m.Ordinal] = append([]byte{}, m.Order...)
			r.settlement.remembered(m.Ordinal, r.remembered[m.Ordinal])
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.settles(); err != nil {
		return nil, err
	}
	r.counts = r.settlement.settle()
	r.counts.Read += p.bad
	r.counts.Quarantined += p.bad
	r.counts.Read += p.refused
	r.counts.Filtered += p.refused
	if err := p.c.bad.look(r); err != nil {
		return nil, err
	}
	if d := p.defers; d != nil {
		r.settlement.wanted(d.wanted)
		d.counts.Add(r.counts)
		if r.counts = (Counts{}); d.last {
			r.counts = d.counts
		}
	}
	return r, nil
}

// found takes in rows that the table holds, and their orders.
func (r *Resolution) found(f Found) error {
	target := r.part.c.target
	for _, k := range f.Ordinals {
		if k < 0 || int(k) >= len(r.exists) {
			return fmt.Errorf("sink gave ordinal %d of %d", k, len(r.exists))
		}
		if r.exists[k] {
			return fmt.Errorf("%w: table %s holds more than one row for a key", ErrAccounting, target.Name)
		}
		r.exists[k] = true
	}
	if r.differs != nil {
		return r.compare(f)
	}
	if len(target.OrderBy) == 0 || f.Base || f.Record == nil {
		r.settlement.committed(f, nil)
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
	orders := batches.Get().(*rowkey.Batch)
	defer batches.Put(orders)
	if err := r.part.c.shown.Encode(orders, cols); err != nil {
		return fmt.Errorf("sink gave an ordering %w", err)
	}
	r.settlement.committed(f, orders)
	return nil
}

// Rows yields the rows to write, in the schema of the target, one for a key.
// Those of all parts may come with the last one. A batch is valid until
// the next one is asked for, or longer if it is retained. It can be called once.
func (r *Resolution) Rows(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		if d := r.part.defers; d != nil && !d.last {
			return
		}
		if s, ok := r.settlement.(rowStream); ok {
			if err := s.run(ctx, func(b arrow.RecordBatch) bool { return yield(b, nil) }); err != nil {
				yield(nil, err)
			}
			return
		}
		w := newWinners(r)
		defer w.close()
		if more, err := w.markCommitted(ctx, func(b arrow.RecordBatch) bool { return yield(b, nil) }); err != nil {
			yield(nil, err)
			return
		} else if !more {
			return
		}
		if err := w.run(ctx, func(b arrow.RecordBatch) bool { return yield(b, nil) }); err != nil {
			yield(nil, err)
		}
	}
}

// Expected is how many rows Rows will yield at most, before they are drained;
// negative if that is not known.
func (r *Resolution) Expected() int64 {
	d := r.part.defers
	switch {
	case r.part.stream:
		return -1
	case d != nil && !d.last:
		return 0
	}
	return r.counts.Inserted + r.counts.Updated
}

// Removes reports whether the committed row of the key must go: because a row of
// Rows replaces it, or because the key leaves the table. It may be called at any
// time, where [Part.Compares] only after the rows were drained, from several
// goroutines.
func (r *Resolution) Removes(ordinal int32) bool {
	if r.exists == nil || !r.exists[ordinal] || r.differs != nil && r.differs.same[ordinal] {
		return false
	}
	return r.settlement.changed(ordinal)
}

// Counts accounts for the rows of the part. RowsBefore and RowsAfter are the
// sink's to fill in, and RemovedAsAbsent where [Part.Compares].
func (r *Resolution) Counts() Counts { return r.counts }

// Memory is what the sink has to remember from now on for the keys of the part.
// It replaces whatever it remembered for them.
func (r *Resolution) Memory() []Memory {
	p := r.part
	if len(p.c.target.OrderBy) == 0 || p.c.load.Kind == Full || p.c.target.TombstoneRetention <= 0 {
		return nil
	}
	var out []Memory
	for k := range int32(p.Len()) {
		var o []byte
		if len(r.remembered) > 0 {
			o = r.remembered[k]
		}
		if r.settlement.changed(k) {
			o = r.settlement.memory(k, r.filter != nil && r.filter[k])
			if o == nil && r.mendsFull(k) {
				o = []byte{} // any change beats the row, whatever order it shows
			}
		}
		if o != nil {
			out = append(out, Memory{Ordinal: k, Order: o})
		}
	}
	return out
}

// drop takes note that the winners of keys were filtered; of a full load only
// their number matters.
func (r *Resolution) drop(n int, keys []int32) {
	r.counts.Filtered += int64(n)
	if r.exists == nil {
		r.counts.Inserted -= int64(n)
		return
	}
	if r.filter == nil {
		r.filter = make([]bool, r.part.Len())
	}
	for _, k := range keys {
		r.filter[k] = true
		if r.exists[k] {
			r.counts.Updated--
			r.counts.RemovedByFilter++
		} else {
			r.counts.Inserted--
		}
	}
}
