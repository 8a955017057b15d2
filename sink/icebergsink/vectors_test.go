package icebergsink_test

import (
	"fmt"
	"testing"

	"github.com/apache/iceberg-go"
	icetable "github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

func version3(table etl.Table) etl.Table {
	table.Properties = map[string]string{"format-version": "3"}
	return table
}

// Trap 2: a second deletion vector for a data file makes the table unreadable;
// each commit has to merge the old one and remove it.
func TestTrap2OneVectorForEachDataFile(t *testing.T) {
	t.Parallel()
	l := newLake(t, version3(people()))
	l.apply(etl.Full, many(0, 100, "a")...)
	require.Equal(t, 3, l.iceberg().Metadata().Version())
	l.apply(etl.Incremental, many(100, 110, "b")...)
	for i := range 4 {
		r := l.apply(etl.Incremental, del(i), upd(10+i, "c", 1), del(100+i))
		require.Equal(t, int64(2), r.Counts.Deleted)
		var own int64
		seen := map[string]bool{}
		for _, d := range l.entries(iceberg.EntryContentPosDeletes) {
			require.Equal(t, iceberg.PuffinFile, d.FileFormat())
			require.False(t, seen[*d.ReferencedDataFile()])
			seen[*d.ReferencedDataFile()] = true
			own += d.Count()
		}
		require.Len(t, seen, 2)
		require.Equal(t, int64((i+1)*3), own)
	}
	require.Len(t, l.rows(), 110-8)
	meta := l.iceberg().Metadata()
	require.Len(t, meta.Snapshots(), 6)
	require.Equal(t, int64(114), meta.NextRowID(), "every row written has got an id")
	ids := map[int64]bool{}
	for _, s := range meta.Snapshots() {
		require.NotNil(t, s.FirstRowID)
		require.Equal(t, *s.AddedRows == 0, ids[*s.FirstRowID])
		ids[*s.FirstRowID] = true
	}
	l.apply(etl.Full, many(0, 5, "d")...)
	require.Empty(t, l.entries(iceberg.EntryContentPosDeletes))
	require.Len(t, l.rows(), 5)
	l.apply(etl.Incremental, del(999))
	require.Equal(t, int64(119), l.iceberg().Metadata().NextRowID())
}

// A table that was of version 2: its delete files are merged into the vectors.
func TestVectorsAfterAnUpgrade(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "a")...)
	l.apply(etl.Incremental, many(10, 20, "b")...)
	l.apply(etl.Incremental, del(1), del(11))
	l.deletesOfOthers("both.parquet", map[int64][]int64{1: {2, 3}, 2: {2}})
	l.commitForeign(func(tx *icetable.Transaction) { require.NoError(t, tx.UpgradeFormatVersion(3)) })
	require.Len(t, l.rows(), 15)
	r := l.apply(etl.Incremental, upd(0, "c", 1), upd(2, "c", 1))
	require.Equal(t, etl.Counts{Read: 2, Inserted: 1, Updated: 1, RowsBefore: 15, RowsAfter: 16}, r.Counts)
	var formats []string
	for _, d := range l.entries(iceberg.EntryContentPosDeletes) {
		formats = append(formats, fmt.Sprint(d.FileFormat(), d.Count()))
	}
	require.ElementsMatch(t, []string{"PUFFIN4", "PARQUET1", "PARQUET3"}, formats)
	r = l.apply(etl.Incremental, upd(3, "d", 1), upd(12, "d", 1), del(13))
	require.Equal(t, etl.Counts{Read: 3, Inserted: 2, Deleted: 1, RowsBefore: 16, RowsAfter: 17}, r.Counts)
}
