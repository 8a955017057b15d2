package catalogsink

import (
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/iceberg-go"
)

// sourceOf is valuesOf for the types too that are no keys.
func sourceOf(a arrow.Array) func(i int) value {
	switch a := a.(type) {
	case *array.Boolean:
		return func(i int) value {
			if a.Value(i) {
				return value{n: 1}
			}
			return value{}
		}
	case *array.Float32:
		return func(i int) value { return value{n: int64(math.Float32bits(a.Value(i)))} }
	case *array.Float64:
		return func(i int) value { return value{n: int64(math.Float64bits(a.Value(i)))} }
	}
	return valuesOf(a)
}

func apply(with iceberg.Transform, lit iceberg.Literal) any {
	out := with.Apply(iceberg.Optional[iceberg.Literal]{Valid: lit != nil, Val: lit})
	if !out.Valid {
		return nil
	}
	return out.Val.Any()
}

// literalOf is a value as iceberg-go's transforms take it.
func literalOf(a arrow.Array, i int) iceberg.Literal {
	switch a := a.(type) {
	case *array.Boolean:
		return iceberg.NewLiteral(a.Value(i))
	case *array.Int32:
		return iceberg.NewLiteral(a.Value(i))
	case *array.Int64:
		return iceberg.NewLiteral(a.Value(i))
	case *array.Float32:
		return iceberg.NewLiteral(a.Value(i))
	case *array.Float64:
		return iceberg.NewLiteral(a.Value(i))
	case *array.Date32:
		return iceberg.NewLiteral(iceberg.Date(a.Value(i)))
	case *array.Timestamp:
		return iceberg.NewLiteral(iceberg.Timestamp(a.Value(i)))
	case *array.String:
		return iceberg.NewLiteral(strings.Clone(a.Value(i)))
	case *array.Binary:
		return iceberg.NewLiteral(append([]byte{}, a.Value(i)...))
	case *array.Decimal128:
		scale := a.DataType().(*arrow.Decimal128Type).Scale
		return iceberg.NewLiteral(iceberg.Decimal{Val: a.Value(i), Scale: int(scale)})
	case *extensions.UUIDArray:
		return iceberg.NewLiteral(a.Value(i))
	}
	return nil
}
