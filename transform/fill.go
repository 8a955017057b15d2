package transform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/cells"
)

// Default puts values in the place of nulls. They are written as text and read
// in the column's type, as values of files are (dates, timestamps and binaries in
// their default formats).
func Default(values map[string]string) etl.Transformer {
	values = maps.Clone(values)
	options := map[string]any{}
	for name, v := range values {
		options[name] = v
	}
	return columnwise{
		decl: declared("default", "values", options), columns: slices.Sorted(maps.Keys(values)),
		out: func(name string, in etl.Type) (etl.Type, error) {
			_, err := constantOf(in, values[name])
			return in, err
		},
		convert: func(_ context.Context, name string, col arrow.Array) (arrow.Array, error) {
			if col.NullN() == 0 {
				col.Retain()
				return col, nil
			}
			typ, _ := etl.TypeOf(col.DataType())
			value, err := constantOf(typ, values[name])
			if err != nil {
				return nil, err
			}
			defer value.Release()
			return fillNulls(col, value)
		},
	}
}

// fillNulls puts the only value of an array in the place of nulls.
func fillNulls(col, value arrow.Array) (arrow.Array, error) {
	b := array.NewBuilder(memory.DefaultAllocator, col.DataType())
	defer b.Release()
	b.Reserve(col.Len())
	own, err := cells.Appender(b, col)
	if err != nil {
		return nil, err
	}
	fill, err := cells.Appender(b, value)
	if err != nil {
		return nil, err
	}
	for i := range col.Len() {
		if col.IsNull(i) {
			fill(0)
		} else {
			own(i)
		}
	}
	return b.NewArray(), nil
}

// constantOf reads a value of the declaration.
func constantOf(typ etl.Type, text string) (arrow.Array, error) {
	b, err := textBuilder(CastTo{Type: typ})
	if err != nil {
		return nil, err
	}
	if rule := b.Append([]byte(text)); rule != "" {
		return nil, fmt.Errorf("value of the declaration: %s", rule)
	}
	return b.NewArray(), nil
}

// Constant adds a column, behind the others, that has the same value in each row.
// The value is written as text, as with [Default].
func Constant(name string, typ etl.Type, value string) etl.Transformer {
	return adding{
		decl: etl.Declaration{Kind: "constant", Options: map[string]any{"column": name, "type": typ.String(), "value": value}},
		fields: func(*arrow.Schema) ([]arrow.Field, error) {
			if c, err := constantOf(typ, value); err != nil {
				return nil, err
			} else {
				c.Release()
			}
			return []arrow.Field{{Name: name, Type: typ.Arrow(), Nullable: true}}, nil
		},
		make: func(_ context.Context, in arrow.RecordBatch) ([]arrow.Array, error) {
			c, err := constantOf(typ, value)
			if err != nil {
				return nil, err
			}
			defer c.Release()
			nulls := array.MakeArrayOfNull(memory.DefaultAllocator, c.DataType(), int(in.NumRows()))
			defer nulls.Release()
			out, err := fillNulls(nulls, c)
			return []arrow.Array{out}, err
		},
	}
}

// adding is a transform that adds columns behind the others.
type adding struct {
	decl   etl.Declaration
	fields func(in *arrow.Schema) ([]arrow.Field, error)
	make   func(ctx context.Context, in arrow.RecordBatch) ([]arrow.Array, error)
}

var (
	_ etl.Transformer = adding{}
	_ etl.Declarer    = adding{}
)

// Declare implements [etl.Declarer].
func (a adding) Declare() (etl.Declaration, error) { return a.decl, nil }

// Schema implements [etl.Transformer].
func (a adding) Schema(in *arrow.Schema) (*arrow.Schema, error) {
	added, err := a.fields(in)
	if err == nil && len(added) == 0 {
		err = errors.New("no columns")
	}
	var out *arrow.Schema
	if err == nil {
		out, err = newSchema(append(slices.Clone(in.Fields()), added...))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.decl.Kind, err)
	}
	return out, nil
}

// Transform implements [etl.Transformer].
func (a adding) Transform(ctx context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	schema, err := a.Schema(in.Schema())
	if err != nil {
		return nil, err
	}
	added, err := a.make(ctx, in)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, col := range added {
			col.Release()
		}
	}()
	return array.NewRecordBatch(schema, append(slices.Clone(in.Columns()), added...), in.NumRows()), nil
}
