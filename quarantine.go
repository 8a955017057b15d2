package etl

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"strconv"
	"time"
)

// Quarantine keeps bad rows apart from the tables, in a store of its own with its
// own access rights. Implementations are safe for concurrent use, between processes
// too where they are shared.
type Quarantine interface {
	// Put replaces all that is kept under a table and set by rows, durably. A set is
	// what one commit, or one file of a staged load, sets aside; without rows nothing
	// is kept of it. It is called before the commit, and again if a load is tried
	// again.
	Put(ctx context.Context, table, set string, rows []BadRow) error
	// Rows yields what is kept of a table, ordered by load, file, row and ID.
	Rows(ctx context.Context, table string) iter.Seq2[BadRow, error]
	// Update replaces rows of the same table, load and ID; it returns an error that
	// wraps ErrNotFound where one is not kept, and then may have replaced others.
	Update(ctx context.Context, rows ...BadRow) error
	// Remove removes the rows of these IDs for good, whatever their load. Unknown
	// ones are no error.
	Remove(ctx context.Context, table string, ids ...string) error
}

// BadRow is a row set aside. Raw, Head, Mended and Key hold values of cells; the rest
// does not.
type BadRow struct {
	// ID names the row: it is derived from the file's identity and the row's number.
	ID     string `json:"id"`
	Table  string `json:"table"`
	LoadID string `json:"load_id"`
	Epoch  int64  `json:"epoch"`
	// File is the location of the row's file, FileID its identity, Kind, Order and
	// Landed what the ledger has of it.
	File   string    `json:"file"`
	FileID string    `json:"file_id"`
	Kind   LoadKind  `json:"kind"`
	Order  string    `json:"order,omitempty"`
	Landed time.Time `json:"landed,omitzero"`
	// Row is the record's number in the file, Column and Rule what is wrong.
	Row    int64  `json:"row"`
	Column string `json:"column,omitempty"`
	Rule   string `json:"rule"`
	// Origin is where the row was first set aside, if it is a mended one that was
	// bad again.
	Origin *BadPlace `json:"origin,omitempty"`
	// Raw are the bytes of the record as the file has them, or, of formats whose
	// records are not text, the record as a JSON object; nil where the format is no
	// [RawFormat]. Head is that of [RawRecord].
	Raw  []byte `json:"raw,omitempty"`
	Head []byte `json:"head,omitempty"`
	// Key is the row's key as the table would hold it, encoded; nil where it could
	// not be read, or where it is not known which other rows of its load have it.
	Key []byte `json:"key,omitempty"`
	// Status is what became of the row; Note says more.
	Status BadRowStatus `json:"status"`
	Note   string       `json:"note,omitempty"`
	// OvertakenBy are loads with a later version of the row's key. One that is in the
	// table overtakes the row.
	OvertakenBy []string `json:"overtaken_by,omitempty"`
	// Mended is the content of the file by which the row was replayed.
	Mended []byte `json:"mended,omitempty"`
	// At is when the row was set aside.
	At time.Time `json:"at"`
}

// BadPlace is where a row stood.
type BadPlace struct {
	ID    string   `json:"id"`
	Kind  LoadKind `json:"kind"`
	Order string   `json:"order,omitempty"`
	File  string   `json:"file"`
	Row   int64    `json:"row"`
}

// compare orders places of one epoch: rows of the full load come first.
func (p BadPlace) compare(o BadPlace) int {
	return cmp.Or(cmp.Compare(p.Kind, o.Kind), cmp.Compare(p.Order, o.Order), cmp.Compare(p.File, o.File), cmp.Compare(p.Row, o.Row))
}

// place is where the row first stood.
func (b BadRow) place() BadPlace {
	if b.Origin != nil {
		return *b.Origin
	}
	return BadPlace{ID: b.ID, Kind: b.Kind, Order: b.Order, File: b.File, Row: b.Row}
}

// Public returns the row without what holds values of cells.
func (b BadRow) Public() BadRow {
	b.Raw, b.Head, b.Key, b.Mended = nil, nil, nil, nil
	return b
}

// BadRowStatus is where a bad row stands.
type BadRowStatus string

// The statuses of bad rows.
const (
	BadOpen      BadRowStatus = "open"      // waits for somebody to mend it
	BadReplayed  BadRowStatus = "replayed"  // a mended version was handed in
	BadDropped   BadRowStatus = "dropped"   // given up by an operator
	BadOvertaken BadRowStatus = "overtaken" // a later good version of its key, or a later full load, is in the table
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

// tolerant reports whether any row may be set aside.
func (b ErrorBudget) tolerant() bool { return b.Rows > 0 || b.Share > 0 }

// covers reports whether so many bad rows among those read are within the budget.
func (b ErrorBudget) covers(bad, read int64) bool {
	return bad == 0 || bad <= b.Rows || float64(bad) <= b.Share*float64(read)
}

// String reads "10", "1%" or "10 or 1%".
func (b ErrorBudget) String() string {
	rows, share := strconv.FormatInt(b.Rows, 10), strconv.FormatFloat(b.Share*100, 'g', 6, 64)+"%"
	switch {
	case b.Share == 0:
		return rows
	case b.Rows == 0:
		return share
	}
	return rows + " or " + share
}

func (b ErrorBudget) check(p *problems) {
	if b.Rows < 0 || math.IsNaN(b.Share) || b.Share < 0 || b.Share > 1 {
		p.add("error budget of %d rows and a share of %v: rows must not be negative, and the share lies between 0 and 1", b.Rows, b.Share)
	}
}

// BudgetError is the error of a load with more bad rows than its table's budget
// allows.
type BudgetError struct {
	// First is the first one.
	First *RowError
	// Bad is how many were found, Budget how many are allowed.
	Bad    int64
	Budget ErrorBudget
}

// Error reads "row 7 of x.csv: column a: not an int; and 12 more, budget 10".
func (e *BudgetError) Error() string {
	if e.Bad < 2 {
		return fmt.Sprintf("%v; budget %v", e.First, e.Budget)
	}
	return fmt.Sprintf("%v; and %d more, budget %v", e.First, e.Bad-1, e.Budget)
}

func (e *BudgetError) Unwrap() error { return e.First }
