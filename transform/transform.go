// Package transform changes the rows of a load that won, before they are
// written. Each transform is an [etl.Transformer] and they are chained in
// [etl.Table.Transforms]; the schemas of the whole chain are checked before any
// row is read.
package transform

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/cells"
)

// Func is a transform made of two functions. A nil SchemaFunc keeps the schema.
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

// Filter keeps the rows for which keep returns true. A row that is not kept
// leaves the table, if it was in it.
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

// Rename gives columns other names: old name to new name.
func Rename(names map[string]string) etl.Transformer {
	return reshape(func(in *arrow.Schema) ([]column, error) {
		for old := range names {
			if !in.HasField(old) {
				return nil, fmt.Errorf("rename: no column %s", old)
			}
		}
		return columns(in, func(f arrow.Field) (string, bool) {
			if name, ok := names[f.Name]; ok {
				return name, true
			}
			return f.Name, true
		}), nil
	})
}

// Drop removes columns.
func Drop(names ...string) etl.Transformer {
	return reshape(func(in *arrow.Schema) ([]column, error) {
		for _, n := range names {
			if !in.HasField(n) {
				return nil, fmt.Errorf("drop: no column %s", n)
			}
		}
		return columns(in, func(f arrow.Field) (string, bool) { return f.Name, !slices.Contains(names, f.Name) }), nil
	})
}

// Select keeps the named columns, in the order in which they are named.
func Select(names ...string) etl.Transformer {
	return reshape(func(in *arrow.Schema) ([]column, error) {
		var out []column
		for _, n := range names {
			idx := in.FieldIndices(n)
			if len(idx) != 1 {
				return nil, fmt.Errorf("select: no column %s", n)
			}
			out = append(out, column{idx[0], n})
		}
		return out, nil
	})
}

// column is a column of the input and its name in the output.
type column struct {
	from int
	name string
}

func columns(in *arrow.Schema, as func(arrow.Field) (string, bool)) []column {
	var out []column
	for i, f := range in.Fields() {
		if name, keep := as(f); keep {
			out = append(out, column{i, name})
		}
	}
	return out
}

// reshape is a transform that copies no value.
func reshape(plan func(*arrow.Schema) ([]column, error)) etl.Transformer {
	schema := func(in *arrow.Schema) (*arrow.Schema, error) {
		cols, err := plan(in)
		if err != nil {
			return nil, err
		}
		var fields []arrow.Field
		seen := map[string]bool{}
		for _, c := range cols {
			if seen[c.name] {
				return nil, fmt.Errorf("two columns are named %s", c.name)
			}
			seen[c.name] = true
			f := in.Field(c.from)
			f.Name = c.name
			fields = append(fields, f)
		}
		return arrow.NewSchema(fields, nil), nil
	}
	return Func{SchemaFunc: schema, TransformFunc: func(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
		cols, err := plan(in.Schema())
		if err != nil {
			return nil, err
		}
		out, err := schema(in.Schema())
		if err != nil {
			return nil, err
		}
		arrays := make([]arrow.Array, len(cols))
		for i, c := range cols {
			arrays[i] = in.Column(c.from)
		}
		return array.NewRecordBatch(out, arrays, in.NumRows()), nil
	}}
}
