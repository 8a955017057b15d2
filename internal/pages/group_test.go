package pages

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// TestCopyPages puts the pages of files together into another one, between rows
// written as usual.
func TestCopyPages(t *testing.T) {
	schema := everyType()
	rec := randomRows(rand.New(rand.NewPCG(7, 8)), schema, shape{rows: 2500, nulls: 0.2, distinct: 300, long: 40})
	for _, version := range []parquet.DataPageVersion{parquet.DataPageV1, parquet.DataPageV2} {
		from := parquetProps(parquet.WithDataPageVersion(version), parquet.WithDataPageSize(3000), parquet.WithMaxRowGroupLength(1500),
			parquet.WithCompression(compress.Codecs.Snappy))
		for _, source := range [][]byte{writeOwn(t, schema, from, rec), writeArrow(t, schema, from, rec)} {
			var buf bytes.Buffer
			w := newWriter(t, &buf, schema, parquetProps())
			require.NoError(t, w.Write(rec))
			for rg := range openFile(t, source).NumRowGroups() {
				copyGroup(t, w, source, rg)
			}
			require.NoError(t, w.Write(rec))
			_, err := w.Close()
			require.NoError(t, err)
			requireRows(t, buf.Bytes(), schema, rec, rec, rec)
			copied, groups := openFile(t, buf.Bytes()).MetaData(), openFile(t, source).MetaData()
			require.Equal(t, 1+groups.NumRowGroups()+1, copied.NumRowGroups())
			for rg := range groups.NumRowGroups() {
				for i := range schema.NumFields() {
					requireSameChunk(t, copied.RowGroup(rg+1), groups.RowGroup(rg), i)
				}
			}
		}
	}
}

func newWriter(t testing.TB, out io.Writer, schema *arrow.Schema, props *parquet.WriterProperties) *Writer {
	sc, err := pqarrow.ToParquet(schema, props, pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	w, err := NewWriter(out, sc, props, nil)
	require.NoError(t, err)
	t.Cleanup(w.Release)
	return w
}

func copyGroup(t *testing.T, w *Writer, source []byte, rg int) {
	meta := openFile(t, source).MetaData().RowGroup(rg)
	g, err := w.BeginGroup(meta.NumRows())
	require.NoError(t, err)
	require.Error(t, w.Write(nil))
	for i := range meta.NumColumns() {
		copyChunk(t, g, source, rg, i)
	}
	require.NoError(t, g.Close())
}

func copyChunk(t *testing.T, g *Group, source []byte, rg, i int) {
	chunk := chunkOf(t, source, rg, i)
	c, err := g.Chunk(chunk.Compression())
	require.NoError(t, err)
	at := chunk.DataPageOffset()
	if chunk.HasDictionaryPage() {
		at = chunk.DictionaryPageOffset()
	}
	for end := at + chunk.TotalCompressedSize(); at < end; {
		h, n, err := ReadHeader(source[at:end])
		require.NoError(t, err)
		at += int64(n)
		require.NoError(t, c.Page(h, source[at:at+int64(h.Compressed)]))
		at += int64(h.Compressed)
	}
	stats, err := chunk.Statistics()
	require.NoError(t, err)
	require.NoError(t, c.Close(Stats{
		HasBounds: stats.HasMinMax(), Min: stats.EncodeMin(), Max: stats.EncodeMax(),
		HasNulls: stats.HasNullCount(), Nulls: stats.NullCount(),
	}))
}

// TestEncode makes some columns of a row group from arrays and copies the others.
func TestEncode(t *testing.T) {
	schema := everyType()
	rec := randomRows(rand.New(rand.NewPCG(15, 16)), schema, shape{rows: 3000, nulls: 0.2, distinct: 300, long: 40})
	source := writeOwn(t, schema, parquetProps(parquet.WithMaxRowGroupLength(1700)), rec)
	var buf bytes.Buffer
	w := newWriter(t, &buf, schema, parquetProps(parquet.WithDataPageSize(2000)))
	require.NoError(t, w.Write(rec))
	from := int64(0)
	for rg := range 2 {
		to := min(from+1700, rec.NumRows())
		g, err := w.BeginGroup(to - from)
		require.NoError(t, err)
		for i := range schema.NumFields() {
			if i%2 == 0 {
				copyChunk(t, g, source, rg, i)
				continue
			}
			require.NoError(t, g.Encode(inParts(rec.Column(i), from, to)))
		}
		require.NoError(t, g.Close())
		from = to
	}
	_, err := w.Close()
	require.NoError(t, err)
	requireRows(t, buf.Bytes(), schema, rec, rec)
}

func inParts(a arrow.Array, from, to int64) iter.Seq[arrow.Array] {
	return func(yield func(arrow.Array) bool) {
		for ; from < to; from += 600 {
			part := array.NewSlice(a, from, min(from+600, to))
			defer part.Release()
			if !yield(part) {
				return
			}
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	schema, rec := oneColumn(t, arrow.PrimitiveTypes.Int64, false, []int64{1, 2, 3})
	_, texts := oneColumn(t, arrow.BinaryTypes.String, false, []string{"a", "b", "c"})
	for name, bad := range map[string]iter.Seq[arrow.Array]{
		"none": inParts(rec.Column(0), 0, 0), "few": inParts(rec.Column(0), 0, 2), "texts": inParts(texts.Column(0), 0, 3),
	} {
		w := newWriter(t, io.Discard, schema, parquetProps())
		require.NoError(t, w.Write(rec))
		g, err := w.BeginGroup(3)
		require.NoError(t, err)
		require.ErrorIs(t, g.Encode(bad), ErrRefused, name)
		_, err = w.Close()
		require.Error(t, err, name)
	}
	w := newWriter(t, io.Discard, schema, parquetProps())
	g, err := w.BeginGroup(3)
	require.NoError(t, err)
	require.NoError(t, g.Encode(inParts(rec.Column(0), 0, 3)))
	require.ErrorIs(t, g.Encode(inParts(rec.Column(0), 0, 3)), ErrRefused, "no column is left")
}

func TestGroupRefuses(t *testing.T) {
	schema, _ := oneColumn(t, arrow.PrimitiveTypes.Int64, false, []int64{1})
	begin := func() (*Writer, *Group, *ChunkWriter) {
		w := newWriter(t, io.Discard, schema, parquetProps())
		g, err := w.BeginGroup(2)
		require.NoError(t, err)
		c, err := g.Chunk(compress.Codecs.Uncompressed)
		require.NoError(t, err)
		return w, g, c
	}
	page := Header{Values: 2, Uncompressed: 16, Compressed: 16}
	body := make([]byte, 16)

	_, _, c := begin()
	require.ErrorIs(t, c.Page(page, body[:15]), ErrCorrupt)
	_, _, c = begin()
	require.NoError(t, c.Page(page, body))
	require.ErrorIs(t, c.Page(Header{Kind: DictionaryPage}, nil), ErrRefused)
	_, _, c = begin()
	require.ErrorIs(t, c.Page(Header{Encoding: 77}, nil), ErrRefused)
	_, _, c = begin()
	require.ErrorIs(t, c.Page(Header{Kind: IndexPage}, nil), ErrRefused)
	_, _, c = begin()
	require.ErrorIs(t, c.Close(Stats{}), ErrRefused, "no rows")
	w, g, c := begin()
	require.Error(t, g.Close(), "a chunk is open")
	require.Error(t, c.Page(page, body), "it has failed")
	_, err := w.Close()
	require.Error(t, err)
	w, g, c = begin()
	require.NoError(t, c.Page(page, body))
	require.NoError(t, c.Close(Stats{}))
	_, err = g.Chunk(compress.Codecs.Zstd)
	require.ErrorIs(t, err, ErrRefused)
	require.NoError(t, g.Close())
	_, err = w.BeginGroup(0)
	require.ErrorIs(t, err, ErrRefused)
}

func TestWriterRefuses(t *testing.T) {
	schema, rec := oneColumn(t, arrow.PrimitiveTypes.Int64, false, []int64{1, 2})
	other, texts := oneColumn(t, arrow.BinaryTypes.String, false, []string{"a", "b"})
	nulls := array.NewRecordBatch(schema, []arrow.Array{array.MakeArrayOfNull(memory.DefaultAllocator, arrow.PrimitiveTypes.Int64, 2)}, 2)
	two := array.NewRecordBatch(arrow.NewSchema(append(schema.Fields(), other.Fields()...), nil), append(rec.Columns(), texts.Columns()...), 2)
	for name, bad := range map[string]arrow.RecordBatch{"type": texts, "null": nulls, "columns": two} {
		w := newWriter(t, io.Discard, schema, parquetProps())
		err := w.Write(bad)
		require.ErrorIs(t, err, ErrRefused, name)
		require.ErrorIs(t, w.Write(rec), ErrRefused, "%s: it has failed", name)
		_, err = w.Close()
		require.ErrorIs(t, err, ErrRefused, name)
	}
	for _, size := range [][2]int{{9, 0}, {18, 2}, {30, 2}} {
		dec, many := oneColumn(t, etl.Decimal(size[0], size[1]).Arrow(), false, []decimal128.Num{decimal128.New(1<<50, 77)})
		err := newWriter(t, io.Discard, dec, parquetProps()).Write(many)
		require.ErrorIs(t, err, ErrRefused, "too many digits")
	}
	list := arrow.NewSchema([]arrow.Field{{Name: "l", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64)}}, nil)
	sc, err := pqarrow.ToParquet(list, parquetProps(), pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	_, err = NewWriter(io.Discard, sc, parquetProps(), nil)
	require.ErrorIs(t, err, ErrRefused)
	sc, err = pqarrow.ToParquet(other, parquetProps(), pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	_, err = NewWriter(io.Discard, sc, parquetProps(parquet.WithDictionaryDefault(false), parquet.WithEncoding(parquet.Encodings.DeltaBinaryPacked)), nil)
	require.ErrorIs(t, err, ErrRefused)
	w := newWriter(t, io.Discard, other, parquetProps(parquet.WithCompression(compress.Codecs.Lzo)))
	require.NoError(t, w.Write(texts))
	_, err = w.Close()
	require.ErrorIs(t, err, ErrRefused)
}

var errFull = errors.New("disk full")

// full takes some bytes and then fails.
type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestOutputFails(t *testing.T) {
	schema := everyType()
	rec := randomRows(rand.New(rand.NewPCG(9, 10)), schema, shape{rows: 100, distinct: 30, long: 10})
	size := len(writeOwn(t, schema, parquetProps(), rec))
	sc, err := pqarrow.ToParquet(schema, parquetProps(), pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	for left := 0; left < size; left += 1 + size/40 {
		w, err := NewWriter(&full{left}, sc, parquetProps(), nil)
		if err == nil {
			require.NoError(t, w.Write(rec))
			_, err = w.Close()
			w.Release()
		}
		require.ErrorIs(t, err, errFull)
	}
}

// TestSize compares the estimate with the size of the file that ends there.
func TestSize(t *testing.T) {
	schema := everyType()
	rng := rand.New(rand.NewPCG(11, 12))
	w := newWriter(t, io.Discard, schema, parquetProps(parquet.WithDataPageSize(4000)))
	require.EqualValues(t, 4, w.Size())
	var recs []arrow.RecordBatch
	for range 6 {
		recs = append(recs, randomRows(rng, schema, shape{rows: 700, nulls: 0.1, distinct: 5000, long: 30}))
		require.NoError(t, w.Write(recs[len(recs)-1]))
		size := float64(len(writeOwn(t, schema, parquetProps(parquet.WithDataPageSize(4000)), recs...)))
		require.InEpsilon(t, size, w.Size(), 0.25)
	}
}

// TestAllocations: a writer that has warmed up works in its own memory.
func TestAllocations(t *testing.T) {
	schema := everyType()
	rec := randomRows(rand.New(rand.NewPCG(13, 14)), schema, shape{rows: 1000, nulls: 0.1, distinct: 100, long: 30})
	pool := NewPool()
	props := parquetProps(parquet.WithDataPageSize(5000))
	sc, err := pqarrow.ToParquet(schema, props, pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	write := func(batches int) func() {
		return func() {
			w, err := NewWriter(io.Discard, sc, props, pool)
			require.NoError(t, err)
			for range batches {
				require.NoError(t, w.Write(rec))
			}
			_, err = w.Close()
			require.NoError(t, err)
			w.Release()
		}
	}
	write(11)()
	one, more := testing.AllocsPerRun(2, write(1)), testing.AllocsPerRun(2, write(11))
	require.Less(t, (more-one)/10, 40.0, "allocations a batch of 1000 rows and %d columns", schema.NumFields())
}
