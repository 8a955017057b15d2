package etl

import (
	"cmp"
	"slices"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// history keeps all changes of a part, in position order.
type history struct {
	changes []change
	ends    []int // of the orders in the arena
	orders  []byte
}

// change is one row read: what it does to which key.
type change struct {
	mark mark
	key  int32 // -1 where the key belongs to another part
	old  int32 // the key that the row gives up, or -1
}

func (h *history) bytes() int64 {
	return int64(16*cap(h.changes) + 8*cap(h.ends) + cap(h.orders))
}

// add takes in a change, whose order is that of row i of orders.
func (h *history) add(c change, orders *rowkey.Batch, i int) {
	h.changes = append(h.changes, c)
	if c.mark&markOrdered != 0 {
		h.orders = orders.Append(h.orders, i)
	}
	h.ends = append(h.ends, len(h.orders))
}

// order returns the order of change i, nil if it has none.
func (h *history) order(i int) []byte {
	if h.changes[i].mark&markOrdered == 0 {
		return nil
	}
	from := 0
	if i > 0 {
		from = h.ends[i-1]
	}
	return h.orders[from:h.ends[i]]
}

// sort brings the changes of several partitions into position order.
func (h *history) sort() {
	at := make([]int, len(h.changes))
	for i := range at {
		at[i] = i
	}
	slices.SortStableFunc(at, func(i, j int) int {
		return cmp.Compare(h.changes[i].mark.position(), h.changes[j].mark.position())
	})
	sorted := history{
		changes: make([]change, 0, len(at)), ends: make([]int, 0, len(at)), orders: make([]byte, 0, len(h.orders)),
	}
	for _, i := range at {
		sorted.changes = append(sorted.changes, h.changes[i])
		sorted.orders = append(sorted.orders, h.order(i)...)
		sorted.ends = append(sorted.ends, len(sorted.orders))
	}
	*h = sorted
}
