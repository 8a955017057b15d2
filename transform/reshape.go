package transform

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
)

// Rename gives columns other names: old name to new name. All names change at
// once, so that two columns may swap theirs.
func Rename(names map[string]string) etl.Transformer {
	names = maps.Clone(names)
	return rename{reshape{declared("rename", "columns", names), func(in *arrow.Schema) ([]column, error) {
		for _, old := range slices.Sorted(maps.Keys(names)) {
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
	}}, slices.Collect(maps.Values(names))}
}

// rename tells which names stand for other columns than before.
type rename struct {
	reshape
	changes []string
}

// Changes names the columns whose values are others than before.
func (r rename) Changes() []string { return slices.Clone(r.changes) }

// Drop removes columns.
func Drop(names ...string) etl.Transformer {
	names = slices.Clone(names)
	return reshape{declared("drop", "columns", names), func(in *arrow.Schema) ([]column, error) {
		for _, n := range names {
			if !in.HasField(n) {
				return nil, fmt.Errorf("drop: no column %s", n)
			}
		}
		return columns(in, func(f arrow.Field) (string, bool) { return f.Name, !slices.Contains(names, f.Name) }), nil
	}}
}

// Select keeps the named columns, in the order in which they are named.
func Select(names ...string) etl.Transformer {
	names = slices.Clone(names)
	return reshape{declared("select", "columns", names), func(in *arrow.Schema) ([]column, error) {
		return picked(in, "select", names)
	}}
}

// Reorder puts the named columns first, in the order in which they are named,
// and keeps the others behind them in the order that they have.
func Reorder(names ...string) etl.Transformer {
	names = slices.Clone(names)
	return reshape{declared("reorder", "columns", names), func(in *arrow.Schema) ([]column, error) {
		first, err := picked(in, "reorder", names)
		if err != nil {
			return nil, err
		}
		rest := columns(in, func(f arrow.Field) (string, bool) { return f.Name, !slices.Contains(names, f.Name) })
		return append(first, rest...), nil
	}}
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

func picked(in *arrow.Schema, what string, names []string) ([]column, error) {
	var out []column
	for _, n := range names {
		idx := in.FieldIndices(n)
		if len(idx) != 1 {
			return nil, fmt.Errorf("%s: no column %s", what, n)
		}
		out = append(out, column{idx[0], n})
	}
	return out, nil
}

// reshape is a transform that copies no value.
type reshape struct {
	etl.Declaration
	plan func(*arrow.Schema) ([]column, error)
}

var (
	_ etl.Transformer = reshape{}
	_ etl.Declarer    = reshape{}
)

// Declare implements [etl.Declarer].
func (r reshape) Declare() (etl.Declaration, error) { return r.Declaration, nil }

// Schema implements [etl.Transformer].
func (r reshape) Schema(in *arrow.Schema) (*arrow.Schema, error) {
	cols, err := r.plan(in)
	if err != nil {
		return nil, err
	}
	fields := make([]arrow.Field, len(cols))
	for i, c := range cols {
		fields[i] = in.Field(c.from)
		fields[i].Name = c.name
	}
	return newSchema(fields)
}

// Transform implements [etl.Transformer].
func (r reshape) Transform(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	cols, err := r.plan(in.Schema())
	if err != nil {
		return nil, err
	}
	out, err := r.Schema(in.Schema())
	if err != nil {
		return nil, err
	}
	arrays := make([]arrow.Array, len(cols))
	for i, c := range cols {
		arrays[i] = in.Column(c.from)
	}
	return array.NewRecordBatch(out, arrays, in.NumRows()), nil
}

// newSchema refuses names that are there twice.
func newSchema(fields []arrow.Field) (*arrow.Schema, error) {
	seen := make(map[string]bool, len(fields))
	for _, f := range fields {
		if f.Name == "" {
			return nil, fmt.Errorf("a column has no name")
		}
		if seen[f.Name] {
			return nil, fmt.Errorf("two columns are named %s", f.Name)
		}
		seen[f.Name] = true
	}
	return arrow.NewSchema(fields, nil), nil
}

// declared makes a declaration of one option.
func declared(kind, option string, value any) etl.Declaration {
	return etl.Declaration{Kind: kind, Options: map[string]any{option: value}}
}
