package textconv

import (
	"errors"
	"strconv"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
)

type floatBuilder struct{ fixed[float32] }

func (b *floatBuilder) Append(text []byte) string {
	v, rule := toFloat(text)
	if rule == "" {
		b.add(v)
	}
	return rule
}

// AppendAll implements Builder.
func (b *floatBuilder) AppendAll(text []byte, spans []Span) (int, string) {
	values := b.extend(len(spans))
	for i, s := range spans {
		if s.IsNull() {
			values[i] = 0
		} else if v, ok := quickFloat(text, s); ok {
			values[i] = v
		} else if v, rule := toFloat(s.of(text)); rule == "" {
			values[i] = v
		} else {
			return b.keep(spans, i, rule)
		}
	}
	return b.keep(spans, len(spans), "")
}

func toFloat(text []byte) (float32, string) {
	v, ok, fits := parseFloat(text, 32)
	switch {
	case !ok:
		return 0, "not a float"
	case !fits:
		return 0, "out of range for float"
	}
	return float32(v), ""
}

func (b *floatBuilder) NewArray() arrow.Array { return b.newArray(arrow.PrimitiveTypes.Float32) }

type doubleBuilder struct{ fixed[float64] }

func (b *doubleBuilder) Append(text []byte) string {
	v, rule := toDouble(text)
	if rule == "" {
		b.add(v)
	}
	return rule
}

// AppendAll implements Builder.
func (b *doubleBuilder) AppendAll(text []byte, spans []Span) (int, string) {
	values := b.extend(len(spans))
	for i, s := range spans {
		if s.IsNull() {
			values[i] = 0
		} else if v, ok := quickDouble(text, s); ok {
			values[i] = v
		} else if v, rule := toDouble(s.of(text)); rule == "" {
			values[i] = v
		} else {
			return b.keep(spans, i, rule)
		}
	}
	return b.keep(spans, len(spans), "")
}

func toDouble(text []byte) (float64, string) {
	v, ok, fits := parseFloat(text, 64)
	switch {
	case !ok:
		return 0, "not a double"
	case !fits:
		return 0, "out of range for double"
	}
	return v, ""
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

// Powers of ten that both types hold exactly.
var (
	pow10     = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}
	pow10by32 = [...]float32{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10}
)

// quickDouble reads short numbers: where mantissa and power of ten are both
// exact, their quotient is the nearest number (Clinger, How to Read Floating
// Point Numbers Accurately, 1990).
func quickDouble(text []byte, s Span) (float64, bool) {
	mantissa, scale, negative, ok := quickNumber(text, s)
	if !ok || mantissa > 1<<53 {
		return 0, false
	}
	v := float64(mantissa)
	if scale > 0 {
		v /= pow10[scale]
	}
	if negative {
		v = -v
	}
	return v, true
}

func quickFloat(text []byte, s Span) (float32, bool) {
	mantissa, scale, negative, ok := quickNumber(text, s)
	if !ok || mantissa > 1<<24 || scale >= len(pow10by32) {
		return 0, false
	}
	v := float32(mantissa)
	if scale > 0 {
		v /= pow10by32[scale]
	}
	if negative {
		v = -v
	}
	return v, true
}
