package etl

import (
	"bytes"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// A mark is a change in one word: its position and what it is. Marks of later
// changes are greater.
type mark uint64

const (
	markDelete mark = 1 << iota
	markOrdered
	markBits = iota
)

func (m mark) position() int64 { return int64(m >> markBits) }

// latest keeps of each key the two changes of which one wins, whatever is
// committed: the last change of the greatest order, which wins if that order is
// not below the committed one, and the last change without an order. Of the two
// the later one wins. It serves loads without old keys and without unsupplied
// columns; others need all changes ([history]).
type latest struct {
	codec *rowkey.Codec // of the order; nil without ordering columns
	high  []mark        // last change of the greatest order; 0 if none
	words []uint64      // that order, if it is a word
	spans []span        // that order in the arena, if not
	arena []byte
	live  int    // bytes of the arena that a span points to
	last  []mark // last change without an order; nil if there are none at all
}

// span is a piece of an arena.
type span struct{ at, len int }

func newLatest(order *rowkey.Codec, n int) *latest {
	l := &latest{codec: order}
	if order == nil {
		l.last = make([]mark, 0, n)
		return l
	}
	l.high = make([]mark, 0, n)
	if order.Form() == rowkey.Word {
		l.words = make([]uint64, 0, n)
	} else {
		l.spans = make([]span, 0, n)
	}
	return l
}

// reuse empties l and makes room for n keys.
func (l *latest) reuse(n int) {
	l.high, l.words, l.spans = emptied(l.high), emptied(l.words), emptied(l.spans)
	l.arena, l.live = l.arena[:0], 0
	if l.last = emptied(l.last); l.codec != nil {
		l.last = nil
	}
	l.reserve(n)
}

// emptied keeps the memory of s, all zero.
func emptied[T any](s []T) []T {
	clear(s)
	return s[:0]
}

// reserve makes room for n keys.
func (l *latest) reserve(n int) {
	if l.codec == nil {
		l.last = roomFor(l.last, n)
		return
	}
	l.high = roomFor(l.high, n)
	if l.words != nil {
		l.words = roomFor(l.words, n)
	} else {
		l.spans = roomFor(l.spans, n)
	}
}

// roomFor returns s with room for n elements; those beyond its length are zero.
func roomFor[T any](s []T, n int) []T {
	if n <= cap(s) {
		return s
	}
	return append(make([]T, 0, n), s...)
}

func (l *latest) bytes() int64 {
	return int64(8*(cap(l.high)+cap(l.words)+cap(l.last)) + 16*cap(l.spans) + cap(l.arena))
}

// add takes in changes to the keys of the given ordinals, of which there are n.
// Changes of a key come in the order of their positions.
func (l *latest) add(keys []int32, marks []mark, orders *rowkey.Batch, n int) {
	if l.codec == nil {
		l.last = grown(l.last, n)
		for i, k := range keys {
			l.last[k] = marks[i]
		}
		return
	}
	l.high = grown(l.high, n)
	if l.last != nil {
		l.last = grown(l.last, n)
	}
	if orders.Nulls == nil && l.words != nil {
		l.words = grown(l.words, n)
		for i, k := range keys {
			if w := orders.Words[i]; w >= l.words[k] || l.high[k] == 0 {
				l.words[k], l.high[k] = w, marks[i]
			}
		}
		return
	}
	l.addAny(keys, marks, orders, n)
}

func (l *latest) addAny(keys []int32, marks []mark, orders *rowkey.Batch, n int) {
	if l.words != nil {
		l.words = grown(l.words, n)
	} else {
		l.spans = grown(l.spans, n)
	}
	var buf []byte
	for i, k := range keys {
		switch {
		case orders.Null(i):
			if l.last == nil {
				l.last = grown(make([]mark, 0, cap(l.high)), n)
			}
			l.last[k] = marks[i]
		case l.words != nil:
			if w := orders.Words[i]; l.high[k] == 0 || w >= l.words[k] {
				l.words[k], l.high[k] = w, marks[i]
			}
		default:
			buf = orders.Append(buf[:0], i)
			if l.high[k] == 0 || bytes.Compare(buf, l.span(k)) >= 0 {
				l.put(k, buf)
				l.high[k] = marks[i]
			}
		}
	}
}

func (l *latest) span(k int32) []byte {
	s := l.spans[k]
	return l.arena[s.at : s.at+s.len]
}

// put sets the order of a key in the arena.
func (l *latest) put(k int32, order []byte) {
	s := &l.spans[k]
	l.live += len(order) - s.len
	if len(order) > s.len {
		s.at = len(l.arena)
		l.arena = append(l.arena, order...)
	} else {
		copy(l.arena[s.at:], order)
	}
	s.len = len(order)
	if len(l.arena) > 2*l.live+1<<20 {
		l.compact()
	}
}

func (l *latest) compact() {
	arena := make([]byte, 0, l.live+l.live/4)
	for k := range l.spans {
		at := len(arena)
		arena = append(arena, l.span(int32(k))...)
		l.spans[k].at = at
	}
	l.arena = arena
}

// grown returns s with n elements, the new ones zero.
func grown[T any](s []T, n int) []T {
	if n <= cap(s) {
		return s[:n] // beyond its length a slice of ours is zero
	}
	return append(s, make([]T, n-len(s))...)
}

// appendOrder appends the greatest order of a key, which has one.
func (l *latest) appendOrder(dst []byte, k int32) []byte {
	if l.words != nil {
		return l.codec.AppendWord(dst, l.words[k])
	}
	return append(dst, l.span(k)...)
}

func (l *latest) lastOf(k int32) mark {
	if l.last == nil {
		return 0
	}
	return l.last[k]
}

func (l *latest) highOf(k int32) mark {
	if l.high == nil {
		return 0
	}
	return l.high[k]
}
