package textconv

import (
	"errors"
	"math"
	"strconv"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
)

type boolBuilder struct {
	validity
	values []byte
}

func (b *boolBuilder) Append(text []byte) string {
	var bit byte
	switch {
	case isFold(text, "1"), isFold(text, "true"), isFold(text, "t"), isFold(text, "y"):
		bit = 1
	case isFold(text, "0"), isFold(text, "false"), isFold(text, "f"), isFold(text, "n"):
	default:
		return "not a bool"
	}
	b.values = pushBit(b.values, b.n, bit)
	b.valid()
	return ""
}

func (b *boolBuilder) AppendNull() {
	b.values = pushBit(b.values, b.n, 0)
	b.null()
}

func (b *boolBuilder) Bytes() int { return len(b.values) }

func (b *boolBuilder) NewArray() arrow.Array {
	values := b.values
	b.values = nil
	return makeArray(b.data(arrow.FixedWidthTypes.Boolean, values))
}

// isFold compares text with a lower-case ASCII word, regardless of case.
func isFold(text []byte, word string) bool {
	if len(text) != len(word) {
		return false
	}
	for i, c := range text {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

type intBuilder struct{ fixed[int32] }

func (b *intBuilder) Append(text []byte) string {
	v, ok, fits := parseInt(text)
	switch {
	case !ok:
		return "not an int"
	case !fits || v < math.MinInt32 || v > math.MaxInt32:
		return "out of range for int"
	}
	b.add(int32(v))
	return ""
}

func (b *intBuilder) NewArray() arrow.Array { return b.newArray(arrow.PrimitiveTypes.Int32) }

type longBuilder struct{ fixed[int64] }

func (b *longBuilder) Append(text []byte) string {
	v, ok, fits := parseInt(text)
	switch {
	case !ok:
		return "not a long"
	case !fits:
		return "out of range for long"
	}
	b.add(v)
	return ""
}

func (b *longBuilder) NewArray() arrow.Array { return b.newArray(arrow.PrimitiveTypes.Int64) }

// parseInt reads an optional sign and decimal digits. fits is false where the
// number is no int64.
func parseInt(text []byte) (v int64, ok, fits bool) {
	negative := false
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		negative = text[0] == '-'
		text = text[1:]
	}
	if len(text) == 0 {
		return 0, false, false
	}
	var u uint64
	fits = true
	for _, c := range text {
		d := c - '0'
		if d > 9 {
			return 0, false, false
		}
		if u > (math.MaxUint64-9)/10 {
			fits = false // go on: what follows may not even be a number
			continue
		}
		u = u*10 + uint64(d)
	}
	switch {
	case negative && u <= 1<<63:
		return -int64(u), true, fits
	case !negative && u < 1<<63:
		return int64(u), true, fits
	}
	return 0, true, false
}

type floatBuilder struct{ fixed[float32] }

func (b *floatBuilder) Append(text []byte) string {
	v, ok, fits := parseFloat(text, 32)
	switch {
	case !ok:
		return "not a float"
	case !fits:
		return "out of range for float"
	}
	b.add(float32(v))
	return ""
}

func (b *floatBuilder) NewArray() arrow.Array { return b.newArray(arrow.PrimitiveTypes.Float32) }

type doubleBuilder struct{ fixed[float64] }

func (b *doubleBuilder) Append(text []byte) string {
	v, ok, fits := parseFloat(text, 64)
	switch {
	case !ok:
		return "not a double"
	case !fits:
		return "out of range for double"
	}
	b.add(v)
	return ""
}

func (b *doubleBuilder) NewArray() arrow.Array { return b.newArray(arrow.PrimitiveTypes.Float64) }

// parseFloat reads a decimal number with an optional exponent, or NaN, Inf or
// Infinity regardless of case. Go's hexadecimal floats and underscores are not
// numbers here.
func parseFloat(text []byte, bits int) (v float64, ok, fits bool) {
	for _, c := range text {
		if c == '_' || c == 'x' || c == 'X' || c == 'p' || c == 'P' {
			return 0, false, false
		}
	}
	v, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(text), len(text)), bits)
	if err != nil {
		return 0, errors.Is(err, strconv.ErrRange), false
	}
	return v, true, true
}
