package icebergsink_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/iceberg-go"
	icetable "github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// columns opens the first row group of a data file.
func columns(t *testing.T, path string) (*file.Reader, map[string]chunkInfo) {
	t.Helper()
	r, err := file.OpenParquetFile(path, false)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	out := map[string]chunkInfo{}
	for i := range r.MetaData().Schema.NumColumns() {
		col := r.MetaData().Schema.Column(i)
		chunk, err := r.MetaData().RowGroup(0).ColumnChunk(i)
		require.NoError(t, err)
		set, err := chunk.StatsSet()
		require.NoError(t, err)
		out[col.Name()] = chunkInfo{int(col.SchemaNode().FieldID()), chunk.Encodings(), set}
	}
	return r, out
}

type chunkInfo struct {
	id        int
	encodings []parquet.Encoding
	stats     bool
}

func (c chunkInfo) has(e parquet.Encoding) bool {
	for _, have := range c.encodings {
		if have == e {
			return true
		}
	}
	return false
}

func varied(n int) (rows []row) {
	for i := range n {
		rows = append(rows, ins(i, fmt.Sprintf("name %d", i%7), i%3))
	}
	return rows
}

// Encodings go by the data: dictionaries for what repeats, plain for the rest,
// and nothing that old readers do not take.
func TestEncodingsGoByTheData(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, varied(1000)...)
	f := l.entries(iceberg.EntryContentData)[0]
	r, cols := columns(t, f.FilePath())
	require.True(t, cols["name"].has(parquet.Encodings.RLEDict) || cols["name"].has(parquet.Encodings.PlainDict))
	require.True(t, cols["at"].has(parquet.Encodings.RLEDict) || cols["at"].has(parquet.Encodings.PlainDict))
	require.False(t, cols["id"].has(parquet.Encodings.RLEDict) || cols["id"].has(parquet.Encodings.PlainDict))
	for name, c := range cols {
		for _, e := range c.encodings {
			require.Contains(t, []parquet.Encoding{parquet.Encodings.Plain, parquet.Encodings.RLE, parquet.Encodings.RLEDict, parquet.Encodings.PlainDict}, e, name)
		}
		require.True(t, c.stats)
	}
	require.Equal(t, []int{1, 2, 3}, []int{cols["id"].id, cols["name"].id, cols["at"].id})
	require.Equal(t, int64(1000), r.NumRows())
	require.Equal(t, int64(1000), f.Count())
	lo, err := iceberg.LiteralFromBytes(iceberg.PrimitiveTypes.Int64, f.LowerBoundValues()[1])
	require.NoError(t, err)
	hi, err := iceberg.LiteralFromBytes(iceberg.PrimitiveTypes.Int64, f.UpperBoundValues()[1])
	require.NoError(t, err)
	require.Equal(t, []iceberg.Literal{iceberg.Int64Literal(0), iceberg.Int64Literal(999)}, []iceberg.Literal{lo, hi})
}

func TestEncodingsThatReadersAllow(t *testing.T) {
	t.Parallel()
	for declared, want := range map[string][2]bool{"iceberg>=1.9": {}, "iceberg >= 1.10": {true, false}, "iceberg>=1.11.0": {true, true}, "iceberg>=2.0": {true, true}} {
		table := everything("long")
		table.Properties = map[string]string{"tidemark.readers": declared}
		l := newLake(t, table)
		var rows []row
		for i := range 300 {
			rows = append(rows, full(i, fmt.Sprint(i)))
		}
		l.apply(etl.Full, rows...)
		_, cols := columns(t, l.entries(iceberg.EntryContentData)[0].FilePath())
		require.Equal(t, want, [2]bool{cols["long"].has(parquet.Encodings.DeltaBinaryPacked), cols["double"].has(parquet.Encodings.ByteStreamSplit)}, declared)
		r := l.apply(etl.Incremental, full(7, "x"), full(250, "y"))
		require.Equal(t, int64(2), r.Counts.Updated)
	}
	table := people()
	table.Properties = map[string]string{"tidemark.readers": "spark 4"}
	l := newLake(t, table)
	load, changes := l.land(etl.Full, ins(1, "a", 1))
	_, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.ErrorContains(t, err, "tidemark.readers")
}

// Bounds of a sensitive column stay out of manifests and files, also where its
// name is written differently into files: iceberg-go looks for the settings of a
// column under the name that the file has.
func TestSensitiveColumnWithAnOddName(t *testing.T) {
	t.Parallel()
	table := people()
	table.Columns[1] = etl.Column{Name: "phone number", Type: etl.String, Sensitive: true}
	l := newLake(t, table)
	secret := func(i int) row {
		return row{"op": "I", "id": i, "phone number": fmt.Sprintf("secret-%d", i), "at": i}
	}
	l.apply(etl.Full, secret(1), secret(2))
	f := l.entries(iceberg.EntryContentData)[0]
	require.NotContains(t, f.LowerBoundValues(), 2)
	require.NotContains(t, f.UpperBoundValues(), 2)
	require.Contains(t, f.LowerBoundValues(), 1)
	_, cols := columns(t, f.FilePath())
	for name, c := range cols {
		require.Equal(t, !strings.HasPrefix(name, "phone"), c.stats, name)
	}
	require.Equal(t, []string{"1|secret-1|1", "2|secret-2|2"}, l.rows())
}

// Files end at the target size, and many rows go to several files at once.
func TestFilesOfATargetSize(t *testing.T) {
	t.Parallel()
	table := people()
	table.Properties = map[string]string{icetable.WriteTargetFileSizeBytesKey: "6000", icetable.ParquetRowGroupLimitKey: "1000"}
	l := newLake(t, table)
	r := l.apply(etl.Full, many(0, 40000, "some name of a person that is not too short ")...)
	files := l.entries(iceberg.EntryContentData)
	require.Greater(t, len(files), 3)
	require.Equal(t, len(files), r.FilesWritten)
	total := int64(0)
	for _, f := range files {
		total += f.Count()
	}
	require.Equal(t, int64(40000), total)
}

// Rows of a row group are in the table's sort order.
func TestRowsAreSorted(t *testing.T) {
	t.Parallel()
	table := people()
	table.Sort = []string{"name"}
	l := newLake(t, table)
	l.apply(etl.Full, ins(1, "c", 1), ins(2, "a", 1), row{"op": "I", "id": 3, "name": nil, "at": 1}, ins(4, "b", 1))
	var names []string
	for rec, err := range l.sink.Scan(t.Context(), l.table.Name) {
		require.NoError(t, err)
		for i := range int(rec.NumRows()) {
			names = append(names, rec.Column(1).ValueStr(i))
		}
	}
	require.Equal(t, []string{"(null)", "a", "b", "c"}, names)
}

// Partition values that make no good folder names are still values.
func TestPartitionFolders(t *testing.T) {
	t.Parallel()
	table := people()
	table.Partition = []etl.PartitionField{{Column: "name", Transform: "identity"}}
	l := newLake(t, table)
	long := strings.Repeat("ü long ", 60)
	l.apply(etl.Full, ins(1, long, 1), ins(2, "nul\x00byte", 1), ins(3, "", 1), ins(4, "..", 1), ins(5, ".", 1))
	require.Len(t, l.entries(iceberg.EntryContentData), 5)
	l.apply(etl.Incremental, del(1), del(2), upd(3, "..", 2), del(4), del(5))
	require.Equal(t, []string{"3|..|2"}, l.rows())
}
