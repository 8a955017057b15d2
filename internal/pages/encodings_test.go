package pages

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/stretchr/testify/require"
)

// oneColumn returns a schema of one column and rows of it.
func oneColumn[T any](t *testing.T, typ arrow.DataType, nullable bool, values []T) (*arrow.Schema, arrow.RecordBatch) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "c", Type: typ, Nullable: nullable}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	b.Field(0).(interface{ AppendValues(v []T, valid []bool) }).AppendValues(values, nil)
	return schema, b.NewRecordBatch()
}

// headersOf reads the page headers of a chunk.
func headersOf(t testing.TB, raw []byte, rg, col int) (list []Header) {
	chunk := chunkOf(t, raw, rg, col)
	at := chunk.DataPageOffset()
	if chunk.HasDictionaryPage() {
		require.Less(t, chunk.DictionaryPageOffset(), at)
		at = chunk.DictionaryPageOffset()
	}
	for end := at + chunk.TotalCompressedSize(); at < end; {
		h, n, err := ReadHeader(raw[at:end])
		require.NoError(t, err)
		list = append(list, h)
		at += int64(n) + int64(h.Compressed)
	}
	return list
}

func chunkOf(t testing.TB, raw []byte, rg, col int) *metadata.ColumnChunkMetaData {
	chunk, err := openFile(t, raw).MetaData().RowGroup(rg).ColumnChunk(col)
	require.NoError(t, err)
	return chunk
}

func encodingsOf(list []Header) string {
	var names []string
	for _, h := range list {
		name := h.Encoding.String()
		if h.Kind == DictionaryPage {
			name = "dictionary"
		}
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func TestDictionary(t *testing.T) {
	few, some, all := make([]string, 40000), make([]string, 40000), make([]string, 40000)
	for i := range few {
		few[i] = fmt.Sprint("value ", i%5)
		all[i] = fmt.Sprint("value ", i)
		some[i] = few[i]
		if i > 20000 {
			some[i] = all[i]
		}
	}
	for want, values := range map[string][]string{
		"dictionary, RLE_DICTIONARY":        few,
		"dictionary, RLE_DICTIONARY, PLAIN": some,
		"PLAIN":                             all,
	} {
		schema, rec := oneColumn(t, arrow.BinaryTypes.String, true, values)
		raw := writeOwn(t, schema, parquetProps(parquet.WithDataPageSize(30000), parquet.WithDictionaryPageSizeLimit(30000)), rec)
		requireRows(t, raw, schema, rec)
		headers := headersOf(t, raw, 0, 0)
		require.Equal(t, want, encodingsOf(headers))
		require.Greater(t, len(headers), 10)
		var names []string
		for _, e := range chunkOf(t, raw, 0, 0).Encodings() {
			names = append(names, e.String())
		}
		require.Equal(t, strings.Contains(want, "dictionary"), strings.Contains(fmt.Sprint(names), "RLE_DICTIONARY"))
		require.Contains(t, names, "PLAIN")
	}
}

func TestDeltaAndSplit(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	longs, ints, doubles := make([]int64, 3000), make([]int32, 3000), make([]float64, 3000)
	for i := range longs {
		longs[i], ints[i], doubles[i] = int64(i)*1000, int32(i%7), rng.NormFloat64()
		if i > 1000 {
			longs[i], ints[i] = int64(rng.Uint64()), int32(rng.Uint32())
		}
	}
	longs[5], longs[6], ints[5], ints[6] = math.MinInt64, math.MaxInt64, math.MinInt32, math.MaxInt32
	props := func(e parquet.Encoding, size int) *parquet.WriterProperties {
		return parquetProps(parquet.WithDictionaryDefault(false), parquet.WithEncoding(e), parquet.WithDataPageSize(int64(size)))
	}
	for _, size := range []int{1, 4, 8, 300, 1032, 1 << 20} { // pages of one row, of 128, of 129, of all
		schema, rec := oneColumn(t, arrow.PrimitiveTypes.Int64, false, longs)
		raw := writeOwn(t, schema, props(parquet.Encodings.DeltaBinaryPacked, size), rec)
		requireRows(t, raw, schema, rec)
		require.Equal(t, "DELTA_BINARY_PACKED", encodingsOf(headersOf(t, raw, 0, 0)))
		schema, rec = oneColumn(t, arrow.PrimitiveTypes.Int32, true, ints)
		requireRows(t, writeOwn(t, schema, props(parquet.Encodings.DeltaBinaryPacked, size), rec), schema, rec)
		schema, rec = oneColumn(t, arrow.PrimitiveTypes.Float64, true, doubles)
		raw = writeOwn(t, schema, props(parquet.Encodings.ByteStreamSplit, size), rec)
		requireRows(t, raw, schema, rec)
		require.Equal(t, "BYTE_STREAM_SPLIT", encodingsOf(headersOf(t, raw, 0, 0)))
	}
	schema, rec := oneColumn(t, arrow.PrimitiveTypes.Int64, true, make([]int64, 500))
	nulls := array.NewRecordBatch(schema, []arrow.Array{array.MakeArrayOfNull(memory.DefaultAllocator, arrow.PrimitiveTypes.Int64, 500)}, 500)
	requireRows(t, writeOwn(t, schema, props(parquet.Encodings.DeltaBinaryPacked, 99), nulls, rec, nulls), schema, nulls, rec, nulls)
}

func TestHugeTexts(t *testing.T) {
	values := []string{strings.Repeat("a", 3<<20), "", "b", strings.Repeat("c", 5<<20), strings.Repeat("c", 5<<20), "d"}
	schema, rec := oneColumn(t, arrow.BinaryTypes.String, true, values)
	for _, version := range []parquet.DataPageVersion{parquet.DataPageV1, parquet.DataPageV2} {
		raw := writeOwn(t, schema, parquetProps(parquet.WithDataPageVersion(version)), rec, rec)
		requireRows(t, raw, schema, rec, rec)
		requireSameStats(t, raw, writeArrow(t, schema, parquetProps(), rec, rec)) // too long for statistics
		require.Greater(t, len(headersOf(t, raw, 0, 0)), 5)
	}
}

func TestCodecs(t *testing.T) {
	schema := everyType()
	rec := randomRows(rand.New(rand.NewPCG(3, 4)), schema, shape{rows: 500, nulls: 0.2, distinct: 50, long: 40})
	for _, codec := range []compress.Compression{
		compress.Codecs.Uncompressed, compress.Codecs.Snappy, compress.Codecs.Gzip, compress.Codecs.Brotli,
		compress.Codecs.Zstd, compress.Codecs.Lz4Raw,
	} {
		raw := writeOwn(t, schema, parquetProps(parquet.WithCompression(codec), parquet.WithCompressionLevel(-1)), rec)
		requireRows(t, raw, schema, rec)
		require.Equal(t, codec, chunkOf(t, raw, 0, 0).Compression())
	}
}

func TestBloomFilters(t *testing.T) {
	schema := everyType()
	rng := rand.New(rand.NewPCG(5, 6))
	recs := []arrow.RecordBatch{
		randomRows(rng, schema, shape{rows: 900, nulls: 0.2, distinct: 900, long: 20}),
		randomRows(rng, schema, shape{rows: 900, nulls: 0.2, distinct: 9, long: 20}),
	}
	for _, dict := range []bool{true, false} {
		props := parquetProps(parquet.WithDictionaryDefault(dict), parquet.WithBloomFilterEnabled(true), parquet.WithMaxBloomFilterBytes(1<<12),
			parquet.WithMaxRowGroupLength(900))
		raw := writeOwn(t, schema, props, recs...)
		requireRows(t, raw, schema, recs...)
		got, want := openFile(t, raw), openFile(t, writeArrow(t, schema, props, recs...))
		for rg := range 2 {
			g, err := got.GetBloomFilterReader().RowGroup(rg)
			require.NoError(t, err)
			w, err := want.GetBloomFilterReader().RowGroup(rg)
			require.NoError(t, err)
			for i := 2; i < schema.NumFields(); i++ { // booleans aside
				gb, err := g.GetColumnBloomFilter(i)
				require.NoError(t, err)
				wb, err := w.GetColumnBloomFilter(i)
				require.NoError(t, err)
				for v := range uint64(5000) { // the same bits answer the same hashes
					h := v * 0x9e3779b97f4a7c15
					require.Equal(t, wb.CheckHash(h), gb.CheckHash(h), schema.Field(i).Name)
				}
			}
		}
	}
}

func TestWithoutStatistics(t *testing.T) {
	schema, rec := oneColumn(t, arrow.BinaryTypes.String, true, []string{"secret", "words"})
	for _, dict := range []bool{true, false} {
		raw := writeOwn(t, schema, parquetProps(parquet.WithStats(false), parquet.WithDictionaryDefault(dict), parquet.WithCompression(compress.Codecs.Uncompressed)), rec)
		requireRows(t, raw, schema, rec)
		require.Equal(t, 1, bytes.Count(raw, []byte("secret")))
		set, err := chunkOf(t, raw, 0, 0).StatsSet()
		require.NoError(t, err)
		require.False(t, set)
	}
}

// TestLargeTexts: Arrow's arrays with wide offsets hold the same values.
func TestLargeTexts(t *testing.T) {
	values := []string{"b", "", strings.Repeat("x", 100), "a", "\xff\xfe", "b"}
	schema, rec := oneColumn(t, arrow.BinaryTypes.String, true, values)
	_, large := oneColumn(t, arrow.BinaryTypes.LargeString, true, values)
	_, bytes := oneColumn(t, arrow.BinaryTypes.LargeBinary, true, [][]byte{[]byte("no"), []byte("yes")})
	for _, dict := range []bool{true, false} {
		props := parquetProps(parquet.WithDictionaryDefault(dict), parquet.WithDataPageSize(20))
		require.Equal(t, writeOwn(t, schema, props, rec, rec.NewSlice(2, 5)), writeOwn(t, schema, props, large, large.NewSlice(2, 5)))
		require.NotEmpty(t, writeOwn(t, schema, props, bytes))
	}
}
