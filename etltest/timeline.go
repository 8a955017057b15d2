package etltest

import (
	"cmp"
	"slices"
	"time"
)

// version is a row of a table of etl.ModeHistory: what a key was from one time until
// another. The current one is open.
type version struct {
	row      []any // of the table's columns
	order    []any // nil if there is none
	from, to time.Time
	open     bool // there is no to
	deleted  bool
	base     bool // a full load left it: any change stands above it

	stood bool  // before the load
	by    maker // in the load
}

// maker is what in a load made a version, or replaced it.
type maker int

const (
	nothing maker = iota
	change
	keyChange // the delete of an old key
	absence   // from a full load
)

// cut ends a version that lasts beyond a time.
func (v *version) cut(at time.Time) {
	if v.open || v.to.After(at) {
		v.open, v.to = false, at
	}
}

// timeline is what a table of etl.ModeHistory knows of a key: its versions, each below
// the next one, and while there are none the greatest order of its deletes.
type timeline struct {
	versions  []version
	tombstone []any
}

// place returns how many versions are below a change.
func (t *timeline) place(order []any) (int, error) {
	for i := len(t.versions); i > 0; i-- {
		v := t.versions[i-1]
		if order == nil || v.base || v.order == nil {
			return i, nil
		}
		if rank, err := compareOrders(v.order, order); err != nil || rank <= 0 {
			return i, err
		}
	}
	return 0, nil
}

// below returns the version at a place, or nil.
func (t *timeline) below(at int) *version {
	if at == 0 {
		return nil
	}
	return &t.versions[at-1]
}

func (t *timeline) last() *version { return t.below(len(t.versions)) }

// same reports whether the version below a place is a change's of this order.
func (t *timeline) same(at int, order []any) bool {
	v := t.below(at)
	if v == nil || v.base || v.order == nil || order == nil {
		return false
	}
	rank, err := compareOrders(v.order, order)
	return err == nil && rank == 0
}

// fit returns the time of a change between its neighbours. A row of a full load that is
// said to be younger than the change above it is not: it gives way.
func (t *timeline) fit(at int, from time.Time) time.Time {
	b, floor := t.below(at), t.below(at)
	if b != nil && b.base {
		floor = t.below(at - 1)
	}
	if floor != nil && from.Before(floor.from) {
		from = floor.from
	}
	if at < len(t.versions) && from.After(t.versions[at].from) {
		from = t.versions[at].from
	}
	if b != nil && b.base && from.Before(b.from) {
		b.from = from
		if floor != nil {
			floor.cut(from)
		}
	}
	return from
}

// insert puts a version between those below a place and those above it.
func (t *timeline) insert(at int, v version) {
	v.from = t.fit(at, v.from)
	v.open = at == len(t.versions)
	if !v.open {
		v.to = t.versions[at].from
	}
	if b := t.below(at); b != nil && (b.open || v.from.Before(b.to)) {
		v.open, v.to = b.open, b.to
		b.cut(v.from)
	}
	t.versions, t.tombstone = slices.Insert(t.versions, at, v), nil
	t.settle()
}

// upsert inserts a version, or gives that of the same order its values.
func (t *timeline) upsert(at int, v version) {
	if !t.same(at, v.order) {
		t.insert(at, v)
		return
	}
	b := t.below(at)
	b.row, b.deleted, b.by = v.row, false, v.by
}

// filtered leaves a gap where a version would be. It returns how many rows of the
// table it removed.
func (t *timeline) filtered(at int, v version) int64 {
	if t.same(at, v.order) {
		gone := t.versions[at-1]
		t.versions = slices.Delete(t.versions, at-1, at)
		return count(gone.stood)
	}
	from := t.fit(at, v.from)
	if b := t.below(at); b != nil {
		b.cut(from)
	}
	t.settle()
	return 0
}

// add puts a version of a full load behind all others.
func (t *timeline) add(v version) {
	if l := t.last(); l != nil {
		end := l.from
		if !l.open {
			end = l.to
		}
		if v.from.Before(end) {
			v.from = end
		}
		l.cut(v.from)
	}
	v.open = true
	t.versions = append(t.versions, v)
}

// there reports whether the key has a row now.
func (t *timeline) there() bool {
	l := t.last()
	return l != nil && l.open && !l.deleted
}

// timelines are those of the keys.
type timelines map[string]*timeline

// settle puts the versions in the order that the table shows, in which those that
// last no time at the same moment may have come in another one.
func (t *timeline) settle() {
	slices.SortStableFunc(t.versions, func(a, b version) int {
		return cmp.Or(cmp.Compare(count(b.base), count(a.base)), a.from.Compare(b.from), cmp.Compare(b.momentary(), a.momentary()),
			compareKnown(a.order, b.order), cmp.Compare(count(a.deleted), count(b.deleted)))
	})
}

// compareKnown has no order below all others.
func compareKnown(a, b []any) int {
	if a == nil || b == nil {
		return cmp.Compare(len(a), len(b))
	}
	rank, _ := compareOrders(a, b) // of types that were compared before
	return rank
}

// momentary is 1 for a version that lasts no time.
func (v version) momentary() int64 { return count(!v.open && v.from.Equal(v.to)) }

// begin returns a copy for a load: all versions stood before it.
func (ts timelines) begin() timelines {
	out := timelines{}
	for key, t := range ts {
		c := &timeline{slices.Clone(t.versions), t.tombstone}
		for i := range c.versions {
			c.versions[i].stood, c.versions[i].by = true, nothing
		}
		out[key] = c
	}
	return out
}

func (ts timelines) of(key string) *timeline {
	if ts[key] == nil {
		ts[key] = &timeline{}
	}
	return ts[key]
}

func (ts timelines) len() (n int64) {
	for _, t := range ts {
		n += int64(len(t.versions))
	}
	return n
}

func (ts timelines) rows() (rows Rows) {
	for _, t := range ts {
		for _, v := range t.versions {
			var to any
			if !v.open {
				to = v.to
			}
			rows = append(rows, append(slices.Clone(v.row), v.from, to, v.open, v.deleted))
		}
	}
	return rows
}
