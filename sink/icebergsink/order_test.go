package icebergsink_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/sink/icebergsink"
)

func ordered() etl.Table {
	t := people()
	t.OrderBy = []string{"at"}
	return t
}

func delAt(id, at int) row { return row{"op": "D", "id": id, "at": at} }

func (l *lake) memories() []string {
	l.t.Helper()
	var out []string
	for _, p := range l.parquets() {
		if strings.Contains(p, "/.tidemark/") {
			out = append(out, p)
		}
	}
	return out
}

func (l *lake) memory() string { return l.iceberg().Properties()["tidemark.memory"] }

func TestLateRowDoesNotBeatTheTable(t *testing.T) {
	t.Parallel()
	l := newLake(t, ordered())
	l.apply(etl.Full, ins(1, "base", 100))
	l.apply(etl.Incremental, upd(1, "any change beats the full load", 5), ins(2, "a", 50))
	r := l.apply(etl.Incremental, upd(1, "late", 4), upd(2, "late", 49))
	require.Equal(t, int64(2), r.Counts.Superseded)
	require.Equal(t, []string{"1|any change beats the full load|5", "2|a|50"}, l.rows())
}

func TestTombstoneKeepsLateRowsOut(t *testing.T) {
	t.Parallel()
	l := newLake(t, ordered())
	l.apply(etl.Full, many(0, 5, "a")...)
	require.Empty(t, l.memory())
	l.apply(etl.Incremental, upd(1, "b", 10), upd(2, "b", 10))
	require.Empty(t, l.memory())
	l.apply(etl.Incremental, delAt(1, 20), delAt(2, 20))
	require.Len(t, l.memories(), 1)
	first := l.memory()
	require.Contains(t, first, "/.tidemark/")

	// Late for 1; newer for 2, whose tombstone goes.
	r := l.apply(etl.Incremental, upd(1, "late", 15), upd(2, "new", 30))
	require.Equal(t, int64(1), r.Counts.Superseded)
	require.Equal(t, int64(1), r.Counts.Inserted)
	require.NotEqual(t, first, l.memory())
	require.Len(t, l.rows(), 4)

	// A load of other keys leaves what is remembered alone.
	second := l.memory()
	l.apply(etl.Incremental, upd(4, "x", 40))
	require.Equal(t, second, l.memory())
	r = l.apply(etl.Incremental, upd(1, "still late", 16))
	require.Equal(t, int64(1), r.Counts.Superseded)

	// Readers of the table do not see the side files; a full load forgets.
	require.Len(t, l.rows(), 4)
	l.apply(etl.Full, ins(9, "z", 1))
	require.Empty(t, l.memory())
	l.apply(etl.Incremental, upd(1, "back", 1))
	require.Len(t, l.rows(), 2)
}

func TestTombstonesExpire(t *testing.T) {
	t.Parallel()
	table := ordered()
	table.TombstoneRetention = time.Hour
	l := newLake(t, table)
	f := l.breakable()
	now := time.Now()
	l.sink = icebergsink.New(f, icebergsink.Options{Now: func() time.Time { return now }})
	l.apply(etl.Full, many(0, 3, "a")...)
	l.apply(etl.Incremental, delAt(1, 20))
	require.NotEmpty(t, l.memory())
	now = now.Add(59 * time.Minute)
	r := l.apply(etl.Incremental, upd(1, "late", 10))
	require.Equal(t, int64(1), r.Counts.Superseded)
	now = now.Add(61 * time.Minute)
	l.apply(etl.Incremental, upd(1, "back", 10))
	require.Empty(t, l.memory())
	require.Len(t, l.rows(), 3)
}

// A delete without an order leaves the greatest order known in force.
func TestDeleteWithoutOrder(t *testing.T) {
	t.Parallel()
	l := newLake(t, ordered())
	l.apply(etl.Incremental, ins(1, "a", 10))
	r := l.apply(etl.Incremental, del(1))
	require.Equal(t, int64(1), r.Counts.Deleted)
	r = l.apply(etl.Incremental, upd(1, "late", 9))
	require.Equal(t, int64(1), r.Counts.Superseded)
	require.Empty(t, l.rows())
}

func TestMemoryOfALostAttemptIsRemoved(t *testing.T) {
	t.Parallel()
	l := newLake(t, ordered())
	l.apply(etl.Full, many(0, 5, "a")...)
	other := &lake{t: t, dir: l.dir, sink: l.sink, table: l.table, files: l.files, n: 500, epoch: 1, fence: 1}
	f := l.breakable()
	raced := false
	f.before = func() error {
		if !raced {
			raced = true
			load, changes := other.land(etl.Incremental, delAt(2, 30))
			_, err := other.sink.Apply(t.Context(), other.target(), load, changes)
			require.NoError(t, err)
		}
		return nil
	}
	l.apply(etl.Incremental, delAt(1, 20))
	f.before = nil
	require.Len(t, l.memories(), 2, "one of the other's load, one of ours")
	r := l.apply(etl.Incremental, upd(1, "late", 19), upd(2, "late", 29))
	require.Equal(t, int64(2), r.Counts.Superseded, "both tombstones are remembered")
}

func TestLostSideFileIsAnError(t *testing.T) {
	t.Parallel()
	l := newLake(t, ordered())
	l.apply(etl.Full, many(0, 5, "a")...)
	l.apply(etl.Incremental, delAt(1, 20))
	require.NoError(t, os.Remove(l.memories()[0]))
	load, changes := l.land(etl.Incremental, upd(1, "late", 10))
	_, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.ErrorContains(t, err, "remembered orders")
	require.Len(t, l.rows(), 4)
}

func TestCleanSideFiles(t *testing.T) {
	t.Parallel()
	l := newLake(t, ordered())
	l.apply(etl.Full, many(0, 5, "a")...)
	for i := range 3 {
		l.apply(etl.Incremental, delAt(i, 20))
	}
	require.Len(t, l.memories(), 3)
	orphan := filepath.Join(filepath.Dir(l.memories()[0]), "memory-orphan.parquet")
	fresh := filepath.Join(filepath.Dir(l.memories()[0]), "memory-fresh.parquet")
	require.NoError(t, os.WriteFile(orphan, nil, 0o644))
	require.NoError(t, os.WriteFile(fresh, nil, 0o644))
	for _, p := range append(l.memories(), orphan) {
		if p != fresh {
			require.NoError(t, os.Chtimes(p, time.Time{}, time.Now().Add(-48*time.Hour)))
		}
	}
	n, err := l.sink.CleanSideFiles(t.Context(), l.table.Name)
	require.NoError(t, err)
	require.Equal(t, 1, n, "only the orphan: snapshots name the others, and the fresh one may be of a load under way")
	require.Len(t, l.memories(), 4)
}

// Rows that a partial update leaves open come from the table.
func TestPartialUpdate(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.files.partial = true
	l.apply(etl.Full, many(0, 3000, "a")...)
	r := l.apply(etl.Incremental, row{"op": "U", "id": 7, "name": unsupplied{}, "at": 99}, row{"op": "U", "id": 2999, "name": "b", "at": unsupplied{}})
	require.Equal(t, int64(2), r.Counts.Updated)
	rows := l.rows()
	require.Contains(t, rows, "7|a7|99")
	require.Contains(t, rows, "2999|b|2999")
	require.Len(t, rows, 3000)
}
