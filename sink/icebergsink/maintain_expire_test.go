package icebergsink_test

import (
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
	"github.com/tidemark-data/etl/sink/icebergsink"
)

// expiring rewrites nothing, and lets snapshots expire.
func expiring(age time.Duration, keep, most int) etl.MaintainOptions {
	return etl.MaintainOptions{Maintenance: etl.Maintenance{
		SmallFiles: -1, DeleteRatio: -1, DeleteFiles: -1, Manifests: -1,
		SnapshotAge: age, KeepSnapshots: keep, MaxSnapshots: most, OrphanAge: -1,
	}}
}

// later reopens the sink with a clock ahead of time.
func (l *lake) later(d time.Duration) {
	l.sink = icebergsink.New(l.breakable(), icebergsink.Options{Now: func() time.Time { return time.Now().Add(d) }})
}

// paths lists all files of the warehouse but those of the catalog, relative to it.
func (l *lake) paths() (out []string) {
	l.t.Helper()
	root := filepath.Join(l.dir, "lake")
	require.NoError(l.t, filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.Contains(p, "catalog.db") {
			rel, _ := filepath.Rel(root, p)
			out = append(out, rel)
		}
		return err
	}))
	return out
}

// age makes all files of the warehouse look old.
func (l *lake) age(d time.Duration) {
	l.t.Helper()
	for _, p := range l.paths() {
		at := time.Now().Add(-d)
		require.NoError(l.t, os.Chtimes(filepath.Join(l.dir, "lake", p), at, at))
	}
}

func TestMaintainExpiresSnapshots(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 100, "a")...)
	for i := range 5 {
		l.apply(etl.Incremental, upd(i, "b", i))
	}
	last := l.standing()
	require.True(t, last.Complete)
	l.maintain(eager())
	require.Len(t, l.parquets(), 13) // 6 of rows, 5 of deletes, 2 rewritten
	require.Zero(t, l.maintain(expiring(time.Hour, 1, -1)).ExpiredSnapshots, "they were replaced a moment ago")

	// Eight snapshots: six loads and two rewrites. Kept are the newest load and
	// what came after it.
	l.later(2 * time.Hour)
	rep := l.maintain(expiring(time.Hour, 1, -1))
	require.Equal(t, 5, rep.ExpiredSnapshots)
	require.Equal(t, 3, rep.After.Snapshots)
	require.Equal(t, 3, l.snapshots())
	require.Len(t, l.parquets(), 13, "the newest load's snapshot still holds them")
	st := l.standing()
	require.False(t, st.Complete, "loads of the epoch are not told of any more")
	require.Len(t, st.Loads, 1)
	require.Equal(t, last.Loads[5], st.Loads[0])
	for i, load := range last.Loads {
		_, found, err := l.sink.Applied(t.Context(), l.target(), load.ID)
		require.NoError(t, err)
		require.Equal(t, i == 5, found)
	}

	// The next load lets the others go, and their files with them.
	load, changes := l.land(etl.Incremental, upd(9, "c", 9))
	_, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.NoError(t, err)
	rep = l.maintain(expiring(time.Hour, 1, -1))
	require.Equal(t, 3, rep.ExpiredSnapshots)
	require.Equal(t, 1, l.snapshots())
	require.Len(t, l.parquets(), 4)
	require.Greater(t, rep.FreedFiles, 11)
	lists := 0
	for _, p := range l.paths() {
		if strings.Contains(p, "/snap-") {
			lists++
		}
	}
	require.Equal(t, 1, lists)
	require.Len(t, l.rows(), 100)
}

// Every rewrite keeps the order book valid, and expiry its file.
func TestMaintainKeepsRememberedOrders(t *testing.T) {
	t.Parallel()
	l := newLake(t, ordered())
	l.apply(etl.Full, many(0, 5, "a")...)
	l.apply(etl.Incremental, delAt(1, 20))
	l.apply(etl.Incremental, upd(2, "x", 20))
	memory := l.memory()
	l.maintain(eager())
	l.later(2 * time.Hour)
	opts := expiring(time.Hour, 1, -1)
	opts.Sweep = true
	l.age(48 * time.Hour)
	opts.OrphanAge = time.Hour
	l.maintain(opts)
	require.Equal(t, memory, l.memory())
	require.Len(t, l.memories(), 1)
	r := l.apply(etl.Incremental, upd(1, "late", 19))
	require.Equal(t, int64(1), r.Counts.Superseded)
}

func TestMaintainBoundsTheNumberOfSnapshots(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	for i := range 6 {
		l.apply(etl.Incremental, upd(i, "b", i))
	}
	require.Zero(t, l.maintain(expiring(5*24*time.Hour, 1, 3)).ExpiredSnapshots, "readers have an hour")
	l.later(61 * time.Minute)
	require.Equal(t, 3, l.maintain(expiring(5*24*time.Hour, 1, 3)).ExpiredSnapshots)
}

// Branches and tags of others keep what they show.
func TestMaintainKeepsWhatRefsShow(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Incremental, upd(1, "a", 1))
	tagged := l.iceberg().CurrentSnapshot().SnapshotID
	l.apply(etl.Full, ins(5, "b", 5))
	l.apply(etl.Incremental, upd(6, "c", 6))
	l.commitForeign(func(tx *icetable.Transaction) {
		require.NoError(t, tx.SetProperties(iceberg.Properties{"x": "y"}))
	})
	_, _, err := l.breakable().CommitTable(t.Context(), l.iceberg().Identifier(), nil, []icetable.Update{
		icetable.NewSetSnapshotRefUpdate("audit", tagged, icetable.TagRef, 0, 0, 0),
	})
	require.NoError(t, err)
	l.later(2 * time.Hour)
	require.Equal(t, 1, l.maintain(expiring(time.Hour, 1, -1)).ExpiredSnapshots)
	_, batches, err := l.iceberg().Scan(icetable.WithSnapshotID(tagged)).ToArrowRecords(t.Context())
	require.NoError(t, err)
	for rec, err := range batches {
		require.NoError(t, err)
		require.Equal(t, int64(1), rec.NumRows())
	}
}

func TestMaintainSweepsOrphans(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 100, "a")...)
	l.apply(etl.Incremental, upd(1, "b", 1))
	data := filepath.Join(l.dir, "lake", "mpd", "people", "data")
	if _, err := os.Stat(data); err != nil {
		data = filepath.Dir(strings.TrimPrefix(l.data()[0].FilePath(), "file://"))
	}
	l.age(48 * time.Hour)
	old, young := filepath.Join(data, "old.parquet"), filepath.Join(data, "young.parquet")
	require.NoError(t, os.WriteFile(old, []byte("left by a crash"), 0o600))
	at := time.Now().Add(-25 * time.Hour)
	require.NoError(t, os.Chtimes(old, at, at))
	require.NoError(t, os.WriteFile(young, []byte("of a load that runs"), 0o600))
	before := l.paths()

	opts := expiring(-1, 1, -1)
	opts.OrphanAge, opts.Fence = 24*time.Hour, 5
	require.Zero(t, l.maintain(opts).Orphans, "without a sweep nothing is looked for")
	opts.Sweep, opts.DryRun = true, true
	rep := l.maintain(opts)
	require.Equal(t, 1, rep.Orphans)
	require.Equal(t, before, l.paths())
	opts.DryRun = false
	rep = l.maintain(opts)
	require.Equal(t, 1, rep.Orphans)
	require.Equal(t, int64(15), rep.OrphanBytes)
	require.NoFileExists(t, old)
	require.FileExists(t, young)
	for _, p := range before {
		require.True(t, strings.HasSuffix(p, "old.parquet") || exists(filepath.Join(l.dir, "lake", p)), p)
	}
	// Who lost the lease before that cannot commit old files any more.
	load, changes := l.land(etl.Incremental, upd(1, "c", 1))
	_, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.ErrorIs(t, err, etl.ErrStaleFence)
	l.fence = 6
	l.apply(etl.Incremental, upd(1, "c", 1))
	require.Zero(t, l.maintain(etl.MaintainOptions{Sweep: true, Fence: 7}).Orphans)
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// The side files of tables are not the sweep's to remove, wherever they are.
func TestMaintainSparesSideFiles(t *testing.T) {
	t.Parallel()
	l := newLake(t, ordered())
	l.apply(etl.Full, many(0, 5, "a")...)
	l.sink = icebergsink.New(l.breakable(), icebergsink.Options{SideLocation: l.iceberg().Location() + "/side"})
	l.apply(etl.Incremental, delAt(1, 20))
	require.Contains(t, l.memory(), "/side/")
	l.age(48 * time.Hour)
	opts := eager()
	opts.Sweep, opts.OrphanAge = true, time.Hour
	require.Zero(t, l.maintain(opts).Orphans)
	r := l.apply(etl.Incremental, upd(1, "late", 19))
	require.Equal(t, int64(1), r.Counts.Superseded)
}

func TestMaintainRespectsGC(t *testing.T) {
	t.Parallel()
	table := people()
	table.Properties = map[string]string{icetable.GCEnabledKey: "false"}
	l := newLake(t, table)
	for i := range 3 {
		l.apply(etl.Incremental, upd(i, "b", i))
	}
	l.later(2 * time.Hour)
	rep := l.maintain(expiring(time.Hour, 1, -1))
	require.Zero(t, rep.ExpiredSnapshots)
	require.Len(t, rep.Notes, 1)
	require.Equal(t, 3, l.snapshots())
}
