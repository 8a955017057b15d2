package transform

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl"
)

// columnwise changes columns in place, each value by itself.
type columnwise struct {
	decl    etl.Declaration
	columns []string
	// invalid is a mistake in the declaration itself.
	invalid error
	// out returns the type that a column of a type becomes.
	out func(name string, in etl.Type) (etl.Type, error)
	// convert returns a new or retained array. The RowError of a bad value has
	// no column yet.
	convert func(ctx context.Context, name string, col arrow.Array) (arrow.Array, error)
}

var (
	_ etl.KeyTransformer = columnwise{}
	_ etl.Declarer       = columnwise{}
)

// Declare implements [etl.Declarer].
func (c columnwise) Declare() (etl.Declaration, error) { return c.decl, c.invalid }

// Changes implements [etl.KeyTransformer].
func (c columnwise) Changes() []string { return slices.Clone(c.columns) }

// Schema implements [etl.Transformer].
func (c columnwise) Schema(in *arrow.Schema) (*arrow.Schema, error) {
	if c.invalid != nil {
		return nil, fmt.Errorf("%s: %w", c.decl.Kind, c.invalid)
	}
	if len(c.columns) == 0 {
		return nil, fmt.Errorf("%s: no columns", c.decl.Kind)
	}
	for _, name := range c.columns {
		if !in.HasField(name) {
			return nil, fmt.Errorf("%s: no column %s", c.decl.Kind, name)
		}
	}
	return c.present(in)
}

// present returns the schema for those columns that are there.
func (c columnwise) present(in *arrow.Schema) (*arrow.Schema, error) {
	fields := slices.Clone(in.Fields())
	for i, f := range fields {
		if !slices.Contains(c.columns, f.Name) {
			continue
		}
		typ, ok := etl.TypeOf(f.Type)
		if !ok {
			return nil, fmt.Errorf("%s: column %s: Arrow type %v is not the type of a column", c.decl.Kind, f.Name, f.Type)
		}
		typ, err := c.out(f.Name, typ)
		if err != nil {
			return nil, fmt.Errorf("%s: column %s: %w", c.decl.Kind, f.Name, err)
		}
		fields[i].Type = typ.Arrow()
	}
	return arrow.NewSchema(fields, nil), nil
}

// Transform implements [etl.Transformer].
func (c columnwise) Transform(ctx context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	schema, err := c.present(in.Schema())
	if err != nil {
		return nil, err
	}
	cols := slices.Clone(in.Columns())
	for i, f := range schema.Fields() {
		if !slices.Contains(c.columns, f.Name) {
			continue
		}
		col, err := c.convert(ctx, f.Name, cols[i])
		if err != nil {
			return nil, inColumn(f.Name, err)
		}
		defer col.Release()
		cols[i] = col
	}
	return array.NewRecordBatch(schema, cols, in.NumRows()), nil
}

// TransformKey implements [etl.KeyTransformer].
func (c columnwise) TransformKey(ctx context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	return c.Transform(ctx, in)
}

// inColumn names the column of a RowError that has none.
func inColumn(name string, err error) error {
	var re *etl.RowError
	if errors.As(err, &re) && re.Column == "" {
		there := *re
		there.Column = name
		return &there
	}
	return err
}

// badValue is the mistake in the row of an index.
func badValue(row int, rule string) error { return &etl.RowError{Row: int64(row) + 1, Rule: rule} }

func textOnly(_ string, in etl.Type) (etl.Type, error) {
	if in != etl.String {
		return 0, fmt.Errorf("is a %v, not a string", in)
	}
	return etl.String, nil
}

// mapText makes a text column of another array: f appends the text of value i,
// which is not null, to dst, or returns the rule that the value violates.
func mapText(a arrow.Array, size int, f func(dst []byte, i int) ([]byte, string)) (arrow.Array, error) {
	n := a.Len()
	offsets, text := make([]int32, n+1), make([]byte, 0, size)
	nulls := a.NullN() > 0
	for i := range n {
		if !nulls || a.IsValid(i) {
			var rule string
			if text, rule = f(text, i); rule != "" {
				return nil, badValue(i, rule)
			}
			if len(text) > math.MaxInt32 {
				return nil, badValue(i, "texts of a batch are longer than 2 GiB")
			}
		}
		offsets[i+1] = int32(len(text))
	}
	data := array.NewData(arrow.BinaryTypes.String, n, []*memory.Buffer{
		validityOf(a), memory.NewBufferBytes(arrow.GetBytes(offsets)), memory.NewBufferBytes(text),
	}, nil, a.NullN(), 0)
	defer data.Release()
	return array.NewStringData(data), nil
}

// validityOf returns the validity of an array as of one that begins at 0.
func validityOf(a arrow.Array) *memory.Buffer {
	if a.NullN() == 0 {
		return nil
	}
	bits := make([]byte, bitutil.BytesForBits(int64(a.Len())))
	bitutil.CopyBitmap(a.NullBitmapBytes(), a.Data().Offset(), a.Len(), bits, 0)
	return memory.NewBufferBytes(bits)
}

// asText returns the texts of a column that Schema has found to be one.
func asText(col arrow.Array) (*array.String, error) {
	s, ok := col.(*array.String)
	if !ok {
		return nil, etl.WithOutcome(etl.Terminal, fmt.Errorf("column of Arrow type %v, announced as text", col.DataType()))
	}
	return s, nil
}

// textSize is the number of bytes of all values.
func textSize(s *array.String) int { return len(s.ValueBytes()) }
