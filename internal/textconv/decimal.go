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
}

func newDecimalBuilder(precision, scale int) (*decimalBuilder, error) {
	if precision < 1 || precision > maxPrecision || scale < 0 || scale > precision {
		return nil, fmt.Errorf("decimal(%d,%d) is no type", precision, scale)
	}
	return &decimalBuilder{
		dt:         &arrow.Decimal128Type{Precision: int32(precision), Scale: int32(scale)},
		outOfRange: fmt.Sprintf("out of range for decimal(%d,%d)", precision, scale),
		fine:       fmt.Sprintf("more than %d digits after the point", scale),
	}, nil
}

// Append reads a sign, digits with at most one point, and an exponent, exactly:
// digits beyond the scale must be zeros.
func (b *decimalBuilder) Append(text []byte) string {
	negative, exponent, ok := b.parse(text)
	if !ok {
		return "not a decimal"
	}
	v, rule := b.scaled(exponent)
	if rule != "" {
		return rule
	}
	if negative {
		v = v.Negate()
	}
	b.add(v)
	return ""
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
