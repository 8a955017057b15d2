package etl

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// chronicle settles the changes of a part of a history table one by one, each on the
// versions of its key as it finds them. It is a [settlement].
type chronicle struct {
	r     *Resolution
	h     *history
	lists []versions     // by key
	tombs [][]byte       // by key: greatest order of a delete that found no version
	below []int64        // by change, where rows may be partial: see versionBelow
	drops map[int64]bool // changes known to be filtered
	empty map[int32]int  // by key: versions that turned out to be filtered
	rows  []rowRef       // committed
	first []int          // of the batches that the sink found, in rows
	gone  []bool         // by committed row
	made  []madeVersion  // of the rows of changes, by change
	again [2][]*version  // of committed rows written anew; [1] those of the full load
	n     Counts         // of what was settled
}

// madeVersion is a version whose values are those of a change.
type madeVersion struct {
	change int64
	key    int32
	*version
}

var (
	_ settlement = (*chronicle)(nil)
	_ prepared   = (*chronicle)(nil)
	_ rewriter   = (*chronicle)(nil)
	_ lineage    = (*chronicle)(nil)
)

// chronicles reports whether changes of the load make versions.
func (c *Changes) chronicles() bool { return c.table.Mode == ModeHistory && c.load.Kind != Full }

func newChronicle(r *Resolution) *chronicle {
	p := r.part
	s := &chronicle{
		r: r, h: p.all, lists: make([]versions, p.Len()), tombs: make([][]byte, p.Len()),
		drops: map[int64]bool{}, empty: map[int32]int{},
	}
	if p.c.partial() {
		s.below = make([]int64, len(s.h.changes))
	}
	return s
}

// found takes in committed versions, several of a key perhaps.
func (s *chronicle) found(f Found) error {
	target := s.r.part.c.target
	s.first = append(s.first, len(s.rows))
	if len(f.Ordinals) == 0 {
		return nil
	}
	read, err := s.r.part.c.readFound(f)
	if err != nil {
		return err
	}
	for i, k := range f.Ordinals {
		if k < 0 || int(k) >= len(s.lists) {
			return fmt.Errorf("sink gave ordinal %d of %d for table %s", k, len(s.lists), target.Name)
		}
		row := int64(len(s.rows))
		v := read.version(i)
		v.base, v.row, v.values, v.by = f.Base, row, ^row, -1
		s.rows = append(s.rows, rowRef{f.Record, i})
		s.lists[k] = append(s.lists[k], v)
		s.r.exists[k] = true
	}
	return nil
}

func (s *chronicle) committed(Found, *rowkey.Batch) {} // see found

func (s *chronicle) remembered(k int32, order []byte) {
	if len(order) > 0 {
		s.tombs[k] = order
	}
}

// settle gives each row read its fate, as if no row were filtered but those known.
func (s *chronicle) settle() Counts {
	s.gone = make([]bool, len(s.rows))
	s.n = Counts{}
	for i := range s.h.changes {
		s.apply(int64(i))
	}
	s.list()
	n := s.n
	n.Read = s.r.part.read
	n.Superseded = n.Read - n.Inserted - n.Updated - n.Unchanged - n.Filtered
	return n
}

// versionBelow are the values that stand below a change: those of a change, of a
// committed row (^row), or none.
const noVersionBelow = math.MinInt64

// apply applies one change. That of a key that was changed into another is a delete
// of that, whose version supplies what the change does not.
func (s *chronicle) apply(id int64) {
	c, o := s.h.changes[id], s.h.order(int(id))
	stands := int64(noVersionBelow)
	if c.old >= 0 {
		stands = s.standing(c.old, o)
		s.remove(c.old, id, o, versionGivenUp)
	}
	switch {
	case c.key < 0:
	case c.mark&markDelete != 0:
		s.remove(c.key, id, o, versionMade)
	default:
		if c.old < 0 {
			stands = s.standing(c.key, o)
		}
		if s.below != nil {
			s.below[id] = stands
		}
		s.upsert(c.key, id, o)
	}
}

// standing returns whose values a change of order o finds below it.
func (s *chronicle) standing(k int32, o []byte) int64 {
	l := s.lists[k]
	if i := l.below(o); i >= 0 && !l[i].deleted {
		return l[i].values
	}
	return noVersionBelow
}

func (s *chronicle) upsert(k int32, id int64, o []byte) {
	l := s.lists[k]
	if len(l) == 0 && o != nil && bytes.Compare(o, s.tombs[k]) < 0 {
		return
	}
	if s.drops[id] {
		s.n.Filtered++
	}
	i := l.below(o)
	if i >= 0 && l[i].hasOrder(o) {
		s.replace(k, i, id)
		return
	}
	from, to, current := l.cut(i, s.r.part.timeOf(int(id)), id)
	if s.drops[id] {
		if i >= 0 && l[i].empty() {
			l.arrange()
		}
		return
	}
	if len(l) == 0 {
		s.tombs[k] = nil
	}
	s.lists[k] = insertVersion(l, i+1, version{order: o, from: from, to: to, current: current, row: -1, values: id, by: id, role: versionMade, changed: true})
}

// insertVersion puts a version at a place. Those of one moment stand as they do when
// they are read from the table.
func insertVersion(l versions, at int, v version) versions {
	l = append(l, version{})
	copy(l[at+1:], l[at:])
	l[at] = v
	if v.empty() || at > 0 && l[at-1].empty() {
		l.arrange()
	}
	return l
}

// replace gives a version the values of a change of the same order.
func (s *chronicle) replace(k int32, i int, id int64) {
	l := s.lists[k]
	v := &l[i]
	if s.drops[id] {
		if v.row >= 0 {
			s.gone[v.row] = true
			s.n.RemovedByFilter++
		}
		s.lists[k] = append(l[:i], l[i+1:]...)
		return
	}
	v.values, v.by, v.deleted, v.changed, v.reorders = id, id, false, true, false
	v.role = versionMade
	if v.row >= 0 {
		v.role = versionReplaced
	}
}

func (s *chronicle) remove(k int32, id int64, o []byte, role versionRole) {
	l := s.lists[k]
	i := l.below(o)
	if i < 0 && len(l) == 0 && o != nil && bytes.Compare(o, s.tombs[k]) > 0 {
		s.tombs[k] = o
	}
	if i < 0 || l[i].deleted && (o == nil || l[i].hasOrder(o)) {
		if role == versionMade {
			s.n.Unchanged++
		}
		return
	}
	order, values := o, l[i].values
	if o == nil {
		order = l[i].order
	}
	from, to, current := l.cut(i, s.r.part.timeOf(int(id)), id)
	s.lists[k] = insertVersion(l, i+1, version{
		order: order, from: from, to: to, current: current, deleted: true, row: -1,
		values: values, by: id, role: role, changed: true, reorders: o != nil,
	})
}

// timeOf is when change i took place, as far as it tells.
func (p *Part) timeOf(i int) int64 {
	if order := p.all.order(i); p.c.timed && len(order) >= 8 {
		return int64(binary.BigEndian.Uint64(order) ^ 1<<63)
	}
	file := p.in.fileOf(p.all.changes[i].mark.position())
	return p.c.load.Files[file].ModTime.UnixMicro()
}

func (s *chronicle) changed(int32) bool { return true }

func (s *chronicle) memory(k int32, _ bool) []byte {
	switch gone := s.empty[k]; {
	case len(s.lists[k]) > gone:
		return nil
	case gone > 0:
		return s.r.remembered[k]
	}
	return s.tombs[k]
}
