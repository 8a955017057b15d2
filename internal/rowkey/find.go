package rowkey

import "hash/maphash"

// Ready makes lookups of absent tuples fast. Nothing may be added from then on.
func (t *Table) Ready() {
	t.filter = make([]uint64, len(t.slots)/8)
	mask := uint32(len(t.slots)*8 - 1)
	for _, s := range t.slots {
		if s != 0 {
			bit := uint32(s>>32) & mask
			t.filter[bit/64] |= 1 << (bit % 64)
		}
	}
}

// Find sets out to the numbers of the batch's tuples, -1 where the table does
// not have them or they have a null.
func (t *Table) Find(b *Batch, out []int32) {
	var tags [block]uint32
	for from := 0; from < len(out); from += block {
		n := min(block, len(out)-from)
		t.tags(b, from, tags[:n])
		t.findBlock(b, from, tags[:n], out[from:from+n])
	}
	if b.Nulls == nil {
		return
	}
	for i := range out {
		if b.Nulls[i] {
			out[i] = -1
		}
	}
}

func (t *Table) tags(b *Batch, from int, tags []uint32) {
	switch t.form {
	case Word:
		for i, w := range b.Words[from : from+len(tags)] {
			tags[i] = uint32(t.seed.word(w))
		}
	case Pair:
		for i := range tags {
			tags[i] = uint32(t.seed.pair(b.Words[2*(from+i)], b.Words[2*(from+i)+1]))
		}
	default:
		for i := range tags {
			tags[i] = uint32(maphash.Bytes(t.seed.bytes, b.Bytes(from+i)))
		}
	}
}

func (t *Table) findBlock(b *Batch, from int, tags []uint32, out []int32) {
	var maybe [block]uint8 // those that the filter lets through
	var first [block]uint64
	n, bits, mask := 0, uint32(len(t.filter)*64-1), uint32(len(t.slots)-1)
	for i, tag := range tags {
		out[i] = -1
		if t.filter == nil {
			maybe[i] = uint8(i)
			n++
			continue
		}
		maybe[n%block] = uint8(i)
		n += int(t.filter[tag&bits/64] >> (tag & bits % 64) & 1)
	}
	for i, at := range maybe[:n] {
		first[i] = t.slots[tags[at]&mask]
	}
	if t.form == Word {
		for i, at := range maybe[:n] {
			out[at] = t.findWord(b.Words[from+int(at)], tags[at], first[i])
		}
		return
	}
	for _, at := range maybe[:n] {
		out[at] = t.find(tags[at], b, from+int(at))
	}
}

// findWord looks for a word whose first slot is s.
func (t *Table) findWord(w uint64, tag uint32, s uint64) int32 {
	mask := uint32(len(t.slots) - 1)
	for at := tag & mask; s != 0; s = t.slots[at] {
		if n := uint32(s) - 1; uint32(s>>32) == tag && t.words[n] == w {
			return int32(n)
		}
		at = (at + 1) & mask
	}
	return -1
}

func (t *Table) find(tag uint32, b *Batch, i int) int32 {
	mask := uint32(len(t.slots) - 1)
	for at := tag & mask; ; at = (at + 1) & mask {
		s := t.slots[at]
		if s == 0 {
			return -1
		}
		if n := uint32(s) - 1; uint32(s>>32) == tag && t.is(n, b, i) {
			return int32(n)
		}
	}
}
