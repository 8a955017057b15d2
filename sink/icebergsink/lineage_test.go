package icebergsink_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/iceberg-go"
	icetable "github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// lineage scans a table of format version 3: which row each row is and when it
// was last changed, by its key.
func (l *lake) lineage() map[string]string {
	l.t.Helper()
	_, batches, err := l.iceberg().Scan(icetable.WithRowLineage()).ToArrowRecords(l.t.Context())
	require.NoError(l.t, err)
	out, ids := map[string]string{}, map[string]bool{}
	for rec, err := range batches {
		require.NoError(l.t, err)
		column := func(name string) arrow.Array {
			at := rec.Schema().FieldIndices(name)
			require.Len(l.t, at, 1)
			return rec.Column(at[0])
		}
		key, id, changed := column(l.table.Key[0]), column("_row_id"), column("_last_updated_sequence_number")
		for i := range int(rec.NumRows()) {
			out[key.ValueStr(i)] = id.ValueStr(i) + "@" + changed.ValueStr(i)
			require.False(l.t, id.IsValid(i) && ids[id.ValueStr(i)], "row id %s is there twice", id.ValueStr(i))
			ids[id.ValueStr(i)] = true
		}
	}
	return out
}

// requireKept checks that the rows that are in both have the same lineage.
func requireKept(t *testing.T, before, after map[string]string, kept int) {
	t.Helper()
	for key, was := range before {
		if is, ok := after[key]; ok {
			require.Equal(t, was, is, key)
			kept--
		}
	}
	require.Zero(t, kept, "rows that are in both")
}

func onVersion3(table etl.Table, props map[string]string) etl.Table {
	table.Properties = maps.Clone(table.Properties)
	if table.Properties == nil {
		table.Properties = map[string]string{}
	}
	maps.Copy(table.Properties, props)
	table.Properties["format-version"] = "3"
	return table
}

// Rows that stay keep their lineage, whether the old file stores it or not, and
// rows that change are new ones.
func TestCopyOnWriteOnVersion3(t *testing.T) {
	t.Parallel()
	l := newLake(t, onVersion3(inMode(people(), "copy-on-write"), nil))
	l.apply(etl.Full, many(0, 100, "a")...)
	l.apply(etl.Incremental, many(100, 110, "b")...)
	for round := range 3 {
		before := l.lineage()
		r := l.apply(etl.Incremental, upd(round, "c", 1), del(10+round), del(100+round))
		require.Equal(t, int64(1), r.Counts.Updated)
		require.Equal(t, int64(2), r.Counts.Deleted)
		after := l.lineage()
		delete(before, fmt.Sprint(round))
		requireKept(t, before, after, len(before)-2)
		require.Empty(t, l.deletes())
	}
	for _, f := range l.data() {
		require.NotNil(t, f.FirstRowID())
		require.NotContains(t, f.LowerBoundValues(), iceberg.RowIDFieldID)
		require.NotContains(t, f.ValueCounts(), iceberg.LastUpdatedSequenceNumberFieldID)
	}
}

// Another engine's file may store the lineage of some of its rows only.
func TestLineageOfOtherWriters(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"copy-on-write", "merge-on-read"} {
		l := newLake(t, onVersion3(inMode(people(), mode), nil))
		l.apply(etl.Full, many(0, 10, "a")...)
		long := func(name string, id int) arrow.Field {
			f := numbered(name, arrow.PrimitiveTypes.Int64, id)
			f.Nullable = name != "id"
			return f
		}
		text := numbered("name", arrow.BinaryTypes.String, 2)
		text.Nullable = true
		path, size, meta := l.writeParquet("other.parquet", arrow.NewSchema([]arrow.Field{
			long("id", 1), text, long("at", 3), long("_row_id", iceberg.RowIDFieldID),
			long("_last_updated_sequence_number", iceberg.LastUpdatedSequenceNumberFieldID),
		}, nil), `[{"id":100},{"id":101,"_row_id":7000},{"id":102,"_row_id":7001,"_last_updated_sequence_number":1},{"id":103},{"id":104}]`)
		df, err := icetable.DataFileFromMetadata(icetable.DataFileArgs{
			Schema: iceberg.SchemaWithRowLineage(l.iceberg().Schema()), Spec: *iceberg.UnpartitionedSpec, Format: iceberg.ParquetFile,
			Metadata: meta, FilePath: path, FileSize: size, Content: iceberg.EntryContentData, FormatVersion: 3,
		})
		require.NoError(t, err)
		l.commitForeign(func(tx *icetable.Transaction) {
			require.NoError(t, tx.NewRowDelta(nil).AddRows(df).Commit(t.Context()))
		})
		before := l.lineage()
		require.Subset(t, before, map[string]string{"100": "10@2", "101": "7000@2", "102": "7001@1", "103": "13@2"})
		for _, id := range []int{103, 100} { // the second load meets a file of our own
			l.apply(etl.Incremental, del(id))
			requireKept(t, before, l.lineage(), len(l.rows()))
		}
		l.maintain(eager())
		require.Empty(t, l.deletes())
		requireKept(t, before, l.lineage(), 13)
	}
}

// In mode auto a load of format version 3 writes files anew and deletion
// vectors, in one snapshot.
func TestAutoOnVersion3(t *testing.T) {
	t.Parallel()
	l := newLake(t, onVersion3(inMode(people(), "auto"), nil))
	l.apply(etl.Full, many(0, 100, "a")...)
	l.apply(etl.Incremental, many(100, 110, "b")...)
	before := l.lineage()
	r := l.apply(etl.Incremental, upd(5, "c", 1), upd(6, "c", 1), del(100), del(101), del(102), del(103))
	require.Equal(t, etl.Counts{Read: 6, Updated: 2, Deleted: 4, RowsBefore: 110, RowsAfter: 106}, r.Counts)
	require.Len(t, l.deletes(), 1)
	require.Equal(t, iceberg.PuffinFile, l.deletes()[0].FileFormat())
	require.Equal(t, int64(2), l.deletes()[0].Count())
	require.Equal(t, 3, l.snapshots())
	after := l.lineage()
	delete(before, "5")
	delete(before, "6")
	requireKept(t, before, after, 104)
	// The vector counts for the share, and goes with its file: 40 of 98 rows.
	var more []row
	for i := 10; i < 50; i++ {
		more = append(more, del(i))
	}
	l.apply(etl.Incremental, more...)
	require.Empty(t, l.deletes())
	requireKept(t, after, l.lineage(), 66)
}

// A table that was of version 2, with delete files of one and of two data files:
// rows get their ids with the next commit and keep them from then on.
func TestCopyOnWriteAfterAnUpgrade(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "a")...)
	l.apply(etl.Incremental, many(10, 20, "b")...)
	l.apply(etl.Incremental, del(1), del(11))
	l.deletesOfOthers("both.parquet", map[int64][]int64{1: {2, 3}, 2: {2}})
	l.commitForeign(func(tx *icetable.Transaction) { require.NoError(t, tx.UpgradeFormatVersion(3)) })
	l.table = inMode(people(), "copy-on-write")
	r := l.apply(etl.Incremental, upd(0, "c", 1), upd(2, "c", 1))
	require.Equal(t, etl.Counts{Read: 2, Inserted: 1, Updated: 1, RowsBefore: 15, RowsAfter: 16}, r.Counts)
	require.Len(t, l.deletes(), 2, "those of the file that stays")
	before := l.lineage()
	require.NotContains(t, fmt.Sprint(before), "null")
	l.apply(etl.Incremental, del(13), del(4))
	require.Empty(t, l.deletes())
	requireKept(t, before, l.lineage(), 14)
	l.maintain(eager())
	requireKept(t, before, l.lineage(), 14)
}

// Compaction writes what loads write: the same bounds, none of sensitive columns
// in files either, and the encodings that readers are declared to take.
func TestMaintainVersion3WritesAsLoadsDo(t *testing.T) {
	t.Parallel()
	table := people()
	table.Columns = append(table.Columns, etl.Column{Name: "secret", Type: etl.String, Sensitive: true})
	l := newLake(t, onVersion3(table, map[string]string{"tidemark.readers": "iceberg>=1.11", "parquet.enable.dictionary": "false"}))
	anew := newLake(t, l.table)
	var all []row
	for i, name := range []any{"", "NULL", nil, "null", "b"} {
		r := row{"op": "I", "id": i, "name": name, "at": i * 1e9, "secret": fmt.Sprint("secret", i)}
		all = append(all, r)
		l.apply(etl.Incremental, r)
	}
	anew.apply(etl.Incremental, all...)
	before := l.lineage()
	l.maintain(eager())
	require.Equal(t, before, l.lineage())
	sameFacts(t, anew.data(), l.data())
	require.NotContains(t, l.data()[0].UpperBoundValues(), 4)
	_, cols := columns(t, l.data()[0].FilePath())
	require.Len(t, cols, 6)
	require.False(t, cols["secret"].stats)
	require.True(t, cols["name"].stats)
	for _, name := range []string{"id", "at", "_row_id", "_last_updated_sequence_number"} {
		require.True(t, cols[name].has(parquet.Encodings.DeltaBinaryPacked), name)
	}
}

// A column that is called like one of the two cannot stand beside it in a file.
func TestReservedColumnName(t *testing.T) {
	t.Parallel()
	table := people()
	table.Columns[1].Name = "_row_id"
	l := newLake(t, onVersion3(inMode(table, "copy-on-write"), nil))
	l.apply(etl.Full, row{"op": "I", "id": 1, "_row_id": "x"}, row{"op": "I", "id": 2, "_row_id": "x"})
	load, changes := l.land(etl.Incremental, del(1))
	_, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.ErrorContains(t, err, "column _row_id")
}
