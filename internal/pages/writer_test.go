package pages

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// everyType has a required and an optional column of each type.
func everyType() *arrow.Schema {
	types := []etl.Type{
		etl.Bool, etl.Int, etl.Long, etl.Float, etl.Double, etl.Date, etl.Timestamp, etl.TimestampTZ, etl.String,
		etl.Binary, etl.UUID, etl.Decimal(9, 2), etl.Decimal(18, 0), etl.Decimal(19, 3), etl.Decimal(38, 10),
	}
	var fields []arrow.Field
	for _, t := range types {
		fields = append(fields, arrow.Field{Name: "req " + t.String(), Type: t.Arrow()},
			arrow.Field{Name: "opt " + t.String(), Type: t.Arrow(), Nullable: true})
	}
	fields = append(fields, arrow.Field{Name: "fixed", Type: &arrow.FixedSizeBinaryType{ByteWidth: 5}, Nullable: true},
		arrow.Field{Name: "time", Type: arrow.FixedWidthTypes.Time64us, Nullable: true})
	for i := range fields {
		fields[i].Metadata = arrow.NewMetadata([]string{"PARQUET:field_id"}, []string{fmt.Sprint(i + 1)})
	}
	return arrow.NewSchema(fields, nil)
}

// shape is how random rows look.
type shape struct {
	rows     int
	nulls    float64 // share of them in optional columns
	distinct int     // values of a column
	long     int     // bytes of the longest text
}

func randomRows(rng *rand.Rand, schema *arrow.Schema, s shape) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i, f := range schema.Fields() {
		for range s.rows {
			if f.Nullable && rng.Float64() < s.nulls {
				b.Field(i).AppendNull()
				continue
			}
			appendRandom(b.Field(i), rng, rng.IntN(s.distinct), s.long)
		}
	}
	return b.NewRecordBatch()
}

// appendRandom appends value v of so many distinct ones.
func appendRandom(b array.Builder, rng *rand.Rand, v, long int) {
	n := int64(v)*0x9e3779b97f4a7c1 ^ int64(v)
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v%3 == 0)
	case *array.Int32Builder:
		b.Append(int32(n))
	case *array.Date32Builder:
		b.Append(arrow.Date32(n % 30000))
	case *array.Int64Builder:
		b.Append(n)
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(n))
	case *array.Time64Builder:
		b.Append(arrow.Time64(v))
	case *array.Float32Builder:
		b.Append([]float32{float32(n), float32(math.NaN()), 0, float32(math.Copysign(0, -1))}[v%4])
	case *array.Float64Builder:
		b.Append([]float64{-float64(n), math.Inf(1), 0, math.NaN()}[v%4])
	case *array.StringBuilder:
		b.Append(text(v, long))
	case *array.BinaryBuilder:
		b.Append([]byte(text(v+1, long)))
	case *array.FixedSizeBinaryBuilder:
		w := b.Type().(*arrow.FixedSizeBinaryType).ByteWidth
		b.Append([]byte(fmt.Sprintf("%0*x", w, uint64(n)))[:w])
	case *array.Decimal128Builder:
		t := b.Type().(*arrow.Decimal128Type)
		d := decimal128.New(n>>3, uint64(n)*31)
		for !d.FitsInPrecision(t.Precision) {
			d, _ = d.Div(decimal128.FromI64(10))
		}
		b.Append(d)
	case *extensions.UUIDBuilder:
		var id uuid.UUID
		copy(id[:], fmt.Sprintf("%x-%x", uint64(n), n/3))
		b.Append(id)
	default:
		panic(fmt.Sprintf("%T", b))
	}
}

func text(v, long int) string {
	if long == 0 {
		return ""
	}
	return strings.Repeat(fmt.Sprintf("%x/", v*7919), 1+v%50)[:1+v%long%(2+v%50)]
}

func parquetProps(more ...parquet.WriterProperty) *parquet.WriterProperties {
	return parquet.NewWriterProperties(append([]parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(1), parquet.WithDictionaryDefault(true),
		parquet.WithStoreDecimalAsInteger(true), parquet.WithCreatedBy("tidemark version 1.2.3"),
	}, more...)...)
}

func writeOwn(t testing.TB, schema *arrow.Schema, props *parquet.WriterProperties, recs ...arrow.RecordBatch) []byte {
	sc, err := pqarrow.ToParquet(schema, props, pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	var buf bytes.Buffer
	w, err := NewWriter(&buf, sc, props, nil)
	require.NoError(t, err)
	defer w.Release()
	for _, rec := range recs {
		require.NoError(t, w.Write(rec))
	}
	_, err = w.Close()
	require.NoError(t, err)
	return buf.Bytes()
}

func writeArrow(t testing.TB, schema *arrow.Schema, props *parquet.WriterProperties, recs ...arrow.RecordBatch) []byte {
	var buf bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &buf, props, pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	for _, rec := range recs {
		require.NoError(t, w.WriteBuffered(rec))
	}
	require.NoError(t, w.Close())
	return buf.Bytes()
}

func openFile(t testing.TB, raw []byte) *file.Reader {
	r, err := file.NewParquetReader(bytes.NewReader(raw))
	require.NoError(t, err)
	return r
}

// requireRows reads a file with arrow-go and compares it with the batches.
func requireRows(t testing.TB, raw []byte, schema *arrow.Schema, recs ...arrow.RecordBatch) {
	fr, err := pqarrow.NewFileReader(openFile(t, raw), pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	require.NoError(t, err)
	tbl, err := fr.ReadTable(context.Background())
	require.NoError(t, err)
	defer tbl.Release()
	want := array.NewTableFromRecords(schema, recs)
	defer want.Release()
	require.Equal(t, want.NumRows(), tbl.NumRows())
	for i, f := range schema.Fields() {
		require.True(t, equalColumns(t, want.Column(i), tbl.Column(i)), "column %s", f.Name)
	}
}

func equalColumns(t testing.TB, want, got *arrow.Column) bool {
	join := func(c *arrow.Column) arrow.Array {
		parts := make([]arrow.Array, 0, len(c.Data().Chunks()))
		for _, a := range c.Data().Chunks() {
			if ext, ok := a.(array.ExtensionArray); ok {
				a = ext.Storage()
			}
			parts = append(parts, a)
		}
		if len(parts) == 0 {
			return nil
		}
		a, err := array.Concatenate(parts, memory.DefaultAllocator)
		require.NoError(t, err)
		return a
	}
	w, g := join(want), join(got)
	if w == nil || w.Len() == 0 {
		return g == nil || g.Len() == 0
	}
	return array.ApproxEqual(w, g, array.WithNaNsEqual(true), array.WithAbsTolerance(0))
}

var shapes = map[string]shape{
	"one row":    {rows: 1, distinct: 10, long: 9},
	"no nulls":   {rows: 1200, distinct: 1000, long: 30},
	"few nulls":  {rows: 1200, nulls: 0.01, distinct: 20, long: 30},
	"half":       {rows: 1200, nulls: 0.5, distinct: 1 << 30, long: 30},
	"most nulls": {rows: 2001, nulls: 0.99, distinct: 100, long: 30},
	"all nulls":  {rows: 1203, nulls: 1, distinct: 3, long: 3},
	"one value":  {rows: 1200, nulls: 0.1, distinct: 1, long: 3},
	"empty text": {rows: 100, distinct: 100},
	"nothing":    {},
}

func TestEveryType(t *testing.T) {
	schema := everyType()
	settings := map[string][]parquet.WriterProperty{
		"default":       nil,
		"small pages":   {parquet.WithDataPageSize(500)},
		"plain":         {parquet.WithDictionaryDefault(false)},
		"small groups":  {parquet.WithMaxRowGroupLength(1333), parquet.WithDataPageSize(900)},
		"fallback":      {parquet.WithDictionaryPageSizeLimit(300), parquet.WithDataPageSize(700)},
		"version 2":     {parquet.WithDataPageVersion(parquet.DataPageV2), parquet.WithDataPageSize(2000)},
		"fixed decimal": {parquet.WithStoreDecimalAsInteger(false)},
	}
	for name, s := range shapes {
		rng := rand.New(rand.NewPCG(1, uint64(len(name))))
		recs := []arrow.RecordBatch{randomRows(rng, schema, s), randomRows(rng, schema, s)}
		if s.rows > 100 { // offsets into the arrays' buffers
			recs = append(recs, recs[0].NewSlice(13, int64(s.rows)-7))
		}
		for setting, more := range settings {
			t.Run(name+"/"+setting, func(t *testing.T) {
				props := parquetProps(more...)
				raw := writeOwn(t, schema, props, recs...)
				requireRows(t, raw, schema, recs...)
				requireSameStats(t, raw, writeArrow(t, schema, props, recs...))
			})
		}
	}
}

// requireSameStats compares the statistics with those that arrow-go writes.
func requireSameStats(t testing.TB, got, want []byte) {
	g, w := openFile(t, got).MetaData(), openFile(t, want).MetaData()
	require.Equal(t, w.GetNumRows(), g.GetNumRows())
	require.True(t, w.Schema.Equals(g.Schema))
	require.Empty(t, g.KeyValueMetadata())
	require.Equal(t, "tidemark version 1.2.3", g.GetCreatedBy())
	for rg := range g.NumRowGroups() {
		require.Equal(t, w.RowGroup(rg).NumRows(), g.RowGroup(rg).NumRows())
		for i := range g.Schema.NumColumns() {
			requireSameChunk(t, g.RowGroup(rg), w.RowGroup(rg), i)
		}
	}
}

func requireSameChunk(t testing.TB, g, w *metadata.RowGroupMetaData, i int) {
	gc, err := g.ColumnChunk(i)
	require.NoError(t, err)
	wc, err := w.ColumnChunk(i)
	require.NoError(t, err)
	require.Equal(t, wc.NumValues(), gc.NumValues())
	require.Equal(t, wc.Compression(), gc.Compression())
	gs, err := gc.Statistics()
	require.NoError(t, err)
	ws, err := wc.Statistics()
	require.NoError(t, err)
	if ws == nil {
		require.Nil(t, gs)
		return
	}
	name := wc.PathInSchema().String()
	require.Equal(t, ws.NullCount(), gs.NullCount(), name)
	require.Equal(t, ws.HasNullCount(), gs.HasNullCount(), name)
	if !ws.HasMinMax() && gs.HasMinMax() {
		// arrow-go gives none where all values are empty.
		require.Empty(t, gs.EncodeMax(), name)
		return
	}
	require.Equal(t, ws.EncodeMin(), gs.EncodeMin(), name)
	require.Equal(t, ws.EncodeMax(), gs.EncodeMax(), name)
}
