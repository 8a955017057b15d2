package etl

import (
	"context"
	"errors"
	"fmt"
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
	files := make([]discovered, len(load.Files))
	for i, f := range load.Files {
		files[i].file = f.Location
		var err error
		if files[i].columns, files[i].known, err = discover(ctx, t, load.Kind, source, f); err != nil {
			return nil, inFile(f.Location, err)
		}
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

// unevolved returns an error where a job on another engine would have to change the
// table's columns, or to read files in another way than declared.
func (r *Runner) unevolved(ctx context.Context, t *Table, load Load) error {
	ev, err := r.evolution(ctx, t, load, r.cfg.Source, nil)
	if err != nil || ev == nil {
		return err
	}
	why := ""
	switch {
	case len(ev.changes) > 0:
		why = ev.changes[0].String()
	default:
		for i, s := range ev.shapes {
			if s != nil {
				why = printable(load.Files[i].Location) + " differs from the declaration"
			}
		}
	}
	if why == "" {
		return nil
	}
	return WithOutcome(Terminal, fmt.Errorf("a job cannot evolve the table, which flag L does: %s: %w", why, ErrContract))
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
