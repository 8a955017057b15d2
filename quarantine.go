package etl

import (
	"context"
	"iter"
	"time"
)

// Quarantine keeps bad rows apart from the tables, in a store of its own with its
// own access rights. Implementations are safe for concurrent use.
type Quarantine interface {
	// Put replaces all that is kept of a load by rows, durably, before the load is
	// committed. A load that is tried again puts again.
	Put(ctx context.Context, table, loadID string, rows []BadRow) error
	// Rows yields what is kept of a table, ordered by load, file and row.
	Rows(ctx context.Context, table string) iter.Seq2[BadRow, error]
	// Update replaces the rows of the same ID; unknown ones are ErrNotFound.
	Update(ctx context.Context, rows ...BadRow) error
	// Remove removes rows for good. Unknown ones are no error.
	Remove(ctx context.Context, table string, ids ...string) error
}

// BadRow is a row set aside.
type BadRow struct {
	// ID names the row: it is derived from the file's identity and the row's number.
	ID     string `json:"id"`
	Table  string `json:"table"`
	LoadID string `json:"load_id"`
	Epoch  int64  `json:"epoch"`
	// File is the location of the row's file, FileID its identity, Order the file's.
	File   string `json:"file"`
	FileID string `json:"file_id"`
	Order  string `json:"order"`
	// Row is the record's number in the file, Column and Rule what is wrong.
	Row    int64  `json:"row"`
	Column string `json:"column,omitempty"`
	Rule   string `json:"rule"`
	// Raw are the bytes of the record as the file has them, or, of formats whose
	// records are not text, the record as a JSON object.
	Raw []byte `json:"raw"`
	// Key is the row's key, encoded; nil where it could not be read.
	Key []byte `json:"key,omitempty"`
	// Status is Open until the row was replayed, dropped or overtaken.
	Status BadRowStatus `json:"status"`
	// At is when the row was set aside.
	At time.Time `json:"at"`
}

// BadRowStatus is where a bad row stands.
type BadRowStatus string

// The statuses of bad rows.
const (
	BadOpen      BadRowStatus = "open"      // waits for somebody to mend it
	BadReplayed  BadRowStatus = "replayed"  // a mended version was handed in
	BadDropped   BadRowStatus = "dropped"   // given up by an operator
	BadOvertaken BadRowStatus = "overtaken" // a later good version of its key is in the table
)

// ErrorBudget is how many bad rows of a load are set aside; one more, and the load
// fails. The zero value sets none aside. A load is within the budget if it is within
// either limit.
type ErrorBudget struct {
	// Rows is the number of rows.
	Rows int64
	// Share is their share of the rows read, 0 to 1.
	Share float64
}
