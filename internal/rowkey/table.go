package rowkey

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// Seed is that of the hash of tuples. It is random, so that nobody can craft
// keys that collide.
type Seed struct {
	a, b, c uint64
	bytes   maphash.Seed
}

// NewSeed returns a random seed.
func NewSeed() Seed {
	return Seed{rand.Uint64(), rand.Uint64() | 1, rand.Uint64(), maphash.MakeSeed()}
}

// word hashes by folded multiplications keyed with the seed.
func (s *Seed) word(w uint64) uint64 {
	hi, lo := bits.Mul64(w^s.a, s.b)
	hi, lo = bits.Mul64(hi^lo^s.c, s.b^0x9e3779b97f4a7c15)
	return hi ^ lo
}

func (s *Seed) pair(high, low uint64) uint64 { return s.word(s.word(high) ^ low) }

// Table numbers distinct encoded tuples of one form from 0 in the order of
// their arrival: open addressing with linear probing, the tuples themselves in
// the order of their numbers. Lookups are safe for concurrent use while nothing
// is added.
type Table struct {
	form  Form
	width int
	seed  Seed
	n     int
	// slots hold 32 bits of the hash and the number plus one; 0 is free
	slots []uint64
	// filter has 8 bits for each slot, of which a tuple sets one; nil until
	// [Table.Ready]; lookups do without it
	filter []uint64
	words  []uint64 // of the form Word one for each tuple, of Pair two
	data   []byte
	ends   []int
}

const leastSlots = 64

// NewTable returns an empty table for the tuples of a codec, with room for n.
func NewTable(c *Codec, seed Seed, n int) *Table {
	t := &Table{form: c.form, width: c.width, seed: seed}
	t.slots = make([]uint64, slotsFor(n))
	switch c.form {
	case Word:
		t.words = make([]uint64, 0, n)
	case Pair:
		t.words = make([]uint64, 0, 2*n)
	default:
		t.ends = make([]int, 0, n)
	}
	return t
}

// Reuse empties the table for n tuples and reports whether it has. It has not where
// its memory is too small, or far too large.
func (t *Table) Reuse(n int) bool {
	size := slotsFor(n)
	if size > len(t.slots) || size < len(t.slots)/4 {
		return false
	}
	clear(t.slots)
	t.n, t.filter = 0, nil
	t.words, t.data, t.ends = t.words[:0], t.data[:0], t.ends[:0]
	return true
}

func slotsFor(n int) int {
	size := leastSlots
	for size/4*3 < n {
		size *= 2
	}
	return size
}

// Reserve makes room for n tuples in all. If sure is not set, they may turn out
// to be fewer, and only memory that costs little while it is not used is set
// aside.
func (t *Table) Reserve(n int, sure bool) {
	words := 0
	switch t.form {
	case Word:
		words = n
	case Pair:
		words = 2 * n
	default:
		t.ends = slices.Grow(t.ends, max(n-t.n, 0))
	}
	t.words = slices.Grow(t.words, max(words-len(t.words), 0))
	if !sure {
		return
	}
	if size := slotsFor(n); size > len(t.slots) {
		t.resize(size)
	}
}

// Len is the number of tuples.
func (t *Table) Len() int { return t.n }

// Bytes is the memory held.
func (t *Table) Bytes() int64 {
	return int64(8*(cap(t.slots)+len(t.filter)+cap(t.words)+cap(t.ends)) + cap(t.data))
}

// AddAll sets out to the numbers of a batch's tuples, whose hashes are given.
func (t *Table) AddAll(b *Batch, hashes []uint64, out []int32) []int32 {
	out = sized(out, b.n)
	var warm [block]uint64
	for from := 0; from < b.n; from += block {
		to := min(from+block, b.n)
		mask := uint32(len(t.slots) - 1)
		for i, h := range hashes[from:to] {
			warm[i] = t.slots[uint32(h)&mask]
		}
		if t.form == Word {
			for i := from; i < to; i++ {
				out[i] = t.addWord(b.Words[i], uint32(hashes[i]))
			}
			continue
		}
		for i := from; i < to; i++ {
			out[i] = t.Add(b, i, hashes[i])
		}
	}
	return out
}

// block is how many tuples are looked up together: their slots are fetched
// first, all at a time, instead of one after the other.
const block = 64

// Add returns the number of tuple i of a batch, whose hash is h.
func (t *Table) Add(b *Batch, i int, h uint64) int32 {
	if t.form == Word {
		return t.addWord(b.Words[i], uint32(h))
	}
	tag, mask := uint32(h), uint32(len(t.slots)-1)
	for at := tag & mask; ; at = (at + 1) & mask {
		s := t.slots[at]
		if s == 0 {
			t.keep(b, i)
			return t.occupy(at, tag)
		}
		if uint32(s>>32) == tag && t.is(uint32(s)-1, b, i) {
			return int32(uint32(s) - 1)
		}
	}
}

func (t *Table) addWord(w uint64, tag uint32) int32 {
	mask := uint32(len(t.slots) - 1)
	for at := tag & mask; ; at = (at + 1) & mask {
		s := t.slots[at]
		if s == 0 {
			t.words = append(t.words, w)
			return t.occupy(at, tag)
		}
		if n := uint32(s) - 1; uint32(s>>32) == tag && t.words[n] == w {
			return int32(n)
		}
	}
}

// occupy takes a free slot for the tuple that was just kept.
func (t *Table) occupy(at, tag uint32) int32 {
	n := t.n
	t.n++
	t.slots[at] = uint64(tag)<<32 | uint64(t.n)
	if t.n > len(t.slots)/4*3 {
		t.resize(2 * len(t.slots))
	}
	return int32(n)
}

// resize gives the tuples so many slots. Tables have no more than 2^32, so 32
// bits of the hash tell the new places.
func (t *Table) resize(slots int) {
	old := t.slots
	t.slots = make([]uint64, slots)
	mask := uint32(len(t.slots) - 1)
	for _, s := range old {
		if s == 0 {
			continue
		}
		at := uint32(s>>32) & mask
		for t.slots[at] != 0 {
			at = (at + 1) & mask
		}
		t.slots[at] = s
	}
}

func (t *Table) keep(b *Batch, i int) {
	switch t.form {
	case Word:
		t.words = append(t.words, b.Words[i])
	case Pair:
		t.words = append(t.words, b.Words[2*i], b.Words[2*i+1])
	default:
		t.data = append(t.data, b.Bytes(i)...)
		t.ends = append(t.ends, len(t.data))
	}
}

func (t *Table) is(n uint32, b *Batch, i int) bool {
	switch t.form {
	case Word:
		return t.words[n] == b.Words[i]
	case Pair:
		return t.words[2*n] == b.Words[2*i] && t.words[2*n+1] == b.Words[2*i+1]
	default:
		return bytes.Equal(t.bytes(int(n)), b.Bytes(i))
	}
}

func (t *Table) bytes(n int) []byte {
	from := 0
	if n > 0 {
		from = t.ends[n-1]
	}
	return t.data[from:t.ends[n]]
}

// Append appends the bytes of tuple n.
func (t *Table) Append(dst []byte, n int) []byte {
	switch t.form {
	case Word:
		return appendWord(dst, t.words[n], t.width)
	case Pair:
		return appendWord(appendWord(dst, t.words[2*n], t.width-8), t.words[2*n+1], 8)
	default:
		return append(dst, t.bytes(n)...)
	}
}
