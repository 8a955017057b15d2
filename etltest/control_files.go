package etltest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// filesOrder crosses orders with locations and versions.
func filesOrder(t *testing.T, s etl.ControlStore) {
	var recs []etl.FileRecord
	for i, order := range hostile {
		for _, location := range hostile {
			if order != "a" && location != "a" && location != "" {
				continue
			}
			for _, version := range []string{"v1", "v2"} {
				r := record("a.b", location)
				r.Order, r.VersionID = order, fmt.Sprint(version, i)
				recs = append(recs, r)
			}
		}
	}
	want := slices.Clone(recs)
	sortRecords(want)
	rand.Shuffle(len(recs), func(i, j int) { recs[i], recs[j] = recs[j], recs[i] })
	for v, part := range slices.Collect(slices.Chunk(recs, 50)) {
		require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b", Version: int64(v)}, Insert: part}))
	}
	require.Equal(t, want, allFiles(t, s, etl.FileQuery{Table: "a.b"}))
	var ids []string
	for _, r := range recs {
		ids = append(ids, r.ID())
	}
	require.Equal(t, want, allFiles(t, s, etl.FileQuery{Table: "a.b", IDs: ids}), "by ID the order is the same")
}

// filesFilters compares queries of all sorts with the same filters in memory.
func filesFilters(t *testing.T, s etl.ControlStore) {
	statuses := []etl.FileStatus{etl.Pending, etl.Deferred, etl.Running, etl.Applied, etl.Vanished}
	recs := slices.Concat(records("a.b", 700), records("c.d", 40))
	for i := range recs {
		recs[i].Status = statuses[i*7%5]
		recs[i].Kind = []etl.LoadKind{etl.Incremental, etl.Full, etl.Unknown}[i%3]
		recs[i].Order = []string{"", "x", recs[i].Order}[i%4%3]
	}
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b"}, Insert: recs}))
	sortRecords(recs)
	var ids []string
	for i := 0; i < len(recs); i += 3 {
		ids = append(ids, recs[i].ID())
	}
	ids = append(ids, ids[0], "absent", "")
	for _, table := range []string{"a.b", "c.d", "A.B", ""} {
		for _, sts := range [][]etl.FileStatus{nil, {etl.Pending}, {etl.Applied, etl.Pending, etl.Applied}, statuses, {etl.Failed}, {"no such"}} {
			for _, kind := range []etl.LoadKind{etl.Unknown, etl.Full} {
				for _, in := range [][]string{nil, ids, {"absent"}} {
					for _, limit := range []int{0, 7, 101} {
						q := etl.FileQuery{Table: table, Statuses: sts, Kind: kind, IDs: in, Limit: limit}
						if want := selectRecords(recs, q); !slices.Equal(want, allFiles(t, s, q)) {
							require.Equal(t, want, allFiles(t, s, q), "%+v", q)
						}
					}
				}
			}
		}
	}
	n := 0
	for range s.Files(t.Context(), etl.FileQuery{Table: "a.b"}) {
		if n++; n == 3 {
			break
		}
	}
	require.Equal(t, 3, n)
}

func selectRecords(recs []etl.FileRecord, q etl.FileQuery) []etl.FileRecord {
	var out []etl.FileRecord
	for _, r := range recs {
		if r.Table == q.Table && (len(q.Statuses) == 0 || slices.Contains(q.Statuses, r.Status)) &&
			(q.Kind == etl.Unknown || r.Kind == q.Kind) && (len(q.IDs) == 0 || slices.Contains(q.IDs, r.ID())) {
			out = append(out, r)
		}
	}
	if q.Limit > 0 {
		out = out[:min(len(out), q.Limit)]
	}
	return out
}

func filesAnyTable(t *testing.T, s etl.ControlStore) {
	ctx := context.Background()
	one, other := record("a.one", "x"), record("", "y")
	require.NoError(t, s.Update(ctx, etl.Update{State: etl.State{Table: "a.one"}, Insert: []etl.FileRecord{one}}))
	require.NoError(t, s.Update(ctx, etl.Update{State: etl.State{Table: ""}, Insert: []etl.FileRecord{other}}))
	ids := []string{one.ID(), other.ID(), "00000000000000000000000000000000"}
	require.Len(t, allFiles(t, s, etl.FileQuery{Table: "a.two", IDs: ids}), 0)
	require.Len(t, allFiles(t, s, etl.FileQuery{Table: "a.one", IDs: ids}), 1)
	require.Len(t, allFiles(t, s, etl.FileQuery{Table: "a.two", IDs: ids, AnyTable: true}), 2)
}

// filesParts keeps an object whole and in parts, each under a table of its own.
func filesParts(t *testing.T, s etl.ControlStore) {
	var recs []etl.FileRecord
	var ids []string
	for _, table := range []string{"", "a.one", "a.two"} {
		r := record(table, "cdc/x")
		r.Part = table
		require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: table}, Insert: []etl.FileRecord{r}}))
		recs, ids = append(recs, r), append(ids, r.ID())
	}
	for i, r := range recs {
		require.Equal(t, []etl.FileRecord{r}, allFiles(t, s, etl.FileQuery{Table: r.Table}))
		recs[i].Status = etl.Applied
		require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: r.Table, Version: 1}, Put: recs[i : i+1]}))
	}
	sortRecords(recs)
	require.Equal(t, recs, allFiles(t, s, etl.FileQuery{IDs: ids, AnyTable: true}))
	require.ErrorIs(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.one", Version: 2}, Insert: recs[:1]}), etl.ErrConflict)
}

func filesManyIDs(t *testing.T, s etl.ControlStore) {
	recs := records("a.b", 3000)
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b"}, Insert: recs[:2900]}))
	var ids []string
	for _, r := range recs[100:] {
		ids = append(ids, r.ID())
	}
	ids = append(ids, ids[:500]...)
	rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	require.Equal(t, recs[100:2900], allFiles(t, s, etl.FileQuery{Table: "a.b", IDs: ids}))
}

// updateWhileIterating moves each record on as it comes by.
func updateWhileIterating(t *testing.T, s etl.ControlStore) {
	recs := records("a.b", 600)
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b"}, Insert: recs}))
	var seen []etl.FileRecord
	st := state(t, s, "a.b")
	for r, err := range s.Files(t.Context(), etl.FileQuery{Table: "a.b", Statuses: []etl.FileStatus{etl.Pending}}) {
		require.NoError(t, err)
		seen = append(seen, r)
		if len(seen)%10 != 1 { // not each one, for stores that are slow
			continue
		}
		r.Status = etl.Applied
		require.NoError(t, s.Update(t.Context(), etl.Update{State: st, Put: []etl.FileRecord{r}, Entries: []etl.Entry{entry("a.b", 1)}}))
		st = state(t, s, "a.b")
	}
	require.Equal(t, recs, seen)
	require.Len(t, allFiles(t, s, etl.FileQuery{Table: "a.b", Statuses: []etl.FileStatus{etl.Applied}}), 60)
	n := 0
	for _, err := range s.History(t.Context(), "a.b") {
		require.NoError(t, err)
		n++
		if n > 3 {
			continue
		}
		require.NoError(t, s.Update(t.Context(), etl.Update{State: st, Entries: []etl.Entry{entry("a.b", 2)}}))
		st = state(t, s, "a.b")
	}
	require.GreaterOrEqual(t, n, 60)
}

// iterateWhileOthersUpdate looks whether the records that nobody touches are
// seen once each, in order, whatever happens to every third one.
func iterateWhileOthersUpdate(t *testing.T, s etl.ControlStore) {
	recs := records("a.b", 1800)
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b"}, Insert: recs}))
	quiet := make(map[string]bool)
	var want []etl.FileRecord
	for i, r := range recs {
		if i%3 != 0 {
			quiet[r.Location] = true
			want = append(want, r)
		}
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- flicker(t.Context(), s, recs, stop) }()
	for _, sts := range [][]etl.FileStatus{{etl.Pending}, {etl.Pending, etl.Applied}, nil} {
		var seen []etl.FileRecord
		for r, err := range s.Files(t.Context(), etl.FileQuery{Table: "a.b", Statuses: sts}) {
			if err != nil {
				t.Error(err)
				break
			}
			if quiet[r.Location] {
				seen = append(seen, r)
			}
		}
		if !slices.Equal(want, seen) {
			t.Errorf("%v: %d records seen, want %d", sts, len(seen), len(want))
		}
	}
	close(stop)
	require.NoError(t, <-done)
}

// flicker changes every third record back and forth.
func flicker(ctx context.Context, s etl.ControlStore, recs []etl.FileRecord, stop <-chan struct{}) error {
	for v := int64(1); ; v++ {
		select {
		case <-stop:
			return nil
		default:
		}
		r := recs[int(v)*39%len(recs)]
		r.Status = []etl.FileStatus{etl.Pending, etl.Applied}[v%2]
		err := s.Update(ctx, etl.Update{State: etl.State{Table: "a.b", Version: v}, Put: []etl.FileRecord{r}})
		if err != nil {
			return err
		}
	}
}
