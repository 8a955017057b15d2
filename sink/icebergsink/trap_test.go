package icebergsink_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sort"
	"testing"

	"github.com/apache/iceberg-go"
	icetable "github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// Trap 1: copy-on-write deletes and filtered overwrites bring back rows that
// delete files had removed (iceberg-go issue 2042). A swap over a table with
// delete files must not, nor the increments after it.
func TestTrap1NothingComesBack(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 1000, "a")...)
	var gone []row
	for i := 0; i < 1000; i += 10 {
		gone = append(gone, del(i))
	}
	l.apply(etl.Incremental, gone...)
	l.apply(etl.Incremental, del(1), upd(2, "b", 1))
	require.Len(t, l.rows(), 899)
	l.apply(etl.Full, many(0, 5, "c")...)
	l.apply(etl.Incremental, del(3))
	require.Equal(t, []string{"0|c0|0", "1|c1|1", "2|c2|2", "4|c4|4"}, l.rows())
}

// Trap 7: there is no writer for v2 position-delete files; ours must be what
// the spec asks for: sorted, one for each data file, bounds that name it, and
// data page v1.
func TestTrap7DeleteFiles(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 100, "a")...)
	l.apply(etl.Incremental, many(100, 200, "b")...)
	l.apply(etl.Incremental, del(150), del(60), del(20), del(110))
	dels := l.entries(iceberg.EntryContentPosDeletes)
	require.Len(t, dels, 2)
	for _, d := range dels {
		require.Equal(t, int64(2), d.Count())
		require.Equal(t, iceberg.ParquetFile, d.FileFormat())
		require.Equal(t, d.LowerBoundValues()[2147483546], d.UpperBoundValues()[2147483546])
		lo, err := iceberg.LiteralFromBytes(iceberg.PrimitiveTypes.Int64, d.LowerBoundValues()[2147483545])
		require.NoError(t, err)
		require.Contains(t, []iceberg.Literal{iceberg.Int64Literal(20), iceberg.Int64Literal(10)}, lo)
	}
	require.Len(t, l.rows(), 196)
}

// Trap 9: the writer queues whole batches; large ones make it keep hundreds of
// megabytes. The heap must stay bounded however many rows there are.
func TestTrap9WriterMemory(t *testing.T) {
	l := newLake(t, people())
	rows := many(0, 60000, "a long enough name to weigh something when it is queued ")
	load, changes := l.land(etl.Full, rows...)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	most := uint64(0)
	l.files.onScan = func(string) {
		runtime.ReadMemStats(&after)
		most = max(most, after.HeapAlloc)
	}
	_, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.NoError(t, err)
	require.Less(t, int64(most)-int64(before.HeapAlloc), int64(256<<20))
}

// Trap 11: an overwrite made of delete and append is one commit but two
// snapshots, the first of which shows an empty table to a reader who pins it.
func TestTrap11OneSnapshotForEachLoad(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	for i := range 3 {
		l.apply(etl.Full, many(i, i+10, "a")...)
		l.apply(etl.Incremental, upd(i, "b", 1), del(i+1))
		l.apply(etl.Incremental, del(999))
	}
	snaps := l.iceberg().Metadata().Snapshots()
	require.Len(t, snaps, 9)
	for _, s := range snaps {
		require.NotEmpty(t, s.Summary.Properties["tidemark.load-id"])
	}
}

// Trap 12: positions are row numbers of the file, over all row groups and pages,
// also where files and row groups are passed over by their statistics.
func TestTrap12PositionsOverRowGroups(t *testing.T) {
	t.Parallel()
	table := people()
	table.Properties = map[string]string{icetable.ParquetRowGroupLimitKey: "500", icetable.ParquetPageRowLimitKey: "70"}
	l := newLake(t, table)
	want := map[int]string{}
	rng := rand.New(rand.NewPCG(1, 2))
	put := func(kind etl.LoadKind, ids []int, gen string) {
		var rows []row
		for _, id := range ids {
			if kind == etl.Incremental && rng.IntN(4) == 0 {
				rows = append(rows, del(id))
				delete(want, id)
				continue
			}
			rows = append(rows, ins(id, gen, id))
			want[id] = fmt.Sprintf("%d|%s|%d", id, gen, id)
		}
		l.apply(kind, rows...)
	}
	put(etl.Full, seq(0, 3000), "g0")
	put(etl.Incremental, rng.Perm(4000)[:700], "g1")
	for g := 2; g < 7; g++ {
		put(etl.Incremental, rng.Perm(4500)[:90], fmt.Sprintf("g%d", g))
	}
	put(etl.Incremental, seq(2700, 2712), "g7")
	var lines []string
	for _, v := range want {
		lines = append(lines, v)
	}
	sort.Strings(lines)
	require.Equal(t, lines, l.rows())
}

func seq(from, to int) (out []int) {
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}

// A full load that loses against another writer commits the files it has
// written instead of reading its input again.
func TestFullLoadKeepsItsFilesOverAConflict(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "a")...)
	other := l.sink
	f := l.breakable()
	raced := false
	f.before = func() error {
		if !raced {
			raced = true
			require.NoError(t, other.Fence(t.Context(), l.target(), 2))
		}
		return nil
	}
	l.fence = 2
	reads := 0
	l.files.onScan = func(string) { reads++ }
	r := l.apply(etl.Full, many(0, 7, "b")...)
	require.True(t, raced)
	require.Equal(t, int64(10), r.Counts.RowsBefore)
	require.Equal(t, 2, reads, "two passes over the file, once")
	require.Len(t, l.rows(), 7)
	require.Len(t, l.parquets(), 2)

	// Refused for good, its files are removed.
	f.before = func() error { return other.Fence(t.Context(), l.target(), 9) }
	load, changes := l.land(etl.Full, many(0, 5, "c")...)
	_, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.ErrorIs(t, err, etl.ErrStaleFence)
	require.Len(t, l.parquets(), 2)
}
