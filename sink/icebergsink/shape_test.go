package icebergsink_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/iceberg-go"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

func everything(key ...string) etl.Table {
	return etl.Table{
		Name: "mpd.everything", Key: key, Op: etl.OpColumn{Column: "op"},
		Columns: etl.Columns{
			{Name: "bool", Type: etl.Bool}, {Name: "int", Type: etl.Int}, {Name: "long", Type: etl.Long},
			{Name: "float", Type: etl.Float}, {Name: "double", Type: etl.Double}, {Name: "small", Type: etl.Decimal(9, 2)},
			{Name: "large", Type: etl.Decimal(38, 10)}, {Name: "date", Type: etl.Date}, {Name: "ts", Type: etl.Timestamp},
			{Name: "tstz", Type: etl.TimestampTZ}, {Name: "text", Type: etl.String}, {Name: "bin", Type: etl.Binary}, {Name: "uuid", Type: etl.UUID},
		},
	}
}

func full(i int, text string) row {
	at := time.Date(1969, 12, 30, 23, 59, 59, 123456000, time.UTC).Add(time.Duration(i) * 31 * time.Hour)
	id := uuid.UUID{15: byte(i), 0: byte(i * 37)}
	return row{
		"op": "I", "bool": i%2 == 0, "int": i - 5, "long": i * 1e12, "float": float64(i) / 4, "double": float64(i) / 3,
		"small": decimal128.FromI64(int64(i*7 - 20)), "large": decimal128.New(int64(i-5), uint64(i)), "date": at, "ts": at, "tstz": at,
		"text": text, "bin": []byte{byte(i), 0, 255}, "uuid": id,
	}
}

func TestAllTypesRoundTrip(t *testing.T) {
	t.Parallel()
	l := newLake(t, everything("uuid"))
	l.apply(etl.Full, full(1, "a"), full(2, "b"))
	empty := row{"op": "I", "uuid": uuid.UUID{1}}
	l.apply(etl.Incremental, full(2, "B"), empty)
	rows := l.rows()
	require.Equal(t, []string{
		`(null)|(null)|(null)|(null)|(null)|(null)|(null)|(null)|(null)|(null)|(null)|(null)|01000000-0000-0000-0000-000000000000`,
		`false|-4|1000000000000|0.25|0.3333333333333333|-0.13|-7378697629.4838206463|1970-01-01|1970-01-01T06:59:59.123456|1970-01-01T06:59:59.123456Z|a|AQD/|25000000-0000-0000-0000-000000000001`,
		`true|-3|2000000000000|0.5|0.6666666666666666|-0.06|-5534023222.1128654846|1970-01-02|1970-01-02T13:59:59.123456|1970-01-02T13:59:59.123456Z|B|AgD/|4a000000-0000-0000-0000-000000000002`,
	}, rows)
}

// Every type that can be a key finds its rows, with bounds and statistics on
// both sides of zero; a row group or file wrongly passed over would leave the
// old row.
func TestEveryKeyType(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"int", "long", "small", "large", "date", "ts", "tstz", "text", "bin", "uuid"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			l := newLake(t, everything(key))
			text := func(i int, v string) string {
				if key == "text" {
					return fmt.Sprintf("key %d that is longer than sixteen bytes", i)
				}
				return v
			}
			var rows []row
			for i := range 10 {
				rows = append(rows, full(i, text(i, "old")))
			}
			l.apply(etl.Full, rows[:5]...)
			l.apply(etl.Incremental, rows[5:]...)
			for i := range 10 {
				rows[i] = full(i, text(i, "new"))
				rows[i]["bool"] = true
			}
			for _, some := range [][]row{rows[:1], rows[9:], rows[3:7]} {
				r := l.apply(etl.Incremental, some...)
				require.Equal(t, int64(len(some)), r.Counts.Updated)
			}
			require.Len(t, l.rows(), 10)
		})
	}
}

func TestCompositeKey(t *testing.T) {
	t.Parallel()
	l := newLake(t, everything("text", "int"))
	var rows []row
	for i := range 20 {
		r := full(i, string(rune('a'+i%3)))
		r["bool"] = false
		rows = append(rows, r)
	}
	l.apply(etl.Full, rows...)
	rows[4]["bool"] = true
	r := l.apply(etl.Incremental, rows[4])
	require.Equal(t, int64(1), r.Counts.Updated)
	require.Equal(t, []int{11, 2}, l.iceberg().Schema().IdentifierFieldIDs)
}

func TestPartitionedKeyMoves(t *testing.T) {
	t.Parallel()
	for _, p := range []etl.PartitionField{
		{Column: "text", Transform: "identity"}, {Column: "date", Transform: "year"}, {Column: "ts", Transform: "month"},
		{Column: "tstz", Transform: "day"}, {Column: "ts", Transform: "hour"}, {Column: "long", Transform: "bucket", N: 4},
		{Column: "text", Transform: "truncate", N: 1}, {Column: "small", Transform: "identity"}, {Column: "uuid", Transform: "identity"},
		{Column: "large", Transform: "bucket", N: 4}, {Column: "bin", Transform: "truncate", N: 1}, {Column: "bool", Transform: "identity"},
	} {
		t.Run(p.Column+"_"+p.Transform, func(t *testing.T) {
			t.Parallel()
			table := everything("int")
			table.Partition = []etl.PartitionField{p}
			l := newLake(t, table)
			var rows []row
			for i := range 12 {
				rows = append(rows, full(i*40, string(rune('a'+i%3))))
			}
			rows[11][p.Column] = nil // the partition of nulls
			l.apply(etl.Full, rows...)
			require.Greater(t, len(l.entries(iceberg.EntryContentData)), 1)
			// All values but the key change, so the row lands in another partition.
			moved := full(500, "z")
			moved["int"] = rows[3]["int"]
			fromNull := full(501, "y")
			fromNull["int"] = rows[11]["int"]
			r := l.apply(etl.Incremental, moved, fromNull)
			require.Equal(t, int64(2), r.Counts.Updated)
			require.Len(t, l.rows(), 12, "the old row stays in the old partition")
			r = l.apply(etl.Full, rows[:3]...)
			require.Equal(t, int64(12), r.Counts.RowsBefore)
			require.Len(t, l.rows(), 3)
		})
	}
}

// A delete file belongs to the partition of its data file; readers pass over
// it otherwise.
func TestDeleteFilesCarryThePartition(t *testing.T) {
	t.Parallel()
	table := people()
	table.Partition = []etl.PartitionField{{Column: "name", Transform: "identity"}}
	l := newLake(t, table)
	l.apply(etl.Full, ins(1, "x", 1), ins(2, "y", 1))
	l.apply(etl.Incremental, upd(1, "y", 1))
	dels := l.entries(iceberg.EntryContentPosDeletes)
	require.Len(t, dels, 1)
	require.Equal(t, map[int]any{1000: "x"}, dels[0].Partition())
}

func TestSensitiveColumnHasNoBounds(t *testing.T) {
	t.Parallel()
	table := people()
	table.Columns[1].Sensitive = true
	l := newLake(t, table)
	l.apply(etl.Full, ins(1, "secret-a", 1), ins(2, "secret-b", 2))
	l.apply(etl.Incremental, upd(2, "secret-c", 2))
	files := l.entries(iceberg.EntryContentData)
	require.Len(t, files, 2)
	for _, f := range files {
		require.Contains(t, f.LowerBoundValues(), 1)
		require.Contains(t, f.UpperBoundValues(), 3)
		require.NotContains(t, f.LowerBoundValues(), 2)
		require.NotContains(t, f.UpperBoundValues(), 2)
	}
	meta, err := json.Marshal(l.iceberg().Metadata())
	require.NoError(t, err)
	require.NotContains(t, string(meta), "secret")

	table.Name = "mpd.shown"
	table.Partition = []etl.PartitionField{{Column: "name", Transform: "truncate", N: 2}}
	shown := &lake{t: t, sink: l.sink, table: table, files: l.files, n: 50, fence: 1}
	load, changes := shown.land(etl.Full, ins(1, "secret-a", 1))
	_, err = l.sink.Apply(t.Context(), shown.target(), load, changes)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.ErrorContains(t, err, "sensitive column name")
}

func TestSortOrderIsDeclared(t *testing.T) {
	t.Parallel()
	table := people()
	table.Sort = []string{"name"}
	l := newLake(t, table)
	l.apply(etl.Full, ins(1, "b", 1), ins(2, "a", 1))
	order := l.iceberg().SortOrder()
	require.Equal(t, 1, order.Len())
	f := order.Field(0)
	require.Equal(t, 2, f.SourceID())
}

// Partition values are escaped in paths. Readers that take the paths as they
// are must find the files: iceberg-go undoes escapes in file:// URLs, others do
// not.
func TestEscapedPartitionPathsAreLiteral(t *testing.T) {
	t.Parallel()
	table := people()
	table.Partition = []etl.PartitionField{{Column: "name", Transform: "identity"}}
	l := newLake(t, table)
	l.apply(etl.Full, ins(1, "a/b=c %41", 1), ins(2, "ünï?#", 1), ins(3, "../..", 1))
	files := l.entries(iceberg.EntryContentData)
	require.Len(t, files, 3)
	for _, f := range files {
		require.FileExists(t, f.FilePath())
		require.Contains(t, f.FilePath(), "%")
		require.True(t, filepath.IsLocal(strings.TrimPrefix(f.FilePath(), l.dir+"/")), f.FilePath())
	}
	l.apply(etl.Incremental, upd(1, "x", 2), del(2))
	require.Equal(t, []string{"1|x|2", "3|../..|1"}, l.rows())
}
