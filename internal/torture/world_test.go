package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/control/sqlitecontrol"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/internal/cells"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/lock/sqlitelock"
	"github.com/tidemark-data/etl/quarantine"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
)

// stores are what outlives a process.
type stores struct {
	control etl.ControlStore
	locker  etl.Locker
	sink    interface {
		etl.Sink
		etltest.Scanner
	}
	mode  mode
	steps int // of a random history
	close func()

	quarantine *quarantine.Memory
}

func memoryStores(*testing.T) stores {
	return stores{control: control.NewMemory(), locker: lock.NewMemory(), sink: sink.NewMemory(), steps: 20, close: func() {}}
}

func lastingStores(t *testing.T, m mode) stores {
	dir, err := os.MkdirTemp(t.TempDir(), "")
	require.NoError(t, err)
	store, err := sqlitecontrol.Open(filepath.Join(dir, "control.db"))
	require.NoError(t, err)
	lake, err := icebergsink.Open(context.Background(), icebergsink.Config{Warehouse: filepath.Join(dir, "lake")})
	require.NoError(t, err)
	return stores{control: store, locker: sqlitelock.New(store.DB()), sink: lake, mode: m, steps: *steps, close: func() {
		require.NoError(t, lake.Close())
		require.NoError(t, store.Close())
		require.NoError(t, os.RemoveAll(dir))
	}}
}

// world runs a history on real parts.
type world struct {
	stores
	h      *etltest.History
	table  etl.Table
	source *source.Memory
	clock  atomic.Int64 // of the runner and the locker, in nanoseconds
	inj    *etltest.Injector
	landed map[string]etl.File // by FileKey; the newest also by location
	faults []int               // points at which faults are placed
	runner *etl.Runner
	acked  bool  // the verb of the step was answered for
	jobs   *jobs // nil where nothing is dispatched

	planted map[string]int64 // bad rows, by FileKey
}

func newWorld(h *etltest.History, s stores) (*world, error) {
	var planted map[string]int64
	if s.mode.plants {
		planted = plant(h, s.mode.staged)
	}
	s.quarantine = quarantine.NewMemory()
	w := &world{stores: s, h: h, planted: planted, table: h.Table, source: source.NewMemory(), inj: etltest.NewInjector(), landed: map[string]etl.File{}}
	w.clock.Store(time.Date(2024, 2, 20, 12, 0, 0, 0, time.UTC).UnixNano())
	switch l := s.locker.(type) {
	case *lock.Memory:
		l.Now = w.now
	case *sqlitelock.Locker:
		l.Now = w.now
	}
	csv := format.CSV{FullColumns: h.FullColumns, ChangeColumns: h.ChangeColumns, Null: "NULL"}
	if h.NoSupply != "" {
		csv.NotSupplied = &h.NoSupply
	}
	w.table.Format = csv.ForTable(h.Table)
	if s.mode.transactions {
		w.table.Format = format.DMSTransactions{CSV: csv}
	}
	w.table.Properties = s.mode.properties()
	if h.Keep != nil {
		w.table.Transforms = []etl.Transformer{keep{h}}
	}
	return w, w.start()
}

func (w *world) now() time.Time { return time.Unix(0, w.clock.Add(int64(time.Millisecond))).UTC() }

// start makes a new Runner, late enough for the leases of the last one to
// have run out.
func (w *world) start() error {
	w.clock.Add(int64(time.Hour))
	var err error
	budget := int64(0)
	if *tiny || w.mode.tiny {
		budget = 1
	}
	cfg := etl.Config{
		MemoryBudget: budget,
		Source:       w.inj.Source(w.source), Control: w.inj.Control(w.control),
		Locker: w.inj.Locker(w.locker), Sink: w.inj.Sink(w.sink), Quarantine: w.bad(),
		Layout: layout, Tables: []etl.Table{w.table}, Now: w.now,
		Retry: etl.RetryPolicy{Attempts: 3, Base: time.Microsecond, Max: time.Microsecond},
	}
	if w.jobs != nil {
		w.jobs.configure(w, &cfg)
	}
	w.runner, err = etl.New(cfg)
	return err
}

// bad is the quarantine of histories with bad rows; others go without.
func (w *world) bad() etl.Quarantine {
	if w.planted == nil {
		return nil
	}
	return w.inj.Quarantine(w.quarantine)
}

// step takes one step of the history.
func (w *world) step(ctx context.Context, s etltest.Step) error {
	for _, l := range s.Land {
		f := w.source.Put(l.Location, l.Content, l.At)
		w.landed[etltest.FileKey(f)], w.landed[f.Location] = f, f
	}
	if s.Gone != "" {
		w.source.Remove(s.Gone)
	}
	if s.Kind == etltest.StepRestart {
		return w.start()
	}
	if s.Kind == etltest.StepLand || s.Kind == etltest.StepVanish {
		return nil
	}
	files := w.files(s.Events)
	w.acked = false
	if s.FaultAt > 0 {
		w.inj.Reset()
		w.faults = nil
		w.place(s.FaultAt, fault(s.Crash))
	}
	return w.persist(ctx, s.Kind, files)
}

func fault(crash bool) error {
	if crash {
		return etltest.ErrCrash
	}
	return etltest.ErrInjected
}

// place puts a fault at the nth point from the last reset.
func (w *world) place(n int, err error) {
	w.faults = append(w.faults, n)
	w.inj.FailNth(n, err)
}

// persist repeats what a step does, each time by a new process, until no fault
// strikes: what matters is what the last one makes of it.
func (w *world) persist(ctx context.Context, kind etltest.StepKind, files []etl.File) error {
	for {
		from := w.inj.Count()
		err := w.act(ctx, kind, files)
		to := w.inj.Count()
		if !slices.ContainsFunc(w.faults, func(n int) bool { return from < n && n <= to }) {
			return err
		}
		w.inj.Restart()
		if err := w.start(); err != nil {
			return err
		}
		if err := w.reflag(ctx); err != nil {
			return err
		}
	}
}

func (w *world) files(events []string) []etl.File {
	files := make([]etl.File, len(events))
	for i, e := range events {
		files[i] = w.landed[e]
	}
	return files
}

// act does what a process does in a step: registering, verbs, draining.
func (w *world) act(ctx context.Context, kind etltest.StepKind, files []etl.File) error {
	if kind == etltest.StepIngest {
		return pausing(w.rushed(ctx, func(ctx context.Context) (bool, error) {
			rep, err := w.runner.Ingest(ctx)
			return err == nil && rep.Tables[0].More, err
		}))
	}
	if err := w.say(ctx, kind, files); err != nil || kind == etltest.StepRegister {
		return err
	}
	return pausing(w.rushed(ctx, func(ctx context.Context) (bool, error) {
		rep, err := w.runner.Drain(ctx, w.table.Name)
		return rep.More, err
	}))
}

// say registers events, or calls a verb: once more only if the first call was
// not answered.
func (w *world) say(ctx context.Context, kind etltest.StepKind, files []etl.File) error {
	name := w.table.Name
	var err error
	switch {
	case kind == etltest.StepRegister || kind == etltest.StepEvent:
		_, err = w.runner.Register(ctx, files...)
		return err
	case w.acked:
		return nil
	}
	switch kind {
	case etltest.StepPause:
		err = w.runner.Pause(ctx, name, "")
	case etltest.StepResume:
		err = w.runner.Resume(ctx, name)
	case etltest.StepRetry:
		err = w.runner.Retry(ctx, name)
	case etltest.StepSkip:
		err = w.runner.Skip(ctx, name)
	case etltest.StepReload:
		err = w.runner.Reload(ctx, name)
	case etltest.StepComplete:
		err = w.runner.Complete(ctx, name)
	default:
		return fmt.Errorf("step %q is not known", kind)
	}
	if errors.Is(err, etl.ErrNotFound) { // nothing to do, or the first call did it
		err = nil
	}
	w.acked = err == nil
	return err
}

// pausing lets errors pass that the history expects: they paused the table.
func pausing(err error) error {
	if err != nil && etl.OutcomeOf(err) == etl.Terminal {
		return nil
	}
	return err
}

// pause tells what paused the table.
func (w *world) pause(ctx context.Context) string {
	st, err := w.control.State(ctx, w.table.Name)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("(paused: %v)", st.Paused)
}

// check compares the table and the ledger with the models.
func (w *world) check(ctx context.Context, m *etltest.Models) error {
	got, err := etltest.ReadRows(ctx, w.sink, w.table.Name)
	if err != nil && slices.ContainsFunc(m.Ledger.Files(), func(f etltest.LedgerFile) bool { return f.InTable }) {
		return err // else there may be no table yet
	}
	if diff := m.Table.Rows().Diff(got); diff != "" {
		return errors.New(diff + w.pause(ctx))
	}
	if err := w.sound(got); err != nil {
		return err
	}
	var want, have []string
	for _, f := range m.Ledger.Files() {
		want = append(want, etltest.FileKey(f.File)+" "+string(f.Status))
	}
	for r, err := range w.control.Files(ctx, etl.FileQuery{Table: w.table.Name}) {
		if err != nil {
			return err
		}
		have = append(have, etltest.FileKey(r.File)+" "+string(r.Status))
	}
	slices.Sort(want)
	slices.Sort(have)
	if !slices.Equal(want, have) {
		return fmt.Errorf("ledger differs:\nwant %s\ngot  %s\n%s", strings.Join(want, "\n     "), strings.Join(have, "\n     "), w.pause(ctx))
	}
	st, err := w.control.State(ctx, w.table.Name)
	if err != nil {
		return err
	}
	if paused := st.Flag == etl.FlagPaused; paused != m.Ledger.Paused() {
		return fmt.Errorf("paused: want %v, got %v (%v)", m.Ledger.Paused(), paused, st.Paused)
	}
	return nil
}

// keep is the filter of a history as a transformer.
type keep struct{ h *etltest.History }

func (k keep) Schema(in *arrow.Schema) (*arrow.Schema, error) { return in, nil }

func (k keep) Transform(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	var rows []int
	for i := range int(in.NumRows()) {
		row := make([]any, in.NumCols())
		for j, col := range in.Columns() {
			switch a := col.(type) {
			case *array.Int32:
				if a.IsValid(i) {
					row[j] = int64(a.Value(i))
				}
			default:
				row[j] = etltest.Cell(col, i)
			}
		}
		if k.h.Keep(row) {
			rows = append(rows, i)
		}
	}
	return cells.Take(memory.DefaultAllocator, in, rows)
}
