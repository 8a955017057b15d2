package etl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ContractRule says what happens when files differ from a table's declaration.
type ContractRule string

// The rules of a contract.
const (
	// Evolve changes the table with the load that needs it, in the same commit, where
	// the Iceberg spec allows it ("Schema Evolution"); else Contract.Else decides.
	Evolve ContractRule = "evolve"
	// Freeze fails the load and pauses the table.
	Freeze ContractRule = "freeze"
	// Discard leaves the column out.
	Discard ContractRule = "discard"
	// Quarantined takes rows for bad ones: they are set aside within the table's
	// budget, past it they fail the load.
	Quarantined ContractRule = "quarantine"
)

// ElseRule says what happens to a column of a type that cannot be widened so.
type ElseRule string

// The rules for types that cannot be widened.
const (
	// ElsePause fails the load and pauses the table.
	ElsePause ElseRule = "pause"
	// ElseNewColumn puts the values into a column of their own, which is named after
	// column and type ("amount_double"), and is added to the table. The declared
	// column is null in such files if they are of a full load, else not supplied.
	ElseNewColumn ElseRule = "new_column"
	// ElseQuarantine takes rows whose value does not fit for bad ones.
	ElseQuarantine ElseRule = "quarantine"
	// ElseString is ElseNewColumn with a text column for whatever does not fit
	// ("amount_string"): values go there as the canonical text that a cast to string
	// makes of them. The declared column keeps its type, because the Iceberg spec
	// widens nothing to string.
	ElseString ElseRule = "string"
)

// Contract says what happens when files differ from a table's declaration, and when
// the declaration differs from the table that is there. Files tell their columns
// where the format is a [SchemaFormat]; text tells no types, so that values that do
// not fit are bad rows. The zero value takes files as declared, without looking at
// their columns first, and refuses a table of another schema.
//
// Key and ordering columns, and those that the table is partitioned by, cannot be
// dropped, are never missing, and take no other rule for types than Evolve and Freeze.
// Columns that the table is partitioned by keep their type, except in buckets.
type Contract struct {
	// New is for columns that are not declared: Discard (which empty is), Evolve,
	// Freeze, or Quarantined for rows that have a value in one. Evolve adds them,
	// optional and behind the others; they are text if the format tells no types.
	// Files without an added column leave it null in full loads and as it is in
	// change files. Evolve also adds columns that the declaration has and the table
	// does not.
	New ContractRule
	// Missing is for declared columns that a file does not have: Freeze (which empty
	// is), or Evolve, which leaves them null in full loads and unsupplied in change
	// files.
	Missing ContractRule
	// Type is for columns of a type that does not fit the declared one: Freeze (which
	// empty is), Evolve, Discard, or Quarantined for rows whose value does not fit.
	// Evolve widens int to long, float to double and decimals in precision, in the
	// table too where the declaration was widened.
	Type ContractRule
	// Null is for nulls in required columns: empty makes bad rows of them, as
	// Quarantined does; Freeze, or Evolve, which makes the column optional, in the
	// table too where the declaration says optional.
	Null ContractRule
	// Else is for types that cannot be widened so; empty is ElsePause.
	Else ElseRule
	// Columns are contracts of single columns, of which empty rules are the table's.
	Columns map[string]Contract
}

// of returns the rules of one column.
func (c Contract) of(name string) Contract {
	own := c.Columns[name]
	for _, r := range []struct{ rule, fallback, last *ContractRule }{
		{&own.New, &c.New, ruled(Discard)}, {&own.Missing, &c.Missing, ruled(Freeze)},
		{&own.Type, &c.Type, ruled(Freeze)}, {&own.Null, &c.Null, ruled(Quarantined)},
	} {
		if *r.rule == "" {
			*r.rule = *r.fallback
		}
		if *r.rule == "" {
			*r.rule = *r.last
		}
	}
	if own.Else == "" {
		own.Else = c.Else
	}
	if own.Else == "" {
		own.Else = ElsePause
	}
	own.Columns = nil
	return own
}

func ruled(r ContractRule) *ContractRule { return &r }

// set reports whether the contract says anything.
func (c Contract) set() bool {
	return c.New != "" || c.Missing != "" || c.Type != "" || c.Null != "" || c.Else != "" || len(c.Columns) > 0
}

// DropRule says what becomes of a column that files have no more.
type DropRule string

// The rules for dropped columns.
const (
	// DropKeep keeps the column in the table: null in full loads, as it is in changes.
	DropKeep DropRule = "keep"
	// DropRemove removes it from the table with the next load. Older snapshots keep it.
	DropRemove DropRule = "remove"
)

// ErrContract says that files or declaration differ from the table in a way that the table's
// contract does not let pass. Terminal.
var ErrContract = errors.New("the schema contract does not let it pass")

// EvolvedColumn is what evolution made of a column of a table's files.
type EvolvedColumn struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
	// Added is set where the column is not declared.
	Added bool `json:"added,omitempty"`
	// Optional is set where the column is required by declaration.
	Optional bool `json:"optional,omitempty"`
	// Source is the column of the files whose values are of this type only in some of
	// them ([ElseNewColumn], [ElseString]).
	Source string `json:"source,omitempty"`
}

// SchemaChangeKind says what was done to a column.
type SchemaChangeKind string

// The kinds of schema changes.
const (
	ColumnAdded      SchemaChangeKind = "added"
	ColumnWidened    SchemaChangeKind = "widened"
	ColumnOptional   SchemaChangeKind = "optional"
	ColumnRenamed    SchemaChangeKind = "renamed"
	ColumnDropped    SchemaChangeKind = "dropped"
	ColumnDocumented SchemaChangeKind = "documented"
)

// SchemaChange is a change of one column of a table.
type SchemaChange struct {
	Kind   SchemaChangeKind `json:"kind"`
	Column string           `json:"column"`
	// Type is the column's afterwards, Before the type before, Former the name before.
	Type   Type   `json:"type,omitzero"`
	Before Type   `json:"before,omitzero"`
	Former string `json:"former,omitempty"`
	// File is the location of the file that asked for it; empty is the declaration.
	File string `json:"file,omitempty"`
	// Doc is the description of a column that was documented or added.
	Doc string `json:"doc,omitempty"`
}

// String reads "column amount widened from int to long for landing/7.parquet".
func (c SchemaChange) String() string {
	text := "column " + printable(c.Column) + " " + string(c.Kind)
	switch c.Kind {
	case ColumnAdded:
		text += " as " + c.Type.String()
	case ColumnWidened:
		text += " from " + c.Before.String() + " to " + c.Type.String()
	case ColumnRenamed:
		text += ", formerly " + printable(c.Former)
	}
	if c.File != "" {
		text += " for " + printable(c.File)
	}
	return text
}

// SchemaRecord is what a commit says of the schema that it made.
type SchemaRecord struct {
	Changes []SchemaChange `json:"changes,omitempty"`
	// Columns are all that evolution has made of the table's columns so far.
	Columns []EvolvedColumn `json:"columns,omitempty"`
}

// SchemaFormat is an optional ability of a [Format]: the columns of a file are told
// before it is read.
type SchemaFormat interface {
	Format
	// Discover tells the columns of a file. known is false where the files of that
	// kind name none. Bad input is a RowError, as in Scan; it holds no value.
	Discover(ctx context.Context, in Input, req DiscoverRequest) (columns []DiscoveredColumn, known bool, err error)
}

// DiscoverRequest says whose columns to tell.
type DiscoverRequest struct {
	// Location is the file's, for errors; Kind is the file's.
	Location string
	Kind     LoadKind
}

// DiscoveredColumn is a column that a file has.
type DiscoveredColumn struct {
	Name string
	// Types are those that hold every value of the column as it is, the one that a
	// new column would get first; none if no type does.
	Types []Type
	// Text is set where any type is read from text, value by value.
	Text bool
	// Number is set where decimals are read from numbers, value by value.
	Number bool
	// Empty is set where the column has no value that would tell a type.
	Empty bool
	// Sparse is set where single records do not have the column ([ScanColumn]).
	Sparse bool
	// Envelope is set for columns that the format makes of what stands around a row,
	// as the operation of a change event. Nobody takes them for new columns.
	Envelope bool
}

// promotes reports whether the Iceberg spec lets a column of one type become one of
// the other (format spec, "Schema Evolution", versions 2 and 3).
func promotes(from, to Type) bool {
	fp, fs, fd := from.DecimalSize()
	tp, ts, td := to.DecimalSize()
	return from == Int && to == Long || from == Float && to == Double || fd && td && fs == ts && fp < tp
}

// holds reports whether values of one type are values of the other.
func holds(from, to Type) bool {
	fp, fs, fd := from.DecimalSize()
	tp, ts, td := to.DecimalSize()
	return from == to || promotes(from, to) || fd && td && fs <= ts && fp-fs <= tp-ts
}

// fits reports whether the column can be read as one of a type.
func (d DiscoveredColumn) fits(t Type) bool {
	if _, _, decimal := t.DecimalSize(); d.Text || d.Empty || d.Number && decimal {
		return true
	}
	return slices.ContainsFunc(d.Types, func(have Type) bool { return holds(have, t) })
}

// widens returns the type that a column of type t has to become for this one.
func (d DiscoveredColumn) widens(t Type) (Type, bool) {
	for _, have := range d.Types {
		if promotes(t, have) {
			return have, true
		}
	}
	return 0, false
}

// kind names the column's type for people.
func (d DiscoveredColumn) kind() string {
	switch {
	case d.Text:
		return "text"
	case len(d.Types) > 0:
		return d.Types[0].String()
	}
	return "of a type that no column has"
}

// typeColumn names the column for values of a type that another one cannot take.
func typeColumn(name string, t Type) string {
	return name + "_" + strings.Trim(strings.NewReplacer("(", "_", ",", "_", ")", "").Replace(t.String()), "_")
}

// breach is a difference that the contract does not let pass.
func breach(file, column, format string, args ...any) error {
	return &RowError{File: file, Column: column, Rule: fmt.Sprintf(format, args...), Err: ErrContract}
}
