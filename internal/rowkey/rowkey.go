// Package rowkey encodes tuples of column values as bytes that compare as the
// tuples do, and finds tuples by them. A value has the same bytes in all types that a
// column may be widened to (int and long, float and double, decimals of one scale), so
// that what is kept in encoded form outlives a wider key or order.
package rowkey

import (
	"github.com/apache/arrow-go/v18/arrow"
)

// Reader encodes the rows of a set of columns of equal length, one at a time.
type Reader struct {
	cols   []arrow.Array
	pieces []piece
}

// NewReader returns a Reader of the columns. It fails on types that are no
// column types of a table.
func NewReader(cols []arrow.Array) (*Reader, error) {
	r := &Reader{cols: cols, pieces: make([]piece, len(cols))}
	for i, c := range cols {
		p, err := pieceOf(c)
		if err != nil {
			return nil, err
		}
		r.pieces[i] = p
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
	for i := range r.pieces {
		dst = r.pieces[i].append(dst, row)
	}
	return dst
}
