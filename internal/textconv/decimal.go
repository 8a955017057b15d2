package textconv

import (
	"fmt"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

const maxPrecision = 38

type decimalBuilder struct {
	fixed[decimal128.Num]
	dt               *arrow.Decimal128Type
	outOfRange, fine string
	digits           []byte
	limit            uint64 // what quick reads is below it
}

func newDecimalBuilder(precision, scale int) (*decimalBuilder, error) {
	if precision < 1 || precision > maxPrecision || scale < 0 || scale > precision {
		return nil, fmt.Errorf("decimal(%d,%d) is no type", precision, scale)
	}
	return &decimalBuilder{
		dt:         &arrow.Decimal128Type{Precision: int32(precision), Scale: int32(scale)},
		outOfRange: fmt.Sprintf("out of range for decimal(%d,%d)", precision, scale),
		limit:      wholePow10[min(precision, len(wholePow10)-1)],
		fine:       fmt.Sprintf("more than %d digits after the point", scale),
	}, nil
}

// Append reads a sign, digits with at most one point, and an exponent, exactly:
// digits beyond the scale must be zeros.
func (b *decimalBuilder) Append(text []byte) string {
	v, rule := b.convert(text)
	if rule == "" {
		b.add(v)
	}
	return rule
}

// AppendAll implements Builder.
func (b *decimalBuilder) AppendAll(text []byte, spans []Span) (int, string) {
	values := b.extend(len(spans))
	for i, s := range spans {
		if s.IsNull() {
			values[i] = decimal128.Num{}
		} else if v, ok := b.quick(text, s); ok {
			values[i] = v
		} else if v, rule := b.convert(s.of(text)); rule == "" {
			values[i] = v
		} else {
			return b.keep(spans, i, rule)
		}
	}
	return b.keep(spans, len(spans), "")
}

// quick reads numbers of up to 18 digits that the scale makes no longer than
// that, and leaves the others to convert.
func (b *decimalBuilder) quick(text []byte, s Span) (decimal128.Num, bool) {
	m, scale, negative, ok := quickNumber(text, s)
	shift := int(b.dt.Scale) - max(scale, 0)
	if !ok || shift < 0 || shift >= len(wholePow10) || m >= b.limit/wholePow10[shift] {
		return decimal128.Num{}, false
	}
	v := int64(m * wholePow10[shift])
	if negative {
		v = -v
	}
	return decimal128.FromI64(v), true
}

// wholePow10 are powers of ten.
var wholePow10 = [...]uint64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

func (b *decimalBuilder) convert(text []byte) (decimal128.Num, string) {
	negative, exponent, ok := b.parse(text)
	if !ok {
		return decimal128.Num{}, "not a decimal"
	}
	v, rule := b.scaled(exponent)
	if negative {
		v = v.Negate()
	}
	return v, rule
}

// parse leaves the digits in b.digits, without leading zeros; the number is
// digits times 10 to the exponent.
func (b *decimalBuilder) parse(text []byte) (negative bool, exponent int, ok bool) {
	b.digits = b.digits[:0]
	i := 0
	if i < len(text) && (text[i] == '-' || text[i] == '+') {
		negative = text[i] == '-'
		i++
	}
	seen, point := false, false
loop:
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case '0' <= c && c <= '9':
			seen = true
			if c != '0' || len(b.digits) > 0 {
				b.digits = append(b.digits, c-'0')
			}
			if point {
				exponent--
			}
		case c == '.' && !point:
			point = true
		default:
			break loop
		}
	}
	if !seen {
		return false, 0, false
	}
	if i < len(text) {
		e, good := parseExponent(text[i:])
		if !good {
			return false, 0, false
		}
		exponent += e
	}
	return negative, exponent, true
}

// parseExponent reads e or E, a sign and digits. Exponents beyond a million
// come back as a million, which no decimal reaches.
func parseExponent(text []byte) (int, bool) {
	if text[0] != 'e' && text[0] != 'E' {
		return 0, false
	}
	v, ok, fits := parseInt(text[1:])
	const most = 1_000_000
	switch {
	case !ok:
		return 0, false
	case v > most, !fits && text[1] != '-':
		return most, true
	case v < -most, !fits:
		return -most, true
	}
	return int(v), true
}

// scaled returns digits * 10^(exponent+scale).
func (b *decimalBuilder) scaled(exponent int) (decimal128.Num, string) {
	digits := b.digits
	for len(digits) > 0 && digits[len(digits)-1] == 0 {
		digits = digits[:len(digits)-1]
		exponent++
	}
	if len(digits) == 0 {
		return decimal128.Num{}, ""
	}
	shift := exponent + int(b.dt.Scale)
	switch {
	case shift < 0:
		return decimal128.Num{}, b.fine
	case len(digits)+shift > int(b.dt.Precision):
		return decimal128.Num{}, b.outOfRange
	}
	var hi, lo uint64
	for _, d := range digits {
		hi, lo = timesTenPlus(hi, lo, uint64(d))
	}
	for range shift {
		hi, lo = timesTenPlus(hi, lo, 0)
	}
	return decimal128.New(int64(hi), lo), ""
}

func timesTenPlus(hi, lo, d uint64) (uint64, uint64) {
	if hi == 0 && lo < 1<<60 {
		return 0, lo*10 + d
	}
	carry, low := bits.Mul64(lo, 10)
	low, c := bits.Add64(low, d, 0)
	return hi*10 + carry + c, low
}

func (b *decimalBuilder) NewArray() arrow.Array { return b.newArray(b.dt) }
