package icebergsink_test

import (
	"fmt"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

func TestFullThenIncremental(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	r := l.apply(etl.Full, ins(1, "a", 1), ins(2, "b", 1), ins(3, "c", 1))
	require.Equal(t, etl.Counts{Read: 3, Inserted: 3, RowsAfter: 3}, r.Counts)
	require.Equal(t, []string{"1|a|1", "2|b|1", "3|c|1"}, l.rows())

	r = l.apply(etl.Incremental, upd(2, "B", 2), del(3), ins(4, "d", 2), del(9))
	require.Equal(t, []string{"1|a|1", "2|B|2", "4|d|2"}, l.rows())
	require.Equal(t, etl.Counts{Read: 4, Inserted: 1, Updated: 1, Deleted: 1, Unchanged: 1, RowsBefore: 3, RowsAfter: 3}, r.Counts)
	require.Equal(t, 2, r.FilesWritten) // one data file, one delete file
	require.Positive(t, r.BytesWritten)
	require.Equal(t, 2, l.snapshots(), "one snapshot for each load")
}

func TestIdentifierFields(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, ins(1, "a", 1))
	schema := l.iceberg().Schema()
	require.Equal(t, []int{1}, schema.IdentifierFieldIDs)
	id, _ := schema.FindFieldByName("id")
	name, _ := schema.FindFieldByName("name")
	require.True(t, id.Required)
	require.False(t, name.Required)
	require.Equal(t, 2, l.iceberg().Metadata().Version())
}

func TestPositionDeletesAreNotRepeated(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "a")...)
	for i := range 4 {
		l.apply(etl.Incremental, upd(3, fmt.Sprintf("v%d", i), i))
	}
	total := int64(0)
	seen := map[string]int64{}
	for _, d := range l.entries(iceberg.EntryContentPosDeletes) {
		total += d.Count()
		lo, hi := d.LowerBoundValues()[2147483546], d.UpperBoundValues()[2147483546]
		require.NotEmpty(t, lo)
		require.Equal(t, lo, hi, "bounds do not name one data file")
		seen[string(lo)] += d.Count()
	}
	// Row 3 was deleted once in the first file and once in each of three others.
	require.Equal(t, int64(4), total)
	for _, n := range seen {
		require.Equal(t, int64(1), n)
	}
	require.Len(t, l.rows(), 10)
}

func TestLoadThatChangesNothingIsFound(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, ins(1, "a", 1))
	before := l.iceberg().CurrentSnapshot().SnapshotID
	r := l.apply(etl.Incremental, del(7))
	require.Equal(t, int64(1), r.Counts.Unchanged)
	require.Zero(t, r.FilesWritten)
	require.NotEqual(t, before, l.iceberg().CurrentSnapshot().SnapshotID)
	got, ok, err := l.sink.Applied(t.Context(), l.target(), r.LoadID)
	require.NoError(t, err)
	require.True(t, ok)
	r.Found = true
	require.Equal(t, r, got)
}

func TestApplyTwiceFindsTheFirst(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	load, changes := l.land(etl.Full, ins(1, "a", 1))
	first, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.NoError(t, err)
	l.apply(etl.Incremental, upd(1, "b", 2))

	again, err := l.sink.Apply(t.Context(), l.target(), load, l.changes(load))
	require.NoError(t, err)
	require.True(t, again.Found)
	again.Found = false
	require.Equal(t, first, again)
	require.Equal(t, []string{"1|b|2"}, l.rows())
	require.Equal(t, 2, l.snapshots())

	_, ok, err := l.sink.Applied(t.Context(), l.target(), "load-unheard-of")
	require.NoError(t, err)
	require.False(t, ok)
}

func TestFullLoadReplacesEverything(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 100, "a")...)
	l.apply(etl.Incremental, upd(5, "x", 9), del(6))
	require.NotEmpty(t, l.entries(iceberg.EntryContentPosDeletes))
	r := l.apply(etl.Full, ins(5, "new", 1), ins(200, "new", 1))
	require.Equal(t, []string{"200|new|1", "5|new|1"}, l.rows())
	require.Equal(t, int64(99), r.Counts.RowsBefore)
	require.Empty(t, l.entries(iceberg.EntryContentPosDeletes), "old delete files stay")
	require.Len(t, l.entries(iceberg.EntryContentData), 1)
	require.Equal(t, 3, l.snapshots())
}

func TestEmptyFullLoad(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full) // of a table that does not exist
	require.Empty(t, l.rows())
	require.Equal(t, 1, l.snapshots())
	l.apply(etl.Full, ins(1, "a", 1), ins(2, "a", 1))
	l.apply(etl.Incremental, upd(1, "b", 1))
	r := l.apply(etl.Full)
	require.Equal(t, int64(2), r.Counts.RowsBefore)
	require.Empty(t, l.rows())
	require.Empty(t, l.entries(iceberg.EntryContentData))
	require.Empty(t, l.entries(iceberg.EntryContentPosDeletes))
	require.Equal(t, 4, l.snapshots())
	l.apply(etl.Incremental, ins(1, "c", 1))
	require.Equal(t, []string{"1|c|1"}, l.rows())
}

func TestIncrementalFirst(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Incremental, ins(1, "a", 1), del(2))
	l.apply(etl.Incremental, upd(1, "b", 1))
	require.Equal(t, []string{"1|b|1"}, l.rows())
}

func TestSchemaMismatchNamesTheColumn(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, ins(1, "a", 1))
	for name, change := range map[string]func(*etl.Table){
		"type":     func(tb *etl.Table) { tb.Columns[1].Type = etl.Binary },
		"missing":  func(tb *etl.Table) { tb.Columns = append(tb.Columns, etl.Column{Name: "extra", Type: etl.Int}) },
		"required": func(tb *etl.Table) { tb.Columns[1].Required = true },
		"surplus":  func(tb *etl.Table) { tb.Columns = tb.Columns[:2] },
	} {
		t.Run(name, func(t *testing.T) {
			bad := &lake{t: t, sink: l.sink, table: people(), files: l.files, n: 100 + l.n, fence: 1}
			change(&bad.table)
			load, changes := bad.land(etl.Incremental, del(1))
			_, err := l.sink.Apply(t.Context(), bad.target(), load, changes)
			require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "%v", err)
			want := map[string]string{"type": "name", "missing": "extra", "required": "name", "surplus": "at"}[name]
			require.ErrorContains(t, err, "column "+want)
		})
	}
}

func TestNamesAreRefused(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, ins(1, "a", 1))
	for _, name := range []string{"people", "mpd.People", "MPD.people", "../x.people", "mpd.", "mpd.a/b", "mpd.a b"} {
		target := l.target()
		target.Name = name
		load, changes := l.land(etl.Full, ins(1, "a", 1))
		_, err := l.sink.Apply(t.Context(), target, load, changes)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "%s: %v", name, err)
	}
}

func TestManyPartsAndFiles(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 20000, "a")...)
	load, _ := l.land(etl.Incremental, concat(many(5000, 25000, "b"), []row{del(0)})...)
	changes, err := etl.NewChanges(etl.ChangesConfig{Table: l.table, Load: load, Source: l.files, Format: l.files, Budget: 200 << 10})
	require.NoError(t, err)
	parts := 0
	for _, err := range changes.Parts(t.Context()) {
		require.NoError(t, err)
		parts++
	}
	require.Greater(t, parts, 1)
	r, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.NoError(t, err)
	require.Equal(t, etl.Counts{Read: 20001, Inserted: 5000, Updated: 15000, Deleted: 1, RowsBefore: 20000, RowsAfter: 24999}, r.Counts)
	require.Len(t, l.rows(), 24999)
	require.Equal(t, 2, r.FilesWritten)
}
