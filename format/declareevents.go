package format

import (
	"errors"
	"maps"
	"unicode/utf8"

	etl "github.com/tidemark-data/etl"
)

var (
	_ etl.Declarer = Debezium{}
	_ etl.Declarer = DMSTransactions{}
)

// Declare implements [etl.Declarer]. The form is of kind "debezium"; missing is "bad",
// "null" or "unsupplied", unit and those of units are "millis", "micros", "nanos" or
// empty, and the limits have their defaults filled in. It is an error if a unit is none
// of these, or if the name of a column is not UTF-8, which the form cannot hold.
func (d Debezium) Declare() (etl.Declaration, error) {
	lines, err := d.lines().Declare()
	if err != nil {
		return etl.Declaration{}, err
	}
	units := map[string]any{}
	for name, unit := range d.Units {
		if !unit.known() || !utf8.ValidString(name) {
			return etl.Declaration{}, undeclared("debezium", "units are not those of columns by their names")
		}
		units[name] = string(unit)
	}
	if !d.Unit.known() {
		return etl.Declaration{}, undeclared("debezium", "unit is not millis, micros or nanos")
	}
	options := maps.Clone(lines.Options)
	options["unavailable"], options["decimal_text"] = d.Unavailable, d.DecimalText
	options["unit"], options["units"] = string(d.Unit), units
	return etl.Declaration{Kind: "debezium", Options: options}, nil
}

func (u TimeUnit) known() bool {
	switch u {
	case "", Millis, Micros, Nanos:
		return true
	}
	return false
}

// Declare implements [etl.Declarer]. The form is of kind "dms_transactions": schema and
// table are the names that change files have for the table, and full and changes are
// the options of kind "csv" by which files of either kind are read. Those of changes
// have the columns for table and schema among change_columns, as "-".
func (d DMSTransactions) Declare() (etl.Declaration, error) {
	if !utf8.ValidString(d.Schema) || !utf8.ValidString(d.Table) {
		return etl.Declaration{}, undeclared("dms transactions", "names of schema and table must be UTF-8")
	}
	full, err := d.full().Declare()
	if err != nil {
		return etl.Declaration{}, err
	}
	c := d.changes()
	c.FullColumns = c.ChangeColumns // change files are all that it reads
	changes, err := c.Declare()
	if err != nil {
		return etl.Declaration{}, err
	}
	delete(full.Options, "change_columns")
	delete(changes.Options, "full_columns")
	return etl.Declaration{Kind: "dms_transactions", Options: map[string]any{
		"schema": d.Schema, "table": d.Table, "lower_case": d.LowerCase, "full": full.Options, "changes": changes.Options,
	}}, nil
}

func undeclared(format, rule string) error {
	return etl.WithOutcome(etl.Terminal, errors.New(format+" format: "+rule))
}
