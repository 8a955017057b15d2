package etl

import (
	"fmt"
	"maps"
	"slices"
)

// inFiles is the table without the columns that its files do not have any more.
func (t Table) inFiles() Table {
	t.Columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c Column) bool { return t.Dropped[c.Name] != "" })
	return t
}

// maxEvolved bounds how many columns evolution adds to a table.
const maxEvolved = 1000

// as returns the table with what evolution has made of its columns.
func (t *Table) as(evolved []EvolvedColumn) *Table {
	if len(evolved) == 0 && len(t.Dropped) == 0 {
		return t
	}
	out := *t
	out.evolved = slices.Clone(evolved)
	out.Columns = nil
	for _, c := range t.Columns {
		if t.Dropped[c.Name] != DropRemove {
			out.Columns = append(out.Columns, c)
		}
	}
	for _, e := range evolved {
		name := e.Name
		if now, ok := t.Renamed[name]; ok {
			name = now
		}
		i := out.Columns.Index(name)
		switch {
		case i < 0 && e.Added && t.Dropped[name] == "":
			out.Columns = append(out.Columns, Column{Name: name, Type: e.Type})
		case i >= 0:
			if promotes(out.Columns[i].Type, e.Type) {
				out.Columns[i].Type = e.Type
			}
			out.Columns[i].Required = out.Columns[i].Required && !e.Optional
		}
	}
	return &out
}

// discovered are the columns of one file of a load.
type discovered struct {
	file    string
	columns []DiscoveredColumn
	known   bool
}

// evolution is how the files of a load are read, and what they make of the table.
type evolution struct {
	table   Table
	changes []SchemaChange
	shapes  []*fileShape // by file; nil is as declared
}

// evolve compares the columns of a load's files with the table, which has what was
// evolved before, and with its contract. It is a pure function. optional names
// required columns in which nulls were found.
func evolve(t Table, kind LoadKind, files []discovered, optional map[string]string) (*evolution, error) {
	ev := &evolution{table: t, shapes: make([]*fileShape, len(files))}
	ev.table.Columns, ev.table.evolved = slices.Clone(t.Columns), slices.Clone(t.evolved)
	for _, name := range slices.Sorted(maps.Keys(optional)) {
		ev.relax(name, optional[name])
	}
	for again := true; again; { // files before the one that changed something are shaped anew
		before := len(ev.changes)
		for i, f := range files {
			if !f.known {
				ev.shapes[i] = ev.unknown(kind)
				continue
			}
			shape, err := ev.file(kind, f)
			if err != nil {
				return nil, err
			}
			ev.shapes[i] = shape
		}
		again = len(ev.changes) > before
	}
	return ev, nil
}

// unknown is the shape of a file of which no columns are known: of declared columns,
// those that were dropped are absent.
func (ev *evolution) unknown(kind LoadKind) *fileShape {
	s := newFileShape(ev.table, kind)
	for _, c := range ev.table.Columns {
		if ev.table.Dropped[c.Name] == DropKeep {
			s.names[c.Name] = ""
		}
	}
	return s.orNil()
}

func (ev *evolution) file(kind LoadKind, f discovered) (*fileShape, error) {
	t := &ev.table
	s := newFileShape(*t, kind)
	at := map[string]*DiscoveredColumn{}
	for i := range f.columns {
		at[f.columns[i].Name] = &f.columns[i]
	}
	taken := map[string]bool{t.Op.Column: true}
	for _, name := range t.OldKey {
		taken[name] = true
	}
	for i := 0; i < len(t.Columns); i++ { // columns may be added on the way
		c := t.Columns[i]
		if t.Dropped[c.Name] == DropKeep || t.source(c.Name) != "" {
			if _, ok := s.names[c.Name]; !ok {
				s.names[c.Name] = ""
			}
			taken[c.Name] = true
			continue
		}
		name := t.nameIn(at, c.Name)
		taken[name] = true
		if d := at[name]; d == nil {
			if err := ev.missing(s, f.file, c); err != nil {
				return nil, err
			}
		} else if err := ev.typed(s, f.file, c, *d); err != nil {
			return nil, err
		}
	}
	for i, name := range t.OldKey { // old keys have the types of keys
		if d := at[name]; d != nil && t.Columns.Index(name) < 0 {
			key := *d
			key.Name = t.Key[i]
			if err := ev.typed(s, f.file, t.Columns[t.Columns.Index(key.Name)], key); err != nil {
				return nil, err
			}
		}
	}
	for _, d := range f.columns {
		if taken[d.Name] || t.Dropped[d.Name] != "" || d.Empty || d.Envelope {
			continue
		}
		if _, former := t.Renamed[d.Name]; former {
			continue
		}
		if err := ev.fresh(s, f.file, d); err != nil {
			return nil, err
		}
	}
	return s.orNil(), nil
}

// nameIn is the name that a column has in a file: one of its former ones, perhaps.
func (t *Table) nameIn(at map[string]*DiscoveredColumn, name string) string {
	if at[name] != nil {
		return name
	}
	for _, former := range slices.Sorted(maps.Keys(t.Renamed)) {
		if t.Renamed[former] == name && at[former] != nil {
			return former
		}
	}
	return name
}

// source is the column of the files that an evolved column takes its values from.
func (t *Table) source(name string) string {
	for _, e := range t.evolved {
		if e.Name == name {
			return e.Source
		}
	}
	return ""
}

// added reports whether evolution added a column.
func (t *Table) added(name string) bool {
	return slices.ContainsFunc(t.evolved, func(e EvolvedColumn) bool { return e.Name == name && e.Added })
}

func (ev *evolution) missing(s *fileShape, file string, c Column) error {
	t := &ev.table
	switch rule := t.Contract.of(c.Name).Missing; {
	case t.added(c.Name), rule == Evolve && !t.fixed(c.Name):
		s.names[c.Name] = ""
		return nil
	case t.fixed(c.Name):
		return breach(file, c.Name, "column is missing, and key, order or partitions need it")
	default:
		return breach(file, c.Name, "column is missing (missing: %s)", rule)
	}
}

// typed is for a column that the file has.
func (ev *evolution) typed(s *fileShape, file string, c Column, d DiscoveredColumn) error {
	t := &ev.table
	if d.Name != c.Name {
		s.names[c.Name] = d.Name
	}
	rules := t.Contract.of(c.Name)
	if d.Sparse && !t.fixed(c.Name) && (t.added(c.Name) || rules.Missing == Evolve) {
		s.sparse[c.Name] = true
	}
	if d.fits(c.Type) {
		return nil
	}
	differs := fmt.Sprintf("is %s, the table has %v", d.kind(), c.Type)
	if t.fixed(c.Name) {
		wide, ok := d.widens(c.Type)
		if !ok || t.rigid(c.Name) {
			return breach(file, c.Name, "%s, and key, order and partition columns cannot become that", differs)
		}
		if rules.Type == Evolve {
			ev.widen(file, c, wide)
			return nil
		}
		return breach(file, c.Name, "%s (type: %s)", differs, rules.Type)
	}
	switch rules.Type {
	case Discard:
		s.names[c.Name] = ""
		return nil
	case Quarantined:
		return ev.refuse(s, file, c, d, differs)
	case Evolve:
	default:
		return breach(file, c.Name, "%s (type: %s)", differs, rules.Type)
	}
	if wide, ok := d.widens(c.Type); ok {
		ev.widen(file, c, wide)
		return nil
	}
	switch {
	case rules.Else == ElseQuarantine:
		return ev.refuse(s, file, c, d, differs)
	case rules.Else == ElseNewColumn && len(d.Types) > 0:
		return ev.apart(s, file, c, d, d.Types[0])
	case rules.Else == ElseString && len(d.Types) > 0:
		return ev.apart(s, file, c, d, String)
	}
	return breach(file, c.Name, "%s, which cannot be widened so (else: %s)", differs, rules.Else)
}

// apart puts the values of a column into one of another type.
func (ev *evolution) apart(s *fileShape, file string, c Column, d DiscoveredColumn, to Type) error {
	t := &ev.table
	name := typeColumn(c.Name, to)
	s.names[c.Name], s.names[name] = "", d.Name
	if s.sparse[c.Name] {
		s.sparse[name] = true
	}
	if d.Types[0] != to {
		s.texts[name] = d.Types[0]
	}
	if i := t.Columns.Index(name); i >= 0 {
		if t.source(name) != c.Name || !holds(to, t.Columns[i].Type) {
			return breach(file, c.Name, "is %s, and column %s is none for such values", d.kind(), printable(name))
		}
		return nil
	}
	return ev.add(file, EvolvedColumn{Name: name, Type: to, Added: true, Source: c.Name})
}

// refuse reads a column in its own type, and makes bad rows of values that do not fit.
func (ev *evolution) refuse(s *fileShape, file string, c Column, d DiscoveredColumn, differs string) error {
	if len(d.Types) == 0 {
		return breach(file, c.Name, "%s, of which no value fits", differs)
	}
	s.types[c.Name] = d.Types[0]
	return nil
}

// fresh is for a column that is not declared.
func (ev *evolution) fresh(s *fileShape, file string, d DiscoveredColumn) error {
	switch rule := ev.table.Contract.of(d.Name).New; rule {
	case Discard:
		return nil
	case Freeze:
		return breach(file, d.Name, "column is not declared (new: %s)", rule)
	case Quarantined:
		s.guards = append(s.guards, Column{Name: d.Name, Type: d.newType()})
		if d.newType() == 0 {
			return breach(file, d.Name, "column is not declared, and %s", d.kind())
		}
		return nil
	}
	if d.newType() == 0 {
		return breach(file, d.Name, "a new column that is %s", d.kind())
	}
	return ev.add(file, EvolvedColumn{Name: d.Name, Type: d.newType(), Added: true})
}

func (d DiscoveredColumn) newType() Type {
	switch {
	case len(d.Types) > 0:
		return d.Types[0]
	case d.Text:
		return String
	}
	return 0
}
