package etl

import (
	"bytes"
	"cmp"
	"math"
	"slices"
)

// version is a row that a key of a history table has for some time, half open:
// [from, to).
type version struct {
	order    []byte // nil if none
	from, to int64  // microseconds since 1970; to is forever where nothing follows
	row      int64  // the committed row that it is, or -1
	values   int64  // whose values it has: those of a change, or of ^values, a committed row
	by       int64  // the change that made it, or wrote it anew; -1 if none did
	role     versionRole
	base     bool // of the epoch's full load: below every change
	current  bool
	deleted  bool
	changed  bool // not as it is committed
	reorders bool // shows its order in place of that of the values
}

// versionRole is what a load has to do with a version.
type versionRole uint8

const (
	versionKept     versionRole = iota // committed, with the values it had
	versionMade                        // of a change
	versionGivenUp                     // made by the old key of a change
	versionReplaced                    // committed, with the values of a change of the same order
)

// forever is the end of the last version of a key.
const forever = math.MaxInt64

// versions are those of a key, in their order.
type versions []version

// arrange brings versions that were read from a table into their order.
func (l versions) arrange() {
	if len(l) < 2 {
		return
	}
	slices.SortStableFunc(l, func(a, b version) int {
		return cmp.Or(-compareBool(a.base, b.base), cmp.Compare(a.from, b.from), -compareBool(a.empty(), b.empty()),
			bytes.Compare(a.order, b.order), compareBool(a.deleted, b.deleted))
	})
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// empty reports whether another change of the same moment followed.
func (v *version) empty() bool { return v.from == v.to }

// hasOrder reports whether a change of order o comes from where the version does.
func (v *version) hasOrder(o []byte) bool {
	return o != nil && !v.base && v.order != nil && bytes.Equal(v.order, o)
}

// gaps reports whether a filter has left a time for which no version holds.
func (l versions) gaps() bool {
	for i := range l {
		if i+1 < len(l) && l[i].to < l[i+1].from || i+1 == len(l) && l[i].to != forever {
			return true
		}
	}
	return false
}

// below returns which version a change of order o, nil if it has none, goes behind;
// -1 if it goes before all.
func (l versions) below(o []byte) int {
	i := len(l) - 1
	for o != nil && i >= 0 && !l[i].base && l[i].order != nil && bytes.Compare(l[i].order, o) > 0 {
		i--
	}
	return i
}

// cut makes room behind version i, or before all, from time t on, which it brings
// between its neighbours. It returns the time of the room, and whether that is the
// present. by is the change that asks.
func (l versions) cut(i int, t, by int64) (from, to int64, current bool) {
	above := int64(forever)
	if i+1 < len(l) {
		above = l[i+1].from
	}
	from, to, current = min(t, above), above, i+1 == len(l)
	if i < 0 {
		return from, to, current
	}
	v := &l[i]
	if v.base && from < v.from {
		l.sink(i, from, by)
	}
	from = max(from, v.from)
	if from >= v.to {
		return from, to, current // behind a gap that a filter has left
	}
	to, current = v.to, v.current
	v.to, v.current = from, false
	v.touch(by)
	return from, to, current
}

// sink lets a version of the full load give way to an earlier change above it.
func (l versions) sink(i int, t, by int64) {
	v := &l[i]
	if i > 0 {
		t = max(t, l[i-1].from)
		if l[i-1].to > t {
			l[i-1].to = t
			l[i-1].touch(by)
		}
	}
	v.from = t
	v.touch(by)
}

func (v *version) touch(by int64) {
	v.changed = true
	if v.role == versionKept {
		v.by = by
	}
}
