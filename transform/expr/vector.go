package expr

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl"
)

// TypeOf returns the type of a column in expressions.
func TypeOf(t etl.Type) (Type, bool) {
	switch t {
	case etl.Bool:
		return Bool, true
	case etl.Int, etl.Long:
		return Int, true
	case etl.Float, etl.Double:
		return Double, true
	case etl.String:
		return String, true
	case etl.Date:
		return Date, true
	case etl.Timestamp:
		return Timestamp, true
	case etl.TimestampTZ:
		return TimestampTZ, true
	}
	return "", false
}

// ColumnType is the type of a column of results.
func ColumnType(t Type) etl.Type {
	return map[Type]etl.Type{
		Bool: etl.Bool, Int: etl.Long, Double: etl.Double, String: etl.String,
		Date: etl.Date, Timestamp: etl.Timestamp, TimestampTZ: etl.TimestampTZ,
	}[t]
}

// vector holds a value for each row. One of the slices of values is used, by type.
type vector struct {
	typ     Type
	n       int
	bools   []bool
	longs   []int64 // int; days; microseconds
	doubles []float64
	texts   []string
	nulls   []bool // nil: none
	bad     []rule // nil: none
}

// rule is one that a value violates; 0 is none.
type rule uint8

const (
	overflow rule = iota + 1
	zeroDivision
	notFinite
	notInt
	tooLarge
	badYear
)

var rules = [...]string{
	overflow: "integer overflow", zeroDivision: "division by zero", notFinite: "not a finite number",
	notInt: "not an int", tooLarge: "out of range", badYear: "year is not 1 to 9999",
}

func newVector(t Type, n int) *vector {
	v := &vector{typ: t, n: n}
	switch t {
	case Bool:
		v.bools = make([]bool, n)
	case Double:
		v.doubles = make([]float64, n)
	case String:
		v.texts = make([]string, n)
	case Int, Date, Timestamp, TimestampTZ:
		v.longs = make([]int64, n)
	case Null:
		v.nulls = make([]bool, n)
		for i := range v.nulls {
			v.nulls[i] = true
		}
	}
	return v
}

// result is a vector that has the nulls and errors of its arguments.
func result(t Type, args ...*vector) *vector {
	out := newVector(t, args[0].n)
	for _, a := range args {
		for i, null := range a.nulls {
			if null {
				out.null(i)
			}
		}
		for i, r := range a.bad {
			if r != 0 && (out.bad == nil || out.bad[i] == 0) {
				out.fail(i, r)
			}
		}
	}
	return out
}

func (v *vector) null(i int) {
	if v.nulls == nil {
		v.nulls = make([]bool, v.n)
	}
	v.nulls[i] = true
}

func (v *vector) fail(i int, r rule) {
	if v.bad == nil {
		v.bad = make([]rule, v.n)
	}
	v.bad[i] = r
}

func (v *vector) isNull(i int) bool { return v.nulls != nil && v.nulls[i] }

func (v *vector) badAt(i int) rule {
	if v.bad == nil {
		return 0
	}
	return v.bad[i]
}

// void reports whether row i has no value.
func (v *vector) void(i int) bool { return v.isNull(i) || v.badAt(i) != 0 }

// set takes row i from another vector of the type, or of type null.
func (v *vector) set(i int, from *vector) {
	if r := from.badAt(i); r != 0 {
		v.fail(i, r)
		return
	}
	if from.isNull(i) {
		v.null(i)
		return
	}
	switch v.typ {
	case Bool:
		v.bools[i] = from.bools[i]
	case Double:
		v.doubles[i] = from.doubles[i]
	case String:
		v.texts[i] = from.texts[i]
	default:
		v.longs[i] = from.longs[i]
	}
}

// load reads a column.
func load(name string, t Type, rec arrow.RecordBatch) (*vector, error) {
	at := rec.Schema().FieldIndices(name)
	if len(at) != 1 {
		return nil, fmt.Errorf("no column %s", name)
	}
	col := rec.Column(at[0])
	typ, _ := etl.TypeOf(col.DataType())
	if is, ok := TypeOf(typ); !ok || is != t {
		return nil, fmt.Errorf("column %s is a %v, the expression was made for a %s", name, typ, t)
	}
	v := &vector{typ: t, n: col.Len()}
	switch a := col.(type) {
	case *array.Int64:
		v.longs = a.Int64Values()
	case *array.Float64:
		v.doubles = a.Float64Values()
	case *array.Timestamp:
		v.longs = arrow.GetData[int64](arrow.GetBytes(a.TimestampValues()))
	default:
		v = newVector(t, col.Len())
		v.copyFrom(col)
	}
	if col.NullN() > 0 {
		v.nulls = make([]bool, v.n)
		for i := range v.nulls {
			v.nulls[i] = col.IsNull(i)
		}
	}
	return v, nil
}

func (v *vector) copyFrom(col arrow.Array) {
	switch a := col.(type) {
	case *array.Int32:
		for i, x := range a.Int32Values() {
			v.longs[i] = int64(x)
		}
	case *array.Date32:
		for i, x := range a.Date32Values() {
			v.longs[i] = int64(x)
		}
	case *array.Float32:
		for i, x := range a.Float32Values() {
			v.doubles[i] = float64(x)
		}
	case *array.Boolean:
		for i := range v.bools {
			v.bools[i] = a.Value(i)
		}
	case *array.String:
		for i := range v.texts {
			v.texts[i] = a.Value(i)
		}
	}
}

// firstBad returns the RowError of the first error.
func (v *vector) firstBad() error {
	for i, r := range v.bad {
		if r != 0 {
			return &etl.RowError{Row: int64(i) + 1, Rule: rules[r]}
		}
	}
	return nil
}

// array returns the values as a column of ColumnType.
func (v *vector) array() (arrow.Array, error) {
	if err := v.firstBad(); err != nil {
		return nil, err
	}
	if v.typ == String {
		b := array.NewStringBuilder(memory.DefaultAllocator)
		defer b.Release()
		b.Reserve(v.n)
		size := 0
		for _, s := range v.texts {
			size += len(s)
		}
		b.ReserveData(size)
		for i, s := range v.texts {
			if v.isNull(i) {
				b.AppendNull()
			} else {
				b.Append(s)
			}
		}
		return b.NewArray(), nil
	}
	var values []byte
	switch v.typ {
	case Bool:
		values = pack(v.bools, true)
	case Double:
		values = arrow.GetBytes(v.doubles)
	case Date:
		days := make([]int32, v.n)
		for i, d := range v.longs {
			if days[i] = int32(d); int64(days[i]) != d && !v.isNull(i) {
				return nil, &etl.RowError{Row: int64(i) + 1, Rule: rules[tooLarge]}
			}
		}
		values = arrow.GetBytes(days)
	default:
		values = arrow.GetBytes(v.longs)
	}
	nulls, validity := 0, (*memory.Buffer)(nil)
	for _, null := range v.nulls {
		if null {
			nulls++
		}
	}
	if nulls > 0 {
		validity = memory.NewBufferBytes(pack(v.nulls, false))
	}
	data := array.NewData(ColumnType(v.typ).Arrow(), v.n, []*memory.Buffer{validity, memory.NewBufferBytes(values)}, nil, nulls, 0)
	defer data.Release()
	return array.MakeFromData(data), nil
}

// pack makes a bitmap of the elements that are as wanted.
func pack(bools []bool, want bool) []byte {
	bits := make([]byte, bitutil.BytesForBits(int64(len(bools))))
	for i, b := range bools {
		if b == want {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	return bits
}
