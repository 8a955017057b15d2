package etltest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

func insertConflict(t *testing.T, s etl.ControlStore) {
	have, fresh := record("a.b", "have"), record("a.b", "fresh")
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b"}, Insert: []etl.FileRecord{have}}))
	moved := have
	moved.Table, moved.Status, moved.Order = "c.d", etl.Applied, "elsewhere"
	newer := have
	newer.ETag = "other content"
	for name, u := range map[string]etl.Update{
		"same record":           {State: etl.State{Table: "a.b", Version: 1}, Insert: []etl.FileRecord{fresh, have}},
		"another table's state": {State: etl.State{Table: "c.d"}, Insert: []etl.FileRecord{fresh, have}},
		"under another table":   {State: etl.State{Table: "c.d"}, Insert: []etl.FileRecord{fresh, moved}},
		"twice in one update":   {State: etl.State{Table: "c.d"}, Insert: []etl.FileRecord{fresh, fresh}},
	} {
		require.ErrorIs(t, s.Update(t.Context(), u), etl.ErrConflict, name)
	}
	require.Equal(t, []etl.FileRecord{have}, allFiles(t, s, etl.FileQuery{Table: "a.b"}))
	require.Empty(t, allFiles(t, s, etl.FileQuery{Table: "c.d"}))
	require.NoError(t, s.Update(t.Context(), etl.Update{
		State: etl.State{Table: "a.b", Version: 1}, Insert: []etl.FileRecord{newer},
	}), "other content at the same location is another file")
	require.Len(t, allFiles(t, s, etl.FileQuery{Table: "a.b"}), 2)
}

// atomicUpdate lets updates fail for each reason there is, and looks for what
// they left.
func atomicUpdate(t *testing.T, s etl.ControlStore) {
	have := records("a.b", 20)
	require.NoError(t, s.Update(t.Context(), etl.Update{
		State: etl.State{Table: "a.b", Epoch: 1}, Fence: 10, Insert: have, Entries: []etl.Entry{entry("a.b", 1)},
	}))
	good := etl.Update{
		State: etl.State{Table: "a.b", Version: 1, Epoch: 2, Fence: 99}, Fence: 10, Entries: []etl.Entry{entry("a.b", 2)},
	}
	for i := range 20 {
		good.Insert = append(good.Insert, record("a.b", fmt.Sprintf("new-%d", i)), record("c.d", fmt.Sprintf("new-%d", i+20)))
		put := have[i]
		put.Status, put.Table = etl.Applied, []string{"a.b", "c.d"}[i%2]
		good.Put = append(good.Put, put)
	}
	staleFence, oldVersion, insert := good, good, good
	staleFence.Fence = 9
	oldVersion.State.Version = 0
	insert.Insert = append(slices.Clone(good.Insert), have[19])
	for want, u := range map[error][]etl.Update{etl.ErrStaleFence: {staleFence}, etl.ErrConflict: {oldVersion, insert}} {
		for _, u := range u {
			require.ErrorIs(t, s.Update(t.Context(), u), want)
			require.Equal(t, etl.State{Table: "a.b", Version: 1, Epoch: 1, Fence: 10}, state(t, s, "a.b"))
			require.Equal(t, etl.State{Table: "c.d"}, state(t, s, "c.d"))
			require.Equal(t, have, allFiles(t, s, etl.FileQuery{Table: "a.b"}))
			require.Empty(t, allFiles(t, s, etl.FileQuery{Table: "c.d"}))
			require.Equal(t, []etl.Entry{entry("a.b", 1)}, allHistory(t, s, "a.b"))
		}
	}
	require.NoError(t, s.Update(t.Context(), good), "the update that the bad ones were made of")
	require.Len(t, allFiles(t, s, etl.FileQuery{Table: "a.b"}), 30)
	require.Len(t, allFiles(t, s, etl.FileQuery{Table: "c.d"}), 30)
}

func putReplacesAndMoves(t *testing.T, s etl.ControlStore) {
	recs := records("", 3)
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: ""}, Insert: recs}))
	require.Equal(t, recs, allFiles(t, s, etl.FileQuery{}), "files whose table is not known")

	moved := recs[1]
	moved.Table, moved.Kind, moved.Order, moved.Status = "a.b", etl.Full, "0", etl.Deferred
	moved.Note, moved.LoadID, moved.Epoch = "by hand", "load", 4
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b"}, Put: []etl.FileRecord{moved}}))
	require.Equal(t, []etl.FileRecord{recs[0], recs[2]}, allFiles(t, s, etl.FileQuery{}))
	require.Empty(t, allFiles(t, s, etl.FileQuery{IDs: []string{moved.ID()}}), "by its ID, where it stood before")
	require.Equal(t, []etl.FileRecord{moved}, allFiles(t, s, etl.FileQuery{Table: "a.b"}))
	require.Empty(t, allFiles(t, s, etl.FileQuery{Table: "a.b", Statuses: []etl.FileStatus{etl.Pending}}))

	moved.Status, moved.Order, moved.Note, moved.LoadID = etl.Applied, "1", "", ""
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b", Version: 1}, Put: []etl.FileRecord{moved}}))
	require.Equal(t, []etl.FileRecord{moved}, allFiles(t, s, etl.FileQuery{Table: "a.b"}))
	require.Equal(t, int64(1), state(t, s, "").Version, "only State.Table is versioned")
}

// controlIsolation writes into everything that went in or came out.
func controlIsolation(t *testing.T, s etl.ControlStore) {
	make1 := func() etl.Update {
		st := filled[etl.State](someTime.Location())
		st.Table, st.Version = "a.b", 0
		e := filled[etl.Entry](someTime.Location())
		e.Table = "a.b"
		return etl.Update{State: st, Insert: records("a.b", 2), Entries: []etl.Entry{e}}
	}
	spoilState := func(st *etl.State) {
		st.Paused.Cause, st.Open.Files, st.LastApplied.LoadID, st.LastFailed.Location = "x", -1, "x", "x"
		st.Running.ID, st.Running.Files[0].Location = "x", "x"
	}
	spoilEntry := func(e *etl.Entry) { e.Receipt.LoadID, e.Diagnosis.Cause = "x", "x" }
	u, want := make1(), make1()
	require.NoError(t, s.Update(t.Context(), u))
	spoilState(&u.State)
	spoilEntry(&u.Entries[0])
	u.Insert[0].Location, u.Entries[0].Text = "x", "x"
	want.State.Version = 1
	for range 2 {
		st := state(t, s, "a.b")
		require.Equal(t, want.State, st)
		spoilState(&st)
		files := allFiles(t, s, etl.FileQuery{Table: "a.b"})
		require.Equal(t, want.Insert, files)
		files[0].Status = "x"
		history := allHistory(t, s, "a.b")
		require.Equal(t, want.Entries, history)
		spoilEntry(&history[0])
	}
}

// hostile are strings that stores get wrong, as SQL, as C, as UTF-8 or as case.
// They are in byte order.
var hostile = []string{
	"", "\x00", "\x00b64:AA==", "\x00\x00", "\x01", " ", "!", "%", "%00", "'; DROP TABLE files; --", "*", "../../etc/passwd", "/",
	"0", "10", "9", "?", "A", "B", "Z\x00", "Z\x00a", "\\", "_", "a", "a ", "a\x00b", "a b", "b", "e\u0301", "{\"$ne\":1}",
	"\x80", "\u00e9", "\ud7ff", "\ufffd", "\uffff", "\U0001f600", "\xc3\x28", "\xed\xa0\x80", "\xff", "\xff\xff",
}

func hostileNames(t *testing.T, s etl.ControlStore) {
	for i, name := range hostile {
		r := record(name, name)
		r.Note, r.LoadID, r.VersionID, r.Part = name, name, name, name
		st := etl.State{Table: name, Watermark: name, WatermarkFile: name, Epoch: int64(i),
			Running: &etl.Load{ID: name, Files: []etl.File{{Location: name}}}}
		require.NoError(t, s.Update(t.Context(), etl.Update{
			State: st, Insert: []etl.FileRecord{r}, Entries: []etl.Entry{{Table: name, Text: name, Epoch: int64(i)}},
		}), "%q", name)
	}
	for i, name := range hostile {
		st := state(t, s, name)
		require.Equal(t, int64(1), st.Version, "%q", name)
		require.Equal(t, []string{name, name, name, name}, []string{st.Table, st.Watermark, st.WatermarkFile, st.Running.Files[0].Location})
		require.Equal(t, int64(i), st.Epoch, "%q", name)
		files := allFiles(t, s, etl.FileQuery{Table: name})
		require.Len(t, files, 1, "%q", name)
		want := record(name, name)
		want.Note, want.LoadID, want.VersionID, want.Part = name, name, name, name
		require.Equal(t, want, files[0], "%q", name)
		require.Equal(t, []etl.Entry{{Table: name, Text: name, Epoch: int64(i)}}, allHistory(t, s, name), "%q", name)
		require.Equal(t, files, allFiles(t, s, etl.FileQuery{Table: name, IDs: []string{files[0].ID()}}), "%q", name)
	}
}

func largeUpdate(t *testing.T, s etl.ControlStore) {
	recs := records("a.b", 2000)
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b"}, Insert: recs}))
	require.Equal(t, recs, allFiles(t, s, etl.FileQuery{Table: "a.b"}))
	for i := range recs {
		recs[i].Status, recs[i].Epoch = etl.Running, int64(i)
	}
	more := records("c.d", 2000)
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b", Version: 1}, Put: recs, Insert: more}))
	require.Equal(t, recs, allFiles(t, s, etl.FileQuery{Table: "a.b", Statuses: []etl.FileStatus{etl.Running}}))
	require.Equal(t, more, allFiles(t, s, etl.FileQuery{Table: "c.d"}))
}

// sortRecords puts records in the order of Files.
func sortRecords(recs []etl.FileRecord) {
	slices.SortFunc(recs, func(a, b etl.FileRecord) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Location, b.Location), cmp.Compare(a.ID(), b.ID()))
	})
}
