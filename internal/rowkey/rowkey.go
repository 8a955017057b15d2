// Package rowkey encodes tuples of column values as bytes that compare as the
// tuples do, and finds tuples by them.
package rowkey

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Reader encodes the rows of a set of columns of equal length.
type Reader struct {
	cols   []arrow.Array
	append []func(dst []byte, row int) []byte
}

// NewReader returns a Reader of the columns. It fails on types that are no
// column types of a table.
func NewReader(cols []arrow.Array) (*Reader, error) {
	r := &Reader{cols: cols, append: make([]func([]byte, int) []byte, len(cols))}
	for i, c := range cols {
		if r.append[i] = appender(c); r.append[i] == nil {
			return nil, fmt.Errorf("column type %v cannot be part of a key or an order", c.DataType())
		}
	}
	return r, nil
}

// Null returns the index of the first column that is null in the row, or -1.
func (r *Reader) Null(row int) int {
	for i, c := range r.cols {
		if c.IsNull(row) {
			return i
		}
	}
	return -1
}

// Append appends the encoded row to dst. No column of the row may be null.
func (r *Reader) Append(dst []byte, row int) []byte {
	for _, f := range r.append {
		dst = f(dst, row)
	}
	return dst
}

func appender(c arrow.Array) func([]byte, int) []byte {
	switch a := c.(type) {
	case *array.Boolean:
		return func(dst []byte, i int) []byte {
			if a.Value(i) {
				return append(dst, 1)
			}
			return append(dst, 0)
		}
	case *array.Int32:
		return func(dst []byte, i int) []byte { return appendInt32(dst, a.Value(i)) }
	case *array.Date32:
		return func(dst []byte, i int) []byte { return appendInt32(dst, int32(a.Value(i))) }
	case *array.Int64:
		return func(dst []byte, i int) []byte { return appendInt64(dst, a.Value(i)) }
	case *array.Timestamp:
		return func(dst []byte, i int) []byte { return appendInt64(dst, int64(a.Value(i))) }
	case *array.Float32:
		return func(dst []byte, i int) []byte { return appendFloat(dst, float64(a.Value(i))) }
	case *array.Float64:
		return func(dst []byte, i int) []byte { return appendFloat(dst, a.Value(i)) }
	case *array.Decimal128:
		return func(dst []byte, i int) []byte {
			v := a.Value(i)
			dst = appendInt64(dst, v.HighBits())
			return binary.BigEndian.AppendUint64(dst, v.LowBits())
		}
	case *array.String:
		return func(dst []byte, i int) []byte { return appendText(dst, a.Value(i)) }
	case *array.LargeString:
		return func(dst []byte, i int) []byte { return appendText(dst, a.Value(i)) }
	case *array.Binary:
		return func(dst []byte, i int) []byte { return appendText(dst, string(a.Value(i))) }
	case *array.LargeBinary:
		return func(dst []byte, i int) []byte { return appendText(dst, string(a.Value(i))) }
	case *array.FixedSizeBinary:
		return func(dst []byte, i int) []byte { return append(dst, a.Value(i)...) }
	case array.ExtensionArray:
		return appender(a.Storage())
	}
	return nil
}

func appendInt32(dst []byte, v int32) []byte {
	return binary.BigEndian.AppendUint32(dst, uint32(v)^1<<31)
}

func appendInt64(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(v)^1<<63)
}

// appendFloat orders NaN above everything and takes both zeros for one.
func appendFloat(dst []byte, v float64) []byte {
	if v == 0 {
		v = 0
	}
	if math.IsNaN(v) {
		v = math.NaN()
	}
	b := math.Float64bits(v)
	if b>>63 == 1 {
		b = ^b
	} else {
		b |= 1 << 63
	}
	return binary.BigEndian.AppendUint64(dst, b)
}

// appendText escapes zero bytes, so that a shorter text sorts before every
// longer one that it begins, whatever follows in the tuple.
func appendText(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == 0 {
			dst = append(dst, 0, 0xff)
			continue
		}
		dst = append(dst, s[i])
	}
	return append(dst, 0, 1)
}
