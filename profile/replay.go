package profile

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/lock"
)

// Replay applies the files that a table holds, by the ledger of the config, once more
// to an empty table of the same name in another sink: what the table should hold. The
// files must still be in the source. Nothing of the config's is written to. Rows that
// were set aside as bad, and replayed ones, are not part of it.
func Replay(ctx context.Context, cfg etl.Config, table string, into etl.Sink) error {
	at := slices.IndexFunc(cfg.Tables, func(t etl.Table) bool { return t.Name == table })
	if at < 0 {
		return fmt.Errorf("%w: %s", etl.ErrNoTable, table)
	}
	files, err := applied(ctx, cfg.Control, table)
	if err != nil {
		return err
	}
	if len(files.records) == 0 {
		return fmt.Errorf("table %s: no file is applied: %w", table, etl.ErrNotFound)
	}
	files.source = cfg.Source
	runner, err := etl.New(etl.Config{
		Source: files, Layout: files, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: into,
		Format: cfg.Format, Tables: []etl.Table{plain(cfg.Tables[at])},
		MemoryBudget: cfg.MemoryBudget, TempDir: cfg.TempDir, Retry: cfg.Retry, Logger: cfg.Logger,
	})
	if err != nil {
		return err
	}
	report, err := runner.Ingest(ctx)
	if err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	n := 0
	for _, t := range report.Tables {
		for _, l := range t.Loads {
			n += len(l.Load.Files)
		}
	}
	if n != len(files.records) {
		return fmt.Errorf("replay of table %s: %d of %d files could be applied", table, n, len(files.records))
	}
	return nil
}

// plain is a table that takes its files as they come.
func plain(t etl.Table) etl.Table {
	t.Flag, t.Late, t.Settle, t.Completion = etl.FlagLocal, etl.LateApply, 0, etl.Completion{}
	t.Checks, t.Maintenance, t.AllowEmpty = nil, etl.Maintenance{}, true
	t.FullLoads, t.Staging = etl.FullReplace, etl.Staging{Mode: etl.StageNever}
	return t
}

// appliedFiles are files as a source and a layout of their own.
type appliedFiles struct {
	source  etl.Source
	records map[string]etl.FileRecord // by location
	landed  map[string]time.Time      // of those that are made younger
}

var (
	_ etl.Source = (*appliedFiles)(nil)
	_ etl.Layout = (*appliedFiles)(nil)
)

func applied(ctx context.Context, store etl.ControlStore, table string) (*appliedFiles, error) {
	st, err := store.State(ctx, table)
	if err != nil {
		return nil, err
	}
	out := &appliedFiles{records: map[string]etl.FileRecord{}, landed: map[string]time.Time{}}
	for r, err := range store.Files(ctx, etl.FileQuery{Table: table, Statuses: []etl.FileStatus{etl.Applied}}) {
		if err != nil {
			return nil, err
		}
		if r.Epoch != st.Epoch {
			continue
		}
		if _, twice := out.records[r.Location]; twice {
			return nil, fmt.Errorf("table %s holds two contents of %s, of which the older one cannot be read again", table, r.Location)
		}
		out.records[r.Location] = r
	}
	for location, r := range out.records { // none is older than its full load
		if r.Kind == etl.Incremental && r.ModTime.Before(st.EpochLanded) {
			out.landed[location], r.ModTime = r.ModTime, st.EpochLanded
			out.records[location] = r
		}
	}
	return out, nil
}

// List implements [etl.Source].
func (a *appliedFiles) List(context.Context) iter.Seq2[etl.File, error] {
	return func(yield func(etl.File, error) bool) {
		for _, r := range a.records {
			if !yield(r.Object(), nil) {
				return
			}
		}
	}
}

// Open implements [etl.Source].
func (a *appliedFiles) Open(ctx context.Context, f etl.File) (etl.Input, error) {
	if t, younger := a.landed[f.Location]; younger {
		f.ModTime = t
	}
	return a.source.Open(ctx, f)
}

// Place implements [etl.Layout].
func (a *appliedFiles) Place(location string) (etl.Placement, bool) {
	r, ok := a.records[location]
	return etl.Placement{Table: r.Table, Kind: r.Kind, Order: r.Order}, ok
}

// Files is the [Source] of the rows that a table's files make: [Replay] into a sink
// that open makes for the purpose, and that is closed in the end.
func Files(cfg etl.Config, table string, open func(ctx context.Context) (ScratchSink, error)) Source {
	return &replayed{cfg, table, open}
}

// ScratchSink is a sink for a table that is thrown away.
type ScratchSink interface {
	etl.Sink
	etl.Scanner
	Close() error
}

type replayed struct {
	cfg   etl.Config
	table string
	open  func(ctx context.Context) (ScratchSink, error)
}

// Rows implements [Source].
func (r *replayed) Rows(ctx context.Context, columns etl.Columns) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		scratch, err := r.open(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		more := true
		defer func() {
			if err := scratch.Close(); err != nil && more {
				yield(nil, err)
			}
		}()
		if err := Replay(ctx, r.cfg, r.table, scratch); err != nil {
			more = false
			yield(nil, err)
			return
		}
		for b, err := range (Table{scratch, r.table}).Rows(ctx, columns) {
			if more = yield(b, err); !more {
				return
			}
		}
	}
}
