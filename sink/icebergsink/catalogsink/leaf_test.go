package catalogsink

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// leafTypes are those that are read page by page.
var leafTypes = []arrow.DataType{
	arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64, arrow.FixedWidthTypes.Date32,
	&arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, arrow.BinaryTypes.String, arrow.BinaryTypes.Binary, extensions.NewUUIDType(),
}

func leafRows(rnd *rand.Rand, rows int, nulls bool, distinct int64) arrow.RecordBatch {
	fields := make([]arrow.Field, len(leafTypes))
	for i, typ := range leafTypes {
		fields[i] = arrow.Field{Name: fmt.Sprint("c", i), Type: typ, Nullable: nulls}
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	defer b.Release()
	for range rows {
		for i := range fields {
			n := rnd.Int64N(distinct)
			if nulls && rnd.IntN(4) == 0 {
				b.Field(i).AppendNull()
				continue
			}
			switch f := b.Field(i).(type) {
			case *array.Int32Builder:
				f.Append(int32(n))
			case *array.Int64Builder:
				f.Append(n)
			case *array.Date32Builder:
				f.Append(arrow.Date32(n))
			case *array.TimestampBuilder:
				f.Append(arrow.Timestamp(n))
			case *array.StringBuilder:
				f.Append(fmt.Sprint(n))
			case *array.BinaryBuilder:
				f.Append(bytes.Repeat([]byte{byte(n)}, int(n%7)))
			case *extensions.UUIDBuilder:
				f.Append(uuid.NewSHA1(uuid.Nil, fmt.Append(nil, n)))
			}
		}
	}
	return b.NewRecordBatch()
}

func leafFile(t testing.TB, rec arrow.RecordBatch, props ...parquet.WriterProperty) *parquetFile {
	path := filepath.Join(t.TempDir(), "x.parquet")
	out, err := os.Create(path)
	require.NoError(t, err)
	w, err := pqarrow.NewFileWriter(rec.Schema(), out, parquet.NewWriterProperties(props...), pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	require.NoError(t, w.Write(rec))
	require.NoError(t, w.Close())
	in, err := openParquet(iceio.LocalFS{}, path)
	require.NoError(t, err)
	t.Cleanup(in.close)
	return in
}

func leafColumns(rec arrow.RecordBatch) []readColumn {
	var cols []readColumn
	for _, f := range rec.Schema().Fields() {
		cols = append(cols, readColumn{id: -2, name: f.Name, want: f.Type})
	}
	return cols
}

// Leaves give what Arrow's reader gives, alone and together, row group after row group.
func TestLeaves(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 1))
	var have []*leaf
	for bits := range 8 {
		nulls, dict, version := bits&1 > 0, bits&2 > 0, parquet.DataPageV1
		if bits&4 > 0 {
			version = parquet.DataPageV2
		}
		rec := leafRows(rnd, 3000, nulls, 40)
		in := leafFile(t, rec, parquet.WithDictionaryDefault(dict), parquet.WithDataPageVersion(version), parquet.WithDataPageSize(2000),
			parquet.WithBatchSize(200), parquet.WithMaxRowGroupLength(1800), parquet.WithCompression(compress.Codecs.Zstd))
		cols := leafColumns(rec)
		for rg := range in.NumRowGroups() {
			leaves, err := in.leaves(rg, cols, &have)
			require.NoError(t, err)
			require.NotNil(t, leaves, "a column is not read page by page")
			next := in.first[rg]
			require.NoError(t, in.scan(rg, leaves, nil, func(pos int64, got []arrow.Array) error {
				require.Equal(t, next, pos)
				next += int64(got[0].Len())
				for i, a := range got {
					want := array.NewSlice(rec.Column(i), pos, next)
					require.True(t, array.Equal(want, a), "%v: %v\n%v", bits, want, a)
				}
				return nil
			}))
			require.Equal(t, in.first[rg+1], next)
		}
	}
}

// Rows fetched are those at the positions, whatever lies between them.
func TestFetch(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(2, 2))
	rec := leafRows(rnd, 5000, true, 1<<30)
	in := leafFile(t, rec, parquet.WithDataPageSize(2000), parquet.WithBatchSize(100), parquet.WithMaxRowGroupLength(3000))
	k := &keyScan{wants: leafColumns(rec), schema: rec.Schema()}
	var have []*leaf
	for range 10 {
		var positions []int64
		for pos := in.first[1]; pos < in.first[2]; pos++ {
			if rnd.IntN(300) == 0 {
				positions = append(positions, pos)
			}
		}
		got, err := k.fetch(t.Context(), in, 1, positions, &have)
		require.NoError(t, err)
		for i, pos := range positions {
			want := rec.NewSlice(pos, pos+1)
			require.True(t, array.RecordEqual(want, got.NewSlice(int64(i), int64(i)+1)), "%v\n%v", want, got)
		}
		got.Release()
	}
}

// The sieve lets every key through, and hardly anything else.
func TestSieve(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 3))
	for _, width := range []int64{1, 50, 1 << 20, 1 << 40, -1} {
		b := array.NewInt64Builder(memory.DefaultAllocator)
		keys := map[int64]bool{}
		for range 5000 {
			n := int64(rnd.Uint64()) // the whole range
			if width > 0 {
				n = 1000 + rnd.Int64N(width)
			}
			keys[n] = true
			b.Append(n)
		}
		s := span{typ: etl.Long}
		s.measure(b.NewInt64Array())
		require.True(t, s.known)
		if width == 1 {
			require.Nil(t, s.grid)
			continue
		}
		var values []int64
		for n := range keys {
			values = append(values, n, n+1, n-1, rnd.Int64(), -rnd.Int64())
		}
		rows := make([]int32, len(values))
		passed := map[int32]bool{}
		for _, row := range rows[:sift(&s, values, rows)] {
			passed[row] = true
		}
		for i, v := range values {
			if keys[v] {
				require.True(t, passed[int32(i)], "key is held back")
			}
		}
		if width == 1<<40 || width < 0 {
			require.Equal(t, 0, sieveOf([]span{s}))
		}
	}
}

// A column chunk that is broken gives an error that names the file.
func TestBrokenChunk(t *testing.T) {
	t.Parallel()
	rec := leafRows(rand.New(rand.NewPCG(4, 4)), 2000, false, 1<<30)
	in := leafFile(t, rec, parquet.WithCompression(compress.Codecs.Zstd), parquet.WithDictionaryDefault(false))
	chunk, ok, err := in.chunk(0, leafColumns(rec)[1])
	require.NoError(t, err)
	require.True(t, ok)
	data, err := os.ReadFile(in.path)
	require.NoError(t, err)
	for i := range 64 {
		data[chunk.Offset+chunk.Length/2+int64(i)] ^= 0x55
	}
	require.NoError(t, os.WriteFile(in.path, data, 0o600))
	df, err := iceberg.NewDataFileBuilder(*iceberg.UnpartitionedSpec, iceberg.EntryContentData, in.path, iceberg.ParquetFile, nil, nil, nil, 2000, int64(len(data)))
	require.NoError(t, err)
	broken, err := openFile(iceio.LocalFS{}, df.Build())
	require.NoError(t, err)
	defer broken.close()
	var have []*leaf
	leaves, err := broken.leaves(0, leafColumns(rec)[1:2], &have)
	require.NoError(t, err)
	err = broken.scan(0, leaves, nil, func(int64, []arrow.Array) error { return nil })
	require.ErrorContains(t, err, in.path)
	require.ErrorContains(t, err, "corrupt")
}
