package icebergsink_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	icetable "github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

func inMode(table etl.Table, mode string) etl.Table {
	table.Properties = map[string]string{"tidemark.write-mode": mode}
	return table
}

func TestCopyOnWrite(t *testing.T) {
	t.Parallel()
	l := newLake(t, inMode(people(), "copy-on-write"))
	l.apply(etl.Full, many(0, 10, "a")...)
	l.apply(etl.Incremental, many(10, 20, "b")...)
	r := l.apply(etl.Incremental, upd(3, "c", 1), del(4), del(15), ins(30, "c", 1))
	require.Equal(t, etl.Counts{Read: 4, Inserted: 1, Updated: 1, Deleted: 2, RowsBefore: 20, RowsAfter: 19}, r.Counts)
	require.Empty(t, l.entries(iceberg.EntryContentPosDeletes))
	require.Len(t, l.entries(iceberg.EntryContentData), 3)
	require.Equal(t, 3, r.FilesWritten)
	require.Equal(t, 3, l.snapshots(), "one snapshot for each load")
	sum := l.iceberg().CurrentSnapshot().Summary
	require.Equal(t, icetable.OpOverwrite, sum.Operation)
	for key, want := range map[string]string{
		"total-records": "19", "total-data-files": "3", "added-data-files": "3", "deleted-data-files": "2",
		"deleted-records": "20", "added-records": "19", "total-delete-files": "0",
	} {
		require.Equal(t, want, sum.Properties[key], key)
	}
	// A file that loses all its rows goes without another in its place.
	var all []row
	for i := range 10 {
		all = append(all, del(i))
	}
	r = l.apply(etl.Incremental, all...)
	require.Equal(t, 1, r.FilesWritten, "that of rows 3 and 30")
	require.Len(t, l.entries(iceberg.EntryContentData), 2)
	require.Len(t, l.rows(), 10)
	require.Equal(t, int64(10), r.Counts.RowsAfter)
}

// Trap 1 for our own copy-on-write: rows that delete files have removed, also
// those of other writers, do not come back, and the delete files go once they
// have nothing left to delete.
func TestTrap1CopyOnWriteOverDeleteFiles(t *testing.T) {
	t.Parallel()
	table := people()
	l := newLake(t, table)
	l.apply(etl.Full, many(0, 1000, "a")...)
	l.apply(etl.Incremental, many(1000, 1010, "b")...)
	var gone []row
	for i := 0; i < 1000; i += 10 {
		gone = append(gone, del(i))
	}
	l.apply(etl.Incremental, gone...)
	l.deletesOfOthers("both.parquet", map[int64][]int64{1: {1, 11, 11}, 2: {2, 3}})
	require.Len(t, l.rows(), 1010-100-4)

	l.table = inMode(table, "copy-on-write")
	r := l.apply(etl.Incremental, upd(21, "c", 1), upd(1, "c", 1))
	require.Equal(t, etl.Counts{Read: 2, Inserted: 1, Updated: 1, RowsBefore: 906, RowsAfter: 907}, r.Counts)
	require.Len(t, l.entries(iceberg.EntryContentPosDeletes), 1, "the file that speaks of both data files stays, ours goes")
	r = l.apply(etl.Incremental, upd(1001, "c", 1), del(1002), upd(31, "c", 1))
	require.Equal(t, etl.Counts{Read: 3, Updated: 2, Unchanged: 1, RowsBefore: 907, RowsAfter: 907}, r.Counts)
	require.Empty(t, l.entries(iceberg.EntryContentPosDeletes))
	r = l.apply(etl.Full, many(0, 3, "d")...)
	require.Equal(t, int64(907), r.Counts.RowsBefore)
}

// In mode auto one load writes files anew that lose much and leaves the others
// to delete files, in one snapshot.
func TestAutoMode(t *testing.T) {
	t.Parallel()
	l := newLake(t, inMode(people(), "auto"))
	l.apply(etl.Full, many(0, 100, "a")...)
	l.apply(etl.Incremental, many(100, 110, "b")...)
	r := l.apply(etl.Incremental, upd(5, "c", 1), upd(6, "c", 1), del(100), del(101), del(102), del(103))
	require.Equal(t, etl.Counts{Read: 6, Updated: 2, Deleted: 4, RowsBefore: 110, RowsAfter: 106}, r.Counts)
	dels := l.entries(iceberg.EntryContentPosDeletes)
	require.Len(t, dels, 1)
	require.Equal(t, int64(2), dels[0].Count())
	require.Equal(t, 3, l.snapshots())
	var counts []int64
	for _, f := range l.entries(iceberg.EntryContentData) {
		counts = append(counts, f.Count())
	}
	require.ElementsMatch(t, []int64{100, 6, 2}, counts)
	// The delete file counts for the share: 40 of 98 rows.
	var more []row
	for i := 10; i < 40; i++ {
		more = append(more, del(i))
	}
	l.apply(etl.Incremental, more...)
	require.Empty(t, l.entries(iceberg.EntryContentPosDeletes))
	require.Len(t, l.rows(), 76)
}

// Rows of a full load lose against any change, whatever their order. They stay
// rows of the full load when their file is written anew.
func TestCopyOnWriteKeepsTheBase(t *testing.T) {
	t.Parallel()
	table := inMode(ordered(), "copy-on-write")
	l := newLake(t, table)
	l.apply(etl.Full, ins(1, "a", 50), ins(2, "a", 50), ins(3, "a", 50))
	l.apply(etl.Incremental, upd(1, "b", 10))
	require.Len(t, l.entries(iceberg.EntryContentData), 2)
	r := l.apply(etl.Incremental, upd(1, "late", 5), upd(2, "b", 10))
	require.Equal(t, int64(1), r.Counts.Updated)
	require.Equal(t, int64(1), r.Counts.Superseded)
	require.Equal(t, []string{"1|b|10", "2|b|10", "3|a|50"}, l.rows())
	r = l.apply(etl.Incremental, upd(2, "late", 5), upd(3, "b", 10))
	require.Equal(t, []string{"1|b|10", "2|b|10", "3|b|10"}, l.rows())
	require.Equal(t, int64(1), r.Counts.Superseded)
}

// Two copy-on-write loads at the same time: the loser starts over.
func TestCopyOnWriteLosesARace(t *testing.T) {
	t.Parallel()
	l := newLake(t, inMode(people(), "copy-on-write"))
	l.apply(etl.Full, many(0, 10, "a")...)
	other := l.sink
	f := l.breakable()
	raced := false
	f.before = func() error {
		if !raced {
			raced = true
			load, changes := l.land(etl.Incremental, upd(1, "other", 1), del(2))
			_, err := other.Apply(t.Context(), l.target(), load, changes)
			require.NoError(t, err)
		}
		return nil
	}
	r := l.apply(etl.Incremental, upd(1, "mine", 1), upd(2, "mine", 1))
	require.True(t, raced)
	require.Equal(t, etl.Counts{Read: 2, Inserted: 1, Updated: 1, RowsBefore: 9, RowsAfter: 10}, r.Counts)
	require.Len(t, l.rows(), 10)
	files := len(l.entries(iceberg.EntryContentData))
	require.Len(t, l.parquets(), files+2, "files of the lost attempt are left") // the first one and one of the other load are replaced
}

func TestWriteModesAreChecked(t *testing.T) {
	t.Parallel()
	l := newLake(t, inMode(people(), "copy-on-read"))
	load, changes := l.land(etl.Full, ins(1, "a", 1))
	_, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.ErrorContains(t, err, "tidemark.write-mode")
}

// Files of partitioned tables are written anew in their partition.
func TestCopyOnWritePartitioned(t *testing.T) {
	t.Parallel()
	table := inMode(people(), "copy-on-write")
	table.Partition = []etl.PartitionField{{Column: "name", Transform: "identity"}}
	l := newLake(t, table)
	none := func(id int) row { return row{"op": "I", "id": id, "name": nil, "at": 1} }
	l.apply(etl.Full, ins(1, "x", 1), ins(2, "x", 1), ins(3, "null", 1), ins(4, "null", 1), none(5), none(6), ins(7, "a/b", 1), ins(8, "a/b", 1))
	l.apply(etl.Incremental, upd(1, "y", 1), del(3), del(5), upd(7, "null", 2))
	require.Equal(t, []string{"1|y|1", "2|x|1", "4|null|1", "6|(null)|1", "7|null|2", "8|a/b|1"}, l.rows())
	for _, f := range l.entries(iceberg.EntryContentData) {
		require.Len(t, f.Partition(), 1)
		value := f.Partition()[1000]
		nulls := f.NullValueCounts()[2]
		require.Equal(t, value == nil, nulls > 0, fmt.Sprint(value))
		require.FileExists(t, f.FilePath())
	}
	require.Empty(t, l.entries(iceberg.EntryContentPosDeletes))
}

// Old metadata files go with commits of our own making, too.
func TestOldMetadataGoesWithOwnSnapshots(t *testing.T) {
	t.Parallel()
	table := inMode(people(), "copy-on-write")
	table.Properties["write.metadata.previous-versions-max"] = "3"
	table.TombstoneRetention = time.Hour
	l := newLake(t, table)
	l.apply(etl.Full, many(0, 3, "a")...)
	for i := range 8 {
		l.apply(etl.Incremental, upd(1, fmt.Sprint("b", i), i))
	}
	require.LessOrEqual(t, len(l.metadata()), 5)
}
