package transform

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
)

// Row is a row that a [RowFunc] is called with. It is valid during the call.
type Row struct {
	rec   arrow.RecordBatch
	index int
}

// Value returns the value of a column: nil for null, a bool, an int64 (int and
// long), a float64 (float and double), a string (string, uuid and decimal), a
// []byte, or a time.Time in UTC (dates too). It is nil for columns that are not
// there.
func (r Row) Value(name string) any {
	at := r.rec.Schema().FieldIndices(name)
	if len(at) != 1 || r.rec.Column(at[0]).IsNull(r.index) {
		return nil
	}
	i := r.index
	switch a := r.rec.Column(at[0]).(type) {
	case *array.Boolean:
		return a.Value(i)
	case *array.Int32:
		return int64(a.Value(i))
	case *array.Int64:
		return a.Value(i)
	case *array.Float32:
		return float64(a.Value(i))
	case *array.Float64:
		return a.Value(i)
	case *array.String:
		return a.Value(i)
	case *array.Binary:
		return a.Value(i)
	case *array.Date32:
		return a.Value(i).ToTime()
	case *array.Timestamp:
		return time.UnixMicro(int64(a.Value(i))).UTC()
	default:
		t, err := texterOf(a)
		if err != nil {
			return nil
		}
		text, _ := t(nil, i)
		return string(text)
	}
}

// RowFunc adds columns behind the others with the values that fn returns, one
// for each of them, of the types that [Row.Value] has; text is read as in files
// for types that have none of their own. An error makes the row bad; its text must
// not quote values. fn is called from several goroutines and must always make
// the same of the same row. It runs in Go only.
func RowFunc(columns etl.Columns, fn func(row Row) ([]any, error)) etl.Transformer {
	a := adding{
		decl:   etl.Declaration{Kind: "row function"},
		fields: func(*arrow.Schema) ([]arrow.Field, error) { return columns.Schema().Fields(), nil },
		make: func(_ context.Context, in arrow.RecordBatch) ([]arrow.Array, error) {
			return callRows(in, columns, fn)
		},
	}
	return Func{SchemaFunc: a.Schema, TransformFunc: a.Transform}
}

func callRows(in arrow.RecordBatch, columns etl.Columns, fn func(row Row) ([]any, error)) ([]arrow.Array, error) {
	b, err := newTextRows(columns)
	if err != nil {
		return nil, err
	}
	var buf []byte
	for i := range int(in.NumRows()) {
		values, err := fn(Row{in, i})
		if err == nil && len(values) != len(columns) {
			err = fmt.Errorf("row function returned %d values, announced %d", len(values), len(columns))
		}
		if err != nil {
			return nil, &etl.RowError{Row: int64(i) + 1, Rule: "refused by the row function", Err: err}
		}
		for c, v := range values {
			var rule string
			if v == nil {
				b.builders[c].AppendNull()
			} else if buf, rule = goText(buf[:0], v, columns[c].Type); rule == "" {
				rule = b.builders[c].Append(buf)
			}
			if rule != "" {
				return nil, inColumn(columns[c].Name, badValue(i, rule))
			}
		}
	}
	out := make([]arrow.Array, len(columns))
	for c, tb := range b.builders {
		out[c] = tb.NewArray()
	}
	return out, nil
}

// goText appends the canonical text of a Go value.
func goText(dst []byte, v any, typ etl.Type) ([]byte, string) {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(dst, v), ""
	case int:
		return strconv.AppendInt(dst, int64(v), 10), ""
	case int64:
		return strconv.AppendInt(dst, v, 10), ""
	case float64:
		return AppendDouble(dst, v)
	case string:
		return append(dst, v...), ""
	case []byte:
		return base64.StdEncoding.AppendEncode(dst, v), ""
	case time.Time:
		if typ == etl.Date {
			return appendTime(dst, v.UTC(), time.DateOnly)
		}
		return appendMicros(dst, v.UnixMicro(), typ == etl.TimestampTZ)
	}
	return dst, "the row function returned a value of an unknown type"
}
