package icebergsink_test

import (
	"fmt"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// A load that touches many data files writes one delete file for each
// partition, in which the rows are sorted by path and position.
func TestDeleteFilesOfManyDataFiles(t *testing.T) {
	t.Parallel()
	table := people()
	table.Partition = []etl.PartitionField{{Column: "at", Transform: "identity"}}
	l := newLake(t, table)
	load := func(from int) (rows []row) {
		for i := from; i < from+10; i++ {
			rows = append(rows, ins(i, fmt.Sprintf("a%d", i), i%2))
		}
		return rows
	}
	for i := range 6 {
		l.apply(etl.Incremental, load(i*10)...)
	}
	require.Len(t, l.entries(iceberg.EntryContentData), 12)
	var gone []row
	for i := range 60 {
		if i%5 < 2 {
			gone = append(gone, del(i))
		}
	}
	r := l.apply(etl.Incremental, gone...)
	require.Equal(t, int64(24), r.Counts.Deleted)
	require.Equal(t, int64(36), r.Counts.RowsAfter)
	dels := l.entries(iceberg.EntryContentPosDeletes)
	require.Len(t, dels, 2, "one for each partition")
	for _, d := range dels {
		require.Equal(t, int64(12), d.Count())
		require.Nil(t, d.ReferencedDataFile())
		paths := map[string]bool{}
		for _, f := range l.entries(iceberg.EntryContentData) {
			if fmt.Sprint(f.Partition()) == fmt.Sprint(d.Partition()) {
				paths[f.FilePath()] = true
			}
		}
		require.Len(t, paths, 6)
		least, most := string(d.LowerBoundValues()[2147483546]), string(d.UpperBoundValues()[2147483546])
		require.Less(t, least, most)
		require.True(t, paths[least] && paths[most], "bounds are no whole paths")
		for p := range paths {
			require.True(t, least <= p && p <= most)
		}
	}
	// Rows that such files removed are neither found nor removed again.
	r = l.apply(etl.Incremental, append([]row{upd(0, "b", 1), upd(2, "b", 0)}, del(1))...)
	require.Equal(t, etl.Counts{Read: 3, Inserted: 1, Updated: 1, Unchanged: 1, RowsBefore: 36, RowsAfter: 37}, r.Counts)
	l.fence = 5
	require.NoError(t, l.sink.Fence(t.Context(), l.target(), 5))
	r = l.apply(etl.Incremental, del(0), del(2))
	require.Equal(t, etl.Counts{Read: 2, Deleted: 2, RowsBefore: 37, RowsAfter: 35}, r.Counts)
	r = l.apply(etl.Full, load(0)...)
	require.Equal(t, int64(35), r.Counts.RowsBefore)
	require.Empty(t, l.entries(iceberg.EntryContentPosDeletes))
}

// Up to eight data files get a delete file each, which readers can tell apart.
func TestDeleteFilesOfFewDataFiles(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	var gone []row
	for i := range 8 {
		l.apply(etl.Incremental, many(i*10, i*10+10, "a")...)
		gone = append(gone, del(i*10+3), del(i*10+7))
	}
	l.apply(etl.Incremental, gone...)
	require.Len(t, l.entries(iceberg.EntryContentPosDeletes), 8)
	l.apply(etl.Incremental, many(80, 90, "a")...)
	l.apply(etl.Incremental, del(1), del(11), del(21), del(31), del(41), del(51), del(61), del(71), del(81))
	require.Len(t, l.entries(iceberg.EntryContentPosDeletes), 9)
	require.Len(t, l.rows(), 90-16-9)
}
