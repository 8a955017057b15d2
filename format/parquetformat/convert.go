package parquetformat

import (
	"math"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	etl "github.com/tidemark-data/etl"
)

// converter appends the given rows of an array to a builder. It returns the rule
// that a value violates and which of the rows it is in.
type converter func(from arrow.Array, rows []int, to array.Builder) (bad int, rule string)

// each makes a converter of a function that appends one value that is not null.
func each[A arrow.Array, B array.Builder](add func(a A, i int, b B) (rule string)) converter {
	return func(from arrow.Array, rows []int, to array.Builder) (int, string) {
		a, b := from.(A), to.(B)
		b.Reserve(len(rows))
		for n, i := range rows {
			if a.IsNull(i) {
				b.AppendNull()
			} else if rule := add(a, i, b); rule != "" {
				return n, rule
			}
		}
		return 0, ""
	}
}

// values is an array of plain values.
type values[T any] interface {
	arrow.Array
	Value(i int) T
}

// appender is the builder of plain values.
type appender[T any] interface {
	array.Builder
	Append(v T)
}

// number makes a converter between numbers of which the wider holds the narrower.
func number[A values[F], F, T int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | float32 | float64, B appender[T]]() converter {
	return each(func(a A, i int, b B) string {
		b.Append(T(a.Value(i)))
		return ""
	})
}

// same makes a converter between arrays of the same values.
func same[A values[T], T any, B appender[T]]() converter {
	return each(func(a A, i int, b B) string {
		b.Append(a.Value(i))
		return ""
	})
}

// converter returns how values of a file's type become those of a table's, or
// nil where some would not.
func (f Format) converter(from arrow.DataType, to etl.Type) converter {
	if p, s, ok := to.DecimalSize(); ok {
		return decimal(from, p, s)
	}
	switch to {
	case etl.Bool:
		if from.ID() == arrow.BOOL {
			return same[*array.Boolean, bool, *array.BooleanBuilder]()
		}
	case etl.Int:
		return toInt(from.ID())
	case etl.Long:
		return toLong(from.ID())
	case etl.Float, etl.Double:
		return toFloat(from.ID(), to)
	case etl.Date:
		if from.ID() == arrow.DATE32 {
			return same[*array.Date32, arrow.Date32, *array.Date32Builder]()
		}
	case etl.Timestamp, etl.TimestampTZ:
		if ts, ok := from.(*arrow.TimestampType); ok && (f.AnyZone || (ts.TimeZone != "") == (to == etl.TimestampTZ)) {
			return timestamp(ts.Unit)
		}
	case etl.String, etl.Binary, etl.UUID:
		return toBytes(from, to)
	}
	return nil
}

func toInt(from arrow.Type) converter {
	switch from {
	case arrow.INT8:
		return number[*array.Int8, int8, int32, *array.Int32Builder]()
	case arrow.INT16:
		return number[*array.Int16, int16, int32, *array.Int32Builder]()
	case arrow.INT32:
		return number[*array.Int32, int32, int32, *array.Int32Builder]()
	case arrow.UINT8:
		return number[*array.Uint8, uint8, int32, *array.Int32Builder]()
	case arrow.UINT16:
		return number[*array.Uint16, uint16, int32, *array.Int32Builder]()
	}
	return nil
}

func toLong(from arrow.Type) converter {
	switch from {
	case arrow.INT8:
		return number[*array.Int8, int8, int64, *array.Int64Builder]()
	case arrow.INT16:
		return number[*array.Int16, int16, int64, *array.Int64Builder]()
	case arrow.INT32:
		return number[*array.Int32, int32, int64, *array.Int64Builder]()
	case arrow.INT64:
		return number[*array.Int64, int64, int64, *array.Int64Builder]()
	case arrow.UINT8:
		return number[*array.Uint8, uint8, int64, *array.Int64Builder]()
	case arrow.UINT16:
		return number[*array.Uint16, uint16, int64, *array.Int64Builder]()
	case arrow.UINT32:
		return number[*array.Uint32, uint32, int64, *array.Int64Builder]()
	}
	return nil
}

func toFloat(from arrow.Type, to etl.Type) converter {
	switch {
	case from == arrow.FLOAT16 && to == etl.Float:
		return each(func(a *array.Float16, i int, b *array.Float32Builder) string {
			b.Append(a.Value(i).Float32())
			return ""
		})
	case from == arrow.FLOAT16:
		return each(func(a *array.Float16, i int, b *array.Float64Builder) string {
			b.Append(float64(a.Value(i).Float32()))
			return ""
		})
	case from == arrow.FLOAT32 && to == etl.Float:
		return number[*array.Float32, float32, float32, *array.Float32Builder]()
	case from == arrow.FLOAT32:
		return number[*array.Float32, float32, float64, *array.Float64Builder]()
	case from == arrow.FLOAT64 && to == etl.Double:
		return number[*array.Float64, float64, float64, *array.Float64Builder]()
	}
	return nil
}

// timestamp converts to microseconds.
func timestamp(unit arrow.TimeUnit) converter {
	factor := int64(1)
	switch unit {
	case arrow.Second:
		factor = 1e6
	case arrow.Millisecond:
		factor = 1e3
	}
	return each(func(a *array.Timestamp, i int, b *array.TimestampBuilder) string {
		v := int64(a.Value(i))
		switch {
		case unit == arrow.Nanosecond && v%1000 != 0:
			return "finer than microseconds"
		case unit == arrow.Nanosecond:
			v /= 1000
		case v > math.MaxInt64/factor || v < math.MinInt64/factor:
			return "out of range for timestamp"
		default:
			v *= factor
		}
		b.Append(arrow.Timestamp(v))
		return ""
	})
}

// decimal converts decimals of no greater scale and no more digits before the
// point. That a value has no more digits than its file says is checked.
func decimal(from arrow.DataType, precision, scale int) converter {
	d, ok := from.(*arrow.Decimal128Type) // of which the library makes all that fit
	if !ok || int(d.Scale) > scale || int(d.Precision-d.Scale) > precision-scale || d.Scale < 0 {
		return nil
	}
	by, fits := int32(scale)-d.Scale, d.Precision
	return each(func(a *array.Decimal128, i int, b *array.Decimal128Builder) string {
		v := a.Value(i)
		if v.Abs().Sign() < 0 || !v.FitsInPrecision(fits) { // the least int128 has no Abs
			return "out of range for its decimal type"
		}
		b.Append(v.IncreaseScaleBy(by))
		return ""
	})
}

func toBytes(from arrow.DataType, to etl.Type) converter {
	switch {
	case to == etl.String && from.ID() == arrow.STRING:
		return each(func(a *array.String, i int, b *array.StringBuilder) string { return text(a.Value(i), b) })
	case to == etl.Binary && from.ID() == arrow.BINARY:
		return same[*array.Binary, []byte, *array.BinaryBuilder]()
	case to == etl.Binary && from.ID() == arrow.FIXED_SIZE_BINARY:
		return same[*array.FixedSizeBinary, []byte, *array.BinaryBuilder]()
	case to == etl.UUID && arrow.TypeEqual(from, to.Arrow()):
		return func(a arrow.Array, rows []int, b array.Builder) (int, string) {
			return fixed16(a.(array.ExtensionArray).Storage(), rows, b)
		}
	case to == etl.UUID && arrow.TypeEqual(from, &arrow.FixedSizeBinaryType{ByteWidth: 16}):
		return fixed16
	}
	return nil
}

func text(v string, b *array.StringBuilder) string {
	if !utf8.ValidString(v) {
		return "invalid UTF-8"
	}
	b.Append(v)
	return ""
}

// fixed16 fills the builder of uuids through that of their storage.
func fixed16(from arrow.Array, rows []int, to array.Builder) (int, string) {
	storage := to.(interface{ StorageBuilder() array.Builder }).StorageBuilder()
	return same[*array.FixedSizeBinary, []byte, *array.FixedSizeBinaryBuilder]()(from, rows, storage)
}
