package pages

import (
	"encoding/binary"
	"math/bits"
)

// AppendRuns appends values of width bits (32 at most) in the RLE and
// bit-packing hybrid (Encodings.md, "RLE"), without a length before them.
func AppendRuns(dst []byte, values []uint32, width int) []byte {
	for at := 0; at < len(values); {
		packed := at
		for at+8 <= len(values) && !same8(values[at:at+8]) {
			at += 8
		}
		if len(values)-at < 8 {
			at = len(values)
		}
		if n := at - packed; n > 0 {
			dst = binary.AppendUvarint(dst, uint64(n+7)/8<<1|1)
			dst = appendPacked(dst, values[packed:at], width)
			continue
		}
		v := values[at]
		end := at + 8
		for end < len(values) && values[end] == v {
			end++
		}
		dst = appendRepeated(dst, v, end-at, width)
		at = end
	}
	return dst
}

func same8(v []uint32) bool {
	first := v[0]
	for _, x := range v[1:8] {
		if x != first {
			return false
		}
	}
	return true
}

func appendRepeated(dst []byte, v uint32, n, width int) []byte {
	dst = binary.AppendUvarint(dst, uint64(n)<<1)
	for ; width > 0; width -= 8 {
		dst = append(dst, byte(v))
		v >>= 8
	}
	return dst
}

// appendPacked appends values of width bits, the first one lowest, and fills up
// with zeros to a multiple of eight values.
func appendPacked[T uint32 | uint64](dst []byte, values []T, width int) []byte {
	end := len(dst) + (len(values)+7)/8*width
	if width == 8 {
		for _, v := range values {
			dst = append(dst, byte(v))
		}
	} else {
		var acc uint64
		used := 0
		for _, v := range values {
			acc |= uint64(v) << uint(used)
			if used += width; used >= 64 {
				dst = binary.LittleEndian.AppendUint64(dst, acc)
				used -= 64
				acc = uint64(v) >> uint(width-used)
			}
		}
		for ; used > 0; used -= 8 {
			dst = append(dst, byte(acc))
			acc >>= 8
		}
	}
	for len(dst) < end {
		dst = append(dst, 0)
	}
	return dst
}

// AppendLevels appends definition levels of 0 and 1, which are n validity bits,
// in the RLE and bit-packing hybrid. In data pages of version 1 their length
// stands before them as a little-endian uint32, which is left to the caller.
func AppendLevels(dst, valid []byte, n int) []byte {
	whole := n / 8
	for at := 0; at < whole; {
		packed := at
		for at < whole && evenBytes(valid[at:whole]) < 8 {
			at++
		}
		last := at == whole
		if last && n%8 > 0 {
			at++
		}
		if at > packed {
			dst = binary.AppendUvarint(dst, uint64(at-packed)<<1|1)
			dst = append(dst, valid[packed:at]...)
			if rest := n % 8; last && rest > 0 {
				dst[len(dst)-1] &= 1<<uint(rest) - 1
			}
		}
		if last {
			return dst
		}
		run := evenBytes(valid[at:whole])
		dst = appendRepeated(dst, uint32(valid[at]&1), run*8, 1)
		at += run
	}
	if rest := n % 8; rest > 0 {
		dst = append(dst, 1<<1|1, valid[whole]&(1<<uint(rest)-1))
	}
	return dst
}

// evenBytes is how many bytes at the start are all zeros or all ones.
func evenBytes(b []byte) int {
	if len(b) == 0 || b[0] != 0 && b[0] != 0xff {
		return 0
	}
	n := 1
	for n < len(b) && b[n] == b[0] {
		n++
	}
	return n
}

// IndexWidth is the bit width of indices into a dictionary of so many entries.
// One entry takes a bit, as some readers do not expect none.
func IndexWidth(entries int) int {
	return max(1, bits.Len(uint(max(entries, 1)-1)))
}
