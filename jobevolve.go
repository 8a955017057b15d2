package etl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// What the files of a load make of their table is decided here, whoever runs the load:
// a job on another engine is told how to read each file and which schema its commit
// makes, and refuses to go on where the table is not any more what that was planned for.

// FileShape says how a file of a load is read that differs from the declaration. All
// names but those that Names maps to are of columns of the table.
type FileShape struct {
	// Names are the names of columns in the file; empty is absent, which is null in
	// full loads and unsupplied in change files.
	Names map[string]string `json:"names,omitempty"`
	// Types are the types of columns in the file, of which not every value fits.
	Types map[string]Type `json:"types,omitempty"`
	// Texts are the types that columns of text are written from.
	Texts map[string]Type `json:"texts,omitempty"`
	// Sparse are columns that single records of the file lack.
	Sparse []string `json:"sparse,omitempty"`
	// Guards are columns of the file that no row may have a value in.
	Guards Columns `json:"guards,omitempty"`
}

// SchemaPlan is what a commit on another engine has to do to a table's schema.
type SchemaPlan struct {
	// New is set where there was no table: it is created from the target.
	New bool
	// SchemaID and LastColumnID are the table's ("current-schema-id" and
	// "last-column-id" of the Iceberg spec, "Table Metadata Fields"). A table that
	// shows others has to be planned anew.
	SchemaID, LastColumnID int
	// Schema is the schema to make the current one in the commit of the load, as JSON
	// (Iceberg spec, "Schemas" in Appendix C); nil where it stays.
	Schema json.RawMessage
	// Summary and Properties are what the snapshot and the table say of it.
	Summary, Properties map[string]string
}

// SchemaPlanner is an optional ability of a [Sink] whose tables other engines change the
// columns of. PlanSchema reads the table and changes nothing. It returns the errors
// that Apply would return for the target's columns.
type SchemaPlanner interface {
	PlanSchema(ctx context.Context, target Target) (SchemaPlan, error)
}

// exported is the shape for other engines.
func (s *fileShape) exported() *FileShape {
	if s == nil {
		return nil
	}
	return &FileShape{
		Names: s.names, Types: s.types, Texts: s.texts, Sparse: slices.Sorted(maps.Keys(s.sparse)), Guards: s.guards,
	}
}

// shapesOf are the shapes by which a table's files are read.
func shapesOf(t Table, kind LoadKind, exported []*FileShape) []*fileShape {
	out := make([]*fileShape, len(exported))
	for i, e := range exported {
		if e == nil {
			continue
		}
		s := newFileShape(t, kind)
		maps.Copy(s.names, e.Names)
		maps.Copy(s.types, e.Types)
		maps.Copy(s.texts, e.Texts)
		for _, name := range e.Sparse {
			s.sparse[name] = true
		}
		s.guards = e.Guards
		out[i] = s
	}
	return out
}

// Partial reports whether rows of the load may leave columns unsupplied.
func (j Job) Partial() bool {
	return j.Table.Format.Partial(j.Load.Kind) ||
		slices.ContainsFunc(shapesOf(j.Table, j.Load.Kind, j.Shapes), func(s *fileShape) bool { return s.partial() })
}

// planEvolution adds to a job what its load's files make of the table. nulls names
// required columns in which jobs before it found nulls.
func (r *Runner) planEvolution(ctx context.Context, t *Table, job *Job, nulls map[string]string) error {
	source := r.cfg.Source
	if r.cfg.Quarantine != nil {
		source = mendedSource{r.cfg.Source, r.cfg.Quarantine}
	}
	ev, err := r.evolution(ctx, t, job.Load, source, nulls)
	if err != nil || ev == nil {
		return err
	}
	job.Table = ev.table
	if job.Target, err = ev.table.Target(); err != nil {
		return WithOutcome(Terminal, err)
	}
	job.Target.Evolution.Record.Changes = ev.changes
	job.Shapes = make([]*FileShape, len(ev.shapes))
	for i, s := range ev.shapes {
		job.Shapes[i] = s.exported()
	}
	job.Nulls = ev.table.ruledNulls()
	planner, ok := Ability[SchemaPlanner](r.cfg.Sink)
	if !ok {
		return nil
	}
	plan, err := planner.PlanSchema(ctx, job.Target)
	job.Schema = &plan
	return err
}

// ruledNulls are the required columns in which nulls are more than bad rows.
func (t Table) ruledNulls() (names []string) {
	for _, c := range t.Columns {
		if c.Required && t.null(&RowError{Column: c.Name, Rule: requiredIsNull}, c.Name) != nil {
			names = append(names, c.Name)
		}
	}
	return names
}

// ruled is what the table's contract makes of a failure of its job: column is the one
// that has to become optional for another job, or "".
func (f JobFailure) ruled(t *Table, job JobState) (_ JobFailure, column string) {
	if f.Rule != requiredIsNull || f.Row <= 0 {
		return f, ""
	}
	at := &RowError{File: f.File, Row: f.Row, Column: f.Column, Rule: f.Rule}
	err := t.null(at, f.Column)
	var null *nullFound
	switch {
	case err == nil:
	case !errors.As(err, &null):
		f.Diagnosis = Diagnose(err, f.LoadID)
	case job.Nulls[f.Column] == "":
		return f, f.Column
	}
	return f, ""
}

// relaxed records that a job has found a null in a required column, which the next one
// makes optional. That is no failed attempt.
func (v *view) relaxed(j *JobState, phase JobPhase, column, file string) {
	nulls := maps.Clone(j.Nulls)
	if nulls == nil {
		nulls = map[string]string{}
	}
	nulls[column] = file
	j.Phase, j.Nulls, j.Attempt = phase, nulls, j.Attempt-1
	j.Reason = fmt.Sprintf("column %s becomes optional for %s", printable(column), printable(file))
	v.state.Begun--
	v.logJob("job %s ended without its load: %s", j.ID, j.Reason)
}
