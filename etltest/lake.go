package etltest

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/quarantine"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

// Points for [Lake.Fail]. [Injector] lists the others.
const (
	BeforeCommit = "sink.Apply/before"     // the load was begun, the table does not have it
	AfterCommit  = "sink.Apply/after"      // the table has the load, the ledger does not know it
	BeforeRecord = "control.Update/before" // a change of the ledger is not stored
	AfterRecord  = "control.Update/after"  // it is stored, but nobody was told
	OnRead       = "source.Open/before"    // a file is opened
)

// Lake is everything that a pipeline needs, in memory: a bucket, a ledger, a
// locker and tables, with a clock that stands still. It is for tests of users'
// tables and transforms, and is not safe for concurrent use.
//
//	lake := etltest.New(t, incidents)
//	lake.Land("mpd/incidents/LOAD00000001.csv", "1,THEFT\n2,ARSON\n")
//	lake.Land("mpd/incidents/20240220-110825123.csv", "U,1,ROBBERY\nD,2,\n")
//	lake.Ingest()
//	lake.Want("mpd.incidents", etltest.Rows{{1, "ROBBERY"}})
type Lake struct {
	// Source, Control and Sink are the parts themselves, past the injector.
	Source  *source.Memory
	Control *control.Memory
	Sink    *sink.Memory
	// Quarantine keeps the bad rows of tables that have a budget for them.
	Quarantine *quarantine.Memory
	// Injector places faults other than those of Fail.
	Injector *Injector

	t      testing.TB
	cfg    etl.Config
	runner *etl.Runner
	faults []spot
	clock  clock
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time { return c.add(0) }

func (c *clock) add(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// New returns an empty lake for tables. Files are placed by [format.DMS]. Tables
// without a Format read CSV as AWS DMS writes it: no header, the operation
// first in change files, NULL or nothing for null.
func New(t testing.TB, tables ...etl.Table) *Lake {
	t.Helper()
	return NewConfig(t, etl.Config{Tables: tables})
}

// NewConfig returns an empty lake for a config of the user's own: its tables, and,
// where they are set, Layout, Format, Retry, Observer and limits. Its stores and
// its clock are replaced by those of the lake.
func NewConfig(t testing.TB, cfg etl.Config) *Lake {
	t.Helper()
	l := &Lake{
		Source: source.NewMemory(), Control: control.NewMemory(), Sink: sink.NewMemory(),
		Quarantine: quarantine.NewMemory(), Injector: NewInjector(), t: t,
		clock: clock{now: time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC)},
	}
	locker := lock.NewMemory()
	locker.Now = l.clock.time
	cfg.Source, cfg.Control = l.Injector.Source(l.Source), l.Injector.Control(l.Control)
	cfg.Locker, cfg.Sink = l.Injector.Locker(locker), l.Injector.Sink(l.Sink)
	cfg.Quarantine = l.Injector.Quarantine(l.Quarantine)
	cfg.Now = l.clock.time
	if cfg.Layout == nil {
		cfg.Layout = format.DMS{}
	}
	if cfg.Retry == (etl.RetryPolicy{}) {
		cfg.Retry = etl.RetryPolicy{Attempts: 3, Base: time.Millisecond, Max: time.Millisecond}
	}
	cfg.Tables = slices.Clone(cfg.Tables)
	for i := range cfg.Tables {
		if table := &cfg.Tables[i]; table.Format == nil && cfg.Format == nil {
			if table.Op.Column == "" {
				table.Op.Column = "Op"
			}
			table.Format = format.CSV{Null: "NULL"}.ForTable(*table)
		}
	}
	l.cfg = cfg
	l.Restart()
	t.Cleanup(l.faultsStruck)
	return l
}

// Restart ends the process and starts another one over the same stores, an hour
// later.
func (l *Lake) Restart() {
	l.t.Helper()
	l.Injector.Restart()
	l.clock.add(time.Hour)
	runner, err := etl.New(l.cfg)
	if err != nil {
		l.t.Fatalf("etltest: %v", err)
	}
	l.runner = runner
}

// Runner is that of the process that lives, for an operator's verbs.
func (l *Lake) Runner() *etl.Runner { return l.runner }

// Now is the time by the lake's clock, and Wait lets some pass.
func (l *Lake) Now() time.Time { return l.clock.time() }

// Wait moves the clock on.
func (l *Lake) Wait(d time.Duration) { l.clock.add(d) }

// Land puts content at a location, a second after what landed before.
func (l *Lake) Land(location, content string) etl.File {
	return l.Source.Put(location, []byte(content), l.clock.add(time.Second))
}

// LandAt is Land at a time of its own.
func (l *Lake) LandAt(at time.Time, location, content string) etl.File {
	return l.Source.Put(location, []byte(content), at)
}

// Remove deletes what is at a location.
func (l *Lake) Remove(location string) { l.Source.Remove(location) }

// Ingest works off what has landed: all of it, or only the given locations, as
// if events had told of them in that order. If the last process died, another
// one is started first. An error fails the test, unless the process died of a
// fault that the test had placed.
func (l *Lake) Ingest(locations ...string) etl.Report {
	l.t.Helper()
	report, err := l.ingest(locations)
	if err != nil && !errors.Is(err, ErrCrash) {
		l.t.Fatalf("etltest: ingest: %v", err)
	}
	return report
}

// IngestError is Ingest where an error is expected. It returns the error, and
// fails the test if there is none.
func (l *Lake) IngestError(locations ...string) error {
	l.t.Helper()
	_, err := l.ingest(locations)
	if err == nil {
		l.t.Fatalf("etltest: ingest succeeded, an error was expected")
	}
	return err
}

func (l *Lake) ingest(locations []string) (etl.Report, error) {
	l.t.Helper()
	if l.Injector.Crashed() {
		l.Restart()
	}
	var files []etl.File
	for _, location := range locations {
		f, ok := l.find(location)
		if !ok {
			l.t.Fatalf("etltest: nothing is at %s", location)
		}
		files = append(files, f)
	}
	return l.runner.Ingest(l.t.Context(), files...)
}

func (l *Lake) find(location string) (etl.File, bool) {
	for f, err := range l.Source.List(l.t.Context()) {
		if err == nil && f.Location == location {
			return f, true
		}
	}
	return etl.File{}, false
}

// Fail lets the process die at the nth pass of a point from now on, once. The
// next Ingest must heal it. The test fails if the point is never reached.
func (l *Lake) Fail(point string, n int) { l.FailWith(point, n, ErrCrash) }

// FailWith is Fail with an error that the process survives.
func (l *Lake) FailWith(point string, n int, err error) {
	n += l.passed(point)
	l.Injector.FailAt(point, n, err)
	l.faults = append(l.faults, spot{point, n})
}

func (l *Lake) passed(point string) (n int) {
	for _, p := range l.Injector.Trace() {
		if p == point {
			n++
		}
	}
	return n
}

func (l *Lake) faultsStruck() {
	for _, f := range l.faults {
		if l.passed(f.name) < f.nth {
			l.t.Errorf("etltest: the fault at %s was never reached", f.name)
		}
	}
}

// Want fails the test unless a table holds exactly these rows.
func (l *Lake) Want(table string, want Rows) {
	l.t.Helper()
	got, err := ReadRows(l.t.Context(), l.Sink, table)
	if err != nil {
		l.t.Fatalf("etltest: read %s: %v", table, err)
	}
	if diff := want.Diff(got); diff != "" {
		l.t.Errorf("etltest: %s: %s", table, diff)
	}
}

// WantStatus fails the test unless the newest file registered at a location has
// this status.
func (l *Lake) WantStatus(location string, want etl.FileStatus) {
	l.t.Helper()
	var newest etl.FileRecord
	for _, table := range append([]etl.Table{{}}, l.cfg.Tables...) {
		for r, err := range l.Control.Files(l.t.Context(), etl.FileQuery{Table: table.Name}) {
			if err != nil {
				l.t.Fatalf("etltest: read ledger: %v", err)
			}
			if r.Location == location && !r.Registered.Before(newest.Registered) {
				newest = r
			}
		}
	}
	if newest.Status != want {
		l.t.Errorf("etltest: %s is %q, want %q %s", location, newest.Status, want, newest.Note)
	}
}
