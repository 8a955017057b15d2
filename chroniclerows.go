package etl

import (
	"cmp"
	"context"
	"iter"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
)

// list sorts out what was settled: which versions get the values of which change,
// which committed rows are written anew, and which go.
func (s *chronicle) list() {
	s.made, s.again = nil, [2][]*version{}
	for k, l := range s.lists {
		for i := range l {
			v := &l[i]
			switch v.role {
			case versionMade:
				s.n.Inserted++
			case versionGivenUp:
				s.n.RemovedAsOldKey++
			case versionReplaced:
				s.n.Updated++
			}
			if v.changed {
				s.write(int32(k), v)
			}
		}
	}
	slices.SortStableFunc(s.made, func(a, b madeVersion) int { return cmp.Compare(a.change, b.change) })
}

func (s *chronicle) write(k int32, v *version) {
	if v.row >= 0 {
		s.gone[v.row] = true
	}
	switch {
	case v.values >= 0:
		s.made = append(s.made, madeVersion{v.values, k, v})
	case v.base:
		s.again[1] = append(s.again[1], v)
	default:
		s.again[0] = append(s.again[0], v)
	}
}

// removes reports whether a row of a batch that the sink found goes.
func (s *chronicle) removes(batch, row int) bool { return s.gone[s.first[batch]+row] }

func (s *chronicle) expected() int64 { return int64(len(s.made) + len(s.again[0])) }

// wanted are the changes whose values versions have, and where rows may be partial
// those below them.
func (s *chronicle) wanted(rows bitmap) {
	for _, m := range s.made {
		for id := m.change; id >= 0 && !rows.has(s.position(id)); id = s.valuesBelow(id) {
			rows.set(s.position(id))
		}
	}
}

// valuesBelow is the change that supplies what a change does not; -1 if none does.
func (s *chronicle) valuesBelow(id int64) int64 {
	if s.below == nil {
		return -1
	}
	return max(s.below[id], -1)
}

func (s *chronicle) position(id int64) int64 { return s.h.changes[id].mark.position() }

func (s *chronicle) winning() iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for _, m := range s.made {
			if !yield(m.change) {
				return
			}
		}
	}
}

func (s *chronicle) wins(id int64) bool { return len(s.versionsOf(id)) > 0 }

func (s *chronicle) committedBelow(id int64) (rowRef, bool) {
	if v := s.below[id]; v < 0 && v != noVersionBelow {
		return s.rows[^v], true
	}
	return rowRef{}, false
}

// versionsOf are the versions that have the values of a change.
func (s *chronicle) versionsOf(id int64) []madeVersion {
	from, _ := slices.BinarySearchFunc(s.made, id, func(m madeVersion, id int64) int { return cmp.Compare(m.change, id) })
	to := from
	for to < len(s.made) && s.made[to].change == id {
		to++
	}
	return s.made[from:to]
}

// changesAt returns the changes at positions, which rise.
func (s *chronicle) changesAt(at []int64) []int64 {
	ids := make([]int64, len(at))
	next := 0
	if len(at) > 0 {
		next, _ = slices.BinarySearchFunc(s.h.changes, at[0], func(c change, pos int64) int { return cmp.Compare(c.mark.position(), pos) })
	}
	for i, pos := range at {
		for s.position(int64(next)) < pos || s.h.changes[next].key < 0 {
			next++
		}
		ids[i] = int64(next)
	}
	return ids
}

// lose takes note that the rows at positions were filtered. Deletes that found one of
// them below have found nothing.
func (s *chronicle) lose(at []int64) {
	n := &s.r.counts
	for _, id := range s.changesAt(at) {
		for _, m := range s.versionsOf(id) {
			s.empty[m.key]++
			switch {
			case m.by == id && m.role == versionReplaced:
				n.Updated--
				n.Filtered++
				n.RemovedByFilter++
			case m.by == id:
				n.Inserted--
				n.Filtered++
			case m.role == versionGivenUp:
				n.RemovedAsOldKey--
			default:
				n.Inserted--
				n.Unchanged++
			}
		}
	}
}

// dress makes versions of transformed rows: several of one, where deletes follow.
func (s *chronicle) dress(out *won, ids []int64) error {
	if ids == nil {
		ids = s.changesAt(out.at)
	}
	var refs []rowRef
	var vs []*version
	for i, id := range ids {
		for _, m := range s.versionsOf(id) {
			refs, vs = append(refs, rowRef{out.rec, i}), append(vs, m.version)
		}
	}
	rec, err := s.r.part.c.versionRows(refs, vs)
	if err != nil {
		return err
	}
	out.rec.Release()
	out.rec, out.at = rec, s.places(vs)
	return nil
}

// places are the positions of the changes that brought versions.
func (s *chronicle) places(vs []*version) []int64 {
	at := make([]int64, len(vs))
	for i, v := range vs {
		at[i] = s.position(v.by)
	}
	return at
}

// rewritten gives out committed rows that are written anew, those of the full load or
// the others.
func (s *chronicle) rewritten(ctx context.Context, base bool, give func(arrow.RecordBatch, []int64) error) error {
	const batch = 4096
	list := s.again[0]
	if base {
		list = s.again[1]
	}
	for vs := range slices.Chunk(list, batch) {
		if err := ctx.Err(); err != nil {
			return err
		}
		refs := make([]rowRef, len(vs))
		for i, v := range vs {
			refs[i] = s.rows[^v.values]
		}
		rec, err := s.r.part.c.versionRows(refs, vs)
		if err != nil {
			return err
		}
		err = give(rec, s.places(vs))
		rec.Release()
		if err != nil {
			return err
		}
	}
	return nil
}
