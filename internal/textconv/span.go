package textconv

import "slices"

// Span is where a value lies in a block of text. A span that ends before it
// starts is a null.
type Span struct{ Start, End uint32 }

// Null returns the span of a null.
func Null() Span { return Span{Start: 1} }

// IsNull reports whether the span is that of a null.
func (s Span) IsNull() bool { return s.End < s.Start }

func (s Span) of(text []byte) []byte { return text[s.Start:s.End] }

// appendEach is [Builder.AppendAll] value by value.
func appendEach(b Builder, text []byte, spans []Span) (int, string) {
	for i, s := range spans {
		if s.IsNull() {
			b.AppendNull()
		} else if rule := b.Append(s.of(text)); rule != "" {
			return i, rule
		}
	}
	return len(spans), ""
}

// extend makes room for n values more and returns it.
func (f *fixed[T]) extend(n int) []T {
	if f.values == nil {
		f.values = make([]T, 0, f.room.first(n))
	}
	f.values = slices.Grow(f.values, n)
	f.values = f.values[:len(f.values)+n]
	return f.values[len(f.values)-n:]
}

// keep takes in the first n of the values that extend has made room for, one for
// each of the spans.
func (f *fixed[T]) keep(spans []Span, n int, rule string) (int, string) {
	f.values = f.values[:len(f.values)-len(spans)+n]
	f.mark(spans[:n])
	return n, rule
}

// mark notes which of the spans are nulls.
func (v *validity) mark(spans []Span) {
	nulls := 0
	for _, s := range spans {
		if s.IsNull() {
			nulls++
		}
	}
	if nulls == 0 && v.bitmap == nil {
		v.n += len(spans)
		return
	}
	for _, s := range spans {
		if s.IsNull() {
			v.null()
		} else {
			v.valid()
		}
	}
}
