package pages

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// dictTable gives each distinct value of a chunk a number, and is the body of
// the dictionary page. Hashes are seeded, so that no input can make it slow.
type dictTable struct {
	width  int    // of values; 0 for byte arrays
	body   []byte // entries in PLAIN
	n      int    // entries
	starts []uint32
	slots  []dictSlot // a power of two of them
	seed   maphash.Seed
	salt   [2]uint64
}

// dictSlot holds a value of four or eight bytes itself, otherwise its hash.
type dictSlot struct {
	key   uint64
	entry uint32 // plus one
}

const dictSlots = 1 << 8

func (d *dictTable) reset(width int) {
	if d.slots == nil {
		d.seed = maphash.MakeSeed()
		d.salt = [2]uint64{maphash.String(d.seed, "a"), maphash.String(d.seed, "b") | 1}
		d.slots = make([]dictSlot, dictSlots)
	} else {
		clear(d.slots)
	}
	d.width, d.body, d.starts, d.n = width, d.body[:0], d.starts[:0], 0
}

// size is that of the page in bytes.
func (d *dictTable) size() int { return len(d.body) }

func (d *dictTable) bits() int { return IndexWidth(d.n) }

func (d *dictTable) mix(key uint64) uint64 {
	hi, lo := bits.Mul64(key^d.salt[0], d.salt[1])
	return hi ^ lo
}

// word finds or adds a value of four or eight bytes.
func (d *dictTable) word(key uint64) uint32 {
	mask := uint64(len(d.slots) - 1)
	for i := d.mix(key) & mask; ; i = (i + 1) & mask {
		s := &d.slots[i]
		if s.entry == 0 {
			return d.addWord(s, key)
		}
		if s.key == key {
			return s.entry - 1
		}
	}
}

func (d *dictTable) addWord(s *dictSlot, key uint64) uint32 {
	if d.width == 4 {
		d.body = binary.LittleEndian.AppendUint32(d.body, uint32(key))
	} else {
		d.body = binary.LittleEndian.AppendUint64(d.body, key)
	}
	return d.added(s, key)
}

// added takes the slot for the entry that has just been appended.
func (d *dictTable) added(s *dictSlot, key uint64) uint32 {
	d.n++
	*s = dictSlot{key: key, entry: uint32(d.n)}
	if d.n*2 > len(d.slots) {
		d.grow()
	}
	return uint32(d.n - 1)
}

func (d *dictTable) grow() {
	old := d.slots
	d.slots = make([]dictSlot, 2*len(old))
	mask := uint64(len(d.slots) - 1)
	words := d.width == 4 || d.width == 8
	for _, s := range old {
		if s.entry == 0 {
			continue
		}
		i := s.key
		if words {
			i = d.mix(s.key)
		}
		for i &= mask; d.slots[i].entry != 0; i = (i + 1) & mask {
		}
		d.slots[i] = s
	}
}

// text finds or adds a byte array, or a fixed one of another width.
func (d *dictTable) text(v []byte) uint32 {
	key := maphash.Bytes(d.seed, v)
	mask := uint64(len(d.slots) - 1)
	for i := key & mask; ; i = (i + 1) & mask {
		s := &d.slots[i]
		if s.entry == 0 {
			return d.addText(s, key, v)
		}
		if s.key == key && bytes.Equal(d.entry(int(s.entry-1)), v) {
			return s.entry - 1
		}
	}
}

func (d *dictTable) addText(s *dictSlot, key uint64, v []byte) uint32 {
	if d.width == 0 {
		d.starts = append(d.starts, uint32(len(d.body)))
		d.body = binary.LittleEndian.AppendUint32(d.body, uint32(len(v)))
	}
	d.body = append(d.body, v...)
	return d.added(s, key)
}

// entry returns the bytes of an entry, without a length before them.
func (d *dictTable) entry(i int) []byte {
	if d.width > 0 {
		return d.body[i*d.width : (i+1)*d.width]
	}
	start := int(d.starts[i]) + 4
	return d.body[start : start+int(binary.LittleEndian.Uint32(d.body[start-4:]))]
}

// plain returns an entry in PLAIN.
func (d *dictTable) plain(i int) []byte {
	if d.width > 0 {
		return d.entry(i)
	}
	end := len(d.body)
	if i+1 < d.n {
		end = int(d.starts[i+1])
	}
	return d.body[d.starts[i]:end]
}
