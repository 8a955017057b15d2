package catalogsink

import (
	"context"
	"errors"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl/internal/pages"
)

// scratch is the memory of a goroutine that searches row groups.
type scratch struct {
	leaves []*leaf
	out    []int32 // ordinals
	rows   []int32 // candidates within a batch
	key    []byte  // their values in a key column
	terms  []int32 // ordinals of the dictionary's entries
}

// search looks for keys in a row group. What it does not read page by page goes
// through Arrow's reader.
func (k *keyScan) search(ctx context.Context, c chunk, m *match, own *scratch) error {
	leaves, err := c.in.leaves(c.rg, k.keys, &own.leaves)
	if err != nil {
		return err
	}
	s := &finder{k: k, m: m, own: own, ctx: ctx}
	switch {
	case leaves == nil:
		return c.in.read(ctx, c.rg, k.keys, s.find)
	case len(leaves) == 1:
		err = s.one(leaves[0], m.first, c.in.first[c.rg+1])
	default:
		err = c.in.scan(c.rg, leaves, nil, s.find)
	}
	if errors.Is(err, pages.ErrForeign) {
		m.positions, m.found.Ordinals = m.positions[:0], m.found.Ordinals[:0]
		return c.in.read(ctx, c.rg, k.keys, s.find)
	}
	return err
}

// finder looks for keys in the rows of one row group.
type finder struct {
	k   *keyScan
	m   *match
	own *scratch
	ctx context.Context
}

// one looks through a lone key column. Of a page that is coded by a dictionary
// the entries are looked for, once for all rows.
func (s *finder) one(l *leaf, pos, end int64) error {
	s.own.terms = s.own.terms[:0]
	for pos < end {
		n, err := l.some()
		if err != nil {
			return err
		}
		n = min(n, readBatch)
		if _, terms := l.Dictionary(); l.coded() && int64(terms) <= end-s.m.first {
			err = s.coded(l, pos, n)
		} else {
			var a arrow.Array
			if a, err = l.read(n); err == nil {
				err = s.find(pos, []arrow.Array{a})
			}
		}
		if err != nil {
			return err
		}
		pos += int64(n)
	}
	return nil
}

// coded looks through rows that are entries of the dictionary.
func (s *finder) coded(l *leaf, pos int64, n int) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	if len(s.own.terms) == 0 {
		entries := l.entries()
		s.own.terms = slices.Grow(s.own.terms, entries.Len())[:entries.Len()]
		if err := s.k.part.Find([]arrow.Array{entries}, s.own.terms); err != nil {
			return err
		}
	}
	b, err := l.Take(n)
	if err != nil {
		return l.fail(err)
	}
	next := 0
	for i := range b.Rows {
		if b.Nulls > 0 && b.Valid[i>>3]&(1<<(i&7)) == 0 {
			continue
		}
		if ordinal := s.own.terms[b.Index[next]]; ordinal >= 0 {
			s.hit(pos+int64(i), ordinal)
		}
		next++
	}
	return nil
}

func (s *finder) hit(pos int64, ordinal int32) {
	s.m.positions = append(s.m.positions, pos)
	s.m.found.Ordinals = append(s.m.found.Ordinals, ordinal)
}

// find looks for the keys of a batch, as far as the sieve lets them through.
func (s *finder) find(pos int64, got []arrow.Array) error {
	if err := s.ctx.Err(); err != nil {
		return err
	}
	n := got[0].Len()
	s.own.out = slices.Grow(s.own.out[:0], n)[:n]
	rows, sifted := s.sift(got)
	if sifted {
		if len(rows) == 0 {
			return nil
		}
		var err error
		if got, err = s.pick(got, rows); err != nil {
			return err
		}
		defer releaseArrays(got)
		n = len(rows)
	}
	out := s.own.out[:n]
	if err := s.k.part.Find(got, out); err != nil {
		return err
	}
	for i, ordinal := range out {
		if ordinal < 0 {
			continue
		}
		if sifted {
			i = int(rows[i])
		}
		s.hit(pos+int64(i), ordinal)
	}
	return nil
}

// sift returns the rows of a batch that may have keys, unless that does not pay.
func (s *finder) sift(got []arrow.Array) ([]int32, bool) {
	if s.k.sieve < 0 {
		return nil, false
	}
	n := got[0].Len()
	span := &s.k.spans[s.k.sieve]
	s.own.rows = slices.Grow(s.own.rows[:0], n)[:n]
	switch a := got[s.k.sieve].(type) {
	case *array.Int64:
		n = sift(span, a.Int64Values(), s.own.rows)
	case *array.Timestamp:
		n = sift(span, a.TimestampValues(), s.own.rows)
	case *array.Int32:
		n = sift(span, a.Int32Values(), s.own.rows)
	case *array.Date32:
		n = sift(span, a.Date32Values(), s.own.rows)
	default:
		return nil, false
	}
	return s.own.rows[:n], 4*n < got[0].Len()
}

// sift sets out to the indices of the values that lie in slices with keys, and
// tells how many there are. What stands in place of a null may be among them.
func sift[T ~int32 | ~int64](s *span, values []T, out []int32) (n int) {
	least, width, shift := uint64(s.min.n), uint64(s.max.n)-uint64(s.min.n), s.shift&63
	out = out[:len(values)]
	for i, v := range values {
		out[n] = int32(i)
		if d := uint64(int64(v)) - least; d <= width {
			at := d >> shift
			n += int(s.grid[at>>6] >> (at & 63) & 1)
		}
	}
	return n
}

// sieveOf chooses the span in whose grid the keys take up the smallest part, if
// that is small enough for looking there to pay.
func sieveOf(spans []span) int {
	best, share := -1, 0.25
	for i := range spans {
		if s := &spans[i]; s.grid != nil {
			if part := float64(s.grid.count()) / float64(64*len(s.grid)); part < share {
				best, share = i, part
			}
		}
	}
	return best
}

// pick takes the candidates of a batch's columns. The caller releases the result.
func (s *finder) pick(got []arrow.Array, rows []int32) ([]arrow.Array, error) {
	out := make([]arrow.Array, 0, len(got))
	index := array.NewInt32Data(array.NewData(arrow.PrimitiveTypes.Int32, len(rows), []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(rows))}, nil, 0, 0))
	for _, a := range got {
		picked, ok := s.pickWide(a, rows)
		if !ok {
			var err error
			if picked, err = take(s.ctx, a, index); err != nil {
				releaseArrays(out)
				return nil, err
			}
		}
		out = append(out, picked)
	}
	return out, nil
}

// pickWide takes rows of a lone column of eight bytes, the usual key, into
// memory that is used again.
func (s *finder) pickWide(a arrow.Array, rows []int32) (arrow.Array, bool) {
	if len(s.k.keys) != 1 || a.NullN() > 0 {
		return nil, false
	}
	var from []int64
	switch a := a.(type) {
	case *array.Int64:
		from = a.Int64Values()
	case *array.Timestamp:
		from = arrow.Int64Traits.CastFromBytes(arrow.TimestampTraits.CastToBytes(a.TimestampValues()))
	default:
		return nil, false
	}
	s.own.key = slices.Grow(s.own.key[:0], 8*len(rows))[:8*len(rows)]
	to := arrow.Int64Traits.CastFromBytes(s.own.key)
	for i, row := range rows {
		to[i] = from[row]
	}
	return wrapped(a.DataType(), len(rows), 0, []*memory.Buffer{nil, memory.NewBufferBytes(s.own.key)}), true
}

func releaseArrays(as []arrow.Array) {
	for _, a := range as {
		a.Release()
	}
}
