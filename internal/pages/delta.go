package pages

import (
	"encoding/binary"
	"math/bits"
)

const (
	deltaBlock = 128
	deltaMini  = 32 // four of them make a block
)

// appendDelta appends integers, given in PLAIN, as DELTA_BINARY_PACKED
// (Encodings.md, "Delta Encoding").
func appendDelta(dst, plain []byte, width int) []byte {
	if width == 4 {
		return appendDeltas(dst, view[int32](plain))
	}
	return appendDeltas(dst, view[int64](plain))
}

func appendDeltas[T int32 | int64](dst []byte, values []T) []byte {
	dst = binary.AppendUvarint(dst, deltaBlock)
	dst = binary.AppendUvarint(dst, deltaBlock/deltaMini)
	dst = binary.AppendUvarint(dst, uint64(len(values)))
	if len(values) == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(dst, int64(values[0]))
	last := values[0]
	var deltas [deltaBlock]T
	for values = values[1:]; len(values) > 0; {
		n := min(deltaBlock, len(values))
		for i, v := range values[:n] {
			deltas[i] = v - last // may wrap around, and back when it is read
			last = v
		}
		dst = appendDeltaBlock(dst, deltas[:n])
		values = values[n:]
	}
	return dst
}

func appendDeltaBlock[T int32 | int64](dst []byte, deltas []T) []byte {
	least := deltas[0]
	for _, d := range deltas {
		least = min(least, d)
	}
	dst = binary.AppendVarint(dst, int64(least))
	widths := len(dst)
	dst = append(dst, make([]byte, deltaBlock/deltaMini)...)
	var rel [deltaMini]uint64
	for i := 0; i*deltaMini < len(deltas); i++ {
		part := deltas[i*deltaMini : min(len(deltas), (i+1)*deltaMini)]
		clear(rel[:])
		var all uint64
		for j, d := range part {
			v := uint64(d - least)
			if width := sizeOf(d); width == 4 {
				v = uint64(uint32(v))
			}
			rel[j] = v
			all |= v
		}
		width := bits.Len64(all)
		dst[widths+i] = byte(width)
		dst = appendPacked(dst, rel[:], width)
	}
	return dst
}

// appendSplit appends values of width bytes as BYTE_STREAM_SPLIT: first the
// first byte of each, then the second, and so on.
func appendSplit(dst, plain []byte, width int) []byte {
	n := len(plain) / width
	at := len(dst)
	dst = append(dst, plain...)
	for b := range width {
		stream := dst[at+b*n : at+(b+1)*n]
		for i := range stream {
			stream[i] = plain[i*width+b]
		}
	}
	return dst
}
