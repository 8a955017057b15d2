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

// OpFormat is an optional ability of a [Format] whose records all say what to do:
// Op is the operation column of tables that name none.
type OpFormat interface {
	Format
	Op() OpColumn
}

// MixedFormat is an optional ability of a [TableFormat]: its files may hold rows of
// several tables ([Placement.Mixed]), of which Scan gives those of its own. Records
// are numbered as they stand in the file, those passed over included.
type MixedFormat interface {
	TableFormat
	// Mixed reports whether it reads such files.
	Mixed() bool
}

// ChunkedFormat is an optional ability of a [Format]: files are cut into chunks
// of whole records, which are read side by side. Together the chunks give the
// same rows and the same first error as Scan.
type ChunkedFormat interface {
	Format
	// Chunks opens a file for reading in chunks. known is nil, or the chunks
	// that an earlier reading of the same content with the same ChunkBytes saw,
	// with First and Rows set. req.Select may be called from several goroutines,
	// with rising numbers in each chunk.
	Chunks(ctx context.Context, in Input, req ScanRequest, known []Chunk) (ChunkScan, error)
}

// ChunkScan is one reading of a file in chunks.
type ChunkScan interface {
	// Next returns the next chunk, or io.EOF after the last one. It is not safe
	// for concurrent use.
	Next() (Chunk, error)
	// Scan reads the records of a chunk that Next returned, once. Records are
	// counted from c.First on, in Rows and in errors. It is safe for concurrent
	// use, and with Next.
	Scan(ctx context.Context, c Chunk) iter.Seq2[Rows, error]
	// Close releases what the reading holds, but not its input. It is called
	// when nothing else is going on.
	Close()
}

// Chunk is a piece of a file that consists of whole records.
type Chunk struct {
	// Offset and Size place it in the file's decompressed bytes.
	Offset, Size int64
	// First is the number of the last record before the chunk: 0 while it is
	// not known.
	First int64
	// Rows is the number of its records, where it is known.
	Rows int64
	// Data is what the format keeps of the chunk between Next and Scan. It is
	// not to be held on to.
	Data []byte
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
	// Tolerant asks for bad records beside the good ones: a record that is bad does
	// not end the scan but comes in [Rows.Bad], and counts like any other. Whatever
	// makes it uncertain where records begin and end still is an error, as is what
	// is wrong with the file as a whole.
	Tolerant bool
	// ChunkBytes is about how long the chunks of a [ChunkedFormat] should be;
	// zero leaves it to the format.
	ChunkBytes int
}

// ScanColumn is a column wanted of a file.
type ScanColumn struct {
	Column
	// Optional columns that the file does not have are all null. Others that it
	// does not have are bad input, unless the format's configuration says that
	// files of this kind are without them: then they are unsupplied in change
	// files and null in full loads.
	Optional bool
	// Sparse is for columns that single records may lack, in formats that tell so
	// ([DiscoveredColumn]): what a record lacks is unsupplied in change files and null
	// in full loads, unless the format's configuration says that it is null. Other
	// formats pass over it.
	Sparse bool
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
	// Bad are records that Record leaves out, in a scan that is tolerant. They lie
	// between those of the batch before and of the one after. A batch may have
	// nothing else: Record then has no rows.
	Bad []BadRecord
}

// BadRecord is a bad record of a tolerant scan.
type BadRecord struct {
	// Number is the record's in the file, counted from 1; Err is the error that
	// the scan would have ended with.
	Number int64
	Err    *RowError
}

// RawFormat is an optional ability of a [Format]: the bytes of single records can
// be had, so that bad ones can be set aside and handed in again.
type RawFormat interface {
	Format
	// Raw yields the records of the file that req.Select says, in order. What is
	// wrong with their values does not matter. A format whose records are not text
	// yields them as JSON objects of the columns that req wants.
	Raw(ctx context.Context, in Input, req ScanRequest) iter.Seq2[RawRecord, error]
	// Mended returns the format of a file that consists of the head of a record
	// and of the mended record.
	Mended() Format
}

// RawRecord is a record as it stands in its file.
type RawRecord struct {
	Number int64
	// Head is what a file must begin with so that the record can be read by
	// itself, as a header with column names.
	Head []byte
	// Data are the record's bytes, without the end of its line.
	Data []byte
}
