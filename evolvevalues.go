package etl

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl/internal/celltext"
)

// write makes text of values; the caller releases the result. Values that have no
// canonical text, as NaN, are bad.
func (v *shapedView) write(a arrow.Array, name string, numbers []int64, bad map[int]*RowError) arrow.Array {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	text, err := celltext.Of(a)
	var buf []byte
	for i := range numbers {
		if a.IsNull(i) {
			b.AppendNull()
			continue
		}
		rule := "has no text"
		if err == nil {
			buf, rule = text(buf[:0], i)
		}
		if rule == "" {
			b.BinaryBuilder.Append(buf)
			continue
		}
		b.AppendNull()
		if bad[i] == nil {
			bad[i] = &RowError{File: v.req.Location, Row: numbers[i], Column: name, Rule: rule}
		}
	}
	return b.NewArray()
}

// check finds the rows that have a value in a column that must not have any.
func (v *shapedView) check(a arrow.Array, name string, numbers []int64, bad map[int]*RowError) {
	for i := range numbers {
		if a.IsValid(i) && bad[i] == nil {
			bad[i] = &RowError{File: v.req.Location, Row: numbers[i], Column: name, Rule: "column is not declared (new: quarantine)"}
		}
	}
}

// narrow takes the values that fit the wanted type; the caller releases the result.
func (v *shapedView) narrow(a arrow.Array, want ScanColumn, numbers []int64, bad map[int]*RowError) arrow.Array {
	b := array.NewBuilder(memory.DefaultAllocator, want.Type.Arrow())
	defer b.Release()
	for i := range numbers {
		if a.IsNull(i) {
			b.AppendNull()
		} else if !narrowed(a, i, b) {
			b.AppendNull()
			if bad[i] == nil {
				bad[i] = &RowError{File: v.req.Location, Row: numbers[i], Column: want.Name, Rule: "does not fit " + want.Type.String()}
			}
		}
	}
	return b.NewArray()
}

// narrowed appends a number that is one of the narrower type too.
func narrowed(from arrow.Array, i int, to array.Builder) bool {
	switch to := to.(type) {
	case *array.Int32Builder:
		if a, ok := from.(*array.Int64); ok && int64(int32(a.Value(i))) == a.Value(i) {
			to.Append(int32(a.Value(i)))
			return true
		}
	case *array.Float32Builder:
		if a, ok := from.(*array.Float64); ok && float64(float32(a.Value(i))) == a.Value(i) {
			to.Append(float32(a.Value(i)))
			return true
		}
	case *array.Decimal128Builder:
		a, ok := from.(*array.Decimal128)
		want, isDecimal := to.Type().(*arrow.Decimal128Type)
		if !ok || !isDecimal {
			return false
		}
		have := a.DataType().(*arrow.Decimal128Type)
		v, err := a.Value(i).Rescale(have.Scale, want.Scale)
		if err == nil && v.FitsInPrecision(want.Precision) {
			to.Append(v)
			return true
		}
	}
	return false
}
