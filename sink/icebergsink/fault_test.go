package icebergsink_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	sqlcat "github.com/apache/iceberg-go/catalog/sql"
	iceio "github.com/apache/iceberg-go/io"
	icetable "github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/sink/icebergsink"
)

// faulty is a catalog whose commits and loads can be made to fail.
type faulty struct {
	catalog.Catalog
	mu sync.Mutex
	// before and after run around a commit; an error of before keeps it from
	// happening, one of after hides that it has.
	before, after func() error
	load          func() error
}

func (f *faulty) hook(p *func() error) error {
	f.mu.Lock()
	h := *p
	f.mu.Unlock()
	if h == nil {
		return nil
	}
	return h()
}

func (f *faulty) CommitTable(ctx context.Context, id icetable.Identifier, reqs []icetable.Requirement, ups []icetable.Update) (icetable.Metadata, string, error) {
	if err := f.hook(&f.before); err != nil {
		return nil, "", err
	}
	meta, loc, err := f.Catalog.CommitTable(ctx, id, reqs, ups)
	if err != nil {
		return nil, "", err
	}
	return meta, loc, f.hook(&f.after)
}

func (f *faulty) LoadTable(ctx context.Context, id icetable.Identifier) (*icetable.Table, error) {
	if err := f.hook(&f.load); err != nil {
		return nil, err
	}
	return f.wrap(f.Catalog.LoadTable(ctx, id))
}

func (f *faulty) CreateTable(ctx context.Context, id icetable.Identifier, s *iceberg.Schema, opts ...catalog.CreateTableOpt) (*icetable.Table, error) {
	return f.wrap(f.Catalog.CreateTable(ctx, id, s, opts...))
}

// wrap makes the table commit through f.
func (f *faulty) wrap(t *icetable.Table, err error) (*icetable.Table, error) {
	if err != nil {
		return nil, err
	}
	return icetable.New(t.Identifier(), t.Metadata(), t.MetadataLocation(),
		func(ctx context.Context) (iceio.IO, error) { return t.FS(ctx) }, f), nil
}

// breakable reopens the lake's sink over a faulty catalog.
func (l *lake) breakable() *faulty {
	l.t.Helper()
	warehouse := filepath.Join(l.dir, "lake")
	db, err := sql.Open("sqlite", "file:"+filepath.Join(warehouse, "catalog.db")+"?_pragma=busy_timeout(10000)&_txlock=immediate")
	require.NoError(l.t, err)
	l.t.Cleanup(func() { require.NoError(l.t, db.Close()) })
	cat, err := sqlcat.NewCatalog(icebergsink.CatalogName, db, sqlcat.SQLite, iceberg.Properties{"warehouse": warehouse})
	require.NoError(l.t, err)
	f := &faulty{Catalog: cat}
	l.sink = icebergsink.New(f, icebergsink.Options{})
	return f
}

// parquets lists the table's data and delete files on disk.
func (l *lake) parquets() (names []string) {
	l.t.Helper()
	require.NoError(l.t, filepath.WalkDir(filepath.Join(l.dir, "lake"), func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(p, ".parquet") {
			names = append(names, p)
		}
		return err
	}))
	return names
}

var errGone = errors.New("connection reset")

func once(err error) func() error {
	var o sync.Once
	return func() (out error) {
		o.Do(func() { out = err })
		return out
	}
}

// A process that dies between writing files and the commit leaves files that
// nothing names; the load can be applied again.
func TestCrashBeforeTheCommit(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "a")...)
	f := l.breakable()
	ctx, kill := context.WithCancel(t.Context())
	f.before = func() error { kill(); return errGone }
	load, changes := l.land(etl.Incremental, upd(1, "b", 1), ins(50, "c", 1))
	_, err := l.sink.Apply(ctx, l.target(), load, changes)
	require.ErrorIs(t, err, etl.ErrUnknownCommit)
	require.Len(t, l.parquets(), 3, "files of a commit with unknown outcome were cleaned up")

	l.sink = l.open()
	require.Len(t, l.rows(), 10)
	r, err := l.sink.Apply(t.Context(), l.target(), load, l.changes(load))
	require.NoError(t, err)
	require.False(t, r.Found)
	require.Len(t, l.rows(), 11)
	require.Equal(t, 2, l.snapshots())
}

// A commit that went through although its answer was lost is found.
func TestLostAnswerIsFound(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "a")...)
	f := l.breakable()
	f.after = once(errGone)
	load, changes := l.land(etl.Incremental, upd(1, "b", 1))
	r, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.NoError(t, err)
	require.True(t, r.Found)
	require.Len(t, l.rows(), 10)
	require.Equal(t, 2, l.snapshots())
}

// An unknown outcome that turns out not to have happened is tried again.
func TestLostRequestIsRepeated(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "a")...)
	f := l.breakable()
	f.before = once(errGone)
	l.apply(etl.Incremental, upd(1, "b", 1))
	require.Equal(t, 2, l.snapshots())
}

// Where not even a look at the table is possible, the outcome stays unknown and
// nothing is removed.
func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "a")...)
	f := l.breakable()
	f.after = func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.load = func() error { return errGone }
		return errGone
	}
	load, changes := l.land(etl.Incremental, upd(1, "b", 1))
	_, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.ErrorIs(t, err, etl.ErrUnknownCommit)
	require.Equal(t, etl.Indeterminate, etl.OutcomeOf(err))
	l.sink = l.open()
	require.Len(t, l.rows(), 10, "the commit had gone through and its files must be there")
	r, err := l.sink.Apply(t.Context(), l.target(), load, l.changes(load))
	require.NoError(t, err)
	require.True(t, r.Found)
}

// Trap 3: a stale base comes back as a plain error with the text "requirement
// failed", which does not wrap ErrCommitFailed. It must count as a conflict:
// the load is settled anew against the table as it is then, and the files of
// the lost attempt are removed.
func TestTrap3StaleBaseIsSettledAnew(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "a")...)
	other := &lake{t: t, dir: l.dir, sink: l.sink, table: l.table, files: l.files, n: 500, epoch: 1, fence: 1}
	f := l.breakable()
	raced := false
	f.before = func() error {
		if !raced {
			raced = true
			load, changes := other.land(etl.Incremental, upd(1, "other", 1), upd(2, "other", 1))
			_, err := other.sink.Apply(t.Context(), other.target(), load, changes)
			require.NoError(t, err)
		}
		return nil
	}
	r := l.apply(etl.Incremental, upd(1, "mine", 2), del(3))
	require.True(t, raced)
	require.Equal(t, int64(1), r.Counts.Updated)
	rows := l.rows()
	require.Len(t, rows, 9)
	require.Contains(t, rows, "1|mine|2")
	require.Contains(t, rows, "2|other|1")
	require.Equal(t, 3, l.snapshots())
	// One data file of the full load, two of the incrementals, and the delete
	// files: one of the other's, two of ours. Nothing of the lost attempt.
	require.Len(t, l.parquets(), 6)
}

// Trap 3: the library must never replay a commit by itself, even where the
// table's properties, set by some other engine, ask for it: a replay repeats
// positions computed on an older state (trap 2: duplicate keys on v2).
func TestTrap2NoReplayBySomeoneElsesProperties(t *testing.T) {
	t.Parallel()
	table := people()
	table.Properties = map[string]string{icetable.CommitNumRetriesKey: "4", icetable.CommitMinRetryWaitMsKey: "1"}
	l := newLake(t, table)
	l.apply(etl.Full, many(0, 10, "a")...)
	require.Equal(t, "4", l.iceberg().Properties()[icetable.CommitNumRetriesKey])
	const writers, loads = 2, 6
	var wg sync.WaitGroup
	for w := range writers {
		own := &lake{t: t, dir: l.dir, sink: l.open(), table: l.table, files: l.files, n: 1000 * (w + 1), epoch: 1, fence: 1}
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range loads {
				load, changes := own.land(etl.Incremental, upd(1, "w", i), upd(2, "w", i), ins(100*(w+1)+i, "n", i))
				_, err := own.sink.Apply(t.Context(), own.target(), load, changes)
				if err != nil {
					t.Errorf("writer %d: %v", w, err)
				}
			}
		}()
	}
	wg.Wait()
	require.Len(t, l.rows(), 10+writers*loads, "keys are there twice, or rows are lost")
	require.Equal(t, 1+writers*loads, l.snapshots())
}

func TestTwoFirstLoadsRaceForTheTable(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	var wg sync.WaitGroup
	for w := range 2 {
		own := &lake{t: t, dir: l.dir, sink: l.open(), table: l.table, files: l.files, n: 1000 * (w + 1), fence: 1}
		wg.Add(1)
		go func() {
			defer wg.Done()
			load, changes := own.land(etl.Incremental, ins(w, "a", 1), ins(7, "both", w))
			if _, err := own.sink.Apply(t.Context(), own.target(), load, changes); err != nil {
				t.Errorf("writer %d: %v", w, err)
			}
		}()
	}
	wg.Wait()
	require.Len(t, l.rows(), 3)
}

// A conflict can be the answer to the client's own repetition of a request that
// went through. The load is there then, and its files must not be removed.
func TestConflictAfterTheCommitWentThrough(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "a")...)
	f := l.breakable()
	f.after = once(fmt.Errorf("%w: metadata moved", icetable.ErrCommitFailed))
	load, changes := l.land(etl.Incremental, upd(1, "b", 1))
	r, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.NoError(t, err)
	require.True(t, r.Found)
	require.Contains(t, l.rows(), "1|b|1")
	require.Equal(t, 2, l.snapshots())
}

func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "a")...)
	f := l.breakable()
	l.sink = icebergsink.New(f, icebergsink.Options{Attempts: 3})
	tries := 0
	f.before = func() error { tries++; return errors.New("database is locked (5) (SQLITE_BUSY)") }
	load, changes := l.land(etl.Incremental, upd(1, "b", 1))
	_, err := l.sink.Apply(t.Context(), l.target(), load, changes)
	require.ErrorIs(t, err, etl.ErrConflict)
	require.Equal(t, etl.Retry, etl.OutcomeOf(err))
	require.Equal(t, 3, tries)
	require.Len(t, l.parquets(), 1, "files of refused attempts stay")
}
