package etl

import (
	"context"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
)

// Format turns the bytes of a file into columns. Implementations are safe for
// concurrent use and never panic, whatever the bytes.
type Format interface {
	// Scan reads the file's records in order and yields them in batches. A file
	// with no records yields none. Bad input ends the scan with a RowError that
	// names req.Location, the record's number and the column, never a value.
	// Each file may be scanned several times, with different requests.
	Scan(ctx context.Context, in Input, req ScanRequest) iter.Seq2[Rows, error]
	// Partial reports whether records of files of that kind may leave columns
	// unsupplied ([Rows.Unsupplied]).
	Partial(kind LoadKind) bool
}

// TableFormat is an optional ability of a [Format]: ForTable returns the format
// of the files of one table, where it depends on the table's declaration, as
// the columns of a file without a header do.
type TableFormat interface {
	Format
	ForTable(t Table) Format
}

// ScanRequest says what to read of a file.
type ScanRequest struct {
	// Location is the file's, for errors.
	Location string
	// Kind is the file's; full loads and change files may differ in columns.
	Kind LoadKind
	// Columns are those wanted, in the order wanted, which has nothing to do
	// with the file's.
	Columns []ScanColumn
	// Select, if not nil, says which records are wanted, by their number in the
	// file counted from 1 without a header. It is called with rising numbers.
	// Values of other records are not looked at, so they cannot be bad.
	Select func(row int64) bool
}

// ScanColumn is a column wanted of a file.
type ScanColumn struct {
	Column
	// Optional columns that the file does not have are all null. Others that it
	// does not have are bad input, unless the format's configuration says that
	// files of this kind are without them: then they are unsupplied in change
	// files and null in full loads.
	Optional bool
}

// Rows is a batch of records of one file.
type Rows struct {
	// Record holds the columns wanted, in the types of [Type.Arrow]. It is
	// released by the format after the next batch is asked for; who wants to
	// keep it retains it.
	Record arrow.RecordBatch
	// Numbers are the records' numbers in the file, counted from 1.
	Numbers []int64
	// Unsupplied tells for each column which values the producer did not supply
	// (they are null in Record): nil where there are none, else nil for columns
	// without such values.
	Unsupplied [][]bool
}
