package etl

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// A Runner looks at the columns of a load's files each time that it attempts the load:
// the files, the declaration and what evolved before give the same answer, so a load
// that was committed by a process that died is recognised by its ID, and its receipt,
// which comes from the table, says what evolved.

// nullFound ends an attempt that has met a null in a required column, where the
// contract says more than that the row is bad.
type nullFound struct {
	column string
	at     *RowError
}

func (e *nullFound) Error() string { return e.at.Error() }

// null is what a null in a required column leads to.
func (t Table) null(at *RowError, column string) error {
	if !t.Contract.set() || t.fixed(column) {
		return nil
	}
	switch t.Contract.of(column).Null {
	case Evolve:
		return WithOutcome(Terminal, &nullFound{column, at})
	case Freeze:
		frozen := *at
		frozen.Err = ErrContract
		return WithOutcome(Terminal, &FileError{File: at.File, Err: errors.New(frozen.Error())})
	}
	return nil
}

// evolution looks at the files of a load. It is nil for tables without a contract.
func (r *Runner) evolution(ctx context.Context, t *Table, load Load, source Source, optional map[string]string) (*evolution, error) {
	if !t.evolves() {
		return nil, nil
	}
	files, err := discoverAll(ctx, t, load, source)
	if err != nil {
		return nil, err
	}
	ev, err := evolve(*t, load.Kind, files, optional)
	if err != nil {
		return nil, err
	}
	if _, err := ev.table.Target(); err != nil {
		return nil, WithOutcome(Terminal, fmt.Errorf("table %s: with the columns of its files: %w", printable(t.Name), err))
	}
	return ev, nil
}

// discoverers is how many files are looked at side by side.
const discoverers = 4

// discoverAll looks at the files of a load. Of several bad ones the first one counts.
func discoverAll(ctx context.Context, t *Table, load Load, source Source) ([]discovered, error) {
	files, errs := make([]discovered, len(load.Files)), make([]error, len(load.Files))
	var first atomic.Int64 // of those that are bad, so far
	first.Store(int64(len(files)))
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(discoverers)
	for i, f := range load.Files {
		g.Go(func() error {
			if int64(i) > first.Load() {
				return nil
			}
			files[i].file = f.Location
			if files[i].columns, files[i].known, errs[i] = discover(ctx, t, load.Kind, source, f); errs[i] == nil {
				return nil
			}
			mu.Lock()
			defer mu.Unlock()
			first.Store(min(first.Load(), int64(i)))
			return nil
		})
	}
	_ = g.Wait()
	if at := first.Load(); at < int64(len(files)) {
		return nil, inFile(load.Files[at].Location, errs[at])
	}
	return files, nil
}

func discover(ctx context.Context, t *Table, kind LoadKind, source Source, f File) ([]DiscoveredColumn, bool, error) {
	format := t.Format
	if _, _, mended := mendedRow(f.Location); mended {
		if raw, ok := format.(RawFormat); ok {
			format = raw.Mended()
		}
	}
	teller, ok := Ability[SchemaFormat](format)
	if !ok {
		return nil, false, nil
	}
	in, err := source.Open(ctx, f)
	if err != nil {
		return nil, false, err
	}
	columns, known, err := teller.Discover(ctx, in, DiscoverRequest{Location: f.Location, Kind: kind})
	return columns, known, errors.Join(err, in.Close())
}

// applyEvolving applies a load, and makes columns optional where nulls are found and
// the contract says so.
func (r *Runner) applyEvolving(ctx context.Context, t *Table, load Load, cfg ChangesConfig) (*Changes, Receipt, error) {
	optional := map[string]string{}
	for {
		ev, err := r.evolution(ctx, t, load, cfg.Source, optional)
		if err != nil {
			return nil, Receipt{}, err
		}
		if ev != nil {
			cfg.Table, cfg.shapes = ev.table, ev.shapes
		}
		changes, err := NewChanges(cfg)
		if err != nil {
			return nil, Receipt{}, WithOutcome(Terminal, err)
		}
		if ev != nil {
			changes.target.Evolution.Record.Changes = ev.changes
		}
		receipt, err := r.cfg.Sink.Apply(ctx, changes.target, load, changes)
		for err != nil && ctx.Err() == nil && changes.startsOver() {
			receipt, err = r.cfg.Sink.Apply(ctx, changes.target, load, changes)
		}
		var null *nullFound
		if errors.As(err, &null) && optional[null.column] == "" && ctx.Err() == nil {
			optional[null.column] = null.at.File
			continue
		}
		return changes, receipt, err
	}
}

// evolvedTable returns a table with what evolution has made of its columns.
func (r *Runner) evolvedTable(ctx context.Context, t *Table) (*Table, error) {
	var st State
	err := r.retry(ctx, func() (err error) {
		st, err = r.cfg.Control.State(ctx, t.Name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read state of %s: %w", printable(t.Name), err)
	}
	return t.as(st.Evolved), nil
}

// tellEvolved tells the observer what a load did to the table's columns.
func (r *Runner) tellEvolved(t *Table, load Load, record *SchemaRecord) error {
	f := r.cfg.Observer.Evolved
	if record == nil || f == nil {
		return nil
	}
	for _, c := range record.Changes {
		if err := r.tell(t, "Evolved", func() { f(load, c) }); err != nil {
			return err
		}
	}
	return nil
}

// foresee tells what the next load would do to the table's columns. Files that cannot
// be read are the load's to meet.
func (r *Runner) foresee(ctx context.Context, t *Table, d *Decision) error {
	if d.Load == nil {
		return nil
	}
	source := r.cfg.Source
	if r.cfg.Quarantine != nil {
		source = mendedSource{r.cfg.Source, r.cfg.Quarantine}
	}
	ev, err := r.evolution(ctx, t, *d.Load, source, nil)
	switch {
	case errors.Is(err, ErrContract):
		breach := Diagnose(err, d.Load.ID)
		d.Breach = &breach
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil && ev != nil:
		d.Evolves = ev.changes
	}
	return nil
}
