package pages

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// bounds finds the least and the greatest value of a chunk. The order is that
// of ColumnOrder TYPE_ORDER in parquet.thrift.
type bounds interface {
	reset()
	// fixed takes values of one width in PLAIN, without nulls.
	fixed(plain []byte)
	// encode returns bounds in PLAIN, byte arrays without their length; ok is
	// false if there are none.
	encode() (least, greatest []byte, ok bool)
}

func newBounds(desc *schema.Column) bounds {
	var b bounds
	switch desc.PhysicalType() {
	case parquet.Types.Boolean:
		b = &boolBounds{}
	case parquet.Types.Int32:
		b = &intBounds[int32]{}
	case parquet.Types.Int64:
		b = &intBounds[int64]{}
	case parquet.Types.Float:
		b = &floatBounds[float32]{}
	case parquet.Types.Double:
		b = &floatBounds[float64]{}
	case parquet.Types.FixedLenByteArray:
		b = &byteBounds{width: desc.TypeLength(), signed: desc.SortOrder() == schema.SortSIGNED}
	default:
		b = &byteBounds{}
	}
	b.reset()
	return b
}

type boolBounds struct{ no, yes bool }

func (b *boolBounds) reset()       { *b = boolBounds{} }
func (b *boolBounds) fixed([]byte) {}
func (b *boolBounds) encode() (least, greatest []byte, ok bool) {
	least, greatest = []byte{1}, []byte{0}
	if b.no {
		least[0] = 0
	}
	if b.yes {
		greatest[0] = 1
	}
	return least, greatest, b.no || b.yes
}

type intBounds[T int32 | int64] struct {
	least, greatest T
	has             bool
}

func (b *intBounds[T]) reset() { *b = intBounds[T]{} }

func (b *intBounds[T]) fixed(plain []byte) {
	values := view[T](plain)
	if len(values) == 0 {
		return
	}
	least, greatest := values[0], values[0]
	if b.has {
		least, greatest = b.least, b.greatest
	}
	for _, v := range values {
		least, greatest = min(least, v), max(greatest, v)
	}
	b.least, b.greatest, b.has = least, greatest, true
}

func (b *intBounds[T]) encode() (least, greatest []byte, ok bool) {
	if sizeOf(b.least) == 4 {
		return binary.LittleEndian.AppendUint32(nil, uint32(b.least)), binary.LittleEndian.AppendUint32(nil, uint32(b.greatest)), b.has
	}
	return binary.LittleEndian.AppendUint64(nil, uint64(b.least)), binary.LittleEndian.AppendUint64(nil, uint64(b.greatest)), b.has
}

// floatBounds follows parquet.thrift: NaNs do not count, a least zero is
// written as -0 and a greatest as +0.
type floatBounds[T float32 | float64] struct{ least, greatest T }

func (b *floatBounds[T]) reset() {
	b.least, b.greatest = T(math.Inf(1)), T(math.Inf(-1))
}

func (b *floatBounds[T]) fixed(plain []byte) {
	least, greatest := b.least, b.greatest
	for _, v := range view[T](plain) {
		if v < least {
			least = v
		}
		if v > greatest {
			greatest = v
		}
	}
	b.least, b.greatest = least, greatest
}

func (b *floatBounds[T]) encode() (least, greatest []byte, ok bool) {
	lo, hi := float64(b.least), float64(b.greatest)
	if lo == 0 {
		lo = math.Copysign(0, -1)
	}
	if hi == 0 {
		hi = 0
	}
	ok = lo <= hi
	if sizeOf(b.least) == 4 {
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(lo))),
			binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(hi))), ok
	}
	return binary.LittleEndian.AppendUint64(nil, math.Float64bits(lo)), binary.LittleEndian.AppendUint64(nil, math.Float64bits(hi)), ok
}

// byteBounds compares bytes as unsigned or, for decimals of one width, as
// big-endian two's complement. Most values are told apart by eight bytes.
type byteBounds struct {
	width           int
	signed          bool
	has             bool
	least, greatest []byte
	low, high       uint64 // their first bytes
	held            [2][]byte
}

func (b *byteBounds) reset() { b.has, b.least, b.greatest = false, nil, nil }

func (b *byteBounds) fixed(plain []byte) {
	for ; len(plain) >= b.width; plain = plain[b.width:] {
		b.value(plain[:b.width:b.width])
	}
	b.hold()
}

// value takes a value, which must not change until hold.
func (b *byteBounds) value(v []byte) {
	p := b.prefix(v)
	if b.has && p > b.low && p < b.high {
		return
	}
	if !b.has || p < b.low || p == b.low && b.less(v, b.least) {
		b.least, b.low = v, p
	}
	if !b.has || p > b.high || p == b.high && b.less(b.greatest, v) {
		b.greatest, b.high = v, p
	}
	b.has = true
}

func (b *byteBounds) less(x, y []byte) bool { return bytes.Compare(x, y) < 0 }

func (b *byteBounds) prefix(v []byte) (p uint64) {
	if len(v) >= 8 {
		p = binary.BigEndian.Uint64(v)
	} else {
		for i, c := range v {
			p |= uint64(c) << uint(56-8*i)
		}
	}
	if b.signed {
		p ^= 1 << 63
	}
	return p
}

// hold copies the bounds out of memory that is not ours.
func (b *byteBounds) hold() {
	if !b.has {
		return
	}
	b.held[0] = append(b.held[0][:0], b.least...)
	b.held[1] = append(b.held[1][:0], b.greatest...)
	b.least, b.greatest = b.held[0], b.held[1]
}

func (b *byteBounds) encode() (least, greatest []byte, ok bool) {
	return append([]byte{}, b.least...), append([]byte{}, b.greatest...), b.has
}
