package textconv

import (
	"encoding/binary"
	"math/bits"
)

// Digits are read eight at a time: a word holds eight characters, the first one
// in its lowest byte.

const (
	zeros = 0x3030303030303030 // "00000000"
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

func load8(text []byte, at uint32) uint64 { return binary.LittleEndian.Uint64(text[at : at+8]) }

// lastEight returns the last characters of a value of 1 to 8, filled up with
// zeros in front. The text has at least 8 characters up to the end of the value.
func lastEight(text []byte, end, n uint32) uint64 {
	w := load8(text, end-8)
	shift := 8 * (8 - n) & 63
	return w>>shift<<shift | zeros&(1<<shift-1)
}

// areDigits reports whether all eight characters are decimal digits.
func areDigits(w uint64) bool {
	return w&0xf0f0f0f0f0f0f0f0|(w+0x0606060606060606)&0xf0f0f0f0f0f0f0f0>>4 == 0x3333333333333333
}

// eightDigits returns the number that eight digits stand for.
func eightDigits(w uint64) uint64 {
	w &= 0x0f0f0f0f0f0f0f0f
	w = w * (10<<8 + 1) >> 8
	w = w & 0x00ff00ff00ff00ff * (100<<16 + 1) >> 16
	return w & 0x0000ffff0000ffff * (10000<<32 + 1) >> 32
}

// twoDigits returns in each byte what it and the next one stand for, where both
// are digits.
func twoDigits(w uint64) uint64 {
	w &= 0x0f0f0f0f0f0f0f0f
	return w*10 + w>>8
}

// quickLong reads the usual integers: up to 16 digits with or without a minus.
// Whatever it does not read is left to parseInt.
func quickLong(text []byte, s Span) (int64, bool) {
	n := s.End - s.Start
	if n-1 > 15 || s.End < 16 {
		return 0, false
	}
	negative := text[s.Start] == '-'
	if negative {
		if n--; n == 0 {
			return 0, false
		}
	}
	var v uint64
	if n > 8 {
		high := lastEight(text, s.End-8, n-8)
		if !areDigits(high) {
			return 0, false
		}
		v = eightDigits(high) * 1e8
		n = 8
	}
	w := lastEight(text, s.End, n)
	if !areDigits(w) {
		return 0, false
	}
	v += eightDigits(w)
	if negative {
		return -int64(v), true
	}
	return int64(v), true
}

// quickNumber reads up to 18 digits with at most one point among them and with
// or without a minus: the number is mantissa / 10^scale.
func quickNumber(text []byte, s Span) (mantissa uint64, scale int, negative, ok bool) {
	t := text[s.Start:s.End]
	if len(t) > 0 && t[0] == '-' {
		negative, t = true, t[1:]
	}
	if n := uint32(len(t)); n-1 < 8 && s.End >= 8 {
		m, scale, ok := shortNumber(lastEight(text, s.End, n))
		return m, scale, negative, ok && (n > 1 || scale < 0)
	}
	if len(t) == 0 || len(t) > 19 {
		return 0, 0, false, false
	}
	scale = -1
	for i, c := range t {
		if d := c - '0'; d <= 9 {
			mantissa = mantissa*10 + uint64(d)
		} else if c == '.' && scale < 0 {
			scale = len(t) - 1 - i
		} else {
			return 0, 0, false, false
		}
	}
	if len(t) > 18 && scale < 0 {
		return 0, 0, false, false
	}
	return mantissa, scale, negative, len(t) > 1 || scale < 0
}

// shortNumber reads eight characters, one of which may be a point; without one
// the scale is -1.
func shortNumber(w uint64) (mantissa uint64, scale int, ok bool) {
	scale = -1
	x := w ^ '.'*ones
	if point := (x - ones) &^ x & highs; point != 0 {
		low := point & -point >> 7 // 1 in the byte of the first point
		before := low - 1
		w = w&^(before|low*0xff) | w&before<<8 | '0'
		scale = 7 - bits.TrailingZeros64(low)/8
	}
	return eightDigits(w), scale, areDigits(w)
}
