package rowkey

import (
	"encoding/binary"
	"hash/maphash"
)

// Table numbers distinct encoded tuples from 0 in the order of their arrival.
// Lookups are safe for concurrent use while nothing is added.
type Table struct {
	short map[uint64]int32 // tuples of 8 bytes: one long or timestamp
	long  map[string]int32
	bytes int64
}

// NewTable returns an empty table.
func NewTable() *Table {
	return &Table{short: map[uint64]int32{}, long: map[string]int32{}}
}

// Len is the number of tuples.
func (t *Table) Len() int { return len(t.short) + len(t.long) }

// Bytes estimates the memory held.
func (t *Table) Bytes() int64 { return t.bytes }

// Find returns the number of the tuple, or -1.
func (t *Table) Find(key []byte) int32 {
	if len(key) == 8 {
		if n, ok := t.short[binary.NativeEndian.Uint64(key)]; ok {
			return n
		}
		return -1
	}
	if n, ok := t.long[string(key)]; ok {
		return n
	}
	return -1
}

// Add returns the number of the tuple and whether it is new.
func (t *Table) Add(key []byte) (int32, bool) {
	if n := t.Find(key); n >= 0 {
		return n, false
	}
	n := int32(t.Len())
	if len(key) == 8 {
		t.short[binary.NativeEndian.Uint64(key)] = n
		t.bytes += 24
	} else {
		t.long[string(key)] = n
		t.bytes += 48 + int64(len(key))
	}
	return n, true
}

// Seed is that of the hash which splits keys into parts. It is random, so that
// nobody can craft keys that all fall into one part.
type Seed = maphash.Seed

// NewSeed returns a random seed.
func NewSeed() Seed { return maphash.MakeSeed() }

// Hash returns the hash of an encoded tuple.
func Hash(seed Seed, key []byte) uint64 { return maphash.Bytes(seed, key) }
