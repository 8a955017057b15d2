package icebergsink_test

import (
	"fmt"
	"testing"
	"time"

	icetable "github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

func TestStaleFence(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.fence = 5
	l.apply(etl.Full, ins(1, "a", 1))
	l.fence = 4
	load, changes := l.land(etl.Incremental, upd(1, "b", 1))
	_, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.ErrorIs(t, err, etl.ErrStaleFence)
	require.Equal(t, etl.Refused, etl.OutcomeOf(err))
	require.Equal(t, []string{"1|a|1"}, l.rows())

	require.NoError(t, l.sink.Fence(t.Context(), l.target(), 9))
	require.NoError(t, l.sink.Fence(t.Context(), l.target(), 7), "a fence is only raised")
	l.fence = 8
	load, changes = l.land(etl.Incremental, upd(1, "b", 1))
	_, err = l.sink.Apply(t.Context(), l.target(), load, changes)
	require.ErrorIs(t, err, etl.ErrStaleFence)
	l.fence = 9
	l.apply(etl.Incremental, upd(1, "b", 1))
	st, err := l.sink.Standing(t.Context(), l.target())
	require.NoError(t, err)
	require.Equal(t, int64(9), st.Fence)
}

// A load that has read the table before the fence was raised must not commit
// after it: properties alone would let it, because the head of main stays.
func TestFenceStopsALoadUnderWay(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, ins(1, "a", 1))
	other := l.sink
	f := l.breakable()
	f.before = func() error {
		require.NoError(t, other.Fence(t.Context(), l.target(), 2))
		return nil
	}
	load, changes := l.land(etl.Incremental, upd(1, "b", 1))
	_, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.ErrorIs(t, err, etl.ErrStaleFence)
	require.Equal(t, []string{"1|a|1"}, l.rows())
}

func TestFenceOfATableThatIsNotThere(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	require.NoError(t, l.sink.Fence(t.Context(), l.target(), 3))
	load, changes := l.land(etl.Full, ins(1, "a", 1)) // fence 1
	_, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.ErrorIs(t, err, etl.ErrStaleFence)
}

func TestStanding(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	st, err := l.sink.Standing(t.Context(), l.target())
	require.NoError(t, err)
	require.Equal(t, etl.Standing{}, st)
	_, found, err := l.sink.Applied(t.Context(), l.target(), "load-1")
	require.NoError(t, err)
	require.False(t, found)

	l.apply(etl.Incremental, ins(1, "a", 1))
	st, err = l.sink.Standing(t.Context(), l.target())
	require.NoError(t, err)
	require.True(t, st.Complete, "epoch 0 back to the first snapshot")

	l.apply(etl.Full, ins(1, "a", 1))
	require.NoError(t, l.sink.Fence(t.Context(), l.target(), 4))
	l.fence = 4
	r := l.apply(etl.Incremental, upd(1, "b", 1))
	st, err = l.sink.Standing(t.Context(), l.target())
	require.NoError(t, err)
	require.Equal(t, int64(1), st.Epoch)
	require.Equal(t, "w000003", st.Watermark)
	require.Equal(t, int64(4), st.Fence)
	require.Equal(t, time.Unix(1000, 0).UTC(), st.Landed)
	require.True(t, st.Complete)
	require.Len(t, st.Loads, 3)
	last := st.Loads[2]
	load := etl.Load{Files: []etl.File{{Location: "incremental/000003", Size: 1, ModTime: time.Unix(3, 0)}}}
	require.Equal(t, []string{load.Files[0].ID()}, last.FileIDs)
	require.Equal(t, "incremental/000003", last.LastName)
	require.Equal(t, etl.Incremental, last.Kind)
	require.Equal(t, r, last.Receipt)
	require.Equal(t, []etl.LoadKind{etl.Incremental, etl.Full}, []etl.LoadKind{st.Loads[0].Kind, st.Loads[1].Kind})
}

// Snapshots expire. What is left must not claim to be complete, and the last
// load must still be known from the properties even if its snapshot is gone.
func TestStandingAfterExpiry(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, ins(1, "a", 1))
	l.apply(etl.Incremental, upd(1, "b", 1))
	last := l.apply(etl.Incremental, upd(1, "c", 1))
	expire := func() {
		tx := l.iceberg().NewTransaction()
		require.NoError(t, tx.ExpireSnapshots(icetable.WithOlderThan(0), icetable.WithRetainLast(1)))
		_, err := tx.Commit(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, l.snapshots())
	}
	expire()
	st, err := l.sink.Standing(t.Context(), l.target())
	require.NoError(t, err)
	require.False(t, st.Complete)
	require.Len(t, st.Loads, 1)
	require.Equal(t, "w000003", st.Watermark)

	// A foreign snapshot on top, then expiry of ours.
	tx := l.iceberg().NewTransaction()
	require.NoError(t, tx.AddFiles(t.Context(), nil, nil, true))
	_, err = tx.Commit(t.Context())
	require.NoError(t, err)
	expire()
	got, found, err := l.sink.Applied(t.Context(), l.target(), last.LoadID)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, last.Counts, got.Counts)
	st, err = l.sink.Standing(t.Context(), l.target())
	require.NoError(t, err)
	require.Equal(t, int64(1), st.Epoch)
	require.Equal(t, "w000003", st.Watermark)
	require.False(t, st.Complete)
	require.Equal(t, []string{"1|c|1"}, l.rows())
}

// The properties still speak of a load that was rolled back; the table does not
// hold it.
func TestRolledBackLoadIsNotFound(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, ins(1, "a", 1))
	before := l.iceberg().CurrentSnapshot().SnapshotID
	load, changes := l.land(etl.Incremental, upd(1, "b", 1))
	_, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.NoError(t, err)
	tx := l.iceberg().NewTransaction()
	require.NoError(t, tx.RollbackToSnapshot(before))
	_, err = tx.Commit(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"1|a|1"}, l.rows())
	_, found, err := l.sink.Applied(t.Context(), l.target(), load.ID)
	require.NoError(t, err)
	require.False(t, found)
	r, err := l.sink.Apply(t.Context(), l.target(), load, l.changes(load))
	require.NoError(t, err)
	require.False(t, r.Found)
	require.Equal(t, []string{"1|b|1"}, l.rows())
}

// The file list of a snapshot is cut at 2,000 IDs; a standing that rests on a cut
// list does not claim to be complete.
func TestManyFilesAreCut(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, ins(1, "a", 1))
	load, _ := l.land(etl.Incremental, upd(1, "b", 1))
	for i := range 2000 {
		load.Files = append(load.Files, etl.File{Location: fmt.Sprintf("incremental/none-%d", i)})
	}
	_, err := l.sink.Apply(t.Context(), l.target(), load, l.changes(load))
	require.NoError(t, err)
	st, err := l.sink.Standing(t.Context(), l.target())
	require.NoError(t, err)
	require.Len(t, st.Loads[1].FileIDs, 2000)
	require.Equal(t, "incremental/none-1999", st.Loads[1].LastName)
	require.False(t, st.Complete)
}
