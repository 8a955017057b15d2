package sqlitelock_test

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/sqlitecontrol"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/lock/sqlitelock"
)

func open(t *testing.T, path string) *sqlitelock.Locker {
	t.Helper()
	l, err := sqlitelock.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

func openStore(t *testing.T, path string) *sqlitecontrol.Store {
	t.Helper()
	s, err := sqlitecontrol.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func TestLocker(t *testing.T) {
	paths := map[etl.Locker]string{}
	etltest.Locker(t, func(t *testing.T) etl.Locker {
		path := filepath.Join(t.TempDir(), "sub folder", "locks.db")
		l := open(t, path)
		paths[l] = path
		return l
	}, etltest.ReopenLocker(func(t *testing.T, l etl.Locker) etl.Locker {
		path := paths[l]
		require.NoError(t, l.(*sqlitelock.Locker).Close())
		l = open(t, path)
		paths[l] = path
		return l
	}))
}

// withClock runs the suite over lockers in databases that open opens, by a clock
// of their own.
func withClock(t *testing.T, open func(t *testing.T) *sql.DB) {
	clocks := map[etl.Locker]*time.Time{}
	etltest.Locker(t, func(t *testing.T) etl.Locker {
		clock := time.Unix(1700000000, 0)
		l := sqlitelock.New(open(t))
		l.Now = func() time.Time { return clock }
		clocks[l] = &clock
		return l
	}, etltest.AdvanceClock(func(l etl.Locker, d time.Duration) { *clocks[l] = clocks[l].Add(d) }))
}

func TestInControlStore(t *testing.T) {
	withClock(t, func(t *testing.T) *sql.DB { return openStore(t, filepath.Join(t.TempDir(), "control.db")).DB() })
}

// Lockers and stores get along in one file, whichever comes first.
func TestLockerBeforeStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "one.db")
	l := open(t, path)
	le, err := l.Acquire(t.Context(), "a.b", time.Hour)
	require.NoError(t, err)
	s := openStore(t, path)
	require.NoError(t, s.Update(t.Context(), etl.Update{State: etl.State{Table: "a.b"}, Fence: le.Fence()}))
	_, err = sqlitelock.New(s.DB()).Acquire(t.Context(), "a.b", time.Hour)
	require.ErrorIs(t, err, etl.ErrLocked)
	require.NoError(t, le.Release(t.Context()))
	le, err = sqlitelock.New(s.DB()).Acquire(t.Context(), "a.b", time.Hour)
	require.NoError(t, err)
	require.Equal(t, int64(2), le.Fence())
}

// New does not close what it did not open.
func TestCloseLeavesForeignDatabase(t *testing.T) {
	s := openStore(t, filepath.Join(t.TempDir(), "one.db"))
	require.NoError(t, sqlitelock.New(s.DB()).Close())
	_, err := s.State(t.Context(), "a.b")
	require.NoError(t, err)
}

// A database opened by others, without immediate transactions, will do.
func TestPlainDatabase(t *testing.T) {
	withClock(t, func(t *testing.T) *sql.DB {
		db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "plain.db")+"?_pragma=busy_timeout(5000)")
		require.NoError(t, err)
		t.Cleanup(func() { db.Close() })
		return db
	})
}

func TestClockSetBack(t *testing.T) {
	clock := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	l := open(t, filepath.Join(t.TempDir(), "locks.db"))
	l.Now = func() time.Time { return clock }
	first, err := l.Acquire(t.Context(), "a.b", time.Minute)
	require.NoError(t, err)

	clock = clock.AddDate(-70, 0, 0)
	_, err = l.Acquire(t.Context(), "a.b", time.Minute)
	require.ErrorIs(t, err, etl.ErrLocked, "the lease may still be at work")
	require.NoError(t, first.Renew(t.Context()))
	clock = clock.Add(59 * time.Second)
	_, err = l.Acquire(t.Context(), "a.b", time.Minute)
	require.ErrorIs(t, err, etl.ErrLocked)
	clock = clock.Add(2 * time.Second)
	second, err := l.Acquire(t.Context(), "a.b", time.Minute)
	require.NoError(t, err, "not for 70 years")
	require.Greater(t, second.Fence(), first.Fence())
	require.ErrorIs(t, first.Renew(t.Context()), etl.ErrStaleFence)
}

func TestBadArguments(t *testing.T) {
	_, err := sqlitelock.Open("")
	require.Error(t, err)
	garbage := filepath.Join(t.TempDir(), "garbage")
	require.NoError(t, os.WriteFile(garbage, []byte(strings.Repeat("not a database ", 100)), 0o600))
	_, err = sqlitelock.Open(garbage)
	require.Error(t, err)
	l := open(t, filepath.Join(t.TempDir(), "locks.db"))
	for _, ttl := range []time.Duration{0, -1} {
		_, err := l.Acquire(t.Context(), "x", ttl)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	}
	require.Equal(t, etl.Terminal, etl.OutcomeOf(l.RaiseFence(t.Context(), "x", math.MaxInt64)))
	require.NoError(t, l.Close())
	_, err = l.Acquire(t.Context(), "x", time.Second)
	require.Error(t, err)
}

// TestProcesses lets processes take turns. Each adds a line to a file under the
// lock, without any other care: none may get lost, and fences rise.
func TestProcesses(t *testing.T) {
	dir := os.Getenv("SQLITELOCK_DIR")
	if dir != "" {
		turns(t, dir)
		return
	}
	dir = t.TempDir()
	var children []*exec.Cmd
	for range 4 {
		c := exec.Command(os.Args[0], "-test.run=^TestProcesses$")
		c.Env = append(os.Environ(), "SQLITELOCK_DIR="+dir)
		c.Stderr = os.Stderr
		require.NoError(t, c.Start())
		children = append(children, c)
	}
	for _, c := range children {
		require.NoError(t, c.Wait())
	}
	data, err := os.ReadFile(filepath.Join(dir, "log"))
	require.NoError(t, err)
	lines := strings.Fields(string(data))
	require.Len(t, lines, 4*25)
	last := 0
	for _, line := range lines {
		fence, err := strconv.Atoi(line)
		require.NoError(t, err)
		require.Greater(t, fence, last)
		last = fence
	}
}

func turns(t *testing.T, dir string) {
	l := open(t, filepath.Join(dir, "locks.db"))
	log := filepath.Join(dir, "log")
	for got := 0; got < 25; {
		le, err := l.Acquire(t.Context(), "log", time.Hour)
		if errors.Is(err, etl.ErrLocked) {
			time.Sleep(time.Millisecond)
			continue
		}
		require.NoError(t, err)
		data, err := os.ReadFile(log)
		if !errors.Is(err, os.ErrNotExist) {
			require.NoError(t, err)
		}
		require.NoError(t, os.WriteFile(log, fmt.Appendf(data, "%d\n", le.Fence()), 0o600))
		require.NoError(t, le.Release(t.Context()))
		got++
	}
}
