package pages

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/apache/arrow-go/v18/parquet"
)

// Reading a million 64-bit keys, here and with arrow-go's column reader.
func BenchmarkReadKeys(b *testing.B) {
	keys := array.NewInt64Builder(memory.DefaultAllocator)
	for i := range int64(1 << 20) {
		keys.Append(3 * i)
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil)
	rec := array.NewRecordBatch(schema, []arrow.Array{keys.NewArray()}, 1<<20)
	for _, codec := range []compress.Compression{compress.Codecs.Uncompressed, compress.Codecs.Zstd} {
		var out bytes.Buffer
		w, err := pqarrow.NewFileWriter(schema, &out, parquet.NewWriterProperties(parquet.WithCompression(codec),
			parquet.WithDictionaryDefault(false)), pqarrow.DefaultWriterProps())
		require.NoError(b, err)
		require.NoError(b, w.Write(rec))
		require.NoError(b, w.Close())
		data := out.Bytes()
		f, err := file.NewParquetReader(bytes.NewReader(data))
		require.NoError(b, err)
		b.Run("pages/"+codec.String(), func(b *testing.B) { benchPages(b, data, extent(b, f, 0, 0)) })
		b.Run("arrow/"+codec.String(), func(b *testing.B) { benchArrow(b, f) })
	}
}

func benchPages(b *testing.B, data []byte, e Extent) {
	var r Reader
	b.SetBytes(8 << 20)
	for b.Loop() {
		sum := int64(0)
		require.NoError(b, r.Open(bytes.NewReader(data), int64(len(data)), e))
		for range e.Rows {
			if _, err := r.Next(); err != nil {
				break
			}
			batch, err := r.Take(r.Left())
			require.NoError(b, err)
			for at := 0; at < len(batch.Plain); at += 8 {
				sum += int64(binary.LittleEndian.Uint64(batch.Plain[at:]))
			}
		}
		require.Equal(b, int64(3)*(1<<20-1)*(1<<19), sum)
	}
}

func benchArrow(b *testing.B, f *file.Reader) {
	values := make([]int64, 16384)
	b.SetBytes(8 << 20)
	for b.Loop() {
		sum := int64(0)
		chunk, err := f.RowGroup(0).Column(0)
		require.NoError(b, err)
		in := chunk.(*file.Int64ColumnChunkReader)
		for in.HasNext() {
			_, n, err := in.ReadBatch(int64(len(values)), values, nil, nil)
			require.NoError(b, err)
			for _, v := range values[:n] {
				sum += v
			}
		}
		require.Equal(b, int64(3)*(1<<20-1)*(1<<19), sum)
	}
}
