package pages

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/stretchr/testify/require"
)

// removals are ways to choose the rows that stay; each has state of its own.
var removals = map[string]func(rng *rand.Rand) func(row int) bool{
	"a row": func(rng *rand.Rand) func(int) bool {
		gone := rng.IntN(300)
		return func(row int) bool { return row != gone }
	},
	"few":      func(rng *rand.Rand) func(int) bool { return func(int) bool { return rng.IntN(50) > 0 } },
	"half":     func(rng *rand.Rand) func(int) bool { return func(int) bool { return rng.IntN(2) > 0 } },
	"most":     func(rng *rand.Rand) func(int) bool { return func(int) bool { return rng.IntN(40) == 0 } },
	"a run":    func(*rand.Rand) func(int) bool { return func(row int) bool { return row < 130 || row >= 640 } },
	"the rest": func(*rand.Rand) func(int) bool { return func(row int) bool { return row == 0 } },
}

// filterAll filters a whole file, in memory.
func filterAll(t *testing.T, f *Filter, raw []byte, props *parquet.WriterProperties, keeps [][]byte) []byte {
	in := openFile(t, raw)
	var buf bytes.Buffer
	w, err := NewWriter(&buf, in.MetaData().Schema, props, nil)
	require.NoError(t, err)
	defer w.Release()
	for rg := range in.NumRowGroups() {
		rows := in.MetaData().RowGroup(rg).NumRows()
		kept := int64(countBits(keeps[rg], 0, int(rows)))
		if kept == 0 {
			continue
		}
		g, err := w.BeginGroup(kept)
		require.NoError(t, err)
		for col := range in.MetaData().Schema.NumColumns() {
			meta, err := in.MetaData().RowGroup(rg).ColumnChunk(col)
			require.NoError(t, err)
			stats := statsOf(t, meta)
			stats.HasNulls = true
			keep := keeps[rg]
			if kept == rows {
				keep = nil
			}
			var out Filtered
			require.NoError(t, f.Chunk(&out, bytes.NewReader(raw), int64(len(raw)), extent(t, in, rg, col), in.MetaData().Schema.Column(col), keep, stats))
			c, err := g.Chunk(out.Codec)
			require.NoError(t, err)
			require.NoError(t, out.WriteTo(c))
		}
		require.NoError(t, g.Close())
	}
	_, err = w.Close()
	require.NoError(t, err)
	return buf.Bytes()
}

func statsOf(t testing.TB, meta *metadata.ColumnChunkMetaData) (s Stats) {
	stats, err := meta.Statistics()
	require.NoError(t, err)
	if stats == nil {
		return s
	}
	if s.HasNulls = stats.HasNullCount(); s.HasNulls {
		s.Nulls = stats.NullCount()
	}
	if s.HasBounds = stats.HasMinMax(); s.HasBounds {
		s.Min, s.Max = stats.EncodeMin(), stats.EncodeMax()
	}
	return s
}

// keepRows chooses the rows of each row group that stay, and returns them.
func keepRows(t *testing.T, in *file.Reader, rec arrow.RecordBatch, stays func(row int) bool) (keeps [][]byte, left []arrow.RecordBatch) {
	first := int64(0)
	for rg := range in.NumRowGroups() {
		rows := in.MetaData().RowGroup(rg).NumRows()
		keep := make([]byte, (rows+7)/8)
		var runs []arrow.RecordBatch
		start := int64(0)
		for i := range rows {
			if stays(int(first + i)) {
				keep[i/8] |= 1 << (i % 8)
				continue
			}
			runs, start = append(runs, rec.NewSlice(first+start, first+i)), i+1
		}
		runs = append(runs, rec.NewSlice(first+start, first+rows))
		keeps = append(keeps, keep)
		first += rows
		if all := joined(t, rec.Schema(), runs); all.NumRows() > 0 {
			left = append(left, all)
		}
	}
	return keeps, left
}

func joined(t *testing.T, schema *arrow.Schema, recs []arrow.RecordBatch) arrow.RecordBatch {
	cols := make([]arrow.Array, schema.NumFields())
	n := int64(0)
	for _, rec := range recs {
		n += rec.NumRows()
	}
	for i := range cols {
		parts := make([]arrow.Array, len(recs))
		for j, rec := range recs {
			parts[j] = rec.Column(i)
		}
		var err error
		cols[i], err = array.Concatenate(parts, memory.DefaultAllocator)
		require.NoError(t, err)
	}
	return array.NewRecordBatch(schema, cols, n)
}

// Files without some rows are read by arrow-go as the rest of the rows, and have
// the statistics that the rest has when it is written.
func TestFilter(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(11, 12))
	schema := everyType()
	var f Filter
	codecs := readCodecs
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		for _, how := range slices.Sorted(maps.Keys(removals)) {
			for range 1 {
				bits, s, choose := rng.IntN(8), shapes[name], removals[how]
				version := parquet.DataPageV1
				if bits&1 > 0 {
					version = parquet.DataPageV2
				}
				props := parquetProps(parquet.WithDataPageVersion(version), parquet.WithDictionaryDefault(bits&2 > 0), parquet.WithDataPageSize(700),
					parquet.WithBatchSize(64), parquet.WithMaxRowGroupLength(500), parquet.WithCompression(codecs[rng.IntN(len(codecs))]))
				write := writeOwn
				if bits&4 > 0 {
					write = writeArrow
				}
				rec := randomRows(rng, schema, s)
				checkFilter(t, &f, fmt.Sprint(name, ", ", how, ", ", bits), write(t, schema, props, rec), props, rec, choose(rng))
			}
		}
	}
}

func checkFilter(t *testing.T, f *Filter, label string, raw []byte, props *parquet.WriterProperties, rec arrow.RecordBatch, stays func(int) bool) {
	keeps, left := keepRows(t, openFile(t, raw), rec, stays)
	if len(left) == 0 {
		return
	}
	got := filterAll(t, f, raw, props, keeps)
	requireRows(t, got, rec.Schema(), left...)
	in := openFile(t, got)
	require.Equal(t, len(left), in.NumRowGroups(), label)
	for rg, rec := range left {
		again := openFile(t, writeOwn(t, rec.Schema(), parquetProps(), rec))
		for col := range in.MetaData().Schema.NumColumns() {
			have, err := in.MetaData().RowGroup(rg).ColumnChunk(col)
			require.NoError(t, err)
			want, err := again.MetaData().RowGroup(0).ColumnChunk(col)
			require.NoError(t, err)
			name := in.MetaData().Schema.Column(col).Name()
			if have.Type() == want.Type() {
				require.Equal(t, statsOf(t, want), statsOf(t, have), "%s: %s", label, name)
			}
		}
	}
}

// Chunks that are broken give errors, never a panic or a wrong number of rows.
func TestFilterMutated(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(13, 14))
	schema := everyType()
	rec := randomRows(rng, schema, shape{rows: 300, nulls: 0.2, distinct: 30, long: 20})
	var f Filter
	for bits := range 4 {
		props := parquetProps(parquet.WithDictionaryDefault(bits&1 > 0), parquet.WithDataPageSize(700), parquet.WithBatchSize(64),
			parquet.WithCompression([]compress.Compression{compress.Codecs.Uncompressed, compress.Codecs.Zstd}[bits>>1]))
		raw := writeOwn(t, schema, props, rec)
		in := openFile(t, raw)
		keeps, _ := keepRows(t, in, rec, func(row int) bool { return row%3 > 0 })
		for col := range in.MetaData().Schema.NumColumns() {
			meta, err := in.MetaData().RowGroup(0).ColumnChunk(col)
			require.NoError(t, err)
			e := extent(t, in, 0, col)
			chunk := raw[e.Offset : e.Offset+e.Length]
			for range 60 {
				mutated := mutate(rng, bytes.Clone(chunk))
				e.Offset, e.Length = 0, int64(len(mutated))
				var out Filtered
				err := f.Chunk(&out, bytes.NewReader(mutated), e.Length, e, in.MetaData().Schema.Column(col), keeps[0], statsOf(t, meta))
				if err != nil {
					continue
				}
				rows := int32(0)
				for _, p := range out.pages {
					if p.header.Kind != DictionaryPage {
						rows += p.header.Values
					}
				}
				require.Equal(t, int32(200), rows)
			}
		}
	}
}
