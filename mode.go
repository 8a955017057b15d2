package etl

import (
	"cmp"
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
)

// ModeColumns name the columns that ModeSoftDelete adds to a table, behind those
// that the transforms make.
type ModeColumns struct {
	// Deleted (bool, never null) marks deleted rows; empty is "is_deleted".
	Deleted string
	// DeletedAt (timestamptz) is when a marked row was deleted, else null; empty is
	// "deleted_at". It is the delete's first ordering column where that is a timestamp
	// (one without a zone is taken for UTC) and the delete has an order, else when the
	// delete's file landed ([File.ModTime]).
	DeletedAt string
}

func (m ModeColumns) withDefaults() ModeColumns {
	return ModeColumns{Deleted: cmp.Or(m.Deleted, "is_deleted"), DeletedAt: cmp.Or(m.DeletedAt, "deleted_at")}
}

// icebergNames are the names of Iceberg's metadata columns (format spec, "Reserved
// Field IDs"), which Spark does not read as columns of a table.
var icebergNames = []string{"_file", "_pos", "_deleted", "_spec_id", "_partition", "_row_id", "_last_updated_sequence_number"}

// checkMode tells what does not go with the table's mode.
func (t Table) checkMode(p *problems) {
	if t.Mode != ModeSoftDelete && t.ModeColumns != (ModeColumns{}) {
		p.add("mode columns go with mode soft_delete only")
	}
	switch t.Mode {
	case "", ModeUpsert:
	case ModeSoftDelete:
		for _, name := range []string{t.ModeColumns.Deleted, t.ModeColumns.DeletedAt} {
			if slices.Contains(icebergNames, name) {
				p.add("mode column %s has the name of one of Iceberg's metadata columns", printable(name))
			}
		}
	case ModeAppend:
		t.checkAppend(p)
	default:
		p.add("mode %q is not upsert, append or soft_delete", string(t.Mode))
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
		t.ModeColumns = t.ModeColumns.withDefaults()
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
	if t.Mode != ModeSoftDelete {
		return nil
	}
	names := t.ModeColumns.withDefaults()
	fields := target.Schema.Fields()
	for _, col := range []Column{{Name: names.Deleted, Type: Bool, Required: true}, {Name: names.DeletedAt, Type: TimestampTZ}} {
		for _, other := range target.Columns {
			if strings.EqualFold(other.Name, col.Name) {
				return fmt.Errorf("mode column %s has the name of column %s: mode columns can be named otherwise", printable(col.Name), printable(other.Name))
			}
		}
		target.Columns = append(target.Columns, col)
		fields = append(fields, arrow.Field{Name: col.Name, Type: col.Type.Arrow(), Nullable: !col.Required})
	}
	target.Schema = arrow.NewSchema(fields, nil)
	return nil
}
