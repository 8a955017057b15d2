package sqlitecontrol_test

import (
	"context"
	"iter"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/sqlitecontrol"
	"github.com/tidemark-data/etl/etltest"
)

func open(t *testing.T, path string) *sqlitecontrol.Store {
	t.Helper()
	s, err := sqlitecontrol.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func TestStore(t *testing.T) {
	paths := map[etl.ControlStore]string{}
	etltest.ControlStore(t, func(t *testing.T) etl.ControlStore {
		path := filepath.Join(t.TempDir(), "control.db")
		s := open(t, path)
		paths[s] = path
		return s
	}, etltest.ReopenControl(func(t *testing.T, s etl.ControlStore) etl.ControlStore {
		path := paths[s]
		require.NoError(t, s.(*sqlitecontrol.Store).Close())
		s = open(t, path)
		paths[s] = path
		return s
	}))
}

// twoHandles sends each call to another store over the same file.
type twoHandles struct {
	stores [2]*sqlitecontrol.Store
	n      atomic.Uint32
}

func (h *twoHandles) next() *sqlitecontrol.Store { return h.stores[h.n.Add(1)%2] }

func (h *twoHandles) State(ctx context.Context, table string) (etl.State, error) {
	return h.next().State(ctx, table)
}
func (h *twoHandles) Update(ctx context.Context, u etl.Update) error { return h.next().Update(ctx, u) }
func (h *twoHandles) Files(ctx context.Context, q etl.FileQuery) iter.Seq2[etl.FileRecord, error] {
	return h.next().Files(ctx, q)
}
func (h *twoHandles) History(ctx context.Context, table string) iter.Seq2[etl.Entry, error] {
	return h.next().History(ctx, table)
}

// With one connection each, a store that kept it during a loop would wait for
// itself.
func TestTwoHandles(t *testing.T) {
	etltest.ControlStore(t, func(t *testing.T) etl.ControlStore {
		path := filepath.Join(t.TempDir(), "control.db")
		h := &twoHandles{stores: [2]*sqlitecontrol.Store{open(t, path), open(t, path)}}
		for _, s := range h.stores {
			s.DB().SetMaxOpenConns(1)
		}
		return h
	})
}

// A writer that waits for another process's transaction heeds its context, and
// what it gave up has no effect.
func TestBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.db")
	s, other := open(t, path), open(t, path)
	tx, err := other.DB().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	err = s.Update(ctx, etl.Update{State: etl.State{Table: "a.b"}})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(start), 5*time.Second)
	_, err = s.State(t.Context(), "a.b")
	require.NoError(t, err, "readers do not wait")

	done := make(chan error, 1)
	go func() { done <- s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b"}}) }()
	time.Sleep(20 * time.Millisecond)
	require.NoError(t, tx.Rollback())
	require.NoError(t, <-done, "the first attempt left nothing, the second waited")
}

// Damage is told without quoting what is in the file.
func TestDamage(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "control.db"))
	rec := etl.FileRecord{File: etl.File{Location: "x"}, Table: "a.b"}
	require.NoError(t, s.Update(t.Context(), etl.Update{
		State: etl.State{Table: "a.b"}, Insert: []etl.FileRecord{rec}, Entries: []etl.Entry{{}},
	}))
	for _, table := range []string{"state", "files", "history"} {
		_, err := s.DB().Exec("UPDATE " + table + " SET body = 'hunter2'")
		require.NoError(t, err)
	}
	errs := make([]error, 0, 3)
	_, err := s.State(t.Context(), "a.b")
	errs = append(errs, err)
	for _, err := range s.Files(t.Context(), etl.FileQuery{Table: "a.b"}) {
		errs = append(errs, err)
	}
	for _, err := range s.History(t.Context(), "a.b") {
		errs = append(errs, err)
	}
	require.Len(t, errs, 3)
	for _, err := range errs {
		require.ErrorContains(t, err, "damaged")
		require.NotContains(t, err.Error(), "hunter2")
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	}
}

// A time that JSON cannot hold is refused, and nothing is written.
func TestYears(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "control.db"))
	for _, year := range []int{-1, 10000} {
		rec := etl.FileRecord{File: etl.File{Location: "x", ModTime: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)}}
		err := s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b"}, Insert: []etl.FileRecord{rec}})
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err), year)
	}
	st, err := s.State(t.Context(), "a.b")
	require.NoError(t, err)
	require.Zero(t, st.Version)
}
