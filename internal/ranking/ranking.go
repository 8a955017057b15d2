// Package ranking says which of the changes of a key wins, taken one by one in the
// order of their positions.
package ranking

import "bytes"

// Ranking is what the changes of a key so far leave behind: the greatest order. The
// zero value is that of no change.
type Ranking struct {
	order []byte
	known bool
}

// Takes reports whether the next change wins against those before it, and takes it
// into account if so. nil is a change without an order, which wins and leaves the
// greatest order as it is. The order is kept, not copied.
func (r *Ranking) Takes(order []byte) bool {
	if order == nil {
		return true
	}
	if r.known && bytes.Compare(order, r.order) < 0 {
		return false
	}
	r.order, r.known = order, true
	return true
}
