package etl

import (
	"fmt"
	"maps"
	"slices"
)

// Evolution says how far a sink may change the columns of a table, and what to keep of
// it: Record.Columns beside the schema, for [Standing], and Record in the commit, for
// [Receipt], both in the commit of the load.
type Evolution struct {
	// Add, Widen and Relax name the columns that may be added, become wider, or become
	// optional.
	Add, Widen, Relax map[string]bool
	// Renamed maps former names to names, Dropped names columns that are to go.
	Renamed map[string]string
	Dropped []string
	// Fixed names columns that cannot be dropped, Rigid those that keep their type.
	Fixed, Rigid []string
	// Record is what the load's files ask for; no changes if they ask for nothing.
	Record SchemaRecord
}

// evolution is that of the table's target.
func (t Table) evolution(target Target) *Evolution {
	if !t.evolves() {
		return nil
	}
	e := &Evolution{Add: map[string]bool{}, Widen: map[string]bool{}, Relax: map[string]bool{}, Renamed: t.Renamed}
	for _, c := range target.Columns {
		rules := t.Contract.of(c.Name)
		e.Add[c.Name] = rules.New == Evolve || t.added(c.Name)
		e.Widen[c.Name] = rules.Type == Evolve
		e.Relax[c.Name] = rules.Null == Evolve
		if t.fixed(c.Name) {
			e.Fixed = append(e.Fixed, c.Name)
		}
		if t.rigid(c.Name) {
			e.Rigid = append(e.Rigid, c.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Dropped)) {
		if t.Dropped[name] == DropRemove {
			e.Dropped = append(e.Dropped, name)
		}
	}
	e.Record.Columns = slices.Clone(t.evolved)
	return e
}

// Changes compares the columns of a table that exists with the target, whose Evolution
// must not be nil. They come in an order in which they can be made: renamed, widened,
// made optional, documented, added in the target's order, dropped. An error wraps
// ErrContract.
func (t Target) Changes(current Columns) ([]SchemaChange, error) {
	ev := t.Evolution
	var changed, added, dropped []SchemaChange
	used := map[string]bool{}
	for _, want := range t.Columns {
		name := want.Name
		if current.Index(name) < 0 {
			for _, former := range slices.Sorted(maps.Keys(ev.Renamed)) {
				if ev.Renamed[former] == name && current.Index(former) >= 0 && t.Columns.Index(former) < 0 && !used[former] {
					name = former
					changed = append(changed, SchemaChange{Kind: ColumnRenamed, Column: want.Name, Former: former, Type: want.Type})
					break
				}
			}
		}
		used[name] = true
		i := current.Index(name)
		if i < 0 {
			if err := ev.mayAdd(t.Name, want); err != nil {
				return nil, err
			}
			added = append(added, SchemaChange{Kind: ColumnAdded, Column: want.Name, Type: want.Type, Doc: want.Doc})
			continue
		}
		more, err := ev.same(t.Name, current[i], want)
		if err != nil {
			return nil, err
		}
		changed = append(changed, more...)
	}
	for _, c := range current {
		switch {
		case used[c.Name]:
		case slices.Contains(ev.Dropped, c.Name) && !slices.Contains(ev.Fixed, c.Name):
			dropped = append(dropped, SchemaChange{Kind: ColumnDropped, Column: c.Name, Type: c.Type})
		default:
			return nil, differs(t.Name, c.Name, "the table has the column, which is not declared")
		}
	}
	return ev.asked(slices.Concat(changed, added, dropped)), nil
}

func (ev *Evolution) mayAdd(table string, c Column) error {
	switch {
	case !ev.Add[c.Name]:
		return differs(table, c.Name, "the table does not have the column (new: is not evolve)")
	case c.Required:
		return differs(table, c.Name, "the table does not have the column, and columns that are added are optional")
	}
	return nil
}

// same compares a column that the table has.
func (ev *Evolution) same(table string, have, want Column) (out []SchemaChange, err error) {
	if have.Type != want.Type {
		switch {
		case !promotes(have.Type, want.Type):
			return nil, differs(table, want.Name, "the table has %v, declared is %v, which is no type that it can be widened to", have.Type, want.Type)
		case slices.Contains(ev.Rigid, want.Name):
			return nil, differs(table, want.Name, "the table has %v, declared is %v, but columns that it is partitioned by keep their type, except in buckets", have.Type, want.Type)
		case !ev.Widen[want.Name]:
			return nil, differs(table, want.Name, "the table has %v, declared is %v (type: is not evolve)", have.Type, want.Type)
		}
		out = append(out, SchemaChange{Kind: ColumnWidened, Column: want.Name, Before: have.Type, Type: want.Type})
	}
	switch {
	case !have.Required && want.Required:
		return nil, differs(table, want.Name, "the column is optional in the table, and may hold nulls, but is declared as required")
	case have.Required && !want.Required && !ev.Relax[want.Name]:
		return nil, differs(table, want.Name, "the column is required in the table, but not by declaration (null: is not evolve)")
	case have.Required && !want.Required:
		out = append(out, SchemaChange{Kind: ColumnOptional, Column: want.Name, Type: want.Type})
	}
	if want.Doc != "" && have.Doc != want.Doc {
		out = append(out, SchemaChange{Kind: ColumnDocumented, Column: want.Name, Type: want.Type, Doc: want.Doc})
	}
	return out, nil
}

// asked names the files that asked for changes.
func (ev *Evolution) asked(changes []SchemaChange) []SchemaChange {
	for i := range changes {
		for _, by := range ev.Record.Changes {
			if by.Kind == changes[i].Kind && by.Column == changes[i].Column {
				changes[i].File = by.File
			}
		}
	}
	return changes
}

// Recorded is what a commit has to keep, given the changes that it makes; nil is
// nothing.
func (ev *Evolution) Recorded(changes []SchemaChange) *SchemaRecord {
	if ev == nil || len(changes) == 0 && len(ev.Record.Changes) == 0 {
		return nil
	}
	if len(changes) == 0 {
		changes = ev.Record.Changes // the table was made so
	}
	return &SchemaRecord{Changes: changes, Columns: ev.Record.Columns}
}

// differs is a difference between a table and its declaration.
func differs(table, column, format string, args ...any) error {
	rule := fmt.Sprintf(format, args...)
	return WithOutcome(Terminal, fmt.Errorf("table %s: column %s: %s: %w", printable(table), printable(column), rule, ErrContract))
}
