package etl

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// Resolution is what becomes of the keys of a part. Rows must be drained before
// the other methods are called, except Expected and, unless [Part.Compares],
// Removes.
type Resolution struct {
	part       *Part
	rows       []Found
	exists     []bool      // by key; nil for a full load that replaces the table
	differs    *comparison // nil unless the load is committed as a difference
	succeeds   *succession // in place of that in a history table
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

// rewriter is a [settlement] for which committed rows are written anew, those of the
// full load (base) or the others, with the positions of the changes that ask for it.
type rewriter interface {
	rewritten(ctx context.Context, base bool, give func(arrow.RecordBatch, []int64) error) error
}

// prepared is a [settlement] that has to read something before it settles.
type prepared interface {
	prepare(ctx context.Context) error
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
	r := &Resolution{part: p, rows: c.Rows, remembered: map[int32][]byte{}}
	if p.c.checks != nil {
		p.c.checks.settled = append(p.c.checks.settled, r)
	}
	if !p.c.swaps() && !p.c.appends() {
		r.exists = make([]bool, p.Len())
	}
	if p.c.compares() && !p.c.succeeds() {
		r.differs = newComparison(p.Len())
	}
	switch {
	case p.c.appends():
		r.settlement = newAppending(r)
	case p.stream:
		r.settlement = newStream(r)
	case p.latest != nil:
		r.settlement = newContest(r)
	case p.c.chronicles():
		r.settlement = newChronicle(r)
	default:
		r.settlement = newReplay(r)
	}
	if p.c.succeeds() {
		var err error
		if r.succeeds, err = newSuccession(r); err != nil {
			return nil, err
		}
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
	if s, ok := r.settlement.(prepared); ok {
		if err := s.prepare(ctx); err != nil {
			return nil, err
		}
	}
	r.counts = r.settlement.settle()
	if r.succeeds != nil {
		r.counts = r.succeeds.settle(r.counts)
	}
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
	if s, ok := r.settlement.(*chronicle); ok {
		return s.found(f)
	}
	if r.succeeds != nil {
		return r.succeeds.found(f)
	}
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
	if len(target.OrderBy) == 0 || f.Base && r.part.c.full == nil || f.Record == nil {
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
	if s, ok := r.settlement.(*chronicle); ok {
		return s.expected()
	}
	if s := r.succeeds; s != nil {
		return r.counts.Inserted + int64(len(s.last))
	}
	return r.counts.Inserted + r.counts.Updated
}

// Removes reports whether the committed row of the key must go: because a row of
// Rows replaces it, or because the key leaves the table. It may be called at any
// time, where [Part.Compares] only after the rows were drained, from several
// goroutines. In tables of ModeHistory RemovesRow answers in its place.
func (r *Resolution) Removes(ordinal int32) bool {
	if r.exists == nil || !r.exists[ordinal] || r.differs != nil && r.differs.same[ordinal] {
		return false
	}
	return r.settlement.changed(ordinal)
}

// RemovesRow is [Resolution.Removes] for one row, by its batch in [Committed.Rows]: in
// tables of ModeHistory only some rows of a key go.
func (r *Resolution) RemovesRow(batch, row int) bool {
	if s, ok := r.settlement.(*chronicle); ok {
		return s.removes(batch, row)
	}
	if s := r.succeeds; s != nil {
		return s.gone[s.first[batch]+row]
	}
	return r.Removes(r.rows[batch].Ordinals[row])
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

// drop takes note of winners that were filtered; of a full load only their number
// matters.
func (r *Resolution) drop(b *won) {
	if b.dropped == 0 {
		return
	}
	if s, ok := r.settlement.(*chronicle); ok {
		s.lose(b.lost)
		return
	}
	if r.succeeds != nil {
		r.succeeds.lose(b.keys)
		return
	}
	n := b.dropped
	r.counts.Filtered += int64(n)
	if r.exists == nil {
		r.counts.Inserted -= int64(n)
		return
	}
	if r.filter == nil {
		r.filter = make([]bool, r.part.Len())
	}
	for _, k := range b.keys {
		r.filter[k] = true
		if r.exists[k] {
			r.counts.Updated--
			r.counts.RemovedByFilter++
		} else {
			r.counts.Inserted--
		}
	}
}
