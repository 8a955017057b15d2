// Package cells copies single values between Arrow arrays and builders.
package cells

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Appender returns a function that appends value i of a, null or not, to b,
// which must build arrays of the type of a.
func Appender(b array.Builder, a arrow.Array) (func(i int), error) {
	if e, ok := a.(array.ExtensionArray); ok {
		if eb, ok := b.(interface{ StorageBuilder() array.Builder }); ok {
			return Appender(eb.StorageBuilder(), e.Storage())
		}
	}
	switch a := a.(type) {
	case *array.Boolean:
		return of(b, a, a.Value)
	case *array.Int32:
		return of(b, a, a.Value)
	case *array.Date32:
		return of(b, a, a.Value)
	case *array.Int64:
		return of(b, a, a.Value)
	case *array.Timestamp:
		return of(b, a, a.Value)
	case *array.Float32:
		return of(b, a, a.Value)
	case *array.Float64:
		return of(b, a, a.Value)
	case *array.Decimal128:
		return of(b, a, a.Value)
	case *array.String:
		return of(b, a, a.Value)
	case *array.Binary:
		return of(b, a, a.Value)
	case *array.FixedSizeBinary:
		return of(b, a, a.Value)
	}
	return nil, fmt.Errorf("cannot copy values of type %v", a.DataType())
}

func of[T any](b array.Builder, a arrow.Array, value func(int) T) (func(i int), error) {
	tb, ok := b.(interface{ Append(T) })
	if !ok {
		return nil, fmt.Errorf("cannot copy values of type %v into a builder of %v", a.DataType(), b.Type())
	}
	return func(i int) {
		if a.IsNull(i) {
			b.AppendNull()
			return
		}
		tb.Append(value(i))
	}, nil
}

// Take returns a batch of the given rows.
func Take(mem memory.Allocator, rec arrow.RecordBatch, rows []int) (arrow.RecordBatch, error) {
	b := array.NewRecordBuilder(mem, rec.Schema())
	defer b.Release()
	b.Reserve(len(rows))
	for c := range int(rec.NumCols()) {
		add, err := Appender(b.Field(c), rec.Column(c))
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			add(r)
		}
	}
	return b.NewRecordBatch(), nil
}
