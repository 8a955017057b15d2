package pages

import (
	"encoding/binary"
	"math/bits"
)

// loadBits returns n bits (64 at most) from a bit on, the first one lowest.
func loadBits(src []byte, bit, n int) uint64 {
	at, shift := bit>>3, uint(bit&7)
	var v uint64
	if at+9 <= len(src) {
		v = binary.LittleEndian.Uint64(src[at:])>>shift | uint64(src[at+8])<<8<<(56-shift)
	} else {
		var buf [9]byte
		copy(buf[:], src[min(at, len(src)):])
		v = binary.LittleEndian.Uint64(buf[:])>>shift | uint64(buf[8])<<8<<(56-shift)
	}
	if n < 64 {
		v &= 1<<uint(n) - 1
	}
	return v
}

// appendBits appends count bits to dst, which has n.
func appendBits(dst []byte, n int, src []byte, bit, count int) []byte {
	for count > 0 {
		k := min(64, count)
		dst = putBits(dst, n, loadBits(src, bit, k), k)
		n, bit, count = n+k, bit+k, count-k
	}
	return dst
}

// appendOnes appends count ones to dst, which has n bits.
func appendOnes(dst []byte, n, count int) []byte {
	for count > 0 {
		k := min(64, count)
		dst = putBits(dst, n, ^uint64(0)>>uint(64-k), k)
		n, count = n+k, count-k
	}
	return dst
}

// putBits appends the k lowest bits of v, whose others are zero.
func putBits(dst []byte, n int, v uint64, k int) []byte {
	if used := n & 7; used > 0 {
		dst[len(dst)-1] |= byte(v << uint(used))
		v >>= uint(8 - used)
		k -= 8 - used
	}
	if k > 56 {
		return binary.LittleEndian.AppendUint64(dst, v)
	}
	for ; k > 0; k -= 8 {
		dst = append(dst, byte(v))
		v >>= 8
	}
	return dst
}

// countBits counts the ones among n bits.
func countBits(src []byte, bit, n int) (ones int) {
	for n > 0 {
		k := min(64, n)
		ones += bits.OnesCount64(loadBits(src, bit, k))
		bit, n = bit+k, n-k
	}
	return ones
}

// nextRun finds the next run of ones among the bits from to to, which are
// counted from a base. There is none if start == to.
func nextRun(src []byte, base, from, to int) (start, end int) {
	start = from
	for start < to {
		k := min(64, to-start)
		v := loadBits(src, base+start, k)
		if v == 0 {
			start += k
			continue
		}
		start += bits.TrailingZeros64(v)
		break
	}
	end = start
	for end < to {
		k := min(64, to-end)
		n := bits.TrailingZeros64(^loadBits(src, base+end, k))
		end += min(n, k)
		if n < k {
			break
		}
	}
	return start, end
}
