package icebergsink_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	icetable "github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// landParts makes a staged full load of several files.
func (l *lake) landParts(parts ...[]row) etl.Load {
	var load etl.Load
	for i, rows := range parts {
		one, _ := l.land(etl.Full, rows...)
		if i == 0 {
			load = one
			load.Files, load.Staged = nil, true
		}
		load.Files = append(load.Files, one.Files...)
	}
	l.epoch = load.Epoch
	return load
}

func (l *lake) prepare(load etl.Load) {
	l.t.Helper()
	require.NoError(l.t, l.sink.Prepare(l.t.Context(), l.target(), load))
}

func (l *lake) stage(load etl.Load, i int) error {
	l.t.Helper()
	c, err := etl.StageChanges(etl.ChangesConfig{Table: l.table, Load: load, Source: l.files, Format: l.files}, i)
	require.NoError(l.t, err)
	_, err = l.sink.Stage(l.t.Context(), l.target(), load, i, c)
	return err
}

func (l *lake) publish(load etl.Load) etl.Receipt {
	l.t.Helper()
	r, err := l.sink.Publish(l.t.Context(), l.target(), load)
	require.NoError(l.t, err)
	return r
}

func (l *lake) stageAll(load etl.Load) {
	l.t.Helper()
	l.prepare(load)
	for i := range load.Files {
		require.NoError(l.t, l.stage(load, i))
	}
}

func (l *lake) branches() (names []string) {
	for name := range l.iceberg().Metadata().Refs() {
		if name != icetable.MainBranch {
			names = append(names, name)
		}
	}
	return names
}

// litter is files on disk that no snapshot and no metadata refers to.
func (l *lake) litter() (out []string) {
	l.t.Helper()
	tbl := l.iceberg()
	old := time.Now().Add(-time.Hour)
	require.NoError(l.t, filepath.WalkDir(filepath.Join(l.dir, "lake"), func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.Chtimes(p, old, old)
		}
		if strings.Contains(p, ".tidemark") && strings.Contains(p, "stage-") {
			out = append(out, p)
		}
		return err
	}))
	plan, err := tbl.PlanOrphanFiles(l.t.Context(), icetable.WithFilesOlderThan(time.Minute))
	require.NoError(l.t, err)
	for _, o := range plan.OrphanFiles() {
		if !strings.Contains(o.Path, ".tidemark") {
			out = append(out, o.Path)
		}
	}
	return out
}

func TestStagingIsOneBranchWithOneSnapshot(t *testing.T) {
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "old")...)
	load := l.landParts(many(0, 5, "a"), many(5, 10, "b"), many(9, 12, "c"))
	l.prepare(load)
	for i := range load.Files {
		require.NoError(t, l.stage(load, i))
		require.Equal(t, []string{"tidemark-staging-" + load.ID}, l.branches())
		require.Equal(t, 2, l.snapshots(), "main's and the branch's head")
		require.Len(t, l.rows(), 10)
	}
	require.Empty(t, l.litter())
	r := l.publish(load)
	require.Equal(t, etl.Counts{Read: 13, Inserted: 12, Superseded: 1, RowsBefore: 10, RowsAfter: 12}, r.Counts)
	require.Len(t, l.rows(), 12)
	require.Empty(t, l.branches())
	require.Equal(t, 2, l.snapshots())
	require.Empty(t, l.litter())
	base := l.iceberg().CurrentSnapshot().SequenceNumber
	for _, e := range l.entries(iceberg.EntryContentData) {
		require.Equal(t, base, e.seq, "rows of the full load are told by their sequence number")
	}
	require.Equal(t, 3, len(l.entries(iceberg.EntryContentData)))
	require.Equal(t, 1, len(l.entries(iceberg.EntryContentPosDeletes)))
	require.Equal(t, 4, r.FilesWritten)
}

// A new table has no main branch before the first publication.
func TestStagingOfANewTable(t *testing.T) {
	for _, m := range modes() {
		t.Run(m.name, func(t *testing.T) {
			table := people()
			table.Properties = m.with(nil)
			l := newLake(t, table)
			load := l.landParts(many(0, 5, "a"), many(3, 8, "b"))
			l.stageAll(load)
			require.Empty(t, l.rows())
			r := l.publish(load)
			require.Equal(t, etl.Counts{Read: 10, Inserted: 8, Superseded: 2, RowsAfter: 8}, r.Counts)
			require.Len(t, l.rows(), 8)
			require.Empty(t, l.litter())
			l.apply(etl.Incremental, upd(4, "later", 1), del(0))
			require.Len(t, l.rows(), 7)
			require.Contains(t, strings.Join(l.rows(), " "), "4|later|1")
		})
	}
}

// So many keys that they are settled in partitions.
func TestStagedFilesThatOverlapFarAndWide(t *testing.T) {
	if testing.Short() {
		t.Skip("many rows")
	}
	l := newLake(t, people())
	load := l.landParts(many(0, 150_000, "a"), many(75_000, 225_000, "b"))
	l.stageAll(load)
	r := l.publish(load)
	require.Equal(t, etl.Counts{Read: 300_000, Inserted: 225_000, Superseded: 75_000, RowsAfter: 225_000}, r.Counts)
	seen := map[string]int{}
	for rec, err := range l.sink.Scan(t.Context(), l.table.Name) {
		require.NoError(t, err)
		for i := range int(rec.NumRows()) {
			seen[rec.Column(1).ValueStr(i)[:1]]++
		}
	}
	require.Equal(t, map[string]int{"a": 75_000, "b": 150_000}, seen)
}

// Every commit of a staging is refused, lost before it happened, and lost after it.
func TestStagingFaults(t *testing.T) {
	refused := errors.New("requirement failed: branch main has changed")
	for name, fail := range map[string]func(f *faulty){
		"refused":                          func(f *faulty) { f.before = once(refused) },
		"lost before":                      func(f *faulty) { f.before = once(errGone) },
		"lost after":                       func(f *faulty) { f.after = once(errGone) },
		"refused although it went through": func(f *faulty) { f.after = once(refused) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLake(t, people())
			l.apply(etl.Full, many(0, 10, "old")...)
			f := l.breakable()
			stale := l.landParts(many(0, 3, "x"))
			fail(f)
			l.stageAll(stale)
			load := l.landParts(many(0, 5, "a"), many(4, 9, "b"))
			fail(f)
			l.prepare(load)
			for i := range load.Files {
				fail(f)
				require.NoError(t, l.stage(load, i))
			}
			require.Len(t, l.rows(), 10)
			fail(f)
			r := l.publish(load)
			require.Equal(t, etl.Counts{Read: 10, Inserted: 9, Superseded: 1, RowsBefore: 10, RowsAfter: 9}, r.Counts)
			require.Len(t, l.rows(), 9)
			require.Empty(t, l.branches())
			other := l.landParts(many(0, 3, "y"))
			fail(f)
			l.stageAll(other)
			fail(f)
			require.NoError(t, l.sink.Discard(t.Context(), l.target()))
			require.Empty(t, l.branches())
			require.Len(t, l.rows(), 9)
		})
	}
}

// A file that somebody took away is not published.
func TestStagedFilesMustBeThere(t *testing.T) {
	l := newLake(t, people())
	load := l.landParts(many(0, 5, "a"), many(5, 8, "b"))
	l.stageAll(load)
	require.NoError(t, os.Remove(l.parquets()[0]))
	_, err := l.sink.Publish(t.Context(), l.target(), load)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.Empty(t, l.rows())
	require.Len(t, l.branches(), 1)
}

// Maintenance leaves an open staging alone, however old its files look.
func TestMaintenanceBesideAStaging(t *testing.T) {
	ctx := context.Background()
	table := people()
	table.OrderBy = []string{"at"}
	l := newLake(t, table)
	l.apply(etl.Full, many(0, 10, "old")...)
	load := l.landParts(concat(many(0, 5, "a"), []row{{"op": "D", "id": 20, "at": 9}}), concat(many(5, 8, "b"), []row{ins(20, "late", 3)}))
	l.stageAll(load)
	require.NoError(t, filepath.WalkDir(filepath.Join(l.dir, "lake"), func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "catalog.db" {
			old := time.Now().Add(-100 * 24 * time.Hour)
			err = os.Chtimes(p, old, old)
		}
		return err
	}))
	for range 2 {
		opts := etl.MaintainOptions{Sweep: true, Maintenance: etl.Maintenance{SnapshotAge: time.Nanosecond, KeepSnapshots: 1}}
		_, err := l.sink.Maintain(ctx, l.target(), opts)
		require.NoError(t, err)
		l.apply(etl.Incremental, upd(1, "changed", 1))
	}
	r := l.publish(load)
	require.EqualValues(t, 8, r.Counts.Inserted, "the row of 20 loses against the delete of a greater order")
	require.Len(t, l.rows(), 8, fmt.Sprint(l.rows()))
}
