package avroformat

import (
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/google/uuid"
	"github.com/twmb/avro"

	etl "github.com/tidemark-data/etl"
)

// converter appends a value that is not null. It returns the rule that the value
// violates.
type converter func(v any, to array.Builder) (rule string)

const unexpected = "value is not of the file's own type"

// each makes a converter of a function on the Go type that the decoder gives.
func each[T any, B array.Builder](add func(v T, to B) string) converter {
	return func(v any, to array.Builder) string {
		t, ok := v.(T)
		if !ok {
			return unexpected
		}
		return add(t, to.(B))
	}
}

// converter returns how values of a field become those of a column, or nil where
// some would not. Numbers of a source block may be text.
func (f Format) converter(n *avro.SchemaNode, to etl.Type, source bool) converter {
	kind := n.Type
	if p, s, ok := to.DecimalSize(); ok {
		return toDecimal(n, p, s)
	}
	switch to {
	case etl.Bool:
		if kind == "boolean" {
			return each(func(v bool, b *array.BooleanBuilder) string { b.Append(v); return "" })
		}
	case etl.Int, etl.Long:
		if kind == "int" || kind == "long" && to == etl.Long {
			return toInteger
		}
	case etl.Float:
		if kind == "float" {
			return each(func(v float32, b *array.Float32Builder) string { b.Append(v); return "" })
		}
	case etl.Double:
		if kind == "float" || kind == "double" {
			return toDouble
		}
	case etl.Date:
		if logical(n) == "date" && kind == "int" {
			return toDate
		}
	case etl.Timestamp, etl.TimestampTZ:
		return f.toTimestamp(n, to)
	case etl.String:
		if source && (kind == "int" || kind == "long") {
			return numberText
		}
		if kind == "string" || kind == "enum" {
			return toText
		}
	case etl.Binary:
		if kind == "bytes" || kind == "fixed" && n.LogicalType == "" {
			return toBinary
		}
	case etl.UUID:
		if n.LogicalType == "uuid" || kind == "fixed" && n.Size == 16 && n.LogicalType == "" {
			return toUUID
		}
	}
	return nil
}

func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int32:
		return int64(n), true
	case int64:
		return n, true
	case int:
		return int64(n), true
	}
	return 0, false
}

func toInteger(v any, to array.Builder) string {
	n, ok := integer(v)
	if !ok {
		return unexpected
	}
	switch b := to.(type) {
	case *array.Int64Builder:
		b.Append(n)
	case *array.Int32Builder:
		if int64(int32(n)) != n {
			return unexpected
		}
		b.Append(int32(n))
	}
	return ""
}

func toDouble(v any, to array.Builder) string {
	switch n := v.(type) {
	case float32:
		to.(*array.Float64Builder).Append(float64(n))
	case float64:
		to.(*array.Float64Builder).Append(n)
	default:
		return unexpected
	}
	return ""
}

func toDate(v any, to array.Builder) string {
	b := to.(*array.Date32Builder)
	if t, ok := v.(time.Time); ok {
		b.Append(arrow.Date32FromTime(t))
		return ""
	}
	n, ok := integer(v)
	if !ok || int64(int32(n)) != n {
		return unexpected
	}
	b.Append(arrow.Date32(n))
	return ""
}

// unitsOf says how many of a logical type's units a second has.
func unitsOf(logical string) int64 {
	switch {
	case strings.HasSuffix(logical, "timestamp-millis"):
		return 1e3
	case strings.HasSuffix(logical, "timestamp-micros"):
		return 1e6
	case strings.HasSuffix(logical, "timestamp-nanos"):
		return 1e9
	}
	return 0
}

func (f Format) toTimestamp(n *avro.SchemaNode, to etl.Type) converter {
	kind := logical(n)
	if kind == "zoned-text" {
		if to == etl.TimestampTZ || f.AnyZone {
			return zonedText
		}
		return nil
	}
	units := unitsOf(kind)
	// org.apache.kafka.connect.data.Timestamp comes with Avro's own type, which
	// has a zone, and stands for columns that may have none.
	connect := n.Props["connect.name"] != nil
	if local := strings.HasPrefix(kind, "local-"); units == 0 || !f.AnyZone && !connect && local != (to == etl.Timestamp) {
		return nil
	}
	return func(v any, b array.Builder) string {
		if t, ok := v.(time.Time); ok {
			return moment(t, b)
		}
		raw, ok := integer(v)
		if !ok {
			return unexpected
		}
		whole, rest := raw/units, raw%units
		return moment(time.Unix(whole, rest*(1e9/units)), b)
	}
}

func moment(t time.Time, to array.Builder) string {
	if t.Nanosecond()%1000 != 0 {
		return "finer than microseconds"
	}
	if y := t.UTC().Year(); y < -290000 || y > 290000 {
		return "out of range for timestamp"
	}
	to.(*array.TimestampBuilder).Append(arrow.Timestamp(t.UnixMicro()))
	return ""
}

func zonedText(v any, to array.Builder) string {
	s, ok := v.(string)
	if !ok {
		return unexpected
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return "not a timestamp with a zone"
	}
	return moment(t, to)
}

// toDecimal converts decimals of no greater scale and no more digits before the
// point. That a value has no more digits than its file says is checked.
func toDecimal(n *avro.SchemaNode, precision, scale int) converter {
	if n.LogicalType != "decimal" || n.Scale > scale || n.Precision-n.Scale > precision-scale {
		return nil
	}
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n.Precision+scale-n.Scale)), nil)
	factor := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
	return func(v any, to array.Builder) string {
		var r *big.Rat
		switch d := v.(type) {
		case *big.Rat:
			r = d
		case big.Rat:
			r = &d
		}
		if r == nil {
			return unexpected
		}
		units := new(big.Int).Mul(r.Num(), factor)
		units, rest := units.QuoRem(units, r.Denom(), new(big.Int))
		if rest.Sign() != 0 || units.CmpAbs(limit) >= 0 {
			return "out of range for its decimal type"
		}
		to.(*array.Decimal128Builder).Append(decimal128.FromBigInt(units))
		return ""
	}
}

func toText(v any, to array.Builder) string {
	var s string
	switch t := v.(type) {
	case string:
		s = t
	case []byte:
		s = string(t)
	default:
		return unexpected
	}
	if !utf8.ValidString(s) {
		return "invalid UTF-8"
	}
	to.(*array.StringBuilder).Append(s)
	return ""
}

func numberText(v any, to array.Builder) string {
	n, ok := integer(v)
	if !ok {
		return unexpected
	}
	to.(*array.StringBuilder).Append(strconv.FormatInt(n, 10))
	return ""
}

func toBinary(v any, to array.Builder) string {
	b, ok := v.([]byte)
	if !ok {
		return unexpected
	}
	to.(*array.BinaryBuilder).Append(b)
	return ""
}

func toUUID(v any, to array.Builder) string {
	var id uuid.UUID
	switch t := v.(type) {
	case string:
		parsed, err := uuid.Parse(t)
		if err != nil || len(t) != 36 {
			return "not a uuid"
		}
		id = parsed
	case []byte:
		if len(t) != 16 {
			return "not a uuid"
		}
		copy(id[:], t)
	case [16]byte:
		id = t
	default:
		return unexpected
	}
	to.(interface{ StorageBuilder() array.Builder }).StorageBuilder().(*array.FixedSizeBinaryBuilder).Append(id[:])
	return ""
}
