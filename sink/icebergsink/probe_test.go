package icebergsink_test

import (
	"os"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// Partitions made of key columns say where keys can be. A partition that was
// wrongly passed over would leave the old row beside the new one.
func TestPartitionsOfKeys(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"int", "long", "small", "large", "date", "ts", "tstz", "text", "bin", "uuid"} {
		for _, p := range []etl.PartitionField{{Column: key, Transform: "identity"}, {Column: key, Transform: "bucket", N: 5}} {
			if testing.Short() && (p.N > 0) != strings.HasPrefix(key, "t") {
				continue // kinds of values, which do not race
			}
			t.Run(key+"_"+p.Transform, func(t *testing.T) {
				t.Parallel()
				table := everything(key)
				table.Partition = []etl.PartitionField{p}
				l := newLake(t, table)
				var rows []row
				for i := range 12 {
					rows = append(rows, full(i, string(rune('a'+i))))
				}
				l.apply(etl.Full, rows...)
				require.Greater(t, len(l.entries(iceberg.EntryContentData)), 1)
				for i := range rows {
					rows[i]["bool"] = true
				}
				r := l.apply(etl.Incremental, rows[3])
				require.Equal(t, int64(1), r.Counts.Updated)
				r = l.apply(etl.Incremental, rows...)
				require.Equal(t, int64(12), r.Counts.Updated)
				require.Len(t, l.rows(), 12)
			})
		}
	}
}

// Files of other buckets are not even opened: here they are gone.
func TestOtherBucketsAreNotRead(t *testing.T) {
	t.Parallel()
	table := people()
	table.Partition = []etl.PartitionField{{Column: "id", Transform: "bucket", N: 4}}
	l := newLake(t, table)
	l.apply(etl.Full, many(0, 200, "a")...)
	r := l.apply(etl.Incremental, upd(77, "b", 1))
	require.Equal(t, int64(1), r.Counts.Updated)
	bucket := l.entries(iceberg.EntryContentPosDeletes)[0].Partition()
	for _, f := range l.entries(iceberg.EntryContentData) {
		if f.Partition()[1000] != bucket[1000] {
			require.NoError(t, os.Remove(f.FilePath()))
		}
	}
	load, changes := l.land(etl.Incremental, upd(77, "c", 1))
	r, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.NoError(t, err)
	require.Equal(t, int64(1), r.Counts.Updated)

	load, changes = l.land(etl.Incremental, upd(76, "c", 1), upd(78, "c", 1), upd(79, "c", 1), upd(80, "c", 1), upd(81, "c", 1))
	_, err = l.sink.Apply(t.Context(), l.target(), load, changes)
	require.Error(t, err, "none of five keys was in another bucket?")
}
