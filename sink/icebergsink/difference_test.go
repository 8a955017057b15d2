package icebergsink_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table/dv"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// difference applies a full load that is committed as a difference.
func (l *lake) difference(rows ...row) etl.Receipt {
	l.t.Helper()
	load, _ := l.land(etl.Full, rows...)
	load.Difference = true
	r, err := l.sink.Apply(l.t.Context(), l.target(), load, l.changes(load))
	require.NoError(l.t, err)
	require.NoError(l.t, load.Check(r.Counts))
	require.Equal(l.t, int64(len(l.rows())), r.Counts.RowsAfter)
	return r
}

// delta is what the current snapshot itself adds and removes, row by row.
func (l *lake) delta() (added, removed []string) {
	l.t.Helper()
	tbl := l.iceberg()
	snap := tbl.CurrentSnapshot()
	fs, err := tbl.FS(l.t.Context())
	require.NoError(l.t, err)
	manifests, err := snap.Manifests(fs)
	require.NoError(l.t, err)
	for _, m := range manifests {
		for e, err := range m.Entries(fs, false) {
			require.NoError(l.t, err)
			f := e.DataFile()
			switch data := f.ContentType() == iceberg.EntryContentData; {
			case e.SnapshotID() != snap.SnapshotID:
			case e.Status() == iceberg.EntryStatusADDED && data:
				added = append(added, readLines(l.t, f.FilePath())...)
			case e.Status() == iceberg.EntryStatusDELETED && data:
				removed = append(removed, readLines(l.t, f.FilePath())...)
			case e.Status() == iceberg.EntryStatusADDED && f.FileFormat() == iceberg.PuffinFile:
				bitmap, err := dv.ReadDV(fs, f)
				require.NoError(l.t, err)
				lines := readLines(l.t, *f.ReferencedDataFile())
				for pos := range bitmap.Positions() {
					removed = append(removed, lines[pos])
				}
			case e.Status() == iceberg.EntryStatusADDED:
				removed = append(removed, deletedLines(l.t, f.FilePath())...)
			}
		}
	}
	return added, removed
}

// readLines reads the rows of a data file, as rows of a scan look like.
func readLines(t testing.TB, path string) []string {
	var lines []string
	for _, cells := range readCells(t, path) {
		lines = append(lines, fmt.Sprintf("%s|%s|%s", cells[0], cells[1], cells[2]))
	}
	return lines
}

// deletedLines reads the rows that a position-delete file names.
func deletedLines(t testing.TB, path string) []string {
	var lines []string
	files := map[string][]string{}
	for _, cells := range readCells(t, path) {
		if files[cells[0]] == nil {
			files[cells[0]] = readLines(t, cells[0])
		}
		pos, err := strconv.Atoi(cells[1])
		require.NoError(t, err)
		lines = append(lines, files[cells[0]][pos])
	}
	return lines
}

func readCells(t testing.TB, path string) (out [][]string) {
	in, err := os.Open(path)
	require.NoError(t, err)
	defer func() { _ = in.Close() }()
	tbl, err := pqarrow.ReadTable(context.Background(), in, parquet.NewReaderProperties(memory.DefaultAllocator), pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	require.NoError(t, err)
	defer tbl.Release()
	r := array.NewTableReader(tbl, 0)
	defer r.Release()
	for r.Next() {
		rec := r.RecordBatch()
		for i := range int(rec.NumRows()) {
			cells := make([]string, rec.NumCols())
			for c := range cells {
				cells[c] = rec.Column(c).ValueStr(i)
			}
			out = append(out, cells)
		}
	}
	return out
}

// The snapshot adds and removes exactly what differs.
func TestDifferenceIsExact(t *testing.T) {
	t.Parallel()
	for _, m := range modes() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			people := people()
			people.Properties = m.with(nil)
			l := newLake(t, people)
			l.apply(etl.Full, many(0, 10_000, "n")...)
			next := many(0, 10_000, "n")
			var added, removed []string
			for i := range 37 {
				id := 11 + i*270
				removed = append(removed, fmt.Sprintf("%d|n%d|%d", id, id, id))
				next[id]["name"] = "changed"
				added = append(added, fmt.Sprintf("%d|changed|%d", id, id))
			}
			for i := range 8 {
				id := 9_000 - i*1000
				removed = append(removed, fmt.Sprintf("%d|n%d|%d", id, id, id))
				next = slices.Delete(next, id, id+1)
			}
			for id := 20_000; id < 20_005; id++ {
				next = append(next, ins(id, "new", id))
				added = append(added, fmt.Sprintf("%d|new|%d", id, id))
			}
			slices.Reverse(next)
			r := l.difference(next...)
			require.Equal(t, etl.Counts{
				Read: 9_997, Inserted: 5, Updated: 37, Unchanged: 9_955, RemovedAsAbsent: 8, RowsBefore: 10_000, RowsAfter: 9_997,
			}, r.Counts)
			gotAdded, gotRemoved := l.delta()
			if m.props["tidemark.write-mode"] == "copy-on-write" { // rows that stay move to another file
				require.Len(t, gotAdded, 9_997)
				require.Len(t, gotRemoved, 10_000)
				gotAdded, gotRemoved = apart(gotAdded, gotRemoved)
			}
			require.ElementsMatch(t, added, gotAdded)
			require.ElementsMatch(t, removed, gotRemoved)

			again := l.difference(next...)
			require.Equal(t, etl.Counts{Read: 9_997, Unchanged: 9_997, RowsBefore: 9_997, RowsAfter: 9_997}, again.Counts)
			require.Zero(t, again.FilesWritten)
		})
	}
}

// apart returns what is in one list only.
func apart(a, b []string) (onlyA, onlyB []string) {
	n := map[string]int{}
	for _, s := range a {
		n[s]++
	}
	for _, s := range b {
		n[s]--
	}
	for s, n := range n {
		if n > 0 {
			onlyA = append(onlyA, s)
		} else if n < 0 {
			onlyB = append(onlyB, s)
		}
	}
	return onlyA, onlyB
}

// A data file of which the full load has no row goes as it is; others stay, under
// the sequence numbers that they had.
func TestDifferenceDropsWholeFiles(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "a")...)
	l.apply(etl.Incremental, many(100, 110, "b")...)
	l.apply(etl.Incremental, del(105))
	before := l.entries(iceberg.EntryContentData)
	require.Len(t, before, 2)
	r := l.difference(many(0, 10, "a")...)
	require.Equal(t, etl.Counts{Read: 10, Unchanged: 10, RemovedAsAbsent: 9, RowsBefore: 19, RowsAfter: 10}, r.Counts)
	after := l.entries(iceberg.EntryContentData)
	require.Len(t, after, 1)
	require.Empty(t, l.entries(iceberg.EntryContentPosDeletes))
	i := slices.IndexFunc(before, func(e entry) bool { return e.FilePath() == after[0].FilePath() })
	require.GreaterOrEqual(t, i, 0)
	require.Equal(t, before[i].seq, after[0].seq)
}

// Rows that are deleted already are not removed again.
func TestDifferenceAfterDeletes(t *testing.T) {
	t.Parallel()
	for _, m := range modes() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			people := people()
			people.Properties = m.with(nil)
			l := newLake(t, people)
			l.apply(etl.Full, many(0, 100, "a")...)
			l.apply(etl.Incremental, upd(3, "b", 3), del(4), del(70))
			rows := append(many(0, 50, "a"), ins(70, "a70", 70))
			rows[3]["name"] = "b"
			r := l.difference(rows...)
			require.Equal(t, etl.Counts{
				Read: 51, Inserted: 2, Unchanged: 49, RemovedAsAbsent: 49, RowsBefore: 98, RowsAfter: 51,
			}, r.Counts)
			l.apply(etl.Incremental, upd(3, "c", 4), del(4))
			require.Len(t, l.rows(), 50)
		})
	}
}
