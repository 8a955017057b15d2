package format

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	etl "github.com/tidemark-data/etl"
)

// DMSTransactions is the format of the files of AWS DMS where changes are kept in
// the order of their transactions (S3 settings PreserveTransactions and CdcPath; AWS
// DMS user guide, "Capturing data changes (CDC) including transaction order on the S3
// target"). The change files hold the rows of all tables of the task:
//
//	I,incidents,mpd,7,THEFT
//	U,people,crm,12,Ada,Lovelace
//
// which is the operation, the table, the schema, and the table's own columns. [DMS]
// with CdcPath places such files, and each table with this format takes its rows from
// them, in transactions of its own: tables are not brought up to date together.
//
// Each table reads the whole file. Records of other tables are passed over, whatever
// they hold; those of tables that nobody has configured are therefore counted by
// nobody. A record that is not one at
// all, because it lacks the three columns or its quotes are broken, is bad input for
// every table. A file without rows of the table is no bad input.
//
// Full-load files hold one table each and are read as [CSV], with its Header, which
// change files never have.
type DMSTransactions struct {
	// CSV says how text is read and what the columns are. ChangeColumns, where set,
	// are the operation and the table's own columns, without those that name table
	// and schema.
	CSV CSV
	// Schema and Table are the names that the files have for the table; empty is
	// those of etl.Table.Name, on the left and on the right of its last dot.
	Schema, Table string
	// LowerCase takes names of any case for the table's, as [DMS.LowerCase] does.
	LowerCase bool

	columns []string // of the table
	op      string
}

var (
	_ etl.MixedFormat   = DMSTransactions{}
	_ etl.OpFormat      = DMSTransactions{}
	_ etl.ChunkedFormat = DMSTransactions{}
	_ etl.RawFormat     = DMSTransactions{}
)

// Mixed implements [etl.MixedFormat].
func (DMSTransactions) Mixed() bool { return true }

// Op implements [etl.OpFormat]: the column is called "Op", and holds I, U or D.
func (DMSTransactions) Op() etl.OpColumn {
	return etl.OpColumn{Column: "Op", Codes: map[string]etl.Op{"I": etl.Upsert, "U": etl.Upsert, "D": etl.Delete}}
}

// ForTable implements [etl.TableFormat].
func (d DMSTransactions) ForTable(t etl.Table) etl.Format {
	schema, table := "", t.Name
	if i := strings.LastIndexByte(t.Name, '.'); i >= 0 {
		schema, table = t.Name[:i], t.Name[i+1:]
	}
	set(&d.Schema, schema)
	set(&d.Table, table)
	if t.Op.Column == "" {
		t.Op = d.Op()
	}
	d.op, d.columns = t.Op.Column, nil
	for _, col := range t.Columns {
		d.columns = append(d.columns, col.Name)
	}
	d.CSV, _ = d.CSV.ForTable(t).(CSV)
	return d
}

// full is how full-load files are read.
func (d DMSTransactions) full() CSV {
	if d.CSV.Header {
		d.CSV.ChangeColumns = nil
	}
	return d.CSV
}

// changes is how change files are read.
func (d DMSTransactions) changes() CSV {
	c := d.CSV
	if c.Header {
		c.Header, c.FullColumns = false, nil
		if c.ChangeColumns == nil && len(d.columns) > 0 {
			c.ChangeColumns = append([]string{d.op}, d.columns...)
			if slices.Contains(d.columns, d.op) {
				c.ChangeColumns = d.columns
			}
		}
	}
	c.share = &share{table: d.Table, schema: d.Schema, fold: d.LowerCase}
	if len(c.ChangeColumns) > 0 {
		c.ChangeColumns = slices.Concat(c.ChangeColumns[:1], []string{"-", "-"}, c.ChangeColumns[1:])
	}
	return c
}

func (d DMSTransactions) of(kind etl.LoadKind) (CSV, error) {
	if kind == etl.Full {
		return d.full(), nil
	}
	if d.Schema == "" || d.Table == "" {
		return CSV{}, configError(errors.New("transaction files need the names of schema and table"))
	}
	return d.changes(), nil
}

// Partial implements [etl.Format] as [CSV.Partial] does.
func (d DMSTransactions) Partial(kind etl.LoadKind) bool {
	if kind == etl.Full {
		return false
	}
	return d.changes().Partial(kind)
}

// Scan implements [etl.Format].
func (d DMSTransactions) Scan(ctx context.Context, in etl.Input, req etl.ScanRequest) iter.Seq2[etl.Rows, error] {
	c, err := d.of(req.Kind)
	if err != nil {
		return func(yield func(etl.Rows, error) bool) { yield(etl.Rows{}, err) }
	}
	return c.Scan(ctx, in, req)
}

// Chunks implements [etl.ChunkedFormat]: full-load files are cut into chunks as [CSV]
// does. A change file is one chunk, because how many records a piece of it has cannot
// be told from those of the table.
func (d DMSTransactions) Chunks(ctx context.Context, in etl.Input, req etl.ScanRequest, known []etl.Chunk) (etl.ChunkScan, error) {
	c, err := d.of(req.Kind)
	if err != nil {
		return nil, err
	}
	if req.Kind == etl.Full {
		return c.Chunks(ctx, in, req, known)
	}
	whole := &wholeFile{format: c, in: in, req: req, chunk: etl.Chunk{Size: in.Size()}}
	if len(known) > 0 {
		whole.chunk = known[0]
	}
	return whole, nil
}

// Raw implements [etl.RawFormat].
func (d DMSTransactions) Raw(ctx context.Context, in etl.Input, req etl.ScanRequest) iter.Seq2[etl.RawRecord, error] {
	c, err := d.of(req.Kind)
	if err != nil {
		return func(yield func(etl.RawRecord, error) bool) { yield(etl.RawRecord{}, err) }
	}
	return c.Raw(ctx, in, req)
}

// Mended implements [etl.RawFormat].
func (d DMSTransactions) Mended() etl.Format { return d }

// wholeFile is a reading of a file in one chunk.
type wholeFile struct {
	format etl.Format
	in     etl.Input
	req    etl.ScanRequest
	chunk  etl.Chunk
	given  bool
}

// Next implements [etl.ChunkScan].
func (w *wholeFile) Next() (etl.Chunk, error) {
	if w.given {
		return etl.Chunk{}, io.EOF
	}
	w.given = true
	return w.chunk, nil
}

// Scan implements [etl.ChunkScan].
func (w *wholeFile) Scan(ctx context.Context, _ etl.Chunk) iter.Seq2[etl.Rows, error] {
	return w.format.Scan(ctx, w.in, w.req)
}

// Close implements [etl.ChunkScan].
func (w *wholeFile) Close() {}

// share is the part of a file that is one table's.
type share struct {
	table, schema string
	fold          bool
}

// columns are what stands before a table's own columns.
func (*share) columns() []string { return []string{"operation", "table", "schema"} }

// isMine reports whether the current record, which has n fields, is one of the
// table.
func (s *csvScan) isMine(n int) (bool, error) {
	sh := s.csv.share
	if least := len(sh.columns()); n < least {
		return false, s.wrong(s.row, "", fmt.Sprintf("has %d fields, expected at least %d: operation, table and schema", n, least))
	}
	return sh.is(s.fieldText(1), sh.table) && sh.is(s.fieldText(2), sh.schema), nil
}

func (sh *share) is(text []byte, name string) bool {
	if sh.fold {
		return strings.EqualFold(string(text), name)
	}
	return string(text) == name
}

// fieldText is a field of the current record, one of the first of which add has cut
// as many as are needed.
func (s *csvScan) fieldText(at int) []byte {
	if !s.split.parsed {
		b := &s.block
		return s.split.buf[b.base:][b.ends[at]+1 : b.ends[at+1]]
	}
	f := &s.split.fields[at]
	text := s.split.line[f.start:f.end]
	if f.escaped {
		text = []byte(strings.ReplaceAll(string(text), string([]byte{s.csv.Quote, s.csv.Quote}), string([]byte{s.csv.Quote})))
	}
	return text
}
