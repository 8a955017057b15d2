package textconv

import (
	"math"

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

// AppendAll implements Builder.
func (b *boolBuilder) AppendAll(text []byte, spans []Span) (int, string) {
	return appendEach(b, text, spans)
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
	v, rule := toInt(text)
	if rule == "" {
		b.add(v)
	}
	return rule
}

// AppendAll implements Builder.
func (b *intBuilder) AppendAll(text []byte, spans []Span) (int, string) {
	values := b.extend(len(spans))
	for i, s := range spans {
		if s.IsNull() {
			values[i] = 0
		} else if v, ok := quickLong(text, s); ok && v == int64(int32(v)) {
			values[i] = int32(v)
		} else if v, rule := toInt(s.of(text)); rule == "" {
			values[i] = v
		} else {
			return b.keep(spans, i, rule)
		}
	}
	return b.keep(spans, len(spans), "")
}

func toInt(text []byte) (int32, string) {
	v, ok, fits := parseInt(text)
	switch {
	case !ok:
		return 0, "not an int"
	case !fits || v < math.MinInt32 || v > math.MaxInt32:
		return 0, "out of range for int"
	}
	return int32(v), ""
}

func (b *intBuilder) NewArray() arrow.Array { return b.newArray(arrow.PrimitiveTypes.Int32) }

type longBuilder struct{ fixed[int64] }

func (b *longBuilder) Append(text []byte) string {
	v, rule := toLong(text)
	if rule == "" {
		b.add(v)
	}
	return rule
}

// AppendAll implements Builder.
func (b *longBuilder) AppendAll(text []byte, spans []Span) (int, string) {
	values := b.extend(len(spans))
	for i, s := range spans {
		if s.IsNull() {
			values[i] = 0
		} else if v, ok := quickLong(text, s); ok {
			values[i] = v
		} else if v, rule := toLong(s.of(text)); rule == "" {
			values[i] = v
		} else {
			return b.keep(spans, i, rule)
		}
	}
	return b.keep(spans, len(spans), "")
}

func toLong(text []byte) (int64, string) {
	v, ok, fits := parseInt(text)
	switch {
	case !ok:
		return 0, "not a long"
	case !fits:
		return 0, "out of range for long"
	}
	return v, ""
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
