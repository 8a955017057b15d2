package etl

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestResumeGoesBackToEveryFlag(t *testing.T) {
	for _, flag := range []JobFlag{FlagLocal, FlagDistributed, FlagAuto} {
		v := newView(Table{Name: "a.b"}, State{Table: "a.b", Flag: flag}, nil, time.Unix(1, 0))
		load := Load{ID: "one", Table: "a.b", Kind: Incremental, Files: []File{{Location: "x"}}}
		v.begin(load)
		v.failed(load, Diagnosis{Cause: "first", File: "x"}, false)
		v.pause(Diagnosis{Cause: "again"}) // a paused table that pauses keeps the flag to go back to
		require.Equal(t, FlagPaused, v.state.Flag)
		require.Equal(t, flag, v.state.ResumeTo)
		require.Equal(t, time.Unix(1, 0), v.state.PausedAt)
		require.NoError(t, v.resumeAll())
		require.Equal(t, flag, v.state.Flag)
		require.Nil(t, v.state.Paused)
	}
}

// A rehearsal leaves the view as it is, whatever is rehearsed.
func TestRehearsalsChangeNothing(t *testing.T) {
	now := time.Unix(100, 0)
	file := func(name string, kind LoadKind, s FileStatus, epoch int64) FileRecord {
		return FileRecord{File: File{Location: name, ModTime: now}, Table: "a.b", Kind: kind, Status: s, Epoch: epoch, Registered: now}
	}
	st := State{
		Table: "a.b", Flag: FlagDistributed, Epoch: 1, Open: &OpenLoad{Epoch: 2, Landed: now, Files: 1},
		Running: &Load{ID: "one", Table: "a.b", Kind: Full, Epoch: 2, Files: []File{{Location: "f"}}}, Job: &JobState{ID: "one-1", Phase: JobRunning},
	}
	records := []FileRecord{
		file("e", Full, Applied, 1), file("f", Full, Running, 2), file("g", Incremental, Deferred, 2), file("h", Incremental, Failed, 1),
	}
	v := newView(Table{Name: "a.b"}, st, records, now)
	before, open, running, job := v.copy(), *st.Open, *st.Running, *st.Job
	r := rehearsal{view: v, plan: func(v *view) Decision { return plan(v.table, v.state, v.planned(), v.now) }}
	for _, a := range r.advice() {
		require.True(t, a.Possible, "%s: %s", a.Verb, a.Effect)
	}
	require.Equal(t, before.records, v.records)
	require.Equal(t, before.state, v.state)
	require.Equal(t, []any{open, running, job}, []any{*st.Open, *st.Running, *st.Job})
	require.Empty(t, v.entries)
}
