package pages

import (
	"encoding/binary"
	"math/bits"
)

// Hybrid decodes the mix of runs and bit-packed groups in which definition
// levels and dictionary indices are stored (Parquet format, "Run Length Encoding
// / Bit-Packing Hybrid"). It is not safe for concurrent use.
type Hybrid struct {
	src    []byte
	width  int    // bits of a value
	left   int    // values left of the run
	value  uint32 // that is repeated, unless packed is set
	packed []byte
	bit    int // of packed that comes next
}

// NewHybrid decodes src, whose values have width bits each, 0 to 32.
func NewHybrid(src []byte, width int) Hybrid { return Hybrid{src: src, width: width} }

// run begins the next run.
func (h *Hybrid) run() error {
	head, n := binary.Uvarint(h.src)
	if n <= 0 || head>>1 == 0 || head>>1 > 1<<31 {
		return ErrCorrupt
	}
	h.src, h.packed, h.bit = h.src[n:], nil, 0
	if head&1 == 0 {
		return h.repeat(int(head >> 1))
	}
	groups := int(head >> 1) // of eight values, in width bytes
	size := groups * h.width
	if h.left = groups * 8; size > len(h.src) {
		if h.width == 0 {
			return ErrCorrupt
		}
		size = len(h.src) // some writers cut off the padding of the last group
		h.left = size * 8 / h.width
	}
	if h.left == 0 {
		return ErrCorrupt
	}
	h.packed, h.src = h.src[:size:size], h.src[size:]
	if h.width == 0 {
		h.packed, h.value = nil, 0
	}
	return nil
}

func (h *Hybrid) repeat(n int) error {
	size := (h.width + 7) / 8
	if size > len(h.src) {
		return ErrCorrupt
	}
	h.left, h.value = n, 0
	for i, b := range h.src[:size] {
		h.value |= uint32(b) << (8 * i)
	}
	h.src = h.src[size:]
	if bits.Len32(h.value) > h.width {
		return ErrCorrupt
	}
	return nil
}

// Read fills dst with the next values.
func (h *Hybrid) Read(dst []uint32) error {
	for len(dst) > 0 {
		if h.left == 0 {
			if err := h.run(); err != nil {
				return err
			}
		}
		n := min(h.left, len(dst))
		if h.packed == nil {
			repeatInto(dst[:n], h.value)
		} else {
			unpackInto(dst[:n], h.packed, h.bit, h.width)
			h.bit += n * h.width
		}
		h.left -= n
		dst = dst[n:]
	}
	return nil
}

func repeatInto(dst []uint32, v uint32) {
	for i := range dst {
		dst[i] = v
	}
}

// unpackInto reads values of width bits from bit on.
func unpackInto(dst []uint32, src []byte, bit, width int) {
	mask := uint64(1)<<width - 1
	i := 0
	for ; i < len(dst) && bit>>3+8 <= len(src); i++ {
		dst[i] = uint32(binary.LittleEndian.Uint64(src[bit>>3:]) >> (bit & 7) & mask)
		bit += width
	}
	for ; i < len(dst); i++ { // the last eight bytes
		var tail [8]byte
		copy(tail[:], src[bit>>3:])
		dst[i] = uint32(binary.LittleEndian.Uint64(tail[:]) >> (bit & 7) & mask)
		bit += width
	}
}

// Skip passes over n values.
func (h *Hybrid) Skip(n int) error {
	for n > 0 {
		if h.left == 0 {
			if err := h.run(); err != nil {
				return err
			}
		}
		step := min(h.left, n)
		h.bit += step * h.width
		h.left -= step
		n -= step
	}
	return nil
}

// Bits appends the next n values, which have one bit each, to the bitmap dst of
// from bits, whose bits beyond are zero. It returns how many are set. The bitmap
// must be large enough.
func (h *Hybrid) Bits(dst []byte, from, n int) (ones int, err error) {
	for n > 0 {
		if h.left == 0 {
			if err := h.run(); err != nil {
				return 0, err
			}
		}
		step := min(h.left, n)
		switch {
		case h.packed != nil:
			ones += moveBits(dst, from, h.packed, h.bit, step)
			h.bit += step
		case h.value != 0:
			raiseBits(dst, from, step)
			ones += step
		}
		h.left -= step
		from, n = from+step, n-step
	}
	return ones, nil
}

func raiseBits(dst []byte, from, n int) {
	for ; n > 0 && from&7 != 0; from, n = from+1, n-1 {
		dst[from>>3] |= 1 << (from & 7)
	}
	for ; n >= 8; from, n = from+8, n-8 {
		dst[from>>3] = 0xff
	}
	if n > 0 {
		dst[from>>3] |= 1<<n - 1
	}
}

// copyBits copies n bits and returns how many are set.
func moveBits(dst []byte, to int, src []byte, from, n int) (ones int) {
	for n > 0 {
		// As many as the target byte has room for, from up to two bytes.
		step := min(n, 8-to&7)
		b := uint(src[from>>3]) >> (from & 7)
		if have := 8 - from&7; have < step {
			b |= uint(src[from>>3+1]) << have
		}
		b &= 1<<step - 1
		dst[to>>3] |= byte(b << (to & 7))
		ones += bits.OnesCount(b)
		to, from, n = to+step, from+step, n-step
	}
	return ones
}
