package format

import "encoding/binary"

const (
	everyByte = 0x0101010101010101
	lowBits   = 0x7f7f7f7f7f7f7f7f
)

// delimiters tells which of the first 64 characters are the delimiter, which
// fills each byte of delims: bit i is character i.
func delimiters(text []byte, delims uint64) uint64 {
	if len(text) >= 64 {
		t := text[:64]
		return equalBytes(t[0:], delims) | equalBytes(t[8:], delims)<<8 |
			equalBytes(t[16:], delims)<<16 | equalBytes(t[24:], delims)<<24 |
			equalBytes(t[32:], delims)<<32 | equalBytes(t[40:], delims)<<40 |
			equalBytes(t[48:], delims)<<48 | equalBytes(t[56:], delims)<<56
	}
	var found uint64
	i := 0
	for ; i+8 <= len(text); i += 8 {
		found |= equalBytes(text[i:], delims) << (i & 63)
	}
	for ; i < len(text); i++ {
		if text[i] == byte(delims) {
			found |= 1 << (i & 63)
		}
	}
	return found
}

// equalBytes is delimiters for eight characters: the bytes that are equal become
// zero, those that are zero get their highest bit set, and a multiplication
// brings these bits together.
func equalBytes(text []byte, delims uint64) uint64 {
	x := binary.LittleEndian.Uint64(text) ^ delims
	zero := ^((x&lowBits + lowBits) | x | lowBits)
	return zero >> 7 * 0x0102040810204080 >> 56
}
