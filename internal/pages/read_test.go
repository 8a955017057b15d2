package pages

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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

var readCodecs = []compress.Compression{
	compress.Codecs.Uncompressed, compress.Codecs.Snappy, compress.Codecs.Gzip, compress.Codecs.Lz4Raw, compress.Codecs.Zstd,
}

// readCase is a way to store columns.
type readCase struct {
	nulls, dict bool
	v2          bool
	codec       compress.Compression
	rows, group int64
}

func (c readCase) String() string {
	return fmt.Sprintf("nulls=%v,dict=%v,v2=%v,%v", c.nulls, c.dict, c.v2, c.codec)
}

// columns makes one column of each physical type that is read here.
func (c readCase) columns(r *rand.Rand) arrow.RecordBatch {
	fields := []arrow.Field{
		{Name: "int32", Type: arrow.PrimitiveTypes.Int32}, {Name: "int64", Type: arrow.PrimitiveTypes.Int64},
		{Name: "float", Type: arrow.PrimitiveTypes.Float32}, {Name: "double", Type: arrow.PrimitiveTypes.Float64},
		{Name: "text", Type: arrow.BinaryTypes.String}, {Name: "fixed", Type: &arrow.FixedSizeBinaryType{ByteWidth: 5}},
		{Name: "same", Type: arrow.PrimitiveTypes.Int64},
	}
	for i := range fields {
		fields[i].Nullable = c.nulls
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer b.Release()
	run := 0 // of nulls
	for range c.rows {
		if run--; c.nulls && run < 0 && r.IntN(5) == 0 {
			run = r.IntN(30)
		}
		n := r.Int64N(50)
		if !c.dict {
			n = r.Int64()
		}
		for i := range fields {
			if c.nulls && (run >= 0 || r.IntN(20) == 0) {
				b.Field(i).AppendNull()
				continue
			}
			switch f := b.Field(i).(type) {
			case *array.Int32Builder:
				f.Append(int32(n))
			case *array.Int64Builder:
				if fields[i].Name == "same" {
					n = 7
				}
				f.Append(n)
			case *array.Float32Builder:
				f.Append(float32(n))
			case *array.Float64Builder:
				f.Append(float64(n))
			case *array.StringBuilder:
				f.Append(fmt.Sprint(n)[:1+n%5%int64(len(fmt.Sprint(n)))])
			case *array.FixedSizeBinaryBuilder:
				f.Append([]byte(fmt.Sprintf("%05d", n%100000)))
			}
		}
	}
	return b.NewRecordBatch()
}

// file writes the columns with arrow-go's writer, in several pages and row groups.
func (c readCase) file(t testing.TB, rec arrow.RecordBatch) []byte {
	version := parquet.DataPageV1
	if c.v2 {
		version = parquet.DataPageV2
	}
	props := parquet.NewWriterProperties(parquet.WithCompression(c.codec), parquet.WithDataPageVersion(version), parquet.WithDictionaryDefault(c.dict),
		parquet.WithDataPageSize(1000), parquet.WithBatchSize(100), parquet.WithMaxRowGroupLength(c.group))
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(rec.Schema(), &out, props, pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	require.NoError(t, w.Write(rec))
	require.NoError(t, w.Close())
	return out.Bytes()
}

// extent describes a chunk of a file of the test's own making.
func extent(t testing.TB, f *file.Reader, rg, col int) Extent {
	meta, err := f.MetaData().RowGroup(rg).ColumnChunk(col)
	require.NoError(t, err)
	d := f.MetaData().Schema.Column(col)
	e := Extent{
		Offset: meta.DataPageOffset(), Length: meta.TotalCompressedSize(), Rows: meta.NumValues(), Codec: meta.Compression(),
		Type: d.PhysicalType(), Width: d.TypeLength(), Optional: d.MaxDefinitionLevel() > 0,
	}
	if meta.HasDictionaryPage() {
		e.Offset = min(e.Offset, meta.DictionaryPageOffset())
	}
	switch e.Type {
	case parquet.Types.Int32, parquet.Types.Float:
		e.Width = 4
	case parquet.Types.Int64, parquet.Types.Double:
		e.Width = 8
	case parquet.Types.ByteArray:
		e.Width = 0
	}
	return e
}

// value cuts the first value from plain.
func (e Extent) value(plain []byte) (v, rest []byte) {
	n := e.Width
	if n == 0 {
		n = 4 + int(binary.LittleEndian.Uint32(plain))
		return plain[4:n], plain[n:]
	}
	return plain[:n], plain[n:]
}

// rowsOf takes all rows of a chunk in steps, and passes over some; those are
// "-" in the result, and nulls "null".
func rowsOf(r *Reader, e Extent, step func(left int) (n int, skip bool)) (out []string, pages int, err error) {
	for {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			return out, pages, nil
		} else if err != nil {
			return out, pages, err
		}
		pages++
		for r.Left() > 0 {
			n, skip := step(r.Left())
			if skip {
				if err := r.Skip(n); err != nil {
					return out, pages, err
				}
				for range n {
					out = append(out, "-")
				}
				continue
			}
			b, err := r.Take(n)
			if err != nil {
				return out, pages, err
			}
			out = appendRows(out, r, e, b)
		}
	}
}

func appendRows(out []string, r *Reader, e Extent, b Batch) []string {
	var terms [][]byte
	if b.Index != nil {
		plain, n := r.Dictionary()
		for range n {
			var v []byte
			v, plain = e.value(plain)
			terms = append(terms, v)
		}
	}
	next, plain := 0, b.Plain
	for i := range b.Rows {
		var v []byte
		switch {
		case b.Nulls > 0 && b.Valid[i/8]>>(i%8)&1 == 0:
			out = append(out, "null")
			continue
		case b.Index != nil:
			v = terms[b.Index[next]]
			next++
		default:
			v, plain = e.value(plain)
		}
		out = append(out, string(v))
	}
	return out
}

// want returns what arrow-go's reader makes of a column chunk.
func want(t testing.TB, f *file.Reader, rg, col int) (out []string) {
	chunk, err := f.RowGroup(rg).Column(col)
	require.NoError(t, err)
	n := int(f.MetaData().RowGroup(rg).NumRows())
	levels := make([]int16, n)
	var values [][]byte
	switch c := chunk.(type) {
	case *file.Int32ColumnChunkReader:
		values = wantValues(t, c.ReadBatch, levels, func(v int32) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) })
	case *file.Int64ColumnChunkReader:
		values = wantValues(t, c.ReadBatch, levels, func(v int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(v)) })
	case *file.Float32ColumnChunkReader:
		values = wantValues(t, c.ReadBatch, levels, func(v float32) []byte { return arrow.Float32Traits.CastToBytes([]float32{v}) })
	case *file.Float64ColumnChunkReader:
		values = wantValues(t, c.ReadBatch, levels, func(v float64) []byte { return arrow.Float64Traits.CastToBytes([]float64{v}) })
	case *file.ByteArrayColumnChunkReader:
		values = wantValues(t, c.ReadBatch, levels, func(v parquet.ByteArray) []byte { return bytes.Clone(v) })
	case *file.FixedLenByteArrayColumnChunkReader:
		values = wantValues(t, c.ReadBatch, levels, func(v parquet.FixedLenByteArray) []byte { return bytes.Clone(v) })
	}
	for _, l := range levels {
		if l == 0 && chunk.Descriptor().MaxDefinitionLevel() > 0 {
			out = append(out, "null")
			continue
		}
		out = append(out, string(values[0]))
		values = values[1:]
	}
	return out
}

func wantValues[T any](t testing.TB, read func(int64, []T, []int16, []int16) (int64, int, error), levels []int16, bytes func(T) []byte) (out [][]byte) {
	for at := 0; at < len(levels); {
		values := make([]T, len(levels))
		rows, n, err := read(int64(len(levels)-at), values, levels[at:], nil)
		require.NoError(t, err)
		for _, v := range values[:n] {
			out = append(out, bytes(v))
		}
		at += int(rows)
	}
	return out
}

// Every way of storing a column is read as arrow-go reads it, whole, in steps and
// with gaps, by one Reader after the other chunks.
func TestReadsLikeArrow(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	var r Reader
	for _, codec := range readCodecs {
		for bits := range 8 {
			c := readCase{nulls: bits&1 > 0, dict: bits&2 > 0, v2: bits&4 > 0, codec: codec, rows: 1300, group: 900}
			data := c.file(t, c.columns(rnd))
			f, err := file.NewParquetReader(bytes.NewReader(data))
			require.NoError(t, err)
			for rg := range f.NumRowGroups() {
				for col := range f.MetaData().Schema.NumColumns() {
					compareChunk(t, &r, c, data, f, rg, col, rnd)
				}
			}
		}
	}
}

func compareChunk(t *testing.T, r *Reader, c readCase, data []byte, f *file.Reader, rg, col int, rnd *rand.Rand) {
	e := extent(t, f, rg, col)
	label := fmt.Sprintf("%v, %s", c, f.MetaData().Schema.Column(col).Name())
	rows := want(t, f, rg, col)
	require.NoError(t, r.Open(bytes.NewReader(data), int64(len(data)), e), label)
	got, pages, err := rowsOf(r, e, func(left int) (int, bool) { return left, false })
	require.NoError(t, err, label)
	require.Equal(t, rows, got, label)
	if !c.v2 && !c.nulls && !c.dict && e.Rows > 800 {
		require.Greater(t, pages, 1, label)
	}
	require.NoError(t, r.Open(bytes.NewReader(data), int64(len(data)), e), label)
	got, _, err = rowsOf(r, e, func(left int) (int, bool) { return 1 + rnd.IntN(left), rnd.IntN(2) == 0 })
	require.NoError(t, err, label)
	require.Len(t, got, len(rows), label)
	for i := range got {
		if got[i] != "-" {
			require.Equal(t, rows[i], got[i], label)
		}
	}
}

// Sizes that the footer tells wrong are errors.
func TestWrongExtents(t *testing.T) {
	t.Parallel()
	c := readCase{nulls: true, dict: true, codec: compress.Codecs.Zstd, rows: 1000, group: 1000}
	data := c.file(t, c.columns(rand.New(rand.NewPCG(3, 4))))
	f, err := file.NewParquetReader(bytes.NewReader(data))
	require.NoError(t, err)
	good := extent(t, f, 0, 1)
	for name, spoil := range map[string]func(*Extent){
		"offset":      func(e *Extent) { e.Offset += 3 },
		"outside":     func(e *Extent) { e.Offset = int64(len(data)) + 1 },
		"negative":    func(e *Extent) { e.Offset = -1 },
		"too long":    func(e *Extent) { e.Length = 1 << 62 },
		"too short":   func(e *Extent) { e.Length /= 2 },
		"fewer rows":  func(e *Extent) { e.Rows-- },
		"more rows":   func(e *Extent) { e.Rows++ },
		"other codec": func(e *Extent) { e.Codec = compress.Codecs.Snappy },
		"other width": func(e *Extent) { e.Width = 4 },
		"text":        func(e *Extent) { e.Width = 0 },
	} {
		var r Reader
		e := good
		spoil(&e)
		err := r.Open(bytes.NewReader(data), int64(len(data)), e)
		if err == nil {
			_, _, err = rowsOf(&r, e, func(left int) (int, bool) { return left, false })
		}
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
}

// A page that claims to be huge costs nothing.
func TestHugePages(t *testing.T) {
	t.Parallel()
	for _, codec := range readCodecs {
		page := AppendHeader(nil, Header{Kind: DataPageV1, Uncompressed: 1 << 30, Compressed: 10, Values: 5, DefEncoding: parquet.Encodings.RLE})
		page = append(page, make([]byte, 10)...)
		var r Reader
		require.NoError(t, r.Open(bytes.NewReader(page), int64(len(page)), Extent{Length: int64(len(page)), Rows: 5, Codec: codec, Width: 8}))
		_, err := r.Next()
		require.ErrorIs(t, err, ErrForeign)
	}
}
