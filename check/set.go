package check

import (
	"encoding/binary"
	"hash/maphash"
)

// hashes tells values apart by two independent hashes of 64 bits, seeded at random:
// of 10^9 values two are taken for one with a probability of 10^-21.
type hashes struct{ one, two maphash.Seed }

type hash [2]uint64

func newHashes() hashes { return hashes{maphash.MakeSeed(), maphash.MakeSeed()} }

func (h hashes) of(value []byte) hash {
	return hash{maphash.Bytes(h.one, value), maphash.Bytes(h.two, value)}
}

const hashSize = 16

func (h hash) append(to []byte) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(to, h[0]), h[1])
}

func readHash(b []byte) hash {
	return hash{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}
