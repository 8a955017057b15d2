package etl_test

import (
	"context"
	"errors"
	"flag"
	"io"
	"iter"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

var (
	hugeRows   = flag.Int64("hugerows", 1_000_000, "rows of the files of TestBoundedMemory")
	hugeBudget = flag.Int64("hugebudget", 16<<20, "memory budget of TestBoundedMemory")
)

// endless is a source of files that are made up while they are read. Their rows
// all have the same length and distinct keys, in an order that hops about.
type endless struct {
	rows    int64
	changes bool
}

const endlessRow = "U,0000000000,2024-01-01 00:00:00.000000,some text that takes room in the row\n"

func (e endless) row() string {
	if e.changes {
		return endlessRow
	}
	return endlessRow[2:]
}

func (e endless) List(context.Context) iter.Seq2[etl.File, error] { return nil }

func (e endless) Open(context.Context, etl.File) (etl.Input, error) { return e, nil }

func (e endless) Size() int64 { return e.rows * int64(len(e.row())) }

func (e endless) Close() error { return nil }

func (e endless) ReadAt(p []byte, off int64) (int, error) {
	row := []byte(e.row())
	key := strings.Index(e.row(), "0000000000")
	n := 0
	for n < len(p) && off < e.Size() {
		i, skip := off/int64(len(row)), off%int64(len(row))
		id := i * 7_368_787 % e.rows // a prime
		for d := 9; d >= 0; d-- {
			row[key+d] = byte('0' + id%10)
			id /= 10
		}
		m := copy(p[n:], row[skip:])
		n, off = n+m, off+int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// TestBoundedMemory reads files with more keys than the budget holds. With
// -hugerows 50000000 -hugebudget 268435456 it says what a large load takes.
func TestBoundedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	table := etl.Table{
		Name: "a.b", Key: []string{"id"}, OrderBy: []string{"at"}, Op: etl.OpColumn{Column: "op"},
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "at", Type: etl.Timestamp}, {Name: "text", Type: etl.String}},
	}
	table.Format = format.CSV{}.ForTable(table)
	for _, kind := range []etl.LoadKind{etl.Full, etl.Incremental} {
		t.Run(kind.String(), func(t *testing.T) {
			e := endless{*hugeRows, kind == etl.Incremental}
			temp := t.TempDir()
			runtime.GC()
			var peak uint64
			var m runtime.MemStats
			last := time.Now()
			changes, err := etl.NewChanges(etl.ChangesConfig{
				Table: table, Source: e, Budget: *hugeBudget, TempDir: temp,
				Load: etl.Load{Table: "a.b", Kind: kind, Files: []etl.File{{Location: "a/b/1.csv", Size: e.Size()}}},
				Progress: func(string, int, int64) {
					if time.Since(last) > 5*time.Millisecond {
						runtime.ReadMemStats(&m)
						peak, last = max(peak, m.HeapInuse), time.Now()
					}
				},
			})
			require.NoError(t, err)
			begun := time.Now()
			counts, rows := settle(t, changes)
			require.Equal(t, etl.Counts{Read: e.rows, Inserted: e.rows}, counts)
			require.Equal(t, e.rows, rows)
			left, err := os.ReadDir(temp)
			require.NoError(t, err)
			require.Empty(t, left, "temporary files go with the load")
			t.Logf("%d rows in %v, heap at most %d MiB%s", rows, time.Since(begun).Round(time.Millisecond), peak>>20, resident())
			require.Less(t, int64(peak), 2**hugeBudget+64<<20)
		})
	}
}

// TestSpilledLoadsReadTwice: however many parts a load has, its rows are read once
// for the keys and once for the winners.
func TestSpilledLoadsReadTwice(t *testing.T) {
	table := people()
	table.Columns = etl.Columns{{Name: "id", Type: etl.Long}, {Name: "at", Type: etl.Timestamp}, {Name: "text", Type: etl.String}}
	table.Format = format.CSV{}.ForTable(table)
	e := endless{rows: 100_000, changes: true}
	var last [3]int64
	var read int64
	changes, err := etl.NewChanges(etl.ChangesConfig{
		Table: table, Source: e, Budget: 1 << 20, TempDir: t.TempDir(),
		Load: etl.Load{Table: table.Name, Kind: etl.Incremental, Files: []etl.File{{Location: "a/b/1.csv", Size: e.Size()}}},
		Progress: func(_ string, pass int, rows int64) {
			if rows < last[pass] {
				read += last[pass] // a pass begins again
			}
			last[pass] = rows
		},
	})
	require.NoError(t, err)
	parts, withRows := 0, 0
	var counts etl.Counts
	for part, err := range changes.Parts(t.Context()) {
		require.NoError(t, err)
		require.NotZero(t, part.Len())
		res, err := part.Resolve(t.Context(), etl.Committed{})
		require.NoError(t, err)
		rows := int64(0)
		for rec, err := range res.Rows(t.Context()) {
			require.NoError(t, err)
			rows += rec.NumRows()
		}
		if parts++; rows > 0 {
			withRows++
			require.Equal(t, e.rows, rows)
		}
		counts.Add(res.Counts())
	}
	require.Greater(t, parts, 4)
	require.Equal(t, 1, withRows, "the last one")
	require.Equal(t, [3]int64{0, e.rows, e.rows}, last)
	require.Zero(t, read)
	require.Equal(t, etl.Counts{Read: e.rows, Inserted: e.rows}, counts)
}

// resident is the most memory that the process had, where the system tells it.
func resident() string {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM:") {
			return ", process " + strings.TrimSpace(line[6:])
		}
	}
	return ""
}

// TestNoTemporaryFolder: a load that cannot spill fails, and can be tried again.
func TestNoTemporaryFolder(t *testing.T) {
	table := people()
	e := endless{rows: 200_000, changes: true}
	table.Columns = etl.Columns{{Name: "id", Type: etl.Long}, {Name: "at", Type: etl.Timestamp}, {Name: "text", Type: etl.String}}
	table.Format = format.CSV{}.ForTable(table)
	changes, err := etl.NewChanges(etl.ChangesConfig{
		Table: table, Source: e, Budget: 1 << 20, TempDir: t.TempDir() + "/none",
		Load: etl.Load{Table: table.Name, Kind: etl.Incremental, Files: []etl.File{{Location: "a/b/1.csv", Size: e.Size()}}},
	})
	require.NoError(t, err)
	for _, err := range changes.Parts(t.Context()) {
		require.Error(t, err)
		require.True(t, errors.Is(err, os.ErrNotExist), "%v", err)
		require.Equal(t, etl.Retry, etl.OutcomeOf(err))
	}
}
