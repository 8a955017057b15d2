package etl

import (
	"math/bits"
	"sync/atomic"
)

// bitmap is a set of row positions, which count from 1.
type bitmap []uint64

func newBitmap(rows int64) bitmap { return make(bitmap, rows/64+1) }

func (b bitmap) set(at int64) { b[at/64] |= 1 << (at % 64) }

// share is set for several goroutines at a time.
func (b bitmap) share(at int64) { atomic.OrUint64(&b[at/64], 1<<(at%64)) }

func (b bitmap) has(at int64) bool { return at/64 < int64(len(b)) && b[at/64]>>(at%64)&1 == 1 }

// count returns how many of the positions after first, up to last, are in the set.
func (b bitmap) count(first, last int64) int64 {
	n := 0
	for at := first + 1; at <= last; {
		w := b[at/64] >> (at % 64)
		if left := last - at + 1; left < 64-at%64 {
			w &= 1<<left - 1
		}
		n += bits.OnesCount64(w)
		at += 64 - at%64
	}
	return int64(n)
}
