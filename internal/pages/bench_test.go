package pages

import (
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/bench/gen"
)

const benchRows = 1_000_000

// orders are the rows of the benchmarks' full load, in batches.
func orders(b *testing.B) (*arrow.Schema, []arrow.RecordBatch) {
	var fields []arrow.Field
	for _, c := range gen.Columns() {
		fields = append(fields, arrow.Field{Name: c.Name, Type: c.Type.Arrow(), Nullable: c.Name != "id"})
	}
	schema := arrow.NewSchema(fields, nil)
	rb := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	m := gen.New(gen.Spec{Seed: 1, Base: benchRows})
	var recs []arrow.RecordBatch
	var note []byte
	for i := range int64(benchRows) {
		r := m.Row(i)
		note = r.AppendNote(note[:0])
		rb.Field(0).(*array.Int64Builder).Append(r.ID)
		rb.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(r.UpdatedAt))
		rb.Field(2).(*array.Int64Builder).Append(r.Account)
		rb.Field(3).(*array.StringBuilder).Append(r.Status)
		rb.Field(4).(*array.StringBuilder).Append(r.Country)
		rb.Field(5).(*array.Decimal128Builder).Append(decimal128.FromI64(r.Amount))
		rb.Field(6).(*array.Int32Builder).Append(r.Quantity)
		rb.Field(7).(*array.Date32Builder).Append(arrow.Date32(r.Created))
		rb.Field(8).(*array.StringBuilder).Append(string(note))
		if (i+1)%8192 == 0 || i == benchRows-1 {
			recs = append(recs, rb.NewRecordBatch())
		}
	}
	return schema, recs
}

type counting struct{ n int64 }

func (c *counting) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

func benchProps(codec compress.Compression) *parquet.WriterProperties {
	return parquet.NewWriterProperties(parquet.WithCompression(codec), parquet.WithCompressionLevel(1), parquet.WithDictionaryDefault(false),
		parquet.WithMaxRowGroupLength(262144), parquet.WithBatchSize(20000), parquet.WithDictionaryPageSizeLimit(2<<20),
		parquet.WithDictionaryFor("status", true), parquet.WithDictionaryFor("country", true), parquet.WithDictionaryFor("quantity", true),
		parquet.WithDictionaryFor("created", true), parquet.WithStoreDecimalAsInteger(true))
}

// BenchmarkWriter compares this writer with arrow-go's, with compression and
// without.
func BenchmarkWriter(b *testing.B) {
	schema, recs := orders(b)
	for name, codec := range map[string]compress.Compression{"zstd": compress.Codecs.Zstd, "raw": compress.Codecs.Uncompressed} {
		props := benchProps(codec)
		pool := NewPool()
		b.Run(name+"/own", func(b *testing.B) {
			sc, err := pqarrow.ToParquet(schema, props, pqarrow.DefaultWriterProps())
			require.NoError(b, err)
			benchFiles(b, func(out io.Writer) {
				w, err := NewWriter(out, sc, props, pool)
				require.NoError(b, err)
				for _, rec := range recs {
					require.NoError(b, w.Write(rec))
				}
				_, err = w.Close()
				require.NoError(b, err)
				w.Release()
			})
		})
		b.Run(name+"/arrow", func(b *testing.B) {
			benchFiles(b, func(out io.Writer) {
				w, err := pqarrow.NewFileWriter(schema, out, props, pqarrow.DefaultWriterProps())
				require.NoError(b, err)
				for _, rec := range recs {
					require.NoError(b, w.WriteBuffered(rec))
				}
				require.NoError(b, w.Close())
			})
		})
	}
}

func benchFiles(b *testing.B, write func(io.Writer)) {
	b.ReportAllocs()
	var out counting
	for b.Loop() {
		out = counting{}
		write(&out)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
	b.ReportMetric(float64(out.n)/1e6, "MB")
}
