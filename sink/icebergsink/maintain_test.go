package icebergsink_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	icetable "github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// eager does what can be done, but removes no file by age.
func eager() etl.MaintainOptions {
	return etl.MaintainOptions{Maintenance: etl.Maintenance{
		SmallFiles: 2, DeleteRatio: 0.01, DeleteFiles: 2, Manifests: -1, SnapshotAge: -1, OrphanAge: -1,
	}}
}

// maintain maintains the table and checks that no row has changed, and that the
// loads are told of as before.
func (l *lake) maintain(opts etl.MaintainOptions) etl.MaintainReport {
	l.t.Helper()
	before, standing := l.rows(), l.standing()
	rep, err := l.sink.Maintain(l.t.Context(), l.target(), opts)
	require.NoError(l.t, err)
	require.Equal(l.t, before, l.rows())
	after := l.standing()
	require.Equal(l.t, standing.Epoch, after.Epoch)
	require.Equal(l.t, standing.Watermark, after.Watermark)
	require.Equal(l.t, standing.Landed, after.Landed)
	if rep.ExpiredSnapshots == 0 {
		after.Fence = standing.Fence
		require.Equal(l.t, standing, after)
	}
	return rep
}

func (l *lake) standing() etl.Standing {
	l.t.Helper()
	s, err := l.sink.Standing(l.t.Context(), l.target())
	require.NoError(l.t, err)
	return s
}

func (l *lake) data() []entry { return l.entries(iceberg.EntryContentData) }

func (l *lake) deletes() []entry { return l.entries(iceberg.EntryContentPosDeletes) }

func TestMaintainMakesFewFilesOfMany(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	for i := range 9 {
		l.apply(etl.Incremental, many(i*10, i*10+15, fmt.Sprint("v", i))...)
	}
	require.Len(t, l.data(), 9)
	require.Len(t, l.deletes(), 8)
	rep := l.maintain(eager())
	require.Equal(t, 9, rep.RewrittenFiles)
	require.Equal(t, 1, rep.WrittenFiles)
	require.Len(t, rep.Commits, 1)
	require.Equal(t, 9, rep.Before.DataFiles)
	require.Equal(t, 1, rep.After.DataFiles)
	require.Zero(t, rep.After.DeleteFiles)
	require.Len(t, l.data(), 1)
	require.Empty(t, l.deletes())
	require.Equal(t, int64(95), l.data()[0].Count())
	snap := l.iceberg().CurrentSnapshot()
	require.Equal(t, icetable.OpReplace, snap.Summary.Operation)
	require.Equal(t, "compact", snap.Summary.Properties["tidemark.maintenance"])

	require.Empty(t, l.maintain(eager()).Commits, "there was nothing to do")
	l.apply(etl.Incremental, upd(3, "x", 3), del(4))
	require.Len(t, l.rows(), 94)
}

func TestMaintainOfNoTable(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	rep, err := l.sink.Maintain(t.Context(), l.target(), eager())
	require.NoError(t, err)
	require.Zero(t, rep)
	_, err = l.sink.Apply(t.Context(), l.target(), etl.Load{ID: "x", Table: l.table.Name, Kind: etl.Incremental, Fence: 1}, l.changes(etl.Load{ID: "x", Table: l.table.Name, Kind: etl.Incremental}))
	require.NoError(t, err)
	require.Empty(t, l.maintain(eager()).Commits)
}

// After compaction a change whose order is less than that of a row of the full
// load still beats it, and one whose order is less than that of a change's row
// still does not; what is remembered of deleted rows stays in force.
func TestMaintainKeepsBaseAndChangesApart(t *testing.T) {
	t.Parallel()
	l := newLake(t, ordered())
	l.apply(etl.Full, many(0, 40, "base")...)
	var full []row
	for i := range 40 {
		full = append(full, ins(i, "base", 100))
	}
	l.apply(etl.Full, full...)
	base := l.data()[0].seq
	l.apply(etl.Incremental, upd(1, "change", 50), delAt(2, 60))
	l.apply(etl.Incremental, upd(3, "change", 50))
	l.apply(etl.Incremental, upd(4, "change", 50))
	rep := l.maintain(eager())
	require.Len(t, rep.Commits, 2, "base and changes are two rewrites")
	data := l.data()
	require.Len(t, data, 2)
	for _, e := range data {
		if e.Count() == 36 {
			require.LessOrEqual(t, e.seq, base)
		} else {
			require.Equal(t, int64(3), e.Count())
			require.Greater(t, e.seq, base)
		}
	}

	r := l.apply(etl.Incremental, upd(1, "late", 49), upd(2, "late", 59), upd(5, "beats base", 1), delAt(6, 1), upd(3, "new", 51))
	require.Equal(t, int64(2), r.Counts.Superseded)
	rows := l.rows()
	require.Len(t, rows, 38)
	require.Contains(t, rows, "1|change|50")
	require.Contains(t, rows, "5|beats base|1")
	require.Contains(t, rows, "3|new|51")
	require.NotContains(t, strings.Join(rows, "\n"), "late")

	// Once more, now that rewritten files are rewritten.
	l.apply(etl.Incremental, upd(7, "change", 5))
	l.maintain(eager())
	r = l.apply(etl.Incremental, upd(7, "late", 4), upd(8, "beats base", 1), upd(5, "late", 0))
	require.Equal(t, int64(2), r.Counts.Superseded)
	require.Contains(t, l.rows(), "8|beats base|1")
}

// A full load after compaction makes all rewritten files go, and its own rows
// the base.
func TestFullLoadAfterMaintenance(t *testing.T) {
	t.Parallel()
	l := newLake(t, ordered())
	for i := range 4 {
		l.apply(etl.Incremental, upd(i, "a", 10))
	}
	l.maintain(eager())
	l.apply(etl.Full, ins(1, "full", 100), ins(2, "full", 100))
	l.apply(etl.Incremental, upd(1, "change", 1))
	require.Equal(t, []string{"1|change|1", "2|full|100"}, l.rows())
}

func TestMaintainRewritesByDeleteRatio(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 100, "a")...)
	var dels []row
	for i := range 29 {
		dels = append(dels, del(i))
	}
	l.apply(etl.Incremental, dels...)
	opts := eager()
	opts.SmallFiles, opts.DeleteRatio = -1, 0.3
	require.Zero(t, l.maintain(opts).RewrittenFiles)
	l.apply(etl.Incremental, del(99))
	rep := l.maintain(opts)
	require.Equal(t, 1, rep.RewrittenFiles)
	require.Empty(t, l.deletes())
	require.Equal(t, int64(70), l.data()[0].Count())

	// A file of which no row is left goes without another in its place.
	dels = nil
	for i := range 100 {
		dels = append(dels, del(i))
	}
	l.apply(etl.Incremental, dels...)
	rep = l.maintain(opts)
	require.Equal(t, 1, rep.RewrittenFiles)
	require.Zero(t, rep.WrittenFiles)
	require.Zero(t, rep.After.DataFiles)
	l.apply(etl.Incremental, ins(1, "again", 1))
}

func TestMaintainMergesDeleteFiles(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 1000, "a")...)
	for i := range 5 {
		l.apply(etl.Incremental, del(i*7))
	}
	require.Len(t, l.deletes(), 5)
	opts := eager()
	opts.DeleteRatio, opts.DeleteFiles = -1, 6
	require.Zero(t, l.maintain(opts).MergedDeletes)
	opts.DeleteFiles = 5
	rep := l.maintain(opts)
	require.Equal(t, 5, rep.MergedDeletes)
	require.Zero(t, rep.RewrittenFiles)
	require.Len(t, l.deletes(), 1)
	require.Equal(t, int64(5), l.deletes()[0].Count())
	r := l.apply(etl.Incremental, del(7), del(8), upd(9, "b", 9))
	require.Equal(t, int64(1), r.Counts.Unchanged)
	require.Len(t, l.rows(), 994)
	opts.DeleteRatio = 0.001
	l.maintain(opts)
	require.Len(t, l.rows(), 994)
	require.Empty(t, l.deletes())
}

func TestMaintainMergesManifests(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 100, "a")...)
	for i := range 6 {
		l.apply(etl.Incremental, upd(i, "b", i), ins(1000+i, "c", i))
	}
	seqs := map[string]int64{}
	for _, e := range append(l.data(), l.deletes()...) {
		seqs[e.FilePath()] = e.seq
	}
	opts := etl.MaintainOptions{Maintenance: etl.Maintenance{Manifests: 5, SmallFiles: -1, DeleteRatio: -1, DeleteFiles: -1, SnapshotAge: -1}}
	rep := l.maintain(opts)
	require.Equal(t, 13, rep.MergedManifests)
	require.Equal(t, 13, rep.Before.Manifests)
	require.Equal(t, 2, rep.After.Manifests)
	for _, e := range append(l.data(), l.deletes()...) {
		require.Equal(t, seqs[e.FilePath()], e.seq)
		delete(seqs, e.FilePath())
	}
	require.Empty(t, seqs)
	sum := l.iceberg().CurrentSnapshot().Summary
	require.Equal(t, "merge-manifests", sum.Properties["tidemark.maintenance"])
	require.Equal(t, "7", sum.Properties["total-data-files"])
	l.apply(etl.Incremental, upd(1, "d", 1), del(1001))
	require.Len(t, l.rows(), 105)
	l.maintain(eager())
	l.apply(etl.Incremental, upd(1, "e", 1))
	opts.Manifests = 10
	require.Zero(t, l.maintain(opts).MergedManifests, "few manifests are left alone")
}

// Partitions stay apart, and every rewritten file lies in its partition.
func TestMaintainPartitions(t *testing.T) {
	t.Parallel()
	table := people()
	table.Partition = []etl.PartitionField{{Column: "at", Transform: "truncate", N: 10}, {Column: "name", Transform: "identity"}}
	l := newLake(t, table)
	for i := range 4 {
		l.apply(etl.Incremental, ins(i, "a", 1), ins(10+i, "b", 1), ins(20+i, "a", 11), upd(max(0, i-1), "b", 11))
	}
	rep := l.maintain(eager())
	require.Equal(t, 4, rep.After.DataFiles)
	for _, e := range l.data() {
		require.Len(t, e.Partition(), 2)
	}
	l.apply(etl.Incremental, upd(21, "c", 25))
	require.Len(t, l.rows(), 12)
}

// A budget leaves the rest for the next step.
func TestMaintainInSteps(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	for i := range 8 {
		l.apply(etl.Incremental, many(i*10, i*10+10, "a")...)
	}
	opts := eager()
	opts.RewriteBytes = l.data()[0].FileSizeBytes()*3 + 100
	rep := l.maintain(opts)
	require.True(t, rep.More)
	require.Equal(t, 3, rep.RewrittenFiles)
	for range 10 {
		if rep = l.maintain(opts); !rep.More {
			break
		}
		require.NotEmpty(t, rep.Commits)
	}
	require.False(t, rep.More)
	require.LessOrEqual(t, rep.After.DataFiles, 3)
}

func TestMaintainDryRun(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 100, "a")...)
	for i := range 5 {
		l.apply(etl.Incremental, upd(i, "b", i))
	}
	head, files := l.iceberg().MetadataLocation(), l.parquets()
	opts := eager()
	opts.DryRun, opts.Sweep, opts.OrphanAge, opts.SnapshotAge, opts.KeepSnapshots = true, true, time.Nanosecond, time.Nanosecond, 2
	opts.Manifests = 2
	rep := l.maintain(opts)
	require.Equal(t, 6, rep.RewrittenFiles)
	require.Zero(t, rep.MergedDeletes, "they go with the files rewritten")
	require.Equal(t, 4, rep.ExpiredSnapshots)
	require.Equal(t, 11, rep.MergedManifests)
	require.Empty(t, rep.Commits)
	require.Equal(t, head, l.iceberg().MetadataLocation())
	require.Equal(t, files, l.parquets())
}

func TestMaintainRefusesAnOlderFence(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	for i := range 3 {
		l.apply(etl.Incremental, upd(i, "b", i))
	}
	require.NoError(t, l.sink.Fence(t.Context(), l.target(), 7))
	opts := eager()
	opts.Fence = 6
	_, err := l.sink.Maintain(t.Context(), l.target(), opts)
	require.ErrorIs(t, err, etl.ErrStaleFence)
	require.Len(t, l.data(), 3)
	opts.Fence = 8
	require.Equal(t, 3, l.maintain(opts).RewrittenFiles)
	load, changes := l.land(etl.Incremental, upd(1, "c", 1))
	_, err = l.sink.Apply(t.Context(), l.target(), load, changes)
	require.ErrorIs(t, err, etl.ErrStaleFence, "a load of an older lease went through after maintenance of a newer one")
}

// Delete files of other writers name rows of several data files, and rows twice.
func TestMaintainAppliesDeletesOfOthers(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	for i := range 3 {
		l.apply(etl.Incremental, many(i*10, i*10+10, "a")...)
	}
	d := l.data()
	l.foreignDeletes("one", fmt.Sprintf(`[{"file_path":%[1]q,"pos":1},{"file_path":%[2]q,"pos":2},{"file_path":%[2]q,"pos":3}]`, d[0].FilePath(), d[1].FilePath()))
	l.foreignDeletes("two", fmt.Sprintf(`[{"file_path":%[2]q,"pos":2},{"file_path":%[1]q,"pos":5}]`, d[0].FilePath(), d[1].FilePath()))
	require.Len(t, l.rows(), 26)
	// As long as one of their data files is there they stay.
	opts := eager()
	opts.SmallFiles, opts.DeleteRatio, opts.DeleteFiles, opts.RewriteBytes = -1, 0.15, -1, 1
	rep := l.maintain(opts)
	require.Equal(t, 1, rep.RewrittenFiles)
	require.Len(t, l.deletes(), 2)
	opts.DeleteRatio, opts.DeleteFiles = -1, 2
	rep = l.maintain(opts)
	require.Equal(t, 2, rep.MergedDeletes)
	require.Len(t, l.deletes(), 1)
	require.Equal(t, int64(2), l.deletes()[0].Count(), "positions twice, and those of files that are gone, are left out")
	require.Equal(t, 3, l.maintain(eager()).RewrittenFiles)
	require.Empty(t, l.deletes())
	require.Len(t, l.rows(), 26)
}

// Loads that touch many data files write delete files that speak of all of them.
func TestMaintainMergesSharedDeleteFiles(t *testing.T) {
	t.Parallel()
	table := people()
	table.Partition = []etl.PartitionField{{Column: "at", Transform: "truncate", N: 1000}}
	l := newLake(t, table)
	for i := range 12 {
		l.apply(etl.Incremental, append(many(i*10, i*10+10, "a"), many(i*10+1000, i*10+1005, "b")...)...)
	}
	for n := range 3 {
		var rows []row
		for i := range 12 {
			rows = append(rows, del(i*10+n), del(i*10+1000+n))
		}
		l.apply(etl.Incremental, rows...)
	}
	require.Len(t, l.deletes(), 6)
	opts := eager()
	opts.SmallFiles, opts.DeleteRatio, opts.DeleteFiles = -1, -1, 3
	rep := l.maintain(opts)
	require.Equal(t, 6, rep.MergedDeletes)
	dels := l.deletes()
	require.Len(t, dels, 2, "one for each partition")
	require.Equal(t, int64(36), dels[0].Count())
	require.Equal(t, int64(36), dels[1].Count())
	r := l.apply(etl.Incremental, del(2), del(3), upd(1004, "c", 1004))
	require.Equal(t, int64(1), r.Counts.Unchanged)
	l.maintain(eager())
	require.Empty(t, l.deletes())
	require.Len(t, l.data(), 2)
}

// foreignDeletes commits a delete file of positions given as JSON.
func (l *lake) foreignDeletes(name, positions string) {
	l.t.Helper()
	path, size, meta := l.writeParquet(name+".parquet", positionSchema, positions)
	df, err := icetable.DataFileFromMetadata(icetable.DataFileArgs{
		Schema: iceberg.PositionalDeleteSchema, Spec: *iceberg.UnpartitionedSpec, Format: iceberg.ParquetFile, Metadata: meta,
		FilePath: path, FileSize: size, Content: iceberg.EntryContentPosDeletes, FormatVersion: 2,
	})
	require.NoError(l.t, err)
	l.commitForeign(func(tx *icetable.Transaction) {
		require.NoError(l.t, tx.NewRowDelta(nil).AddDeletes(df).Commit(l.t.Context()))
	})
}

// Equality deletes are not applied: the table is left alone, and says so.
func TestMaintainLeavesEqualityDeletesAlone(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	for i := range 3 {
		l.apply(etl.Incremental, many(i*10, i*10+10, "a")...)
	}
	schema := arrow.NewSchema([]arrow.Field{numbered("id", arrow.PrimitiveTypes.Int64, 1)}, nil)
	path, size, meta := l.writeParquet("equality.parquet", schema, `[{"id":3}]`)
	df, err := icetable.DataFileFromMetadata(icetable.DataFileArgs{
		Schema: l.iceberg().Schema(), Spec: *iceberg.UnpartitionedSpec, Format: iceberg.ParquetFile, Metadata: meta,
		FilePath: path, FileSize: size, Content: iceberg.EntryContentEqDeletes, FormatVersion: 2, EqualityFieldIDs: []int{1},
	})
	require.NoError(t, err)
	l.commitForeign(func(tx *icetable.Transaction) {
		require.NoError(t, tx.NewRowDelta(nil).AddDeletes(df).Commit(t.Context()))
	})
	rep := l.maintain(eager())
	require.Zero(t, rep.RewrittenFiles)
	require.Len(t, rep.Notes, 1)
	require.Len(t, l.rows(), 29)
}
