package rowkey

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// piece is one column of a tuple, with its type found out once.
type piece struct {
	kind    kind
	width   int
	longs   []int64
	ints    []int32
	bools   *array.Boolean
	floats  *array.Float32
	doubles *array.Float64
	decimal *array.Decimal128
	fixed   *array.FixedSizeBinary
	text    interface{ Value(int) string }
	binary  interface{ Value(int) []byte }
}

type kind uint8

const (
	kindLong kind = iota
	kindInt
	kindDate
	kindBool
	kindFloat
	kindDouble
	kindDecimal
	kindFixed
	kindText
	kindBinary
)

func pieceOf(col arrow.Array) (piece, error) {
	switch a := col.(type) {
	case *array.Int64:
		return piece{kind: kindLong, width: 8, longs: a.Int64Values()}, nil
	case *array.Timestamp:
		return piece{kind: kindLong, width: 8, longs: arrow.GetData[int64](arrow.GetBytes(a.TimestampValues()))}, nil
	case *array.Int32:
		return piece{kind: kindInt, width: 8, ints: a.Int32Values()}, nil
	case *array.Date32:
		return piece{kind: kindDate, width: 4, ints: arrow.GetData[int32](arrow.GetBytes(a.Date32Values()))}, nil
	case *array.Boolean:
		return piece{kind: kindBool, width: 1, bools: a}, nil
	case *array.Float32:
		return piece{kind: kindFloat, width: 8, floats: a}, nil
	case *array.Float64:
		return piece{kind: kindDouble, width: 8, doubles: a}, nil
	case *array.Decimal128:
		return piece{kind: kindDecimal, width: 16, decimal: a}, nil
	case *array.FixedSizeBinary:
		return piece{kind: kindFixed, width: a.DataType().(*arrow.FixedSizeBinaryType).ByteWidth, fixed: a}, nil
	case *array.String:
		return piece{kind: kindText, text: a}, nil
	case *array.LargeString:
		return piece{kind: kindText, text: a}, nil
	case *array.Binary:
		return piece{kind: kindBinary, binary: a}, nil
	case *array.LargeBinary:
		return piece{kind: kindBinary, binary: a}, nil
	case array.ExtensionArray:
		return pieceOf(a.Storage())
	}
	return piece{}, fmt.Errorf("column type %v cannot be part of a key or an order", col.DataType())
}

// low returns the lowest 8 encoded bytes of value i of a fixed width.
func (p *piece) low(i int) uint64 {
	switch p.kind {
	case kindLong:
		return uint64(p.longs[i]) ^ 1<<63
	case kindInt:
		return uint64(int64(p.ints[i])) ^ 1<<63
	case kindDate:
		return uint64(uint32(p.ints[i]) ^ 1<<31)
	case kindBool:
		if p.bools.Value(i) {
			return 1
		}
		return 0
	case kindFloat:
		return floatWord(float64(p.floats.Value(i)))
	case kindDouble:
		return floatWord(p.doubles.Value(i))
	case kindDecimal:
		return p.decimal.Value(i).LowBits()
	default:
		b := p.fixed.Value(i)
		return word(b[max(0, len(b)-8):])
	}
}

// both returns the encoded bytes of value i of 9 to 16 bytes.
func (p *piece) both(i int) (hi, lo uint64) {
	if p.kind == kindDecimal {
		v := p.decimal.Value(i)
		return uint64(v.HighBits()) ^ 1<<63, v.LowBits()
	}
	b := p.fixed.Value(i)
	return word(b[:len(b)-8]), word(b[len(b)-8:])
}

// append appends the encoded bytes of value i.
func (p *piece) append(dst []byte, i int) []byte {
	switch p.kind {
	case kindText:
		return appendText(dst, p.text.Value(i))
	case kindBinary:
		b := p.binary.Value(i)
		return appendText(dst, unsafe.String(unsafe.SliceData(b), len(b)))
	case kindFixed:
		return append(dst, p.fixed.Value(i)...)
	case kindDecimal:
		hi, lo := p.both(i)
		return appendWord(appendWord(dst, hi, 8), lo, 8)
	default:
		return appendWord(dst, p.low(i), p.width)
	}
}

// floatWord orders NaN above everything and takes both zeros for one.
func floatWord(v float64) uint64 {
	if v == 0 {
		v = 0
	}
	if math.IsNaN(v) {
		v = math.NaN()
	}
	b := math.Float64bits(v)
	if b>>63 == 1 {
		return ^b
	}
	return b | 1<<63
}

// floatOf is the inverse of floatWord.
func floatOf(w uint64) float64 {
	if w>>63 == 1 {
		return math.Float64frombits(w &^ (1 << 63))
	}
	return math.Float64frombits(^w)
}
