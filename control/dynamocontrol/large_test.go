package dynamocontrol_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/dynamocontrol"
	"github.com/tidemark-data/etl/etltest/awstest"
)

func files(t *testing.T, s *dynamocontrol.Store, q etl.FileQuery) []etl.FileRecord {
	t.Helper()
	var out []etl.FileRecord
	for r, err := range s.Files(t.Context(), q) {
		require.NoError(t, err)
		out = append(out, r)
	}
	return out
}

// Orders and locations that are longer than a sort key, and the same for longer
// than that, come in their order all the same.
func TestLongPlaces(t *testing.T) {
	s := open(t, fake())
	var recs []etl.FileRecord
	for i := range 250 {
		long := strings.Repeat("x", 880+i%40)
		recs = append(recs, etl.FileRecord{
			File:  etl.File{Location: fmt.Sprintf("%s/%03d", strings.Repeat("\u00e9", 200+i%5), i), ETag: fmt.Sprint(i)},
			Table: "a.b", Order: long, Status: []etl.FileStatus{etl.Pending, etl.Applied}[i%2],
		})
	}
	want := slices.Clone(recs)
	slices.SortFunc(want, func(a, b etl.FileRecord) int {
		if c := strings.Compare(a.Order, b.Order); c != 0 {
			return c
		}
		return strings.Compare(a.Location, b.Location)
	})
	rand.Shuffle(len(recs), func(i, j int) { recs[i], recs[j] = recs[j], recs[i] })
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b"}, Insert: recs}))
	require.Equal(t, want, files(t, s, etl.FileQuery{Table: "a.b"}))
	require.Equal(t, want[:130], files(t, s, etl.FileQuery{Table: "a.b", Limit: 130}))
	pending := slices.DeleteFunc(slices.Clone(want), func(r etl.FileRecord) bool { return r.Status != etl.Pending })
	require.Equal(t, pending, files(t, s, etl.FileQuery{Table: "a.b", Statuses: []etl.FileStatus{etl.Pending}}))
}

// largeState has a load of many files, for which an item is too small.
func largeState(version int64, n int) etl.State {
	st := etl.State{Table: "a.b", Version: version, Epoch: int64(n), Running: &etl.Load{ID: "load"}}
	for i := range n {
		st.Running.Files = append(st.Running.Files, etl.File{Location: fmt.Sprintf("%0900d", i)})
	}
	return st
}

func TestLargeState(t *testing.T) {
	f := fake()
	s := open(t, f)
	for v, n := range []int{1, 3000, 2, 1500, 400, 0} {
		entries := []etl.Entry{{Text: fmt.Sprint(v)}, {Text: strings.Repeat("\x01", 100_000), Epoch: int64(v)}}
		require.NoError(t, s.Update(t.Context(), etl.Update{State: largeState(int64(v), n), Entries: entries}))
		st, err := s.State(t.Context(), "a.b")
		require.NoError(t, err)
		require.Equal(t, largeState(int64(v+1), n), st)
	}
	v := int64(6)
	for e, err := range s.History(t.Context(), "a.b") {
		require.NoError(t, err)
		if e.Text != fmt.Sprint(v) {
			v--
			require.Equal(t, v, e.Epoch)
		}
	}
	require.Zero(t, v)
	for _, it := range f.Items(onlyTable(t, f)) {
		require.NotContains(t, fmt.Sprint(it["sk"]), "s#", "blobs of old states are gone")
	}
}

// A state that is replaced while it is read is read again.
func TestLargeStateReplaced(t *testing.T) {
	f := fake()
	s := open(t, f)
	require.NoError(t, s.Update(t.Context(), etl.Update{State: largeState(0, 1000)}))
	replaced := false
	f.Hook = func(c awstest.DynamoCall) awstest.DynamoFault {
		if c.Op == "Query" && !replaced {
			replaced = true
			if err := s.Update(t.Context(), etl.Update{State: largeState(1, 2000)}); err != nil {
				return awstest.DynamoFault{Before: err}
			}
		}
		return awstest.DynamoFault{}
	}
	st, err := s.State(t.Context(), "a.b")
	require.NoError(t, err)
	require.Equal(t, largeState(2, 2000), st)
}

func TestRecordLimit(t *testing.T) {
	f := fake()
	s := open(t, f)
	secret := strings.Repeat("secret", 40_000)
	err := s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b"}, Insert: []etl.FileRecord{{File: etl.File{Location: "x"}, Note: secret}}})
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.NotContains(t, err.Error(), "secret")
	big := etl.FileRecord{File: etl.File{Location: "x"}, Table: "a.b", Note: strings.Repeat("n", 170_000)}
	var recs []etl.FileRecord
	for i := range 60 { // 10 MB: more than a transaction takes, though few
		big.Location = fmt.Sprint(i)
		recs = append(recs, big)
	}
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b"}, Insert: recs}))
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b", Version: 1}, Put: recs}))
	require.Len(t, files(t, s, etl.FileQuery{Table: "a.b"}), 60)
}

// A listing of what is pending does not walk what was applied, and its cost
// follows what it yields.
func TestCostOfQueries(t *testing.T) {
	f := fake()
	s := open(t, f)
	for v := range int64(4) {
		var recs []etl.FileRecord
		for i := range 1000 {
			st := etl.Applied
			if i%100 == 0 {
				st = etl.Pending
			}
			recs = append(recs, etl.FileRecord{File: etl.File{Location: fmt.Sprintf("%d/%04d", v, i)}, Table: "a.b", Status: st})
		}
		require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b", Version: v}, Insert: recs}))
	}
	calls := f.Calls()
	require.Len(t, files(t, s, etl.FileQuery{Table: "a.b", Statuses: []etl.FileStatus{etl.Pending, etl.Deferred}, Limit: 65}), 40)
	require.Equal(t, 2, f.Calls()-calls, "one page of hints and one batch of records")
	calls = f.Calls()
	for _, err := range s.Files(t.Context(), etl.FileQuery{Table: "a.b"}) {
		require.NoError(t, err)
		break
	}
	require.Equal(t, 3, f.Calls()-calls, "a page of each class and a batch")
}

func TestAttention(t *testing.T) {
	f := &awstest.DynamoDB{IndexLag: 2}
	s := open(t, f)
	ctx := t.Context()
	update := func(st etl.State, put ...etl.FileRecord) {
		t.Helper()
		require.NoError(t, s.Update(ctx, etl.Update{State: st, Put: put}))
	}
	file := func(table string, n int, st etl.FileStatus) etl.FileRecord {
		return etl.FileRecord{File: etl.File{Location: fmt.Sprint(table, n)}, Table: table, Status: st}
	}
	long := strings.Repeat("long", 1000)
	update(etl.State{Table: "p.p", Flag: etl.FlagPaused}, file("p.p", 1, etl.Failed))
	update(etl.State{Table: "r.r", Running: &etl.Load{}}, file("r.r", 1, etl.Running), file("r.r", 2, etl.Running))
	update(etl.State{Table: "o.o", Open: &etl.OpenLoad{}})
	update(etl.State{Table: "idle", Flag: etl.FlagLocal}, file("idle", 1, etl.Applied))
	update(etl.State{Table: ""}, file("", 1, etl.SetAside))
	update(etl.State{Table: long}, file("\xff", 1, etl.Pending), file(long, 1, etl.Pending))
	f.SyncIndexes()
	got, err := s.Attention(ctx)
	require.NoError(t, err)
	require.ElementsMatch(t, []dynamocontrol.Attention{
		{Table: "p.p", Paused: true, Waiting: true}, {Table: "r.r", Running: true, Waiting: true}, {Table: "o.o", Open: true},
		{Table: "", Waiting: true}, {Table: "\xff", Waiting: true}, {Table: long, Waiting: true},
	}, got)

	update(etl.State{Table: "p.p", Version: 1, Flag: etl.FlagLocal}, file("p.p", 1, etl.Skipped))
	update(etl.State{Table: "r.r", Version: 1}, file("r.r", 1, etl.Applied), file("r.r", 2, etl.Applied))
	f.SyncIndexes()
	got, err = s.Attention(ctx)
	require.NoError(t, err)
	require.Len(t, got, 4)
}

func TestCreateTable(t *testing.T) {
	f := fake()
	require.NoError(t, dynamocontrol.CreateTable(t.Context(), f, "control"))
	require.False(t, f.PointInTimeRecovery("control"))
	require.NoError(t, dynamocontrol.CreateTable(t.Context(), f, "control", dynamocontrol.WithPointInTimeRecovery()), "it exists")
	require.True(t, f.PointInTimeRecovery("control"))
	require.NoError(t, dynamocontrol.CreateTable(t.Context(), f, "protected", dynamocontrol.WithDeletionProtection(), dynamocontrol.WithKMSKey("alias/x")))
	err := dynamocontrol.CreateTable(t.Context(), f, "x")
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "too short a name")
	s := openTable(t, f, "no-such-table")
	_, err = s.State(t.Context(), "a.b")
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.Equal(t, etl.Terminal, etl.OutcomeOf(s.Update(t.Context(), etl.Update{})))
}

func TestServiceAttention(t *testing.T) {
	s := open(t, service(t))
	for _, u := range []etl.Update{
		{State: etl.State{Table: "p.p", Flag: etl.FlagPaused}},
		{State: etl.State{Table: "idle"}, Insert: []etl.FileRecord{{File: etl.File{Location: "1"}, Table: "idle", Status: etl.Applied}}},
		{State: etl.State{Table: "w.w"}, Insert: []etl.FileRecord{
			{File: etl.File{Location: "2"}, Table: "w.w", Status: etl.Pending}, {File: etl.File{Location: "3"}, Table: "w.w", Status: etl.Pending},
		}},
	} {
		require.NoError(t, s.Update(t.Context(), u))
	}
	require.Eventually(t, func() bool {
		got, err := s.Attention(t.Context())
		return err == nil && slices.Equal(got, []dynamocontrol.Attention{{Table: "p.p", Paused: true}, {Table: "w.w", Waiting: true}})
	}, 20*time.Second, 100*time.Millisecond)
}
