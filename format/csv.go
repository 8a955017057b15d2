package format

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	etl "github.com/tidemark-data/etl"
)

// NoQuote as [CSV.Quote] makes quotes ordinary characters.
const NoQuote byte = 0xff

// CSV is the format of delimited text: RFC 4180 in UTF-8, with lines ended by
// CRLF or LF, with or without a byte order mark, plain or compressed by gzip or
// zstd, which is told by the first bytes and not by the name. The zero value
// needs one of Header, FullColumns and ChangeColumns.
//
// Fields are taken as they are: spaces belong to the value, and line breaks in
// quotes stay what they were. Blank lines are skipped unless the file has one
// column. Every record must have as many fields as there are columns.
//
// Text is read like this, and anything else is bad input:
//
//	bool         true, t, y, 1, false, f, n, 0, in any case
//	int, long    decimal digits with an optional sign
//	float, double as strconv.ParseFloat reads decimal numbers, NaN and Inf
//	decimal      digits, point and exponent; exactly, so that digits beyond the
//	             scale must be zeros
//	date         2006-01-02 or 2006/01/02
//	timestamp    2006-01-02 15:04:05, with T or a space, - or /, and up to nine
//	             digits of a second, those beyond microseconds being cut off
//	timestamptz  the same with Z, -07, -0700 or -07:00; without, the time is that
//	             of Column.Zone, for which the process needs the time zone
//	             database (package time/tzdata has one)
//	string       UTF-8
//	binary       base64 with or without padding, or hexadecimal
//	uuid         32 hexadecimal digits, with or without the four hyphens
//
// A field that is empty and not quoted is null. A quoted empty field is the
// empty string in string and binary columns and null in others. Nulls are
// delivered in Required columns too: only the one who knows the operation can
// say whether the row is bad, since deletes may carry the key alone.
type CSV struct {
	// Header says that the first record names the columns.
	Header bool
	// FullColumns and ChangeColumns name the columns of full-load files and of
	// change files, in the order of the files; "" and "-" are columns that
	// nobody wants. They exclude Header. A declared column that is in neither
	// list is null in full loads and not supplied in change files.
	FullColumns   []string
	ChangeColumns []string
	// Delimiter stands between fields; 0 is a comma.
	Delimiter byte
	// Quote encloses fields, doubled where it is meant itself; 0 is '"'.
	Quote byte
	// Null is a text that means null where it is not quoted, besides the empty
	// one. AWS DMS writes CsvNullValue, by default "NULL".
	Null string
	// NotSupplied, if not nil, is a text that, not quoted, means that a change
	// leaves the column as it is (CsvNoSupValue of AWS DMS). In a full load it
	// is null.
	NotSupplied *string

	// MaxFieldBytes and MaxRowBytes limit one field and one record; 0 is 16 MiB
	// and 64 MiB. A record can have no more than 1 GiB.
	MaxFieldBytes int
	MaxRowBytes   int
	// MaxDecompressedBytes limits what a compressed file may grow to, and
	// MaxRatio by what factor, once it is beyond 1 MiB; 0 is 64 GiB and 1000,
	// negative is no limit.
	MaxDecompressedBytes int64
	MaxRatio             int64

	// table names the columns that ForTable was given.
	table []string
	// share says which records are wanted of a file of several tables.
	share *share
}

var _ etl.TableFormat = CSV{}

// ForTable implements [etl.TableFormat]: it returns c with the column lists of a table whose files have all
// declared columns in the declared order, and in change files the operation
// before them, as AWS DMS writes them. Lists that are set stay as they are, and
// nothing changes where there is a Header.
func (c CSV) ForTable(t etl.Table) etl.Format {
	if c.Header {
		return c
	}
	c.table = nil
	for _, col := range t.Columns {
		c.table = append(c.table, col.Name)
	}
	if c.FullColumns == nil {
		c.FullColumns = c.table
	}
	if c.ChangeColumns == nil {
		c.ChangeColumns = c.table
		if t.Op.Column != "" && !slices.Contains(c.table, t.Op.Column) {
			c.ChangeColumns = append([]string{t.Op.Column}, c.table...)
		}
	}
	return c
}

// Partial implements [etl.Format]: changes may be partial where NotSupplied is
// set, or where ChangeColumns need not name every column of the table.
func (c CSV) Partial(kind etl.LoadKind) bool {
	if kind == etl.Full {
		return false
	}
	return c.NotSupplied != nil || c.ChangeColumns != nil && !c.complete()
}

// complete reports whether ChangeColumns have every column of the table. It is
// not known without ForTable.
func (c CSV) complete() bool {
	for _, name := range c.table {
		if !slices.Contains(c.ChangeColumns, name) {
			return false
		}
	}
	return len(c.table) > 0
}

// Scan implements [etl.Format].
func (c CSV) Scan(ctx context.Context, in etl.Input, req etl.ScanRequest) iter.Seq2[etl.Rows, error] {
	return func(yield func(etl.Rows, error) bool) {
		s, err := c.open(ctx, in, req)
		if err != nil {
			yield(etl.Rows{}, err)
			return
		}
		defer s.close()
		s.run(yield)
	}
}

func (c CSV) withDefaults() CSV {
	set(&c.Delimiter, ',')
	set(&c.Quote, '"')
	set(&c.MaxFieldBytes, 16<<20)
	set(&c.MaxRowBytes, 64<<20)
	c.MaxRowBytes = min(c.MaxRowBytes, 1<<30)
	set(&c.MaxDecompressedBytes, 64<<30)
	set(&c.MaxRatio, 1000)
	return c
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// columns returns the names of the file's columns, or none where they are in
// the header.
func (c CSV) columns(kind etl.LoadKind) ([]string, error) {
	names, field := c.ChangeColumns, "ChangeColumns"
	if kind == etl.Full {
		names, field = c.FullColumns, "FullColumns"
	}
	switch {
	case c.Header && names != nil:
		return nil, fmt.Errorf("set Header or %s, not both", field)
	case !c.Header && len(names) == 0:
		return nil, fmt.Errorf("columns of %v files have no names: set Header or %s", kind, field)
	}
	for i, name := range names {
		if !ignoredColumn(name) && slices.Contains(names[:i], name) {
			return nil, fmt.Errorf("%s has %q twice", field, name)
		}
	}
	return names, nil
}

func ignoredColumn(name string) bool { return name == "" || name == "-" }

func (c CSV) validate() error {
	var errs []error
	for _, special := range []byte{c.Delimiter, c.Quote} {
		if special == '\n' || special == '\r' {
			errs = append(errs, errors.New("delimiter and quote cannot be line breaks"))
		}
	}
	if c.Delimiter >= 0x80 || c.Quote >= 0x80 && c.Quote != NoQuote {
		errs = append(errs, errors.New("delimiter and quote must be ASCII"))
	}
	if c.Delimiter == c.Quote {
		errs = append(errs, errors.New("delimiter and quote are the same"))
	}
	if c.MaxFieldBytes < 0 || c.MaxRowBytes < 0 {
		errs = append(errs, errors.New("limits of field and row must not be negative"))
	}
	return errors.Join(errs...)
}

// configError is for what no retry mends.
func configError(err error) error {
	return etl.WithOutcome(etl.Terminal, fmt.Errorf("csv format: %w", err))
}
