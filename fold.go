package etl

import "bytes"

// Where a key stands during and after the fold. Values of 0 and above are the
// index of the change whose row the key holds.
const (
	stateCommitted = -1 // nothing won against what is committed, if anything is
	stateDeleted   = -2 // a delete won
	stateMoved     = -3 // the key was given up for another
)

// fold takes the changes in position order and settles, for each key, which
// one the table must hold. It knows the rules of order and nothing else.
//
// w holds for each key the greatest order known, nil where none is; it is
// updated. below, if not nil, receives for each change whose upsert won what
// stood under the key just before: a state of sources, for unsupplied columns. soft,
// if not nil, lets rows stay that are deleted or given up, and receives their marks.
// full, if not nil, knows the rows of the full load and which changes are such rows.
func (h *history) fold(keys int, w [][]byte, below []origin, soft *softMarks, full *fullRows) (state []int64) {
	state = make([]int64, keys)
	for i := range state {
		state[i] = stateCommitted
	}
	for i, c := range h.changes {
		o := h.order(i)
		base := origin{state: stateDeleted}
		if c.old >= 0 {
			base = origin{state[c.old], c.old}
			if full.wins(int64(i), c.old, o, &w[c.old]) && !soft.keep(c.old, state[c.old], int64(i)) {
				state[c.old] = stateMoved
			}
		}
		if c.key < 0 || !full.wins(int64(i), c.key, o, &w[c.key]) {
			continue
		}
		if c.mark&markDelete != 0 {
			if !soft.keep(c.key, state[c.key], int64(i)) {
				state[c.key] = stateDeleted
			}
			continue
		}
		if below != nil {
			if c.old < 0 {
				base = origin{state[c.key], c.key}
			}
			below[i] = base
		}
		state[c.key] = int64(i)
		soft.clear(c.key)
	}
	return state
}

// origin is where unsupplied columns come from: a state of a key.
type origin struct {
	state int64
	key   int32
}

// wins says whether a change of order o wins against the greatest order known,
// and makes o that if it does. A change without an order always wins.
func wins(o []byte, w *[]byte) bool {
	if o == nil {
		return true
	}
	if *w != nil && bytes.Compare(o, *w) < 0 {
		return false
	}
	*w = o
	return true
}
