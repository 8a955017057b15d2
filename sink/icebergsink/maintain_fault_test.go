package icebergsink_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// allSteps does all that maintenance has.
func allSteps() etl.MaintainOptions {
	return etl.MaintainOptions{Fence: 1, Sweep: true, Maintenance: etl.Maintenance{
		SmallFiles: 2, DeleteRatio: 0.5, DeleteFiles: 2, Manifests: 2,
		SnapshotAge: time.Nanosecond, KeepSnapshots: 1, OrphanAge: 24 * time.Hour,
	}}
}

// worn is a table on which every step has something to do.
func worn(t *testing.T) *lake {
	l := newLake(t, ordered())
	l.apply(etl.Full, many(0, 50, "a")...)
	for i := range 4 {
		l.apply(etl.Incremental, upd(i, "b", 100), delAt(10+i, 100), ins(100+i, "c", 1))
	}
	l.apply(etl.Incremental, upd(40, "d", 100))
	return l
}

// Whatever commit the process dies at, before it or after it, the table is
// right, loads go on, and the next maintenance finishes.
func TestMaintainCrashes(t *testing.T) {
	t.Parallel()
	whole := worn(t)
	rep := whole.maintain(allSteps())
	require.GreaterOrEqual(t, len(rep.Commits), 3, "%+v", rep)
	want := whole.rows()
	commits := len(rep.Commits) + 1 // and the expiry
	for n := range commits {
		for _, after := range []bool{false, true} {
			if testing.Short() && after == (n%2 == 0) {
				continue
			}
			t.Run(fmt.Sprintf("%d-%t", n, after), func(t *testing.T) {
				t.Parallel()
				l := worn(t)
				f := l.breakable()
				ctx, kill := context.WithCancel(t.Context())
				seen := 0
				die := func() error {
					if seen++; seen > n {
						kill()
						return errGone
					}
					return nil
				}
				if after {
					f.after = die
				} else {
					f.before = die
				}
				_, err := l.sink.Maintain(ctx, l.target(), allSteps())
				require.Error(t, err)
				if n < commits-1 && !after {
					require.ErrorIs(t, err, etl.ErrUnknownCommit)
				}

				l.sink = l.open()
				require.Equal(t, want, l.rows())
				r := l.apply(etl.Incremental, upd(0, "late", 99), upd(10, "late", 99), upd(45, "beats base", 1))
				require.Equal(t, int64(2), r.Counts.Superseded)
				rep := l.maintain(allSteps())
				require.LessOrEqual(t, rep.After.DataFiles, 3)
				require.LessOrEqual(t, rep.After.Snapshots, 5)
				require.Len(t, l.rows(), len(want))

				// What the crash left goes once it is old.
				l.age(48 * time.Hour)
				l.maintain(allSteps())
				require.Empty(t, l.strays())
			})
		}
	}
}

// A commit that went through although its answer was lost is found.
func TestMaintainFindsALostAnswer(t *testing.T) {
	t.Parallel()
	l := worn(t)
	f := l.breakable()
	f.after = once(errGone)
	rep := l.maintain(allSteps())
	require.GreaterOrEqual(t, len(rep.Commits), 3)
}

// A load that commits first makes maintenance give up; what it wrote goes.
func TestMaintainLosesAgainstALoad(t *testing.T) {
	t.Parallel()
	l := worn(t)
	l.sink = l.open()
	other := &lake{t: t, dir: l.dir, sink: l.sink, table: l.table, files: l.files, n: 500, epoch: 1, fence: 1}
	f := l.breakable()
	raced := false
	f.before = func() error {
		if !raced {
			raced = true
			other.apply(etl.Incremental, upd(40, "raced", 200))
		}
		return nil
	}
	files := len(l.parquets())
	_, err := l.sink.Maintain(t.Context(), l.target(), allSteps())
	require.ErrorIs(t, err, etl.ErrConflict)
	require.Equal(t, etl.Retry, etl.OutcomeOf(err))
	require.Len(t, l.parquets(), files+2, "rows and deletes of the load, and nothing of the rewrite")
	require.Contains(t, l.rows(), "40|raced|200")
	l.maintain(allSteps())
	require.Contains(t, l.rows(), "40|raced|200")
}

// A load that maintenance was faster than settles anew.
func TestLoadLosesAgainstMaintenance(t *testing.T) {
	t.Parallel()
	l := worn(t)
	other := l.open()
	f := l.breakable()
	raced := false
	f.before = func() error {
		if !raced {
			raced = true
			_, err := other.Maintain(t.Context(), l.target(), allSteps())
			require.NoError(t, err)
		}
		return nil
	}
	r := l.apply(etl.Incremental, upd(0, "late", 99), upd(41, "new", 1), del(42))
	require.True(t, raced)
	require.Equal(t, int64(1), r.Counts.Superseded)
	require.Contains(t, l.rows(), "41|new|1")
}

// strays lists Parquet files that no snapshot refers to.
func (l *lake) strays() (out []string) {
	l.t.Helper()
	held := map[string]bool{}
	tbl := l.iceberg()
	fs, err := tbl.FS(l.t.Context())
	require.NoError(l.t, err)
	for _, snap := range tbl.Metadata().Snapshots() {
		held[filepath.Base(snap.Summary.Properties["tidemark.memory"])] = true
		manifests, err := snap.Manifests(fs)
		require.NoError(l.t, err)
		for _, m := range manifests {
			for e, err := range m.Entries(fs, true) {
				require.NoError(l.t, err)
				held[filepath.Base(e.DataFile().FilePath())] = true
			}
		}
	}
	for _, p := range l.parquets() {
		if !held[filepath.Base(p)] {
			out = append(out, p)
		}
	}
	return out
}
