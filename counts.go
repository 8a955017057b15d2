package etl

import "fmt"

// Counts account for the rows of a load. Every row read is exactly one of the
// seven fates that follow Read.
type Counts struct {
	// Read is the number of rows in the load's files.
	Read int64 `json:"read"`
	// Inserted rows have a key that the table did not hold.
	Inserted int64 `json:"inserted"`
	// Updated rows replace a row of the table.
	Updated int64 `json:"updated"`
	// Deleted rows removed a row of the table.
	Deleted int64 `json:"deleted"`
	// Unchanged rows changed nothing: deletes of absent keys, and in a full load
	// that is committed as a difference the rows that equal the table's.
	Unchanged int64 `json:"unchanged"`
	// Superseded rows lost against another row of the load or of the table.
	Superseded int64 `json:"superseded"`
	// Filtered rows won, but a transform dropped them; or they have a key that was
	// erased after their file had landed ([Runner.Erase]).
	Filtered int64 `json:"filtered"`
	// Quarantined rows are bad ones set aside.
	Quarantined int64 `json:"quarantined"`

	// RemovedByFilter counts the table's rows that left because the row that
	// replaces them was filtered, RemovedAsOldKey those that left because
	// their key was changed into another. In a table of ModeHistory the latter, and
	// RemovedAsAbsent, count deleted versions that came in addition.
	RemovedByFilter int64 `json:"removed_by_filter"`
	RemovedAsOldKey int64 `json:"removed_as_old_key"`
	// RemovedAsAbsent counts the table's rows that left because a full load that
	// is committed as a difference does not have them.
	RemovedAsAbsent int64 `json:"removed_as_absent,omitempty"`
	// RowsBefore and RowsAfter count the table's rows.
	RowsBefore int64 `json:"rows_before"`
	RowsAfter  int64 `json:"rows_after"`
}

// Check returns an error that wraps ErrAccounting unless the rows add up: the
// rows read are those of the seven fates, and the table's rows after are
// those before plus inserted minus deleted and removed (for a full load: the
// rows inserted).
func (c Counts) Check(kind LoadKind) error {
	if err := c.checkFates(); err != nil {
		return err
	}
	after := c.Inserted
	if kind != Full {
		after += c.RowsBefore - c.Deleted - c.RemovedByFilter - c.RemovedAsOldKey
	}
	return c.checkAfter(after)
}

// Check is [Counts.Check] for the counts of the load. A full load that is committed
// as a difference leaves the rows that there were, plus inserted minus deleted and
// removed, and none but rows of its files.
func (l Load) Check(c Counts) error {
	if l.Kind != Full || !l.Difference {
		return c.Check(l.Kind)
	}
	if err := c.checkFates(); err != nil {
		return err
	}
	if most := c.Inserted + c.Updated + c.Unchanged; c.RowsAfter > most {
		return fmt.Errorf("%w: the table has %d rows after the load, of which %d are the load's", ErrAccounting, c.RowsAfter, most)
	}
	return c.checkAfter(c.RowsBefore + c.Inserted - c.Deleted - c.RemovedByFilter - c.RemovedAsAbsent)
}

// Check is [Load.Check] for the counts of a load of the table. In a table of ModeHistory
// versions that were made for old keys and for keys that a full load lacks add to its
// rows, and none goes but by a filter.
func (t Target) Check(l Load, c Counts) error {
	if t.Mode != ModeHistory || l.Kind == Full && !l.Difference {
		return l.Check(c)
	}
	if err := c.checkFates(); err != nil {
		return err
	}
	return c.checkAfter(c.RowsBefore + c.Inserted + c.RemovedAsOldKey + c.RemovedAsAbsent - c.RemovedByFilter)
}

func (c Counts) checkFates() error {
	fates := c.Inserted + c.Updated + c.Deleted + c.Unchanged + c.Superseded + c.Filtered + c.Quarantined
	if c.Read != fates {
		return fmt.Errorf("%w: %d rows read, but %d accounted for", ErrAccounting, c.Read, fates)
	}
	return nil
}

func (c Counts) checkAfter(expected int64) error {
	if c.RowsAfter != expected {
		return fmt.Errorf("%w: the table has %d rows after the load, expected %d", ErrAccounting, c.RowsAfter, expected)
	}
	return nil
}

// Add adds the rows of another part of the load. RowsBefore and RowsAfter are not
// added: they are those of the table.
func (c *Counts) Add(o Counts) {
	c.Read += o.Read
	c.Inserted += o.Inserted
	c.Updated += o.Updated
	c.Deleted += o.Deleted
	c.Unchanged += o.Unchanged
	c.Superseded += o.Superseded
	c.Filtered += o.Filtered
	c.Quarantined += o.Quarantined
	c.RemovedByFilter += o.RemovedByFilter
	c.RemovedAsOldKey += o.RemovedAsOldKey
	c.RemovedAsAbsent += o.RemovedAsAbsent
}
