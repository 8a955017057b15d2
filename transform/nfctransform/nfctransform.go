// Package nfctransform brings texts into one Unicode form. It is a package of its
// own because it needs the tables of golang.org/x/text.
package nfctransform

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"golang.org/x/text/unicode/norm"

	"github.com/tidemark-data/etl"
)

// NFC brings the texts of columns into Unicode's Normalization Form C (UAX #15),
// in which a letter and its accent are one character where there is one. It may
// be used on key columns.
func NFC(columns ...string) etl.Transformer { return nfc{slices.Clone(columns)} }

type nfc struct{ columns []string }

var (
	_ etl.KeyTransformer = nfc{}
	_ etl.Declarer       = nfc{}
)

// Declare implements [etl.Declarer].
func (n nfc) Declare() (etl.Declaration, error) {
	return etl.Declaration{Kind: "nfc", Options: map[string]any{"columns": n.columns}}, nil
}

// Changes implements [etl.KeyTransformer].
func (n nfc) Changes() []string { return slices.Clone(n.columns) }

// Schema implements [etl.Transformer].
func (n nfc) Schema(in *arrow.Schema) (*arrow.Schema, error) {
	for _, name := range n.columns {
		f, ok := in.FieldsByName(name)
		if !ok {
			return nil, fmt.Errorf("nfc: no column %s", name)
		}
		if f[0].Type.ID() != arrow.STRING {
			return nil, fmt.Errorf("nfc: column %s is not a string", name)
		}
	}
	return in, nil
}

// TransformKey implements [etl.KeyTransformer].
func (n nfc) TransformKey(ctx context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	return n.Transform(ctx, in)
}

// Transform implements [etl.Transformer].
func (n nfc) Transform(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	cols := slices.Clone(in.Columns())
	for i, f := range in.Schema().Fields() {
		if s, ok := cols[i].(*array.String); ok && slices.Contains(n.columns, f.Name) {
			made := normalized(s)
			defer made.Release()
			cols[i] = made
		}
	}
	return array.NewRecordBatch(in.Schema(), cols, in.NumRows()), nil
}

// normalized returns the column itself where it is in the form already.
func normalized(s *array.String) arrow.Array {
	first := 0
	for first < s.Len() && (s.IsNull(first) || norm.NFC.IsNormalString(s.Value(first))) {
		first++
	}
	if first == s.Len() {
		s.Retain()
		return s
	}
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	b.Reserve(s.Len())
	var buf []byte
	for i := range s.Len() {
		if s.IsNull(i) {
			b.AppendNull()
			continue
		}
		buf = norm.NFC.AppendString(buf[:0], s.Value(i))
		b.BinaryBuilder.Append(buf)
	}
	return b.NewArray()
}
