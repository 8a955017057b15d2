package etl

import (
	"bytes"
	"runtime"
	"sync"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// contest settles the changes of a part by its latest ones.
type contest struct {
	r *Resolution
	l *latest
	// committed orders, by key: as words, with which keys have one, or as bytes
	words []uint64
	known []bool
	other [][]byte
}

func newContest(r *Resolution) *contest { return &contest{r: r, l: r.part.latest} }

func (c *contest) committed(f Found, orders *rowkey.Batch) {
	if orders == nil {
		return
	}
	if shown := c.r.part.c.shown; c.l.words == nil || shown.Form() != rowkey.Word || shown.Width() != c.l.codec.Width() {
		var arena []byte
		for i, k := range f.Ordinals {
			if !orders.Null(i) {
				at := len(arena)
				arena = orders.Append(arena, i)
				c.set(k, arena[at:len(arena):len(arena)])
			}
		}
		return
	}
	c.room()
	for i, k := range f.Ordinals {
		if !orders.Null(i) {
			c.words[k], c.known[k] = orders.Words[i], true
		}
	}
}

func (c *contest) room() {
	if c.words == nil {
		c.words, c.known = make([]uint64, c.r.part.Len()), make([]bool, c.r.part.Len())
	}
}

func (c *contest) set(k int32, order []byte) {
	if c.other == nil {
		c.other = make([][]byte, c.r.part.Len())
	}
	c.other[k] = order
}

func (c *contest) remembered(k int32, order []byte) {
	if c.other != nil {
		c.other[k] = nil
	}
	if c.known != nil {
		c.known[k] = false
	}
	if c.l.codec == nil {
		return
	}
	if len(order) == 0 {
		return
	}
	if w, ok := c.l.codec.WordOf(order); ok {
		c.room()
		c.words[k], c.known[k] = w, true
		return
	}
	c.set(k, order)
}

// stands reports whether the greatest order of a key's changes is not below the
// committed one.
func (c *contest) stands(k int32) bool {
	switch {
	case c.known != nil && c.known[k]:
		return c.l.words[k] >= c.words[k]
	case c.other == nil || c.other[k] == nil:
		return true
	case c.l.words == nil:
		return bytes.Compare(c.l.span(k), c.other[k]) >= 0
	}
	return bytes.Compare(c.l.appendOrder(nil, k), c.other[k]) >= 0
}

// winner returns the change that wins; 0 if none does.
func (c *contest) winner(k int32) mark {
	last := c.l.lastOf(k)
	if high := c.l.highOf(k); high > last && c.stands(k) {
		return high
	}
	return last
}

func (c *contest) settle() Counts {
	n := Counts{Read: c.r.part.read}
	var mu sync.Mutex
	eachRange(c.r.part.Len(), func(from, to int32) {
		some := c.count(from, to)
		mu.Lock()
		defer mu.Unlock()
		n.Add(some)
	})
	n.Superseded = n.Read - n.Inserted - n.Updated - n.Deleted - n.Unchanged
	return n
}

// count counts what becomes of the keys of a range.
func (c *contest) count(from, to int32) (n Counts) {
	exists := c.r.exists
	for k := from; k < to; k++ {
		switch w := c.winner(k); {
		case w == 0:
		case w&markDelete != 0 && exists != nil && exists[k]:
			n.Deleted++
		case w&markDelete != 0:
			n.Unchanged++
		case exists != nil && exists[k]:
			n.Updated++
		default:
			n.Inserted++
		}
	}
	return n
}

// eachRange calls fn for the ranges that make up 0 to n, side by side where there
// are many.
func eachRange(n int, fn func(from, to int32)) {
	const worthwhile = 1 << 16
	ranges := max(min(runtime.GOMAXPROCS(0), n/worthwhile), 1)
	var group sync.WaitGroup
	for i := 1; i < ranges; i++ {
		group.Go(func() { fn(int32(n*i/ranges), int32(n*(i+1)/ranges)) })
	}
	fn(0, int32(n/ranges))
	group.Wait()
}

func (c *contest) changed(k int32) bool { return c.winner(k) != 0 }

func (c *contest) memory(k int32, filtered bool) []byte {
	w := c.winner(k)
	if w&markDelete == 0 && !filtered && w&markOrdered != 0 {
		return nil // the row shows it
	}
	if c.l.highOf(k) != 0 && c.stands(k) {
		return c.l.appendOrder(nil, k)
	}
	if c.known != nil && c.known[k] {
		return c.l.codec.AppendWord(nil, c.words[k])
	}
	if c.other != nil {
		return c.other[k]
	}
	return nil
}

func (c *contest) wanted(rows bitmap) {
	eachRange(c.r.part.Len(), func(from, to int32) {
		for k := from; k < to; k++ {
			if w := c.winner(k); w != 0 && w&markDelete == 0 {
				rows.share(w.position())
			}
		}
	})
}
