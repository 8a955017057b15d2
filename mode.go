package etl

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// Mode says what the rows of a table are.
type Mode string

// The modes of a table.
const (
	// ModeUpsert keeps one row for a key.
	ModeUpsert Mode = "upsert"
	// ModeAppend keeps every row of every file, each once. The table has no key:
	// neither Key, OldKey, OrderBy nor tombstones are set, late files are applied
	// like others, and a delete is a bad row. Columns that a producer did not
	// supply are null. A full load replaces the table.
	ModeAppend Mode = "append"
	// ModeSoftDelete keeps one row for a key, deleted ones too: they are marked
	// ([ModeColumns]). A delete keeps the row as it stands, an upsert that wins later
	// clears the mark, and takes unsupplied columns from the marked row. A key that
	// was changed into another stays as a marked row. A delete of a key that the table
	// does not have does nothing. Deletes in a full load leave no row, and a filtered
	// winner removes its key altogether, as in other modes.
	ModeSoftDelete Mode = "soft_delete"
	// ModeHistory keeps all versions of a key, each with the time for which it holds
	// ([ModeColumns]): a slowly changing dimension of type 2. A change closes the
	// version below it and begins one of its own; a change of the same order as a
	// version takes that one's place. Late data takes its place between versions, where
	// the table has ordering columns, which must come through the transforms unchanged;
	// an upsert without an order is then a bad row. A delete leaves a deleted version
	// with the values of the one below it; a key that was changed into another is
	// deleted so, too. A filtered row leaves none, but ends the one below it. Rows of
	// the epoch's full load are below all changes. Full loads are differences by
	// default, see [FullDifference]; one that replaces begins the history anew. Keys
	// repeat, so that Iceberg tables have no identifier fields.
	ModeHistory Mode = "history"
)

// ModeColumns name the columns that a mode adds to a table, behind those that the
// transforms make: ModeSoftDelete adds Deleted and DeletedAt, ModeHistory the others
// and Deleted.
type ModeColumns struct {
	// ValidFrom (timestamptz, never null) is from when on a version holds, and ValidTo
	// (timestamptz) until when it did, that moment excluded; null is until now. Empty is
	// "valid_from" and "valid_to". A version begins at the first ordering column of its
	// change where that is a timestamp (one without a zone is taken for UTC) and the
	// change has an order, else when the change's file landed ([File.ModTime]); but not
	// before the version below it, nor after the one above.
	ValidFrom, ValidTo string
	// Current (bool, never null) marks the last version of a key; empty is "is_current".
	Current string
	// Deleted (bool, never null) marks deleted rows; empty is "is_deleted".
	Deleted string
	// DeletedAt (timestamptz) is when a marked row was deleted, else null; empty is
	// "deleted_at". It is the delete's first ordering column where that is a timestamp
	// (one without a zone is taken for UTC) and the delete has an order, else when the
	// delete's file landed ([File.ModTime]).
	DeletedAt string
}

func (m ModeColumns) withDefaults(mode Mode) ModeColumns {
	switch mode {
	case ModeSoftDelete:
		return ModeColumns{Deleted: cmp.Or(m.Deleted, "is_deleted"), DeletedAt: cmp.Or(m.DeletedAt, "deleted_at")}
	case ModeHistory:
		return ModeColumns{
			ValidFrom: cmp.Or(m.ValidFrom, "valid_from"), ValidTo: cmp.Or(m.ValidTo, "valid_to"),
			Current: cmp.Or(m.Current, "is_current"), Deleted: cmp.Or(m.Deleted, "is_deleted"),
		}
	}
	return m
}

// modeColumns are the columns that the table's mode adds.
func (t Table) modeColumns() Columns {
	names := t.ModeColumns.withDefaults(t.Mode)
	switch t.Mode {
	case ModeSoftDelete:
		return Columns{{Name: names.Deleted, Type: Bool, Required: true}, {Name: names.DeletedAt, Type: TimestampTZ}}
	case ModeHistory:
		return Columns{
			{Name: names.ValidFrom, Type: TimestampTZ, Required: true}, {Name: names.ValidTo, Type: TimestampTZ},
			{Name: names.Current, Type: Bool, Required: true}, {Name: names.Deleted, Type: Bool, Required: true},
		}
	}
	return nil
}

// icebergNames are the names of Iceberg's metadata columns (format spec, "Reserved
// Field IDs"), which Spark does not read as columns of a table.
var icebergNames = []string{"_file", "_pos", "_deleted", "_spec_id", "_partition", "_row_id", "_last_updated_sequence_number"}

// checkMode tells what does not go with the table's mode.
func (t Table) checkMode(p *problems) {
	t.checkModeColumns(p)
	switch t.Mode {
	case "", ModeUpsert, ModeSoftDelete:
	case ModeAppend:
		t.checkAppend(p)
	case ModeHistory:
		t.checkHistory(p)
	default:
		p.add("mode %q is not upsert, append, soft_delete or history", string(t.Mode))
	}
}

func (t Table) checkModeColumns(p *problems) {
	m := t.ModeColumns
	soft, history := t.Mode == ModeSoftDelete, t.Mode == ModeHistory
	for _, c := range []struct {
		given string
		goes  bool
		modes string
	}{
		{m.Deleted, soft || history, "soft_delete and history"}, {m.DeletedAt, soft, "soft_delete"},
		{m.ValidFrom, history, "history"}, {m.ValidTo, history, "history"}, {m.Current, history, "history"},
	} {
		if c.given != "" && !c.goes {
			p.add("mode column %s goes with mode %s only", printable(c.given), c.modes)
		}
	}
	for _, c := range t.modeColumns() {
		if slices.Contains(icebergNames, c.Name) {
			p.add("mode column %s has the name of one of Iceberg's metadata columns", printable(c.Name))
		}
	}
}

func (t Table) checkHistory(p *problems) {
	if t.withDefaults().FullLoads == FullDifference && t.evolves() {
		p.add("full loads of a history table are differences, which do not go with contracts: set full loads to replace")
	}
}

func (t Table) checkAppend(p *problems) {
	for _, part := range []struct {
		name  string
		given bool
	}{
		{"key", len(t.Key) > 0}, {"old key", len(t.OldKey) > 0}, {"ordering columns", len(t.OrderBy) > 0},
		{"tombstones", t.TombstoneRetention > 0},
		{"full loads as differences", t.FullLoads == FullDifference},
		{"policy for late files but apply", t.Late != "" && t.Late != LateApply},
	} {
		if part.given {
			p.add("an append table has no %s", part.name)
		}
	}
}

// modeDefaults sets what the mode decides.
func (t *Table) modeDefaults() {
	switch t.Mode {
	case "":
		t.Mode = ModeUpsert
	case ModeSoftDelete:
		t.ModeColumns = t.ModeColumns.withDefaults(t.Mode)
	case ModeHistory:
		t.ModeColumns = t.ModeColumns.withDefaults(t.Mode)
		t.FullLoads = cmp.Or(t.FullLoads, FullDifference)
	case ModeAppend:
		t.Late = cmp.Or(t.Late, LateApply)
		if t.TombstoneRetention == 0 {
			t.TombstoneRetention = -1
		}
	}
}

// addModeColumns adds the columns of the table's mode to a target that has those
// which the transforms make.
func (t Table) addModeColumns(target *Target) error {
	fields := target.Schema.Fields()
	for _, col := range t.modeColumns() {
		for _, other := range target.Columns {
			if strings.EqualFold(other.Name, col.Name) {
				return fmt.Errorf("mode column %s has the name of column %s: mode columns can be named otherwise", printable(col.Name), printable(other.Name))
			}
		}
		target.Columns = append(target.Columns, col)
		fields = append(fields, arrow.Field{Name: col.Name, Type: col.Type.Arrow(), Nullable: !col.Required})
	}
	target.Schema = arrow.NewSchema(fields, nil)
	if t.Mode == ModeHistory && len(target.OrderBy) < len(t.OrderBy) {
		return errors.New("the ordering columns of a history table must be columns of the table: no transform may drop or rename them")
	}
	return nil
}

// madeSchema is that of the rows as the transforms make them, without the mode's
// columns.
func (t Table) madeSchema(target *arrow.Schema) *arrow.Schema {
	return arrow.NewSchema(target.Fields()[:target.NumFields()-len(t.modeColumns())], nil)
}
