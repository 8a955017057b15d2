// Package transform changes the rows of a load that won, before they are
// written. Each transform is an [etl.Transformer] and they are chained in
// [etl.Table.Transforms]; the schemas of the whole chain are checked before any
// row is read.
//
// # Rules that hold for all of them
//
// A null stays null unless the transform says otherwise. A value that a
// transform cannot handle is an [etl.RowError] that names row, column and rule,
// never the value. A character is a Unicode code point. Transforms that are not
// Go functions declare themselves ([etl.Declarer]), so that another engine can
// do the same; testdata holds examples that every engine must agree on.
//
// Transforms that change values of a column in place ([Cast], [Trim],
// [Normalize], [Default], [Mask], [Tokenize]) may be used on key columns: the key
// is then what they make of it ([etl.KeyTransformer]).
package transform

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/cells"
)

// Func is a transform made of two functions on whole batches. A nil SchemaFunc
// keeps the schema. It runs in Go only.
type Func struct {
	SchemaFunc    func(in *arrow.Schema) (*arrow.Schema, error)
	TransformFunc func(ctx context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error)
}

var _ etl.Transformer = Func{}

// Schema implements [etl.Transformer].
func (f Func) Schema(in *arrow.Schema) (*arrow.Schema, error) {
	if f.SchemaFunc == nil {
		return in, nil
	}
	return f.SchemaFunc(in)
}

// Transform implements [etl.Transformer].
func (f Func) Transform(ctx context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	return f.TransformFunc(ctx, in)
}

// BatchFunc is a [Func] of one function that keeps the schema.
func BatchFunc(fn func(ctx context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error)) etl.Transformer {
	return Func{TransformFunc: fn}
}

// Filter keeps the rows for which keep returns true. A row that is not kept
// leaves the table, if it was in it. It runs in Go only.
func Filter(keep func(rec arrow.RecordBatch, row int) bool) etl.Transformer {
	return Func{TransformFunc: func(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
		var rows []int
		for i := range int(in.NumRows()) {
			if keep(in, i) {
				rows = append(rows, i)
			}
		}
		if len(rows) == int(in.NumRows()) {
			in.Retain()
			return in, nil
		}
		return cells.Take(memory.DefaultAllocator, in, rows)
	}}
}
