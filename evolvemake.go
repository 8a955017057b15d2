package etl

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// What files make of a table's columns.

func (ev *evolution) add(file string, e EvolvedColumn) error {
	t := &ev.table
	for _, c := range t.Columns {
		if strings.EqualFold(c.Name, e.Name) {
			return breach(file, e.Name, "the name of a new column differs from that of column %s by case only", printable(c.Name))
		}
	}
	switch {
	case e.Name == "" || !utf8.ValidString(e.Name) || len(e.Name) > 255:
		return breach(file, "", "the name of a new column is empty, longer than 255 bytes or not UTF-8")
	case slices.Contains(icebergNames, e.Name):
		return breach(file, e.Name, "a new column has the name of one of Iceberg's metadata columns")
	case len(t.evolved) >= maxEvolved:
		return breach(file, e.Name, "more than %d columns would be evolved", maxEvolved)
	}
	t.Columns = append(t.Columns, Column{Name: e.Name, Type: e.Type})
	t.evolved = append(t.evolved, e)
	ev.changes = append(ev.changes, SchemaChange{Kind: ColumnAdded, Column: e.Name, Type: e.Type, File: file})
	return nil
}

func (ev *evolution) widen(file string, c Column, to Type) {
	ev.table.Columns[ev.table.Columns.Index(c.Name)].Type = to
	e := ev.entry(c.Name)
	e.Type = to
	ev.changes = append(ev.changes, SchemaChange{Kind: ColumnWidened, Column: c.Name, Before: c.Type, Type: to, File: file})
}

func (ev *evolution) relax(name, file string) {
	i := ev.table.Columns.Index(name)
	if i < 0 || !ev.table.Columns[i].Required {
		return
	}
	ev.table.Columns[i].Required = false
	e := ev.entry(name)
	e.Optional = true
	ev.changes = append(ev.changes, SchemaChange{Kind: ColumnOptional, Column: name, Type: e.Type, File: file})
}

// entry is what evolution keeps of a column.
func (ev *evolution) entry(name string) *EvolvedColumn {
	t := &ev.table
	for i := range t.evolved {
		if e := &t.evolved[i]; e.Name == name || t.Renamed[e.Name] == name {
			return e
		}
	}
	t.evolved = append(t.evolved, EvolvedColumn{Name: name, Type: t.Columns[t.Columns.Index(name)].Type})
	return &t.evolved[len(t.evolved)-1]
}
