package etltest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// ControlOption is an option of [ControlStore].
type ControlOption func(*controlSuite)

// ReopenControl lets the suite check that a store survives its process: reopen
// closes the store and opens another over the same data.
func ReopenControl(reopen func(t *testing.T, s etl.ControlStore) etl.ControlStore) ControlOption {
	return func(c *controlSuite) { c.reopen = reopen }
}

type controlSuite struct {
	open   func(t *testing.T) etl.ControlStore
	reopen func(t *testing.T, s etl.ControlStore) etl.ControlStore
}

// ControlStore checks an implementation of [etl.ControlStore] against its
// contract. open returns a new, empty store for each call, and closes it by
// t.Cleanup.
func ControlStore(t *testing.T, open func(t *testing.T) etl.ControlStore, opts ...ControlOption) {
	c := &controlSuite{open: open}
	for _, o := range opts {
		o(c)
	}
	run := func(name string, f func(t *testing.T, s etl.ControlStore)) {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
	run("ZeroState", zeroState)
	run("StateRoundTrip", stateRoundTrip)
	run("CompareAndSwap", compareAndSwap)
	run("Fences", controlFences)
	run("InsertConflict", insertConflict)
	run("Atomic", atomicUpdate)
	run("Put", putReplacesAndMoves)
	run("Isolation", controlIsolation)
	run("HostileNames", hostileNames)
	run("Order", filesOrder)
	run("Filters", filesFilters)
	run("ManyIDs", filesManyIDs)
	run("AnyTable", filesAnyTable)
	run("Parts", filesParts)
	run("UpdateWhileIterating", updateWhileIterating)
	run("IterateWhileOthersUpdate", iterateWhileOthersUpdate)
	run("History", historyOrder)
	run("LargeUpdate", largeUpdate)
	run("Context", controlContext)
	run("RaceForVersion", raceForVersion)
	run("RaceForInsert", raceForInsert)
	run("RaceOfFences", raceOfFences)
	if c.reopen != nil {
		run("Reopen", func(t *testing.T, s etl.ControlStore) { c.survives(t, s) })
	}
}

func zeroState(t *testing.T, s etl.ControlStore) {
	for _, name := range []string{"a.b", ""} {
		st, err := s.State(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, etl.State{Table: name}, st)
		require.Empty(t, allFiles(t, s, etl.FileQuery{Table: name}))
		require.Empty(t, allHistory(t, s, name))
	}
}

// stateRoundTrip fills every field there is, so that one that is added later
// and not stored fails.
func stateRoundTrip(t *testing.T, s etl.ControlStore) {
	zone := time.FixedZone("east", 5*3600+1800)
	u := etl.Update{
		State:   filled[etl.State](zone),
		Insert:  []etl.FileRecord{filled[etl.FileRecord](zone)},
		Entries: []etl.Entry{filled[etl.Entry](zone)},
	}
	want := filled[etl.State](time.UTC)
	u.State.Version = 0
	u.State.Table, u.Insert[0].Table, u.Entries[0].Table = "a.b", "a.b", "a.b"
	require.NoError(t, s.Update(t.Context(), u))
	want.Table, want.Version = "a.b", 1
	require.Equal(t, want, state(t, s, "a.b"))
	rec := filled[etl.FileRecord](time.UTC)
	rec.Table = "a.b"
	require.Equal(t, []etl.FileRecord{rec}, allFiles(t, s, etl.FileQuery{Table: "a.b"}))
	entry := filled[etl.Entry](time.UTC)
	entry.Table = "a.b"
	require.Equal(t, []etl.Entry{entry}, allHistory(t, s, "a.b"))

	// What is zero stays zero.
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b", Version: 1}}))
	require.Equal(t, etl.State{Table: "a.b", Version: 2, Fence: want.Fence}, state(t, s, "a.b"))
}

func compareAndSwap(t *testing.T, s etl.ControlStore) {
	update := func(version, epoch int64) error {
		return s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b", Version: version, Epoch: epoch}})
	}
	require.ErrorIs(t, update(1, 1), etl.ErrConflict, "a version of a table that has none")
	require.NoError(t, update(0, 2))
	require.ErrorIs(t, update(0, 3), etl.ErrConflict)
	require.NoError(t, update(1, 4))
	for _, v := range []int64{-1, 0, 1, 3} {
		err := update(v, 5)
		require.ErrorIs(t, err, etl.ErrConflict)
		require.Equal(t, etl.Retry, etl.OutcomeOf(err))
	}
	require.Equal(t, etl.State{Table: "a.b", Version: 2, Epoch: 4}, state(t, s, "a.b"))
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "other"}}), "tables have versions of their own")
}

func controlFences(t *testing.T, s etl.ControlStore) {
	for i, step := range []struct {
		fence, state int64
		stale        bool
		want         int64
	}{
		{fence: 0, state: 0, want: 0},
		{fence: 5, state: 0, want: 5},
		{fence: 5, state: 5, want: 5},
		{fence: 4, state: 9, stale: true, want: 5},
		{fence: 0, state: 0, want: 5}, // the state cannot lower it
		{fence: 0, state: 7, want: 7}, // but raise it
		{fence: 6, state: 7, stale: true, want: 7},
		{fence: -1, state: 7, stale: true, want: 7},
		{fence: 8, state: 2, want: 8},
		{fence: 1 << 60, state: 0, want: 1 << 60},
	} {
		st := state(t, s, "a.b")
		version := st.Version
		st.Fence = step.state
		err := s.Update(t.Context(), etl.Update{State: st, Fence: step.fence})
		if step.stale {
			require.ErrorIs(t, err, etl.ErrStaleFence, "step %d", i)
			require.Equal(t, etl.Refused, etl.OutcomeOf(err))
		} else {
			require.NoError(t, err, "step %d", i)
			version++
		}
		st = state(t, s, "a.b")
		require.Equal(t, step.want, st.Fence, "step %d", i)
		require.Equal(t, version, st.Version, "step %d", i)
	}
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "other"}, Fence: 1}), "tables have fences of their own")
}

func controlContext(t *testing.T, s etl.ControlStore) {
	require.NoError(t, s.Update(t.Context(), etl.Update{
		State: etl.State{Table: "a.b"}, Insert: records("a.b", 1500), Entries: make([]etl.Entry, 1500),
	}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	files, entries := 0, 0
	var ferr, herr error
	for _, err := range s.Files(ctx, etl.FileQuery{Table: "a.b"}) {
		if files++; files == 10 {
			cancel()
		}
		ferr = err
	}
	require.ErrorIs(t, ferr, context.Canceled)
	require.Less(t, files, 1500)
	hctx, hcancel := context.WithCancel(t.Context())
	defer hcancel()
	for _, err := range s.History(hctx, "a.b") {
		if entries++; entries == 10 {
			hcancel()
		}
		herr = err
	}
	require.ErrorIs(t, herr, context.Canceled)
	require.Less(t, entries, 1500)

	_, err := s.State(ctx, "a.b")
	require.ErrorIs(t, err, context.Canceled)
	st := state(t, s, "a.b")
	err = s.Update(ctx, etl.Update{State: st, Insert: []etl.FileRecord{record("a.b", "new")}})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, st, state(t, s, "a.b"))
	require.Len(t, allFiles(t, s, etl.FileQuery{Table: "a.b"}), 1500)
	calls := 0
	for _, err := range s.Files(ctx, etl.FileQuery{Table: "a.b"}) {
		require.ErrorIs(t, err, context.Canceled)
		calls++
	}
	for _, err := range s.History(ctx, "a.b") {
		require.ErrorIs(t, err, context.Canceled)
		calls++
	}
	require.Equal(t, 2, calls, "an error ends an iteration")
}

func (c *controlSuite) survives(t *testing.T, s etl.ControlStore) {
	st := filled[etl.State](time.UTC)
	st.Table, st.Version, st.Fence = "a.b", 0, 3
	require.NoError(t, s.Update(t.Context(), etl.Update{
		State: st, Fence: 12, Insert: records("a.b", 700), Entries: []etl.Entry{entry("a.b", 1), entry("a.b", 2)},
	}))
	before := allFiles(t, s, etl.FileQuery{Table: "a.b"})
	for range 2 {
		s = c.reopen(t, s)
		st.Version, st.Fence = 1, 12
		require.Equal(t, st, state(t, s, "a.b"))
		require.Equal(t, before, allFiles(t, s, etl.FileQuery{Table: "a.b"}))
		require.Equal(t, []etl.Entry{entry("a.b", 2), entry("a.b", 1)}, allHistory(t, s, "a.b"))
		require.ErrorIs(t, s.Update(t.Context(), etl.Update{State: st, Fence: 11}), etl.ErrStaleFence)
		st.Version = 0
		require.ErrorIs(t, s.Update(t.Context(), etl.Update{State: st}), etl.ErrConflict)
		st.Version = 1
		require.ErrorIs(t, s.Update(t.Context(), etl.Update{State: st, Insert: before[:1]}), etl.ErrConflict)
	}
	require.NoError(t, s.Update(t.Context(), etl.Update{State: st, Fence: 12, Entries: []etl.Entry{entry("a.b", 3)}}))
	require.Equal(t, entry("a.b", 3), allHistory(t, s, "a.b")[0])
}

// Helpers of the suite.

func state(t testing.TB, s etl.ControlStore, table string) etl.State {
	t.Helper()
	st, err := s.State(t.Context(), table)
	require.NoError(t, err)
	return st
}

func allFiles(t testing.TB, s etl.ControlStore, q etl.FileQuery) []etl.FileRecord {
	t.Helper()
	var out []etl.FileRecord
	for r, err := range s.Files(t.Context(), q) {
		require.NoError(t, err)
		out = append(out, r)
	}
	return out
}

func allHistory(t testing.TB, s etl.ControlStore, table string) []etl.Entry {
	t.Helper()
	var out []etl.Entry
	for e, err := range s.History(t.Context(), table) {
		require.NoError(t, err)
		out = append(out, e)
	}
	return out
}

var someTime = time.Date(2024, 2, 20, 11, 8, 25, 123456789, time.UTC)

func record(table, location string) etl.FileRecord {
	return etl.FileRecord{
		File:       etl.File{Location: location, ETag: "tag", Size: 7, ModTime: someTime},
		Table:      table,
		Kind:       etl.Incremental,
		Order:      location,
		Status:     etl.Pending,
		Registered: someTime.Add(time.Nanosecond),
		Updated:    someTime.Add(2 * time.Nanosecond),
	}
}

// records are n records in order.
func records(table string, n int) []etl.FileRecord {
	out := make([]etl.FileRecord, n)
	for i := range out {
		out[i] = record(table, fmt.Sprintf("%s/%06d.csv", table, i))
	}
	return out
}

func entry(table string, n int64) etl.Entry {
	return etl.Entry{At: someTime.Add(time.Duration(n)), Table: table, Kind: etl.EntryApplied, Text: fmt.Sprint("entry ", n), Epoch: n}
}
