package pages

import (
	"bytes"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"
)

var someHeaders = []Header{
	{Kind: DataPageV1, Uncompressed: 100, Compressed: 50, Values: 10, Encoding: parquet.Encodings.RLEDict,
		DefEncoding: parquet.Encodings.RLE, RepEncoding: parquet.Encodings.BitPacked},
	{Kind: DictionaryPage, Uncompressed: 1 << 30, Compressed: 1, Values: 1 << 29},
	{Kind: DataPageV2, Uncompressed: 100, Compressed: 120, Values: 10, Nulls: 3, Rows: 10, DefBytes: 4, V2Raw: true},
	{Kind: DataPageV2, Uncompressed: 100, Compressed: 80, Values: 10, Rows: 9, RepBytes: 7, Encoding: parquet.Encodings.DeltaBinaryPacked},
	{Kind: IndexPage},
}

func TestHeaderRoundTrip(t *testing.T) {
	for _, h := range someHeaders {
		enc := AppendHeader([]byte("x"), h)[1:]
		got, n, err := ReadHeader(append(bytes.Clone(enc), "rest"...))
		require.NoError(t, err)
		require.Equal(t, len(enc), n)
		require.Equal(t, h, got)
		for i := range enc {
			_, _, err := ReadHeader(enc[:i])
			require.ErrorIs(t, err, ErrShort, "cut at %d", i)
		}
	}
}

func TestHeaderRefused(t *testing.T) {
	for name, src := range map[string]string{
		"empty struct":       "\x00",
		"kind alone":         "\x15\x00\x00",
		"wrong type":         "\x18\x00",
		"unknown kind":       "\x15\x20\x15\x02\x15\x02\x4c\x00\x00",
		"number too long":    "\x15" + strings.Repeat("\xff", 12),
		"number too large":   "\x15\xff\xff\xff\xff\x7f",
		"nested too deeply":  strings.Repeat("\x9c", 40),
		"list too deep":      "\x99" + strings.Repeat("\x19", 40),
		"binary of 4 GiB":    "\x98\xff\xff\xff\xff\x0f",
		"unknown field type": "\x9f",
	} {
		_, _, err := ReadHeader([]byte(src))
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
	h := someHeaders[0]
	h.Compressed = -1
	_, _, err := ReadHeader(AppendHeader(nil, h))
	require.ErrorIs(t, err, ErrCorrupt)
	h = someHeaders[2]
	h.DefBytes = 101
	_, _, err = ReadHeader(AppendHeader(nil, h))
	require.ErrorIs(t, err, ErrCorrupt)
}

// TestHeaderOfArrow reads the pages of files that arrow-go wrote, which carry
// statistics in their headers.
func TestHeaderOfArrow(t *testing.T) {
	for _, version := range []parquet.DataPageVersion{parquet.DataPageV1, parquet.DataPageV2} {
		props := parquet.NewWriterProperties(parquet.WithDataPageVersion(version), parquet.WithDataPageSize(2000),
			parquet.WithBatchSize(100), parquet.WithCompression(compress.Codecs.Zstd))
		raw, rows := arrowFile(t, props)
		r, err := file.NewParquetReader(bytes.NewReader(raw))
		require.NoError(t, err)
		for i := range r.MetaData().Schema.NumColumns() {
			chunk, err := r.MetaData().RowGroup(0).ColumnChunk(i)
			require.NoError(t, err)
			at := chunk.DataPageOffset()
			if chunk.HasDictionaryPage() {
				at = chunk.DictionaryPageOffset()
			}
			end := at + chunk.TotalCompressedSize()
			var values, uncompressed int64
			var kinds [4]int
			for at < end {
				h, n, err := ReadHeader(raw[at:end])
				require.NoError(t, err)
				kinds[h.Kind]++
				if h.Kind != DictionaryPage {
					values += int64(h.Values)
				}
				uncompressed += int64(n) + int64(h.Uncompressed)
				at += int64(n) + int64(h.Compressed)
			}
			require.Equal(t, end, at)
			require.Equal(t, rows, values)
			require.Equal(t, chunk.TotalUncompressedSize(), uncompressed)
			require.Equal(t, chunk.HasDictionaryPage(), kinds[DictionaryPage] == 1)
			require.Equal(t, version == parquet.DataPageV2, kinds[DataPageV2] > 1, "%v", kinds)
		}
	}
}

func arrowFile(t *testing.T, props *parquet.WriterProperties) (raw []byte, rows int64) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "n", Type: arrow.PrimitiveTypes.Int64},
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i := range 5000 {
		b.Field(0).(*array.Int64Builder).Append(int64(i) * 1e12)
		if i%7 == 0 {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(strings.Repeat("x", i%50))
		}
	}
	rec := b.NewRecordBatch()
	var buf bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &buf, props, pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	require.NoError(t, w.Write(rec))
	require.NoError(t, w.Close())
	return buf.Bytes(), rec.NumRows()
}

func FuzzHeader(f *testing.F) {
	for _, h := range someHeaders {
		f.Add(AppendHeader(nil, h))
	}
	f.Add([]byte("\x15\x00\x15\x02\x15\x02\x2c\x15\x02\x15\x00\x15\x06\x15\x06\x1c\x18\x01a\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, src []byte) {
		h, n, err := ReadHeader(src)
		if err != nil {
			require.Zero(t, n)
			return
		}
		require.LessOrEqual(t, n, len(src))
		again, _, err := ReadHeader(AppendHeader(nil, h))
		require.NoError(t, err)
		require.Equal(t, clean(h), clean(again))
	})
}

// clean drops what does not belong to the kind of page.
func clean(h Header) Header {
	c := Header{Kind: h.Kind, Uncompressed: h.Uncompressed, Compressed: h.Compressed}
	if h.Kind != IndexPage {
		c.Values, c.Encoding = h.Values, h.Encoding
	}
	switch h.Kind {
	case DataPageV1:
		c.DefEncoding, c.RepEncoding = h.DefEncoding, h.RepEncoding
	case DataPageV2:
		c.Nulls, c.Rows, c.DefBytes, c.RepBytes, c.V2Raw = h.Nulls, h.Rows, h.DefBytes, h.RepBytes, h.V2Raw
	}
	return c
}
