package etl

import (
	"context"
	"fmt"
	"slices"
)

// What the files of a staged load make of the table's columns is found out once, by the
// leader, and stands in the state: it is the same for all who stage files of the load,
// and for who takes it up again. Each of them looks at the file that it stages for how
// that is to be read. A null in a required column, which the second pass finds, makes
// the column optional for the files that are staged from then on: those that are there
// have none.

// columns are the table and the target as they are known by now.
func (s *stageRun) columns() (*Table, Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shaped, s.target
}

// become takes in what the load's files make of the table.
func (s *stageRun) become(record *SchemaRecord) error {
	if record == nil {
		return nil
	}
	t := s.t.as(record.Columns)
	target, err := t.Target()
	if err != nil {
		return WithOutcome(Terminal, fmt.Errorf("table %s: with the columns of its files: %w", printable(t.Name), err))
	}
	if target.Evolution != nil {
		target.Evolution.Record.Changes = record.Changes
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shaped, s.target = t, target
	return nil
}

// refresh takes in what other processes have found meanwhile.
func (s *stageRun) refresh(ctx context.Context) error {
	if !s.t.evolves() {
		return nil
	}
	st, err := s.r.cfg.Control.State(ctx, s.t.Name)
	if err != nil || st.Running == nil || st.Running.ID != s.load.ID {
		return err
	}
	return s.become(st.Evolving)
}

// evolve finds out what the load's files make of the table, unless somebody has.
func (s *stageRun) evolve(ctx context.Context) error {
	if !s.t.evolves() {
		return nil
	}
	st, err := s.r.cfg.Control.State(ctx, s.t.Name)
	if err != nil {
		return err
	}
	record := st.Evolving
	if record == nil || st.Running == nil || st.Running.ID != s.load.ID {
		_, cfg, stop := s.r.changesConfig(ctx, s.t, s.load)
		stop(nil)
		ev, err := s.r.evolution(ctx, s.t, s.load, cfg.Source, nil)
		if err != nil {
			return err
		}
		record = &SchemaRecord{Changes: ev.changes, Columns: ev.table.evolved}
		if err := s.evolving(ctx, func(v *view) { v.state.Evolving = record }); err != nil {
			return err
		}
	}
	return s.become(record)
}

// evolving changes what the state says, while the load is at work.
func (s *stageRun) evolving(ctx context.Context, fn func(*view)) error {
	var verdict error
	_, err := s.r.transition(ctx, s.t, s.fence(), FileQuery{}, func(v *view) error {
		if verdict = v.wants(s.load); verdict != nil {
			return errDone
		}
		fn(v)
		return nil
	})
	if err == nil {
		err = verdict
	}
	return err
}

// relax makes a column optional, and reports whether the file can be staged then.
func (s *stageRun) relax(ctx context.Context, t *Table, null *nullFound) (bool, error) {
	if i := t.Columns.Index(null.column); i < 0 || !t.Columns[i].Required {
		return false, nil
	}
	var now *SchemaRecord
	err := s.evolving(ctx, func(v *view) {
		if now = v.state.Evolving; now == nil {
			return
		}
		ev := &evolution{table: *s.t.as(now.Columns)}
		ev.table.Columns, ev.table.evolved = slices.Clone(ev.table.Columns), slices.Clone(ev.table.evolved)
		ev.relax(null.column, null.at.File)
		now = &SchemaRecord{Changes: slices.Concat(now.Changes, ev.changes), Columns: ev.table.evolved}
		v.state.Evolving = now
	})
	if err != nil || now == nil {
		return false, err
	}
	if err := s.become(now); err != nil {
		return false, err
	}
	_, target := s.columns()
	return true, s.stager.Prepare(ctx, target, s.load)
}

// shape is how file i is read, for a load of that file alone.
func (s *stageRun) shape(ctx context.Context, t *Table, source Source, i int) ([]*fileShape, error) {
	if !t.evolves() {
		return nil, nil
	}
	f := s.load.Files[i]
	one := s.load
	one.Files = []File{f}
	ev, err := s.r.evolution(ctx, t, one, source, nil)
	if err != nil {
		return nil, err
	}
	if len(ev.changes) > 0 {
		return nil, WithOutcome(Terminal, breach(f.Location, ev.changes[0].Column, "the contract was changed while the full load was staged"))
	}
	return ev.shapes, nil
}
