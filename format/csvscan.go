package format

import (
	"context"
	"errors"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/textconv"
)

// A batch ends at whichever limit comes first.
const (
	batchRows  = 4096
	batchBytes = 16 << 20
)

// Places of wanted columns that the file does not have.
const (
	absentNull       = -1
	absentUnsupplied = -2
)

// csvScan is one pass over one file.
type csvScan struct {
	csv    CSV
	req    etl.ScanRequest
	text   *textReader
	split  *splitter
	schema *arrow.Schema

	columns []wantedColumn
	places  []int // at of columns
	words   bool  // texts beside the empty one mean null
	width   int   // fields of a record
	need    int   // fields up to the last one wanted
	row     int64
	head    []byte // the header, if there is one

	// of the batch: the records' numbers, what is not supplied, bytes of text
	numbers    []int64
	unsupplied [][]bool
	taken      int
	bad        badRows
	usual      int // records of the last batches
	limit      int // records of a batch, batchRows at most
	given      int // records of the chunk, given out
	// of the chunk before: records given out, and bytes
	seen, seenBytes int

	block block
}

type wantedColumn struct {
	at      int // field of the record, or one of the constants above
	builder textconv.Builder
	textual bool // a quoted empty field is a value
}

func (c CSV) open(ctx context.Context, in etl.Input, req etl.ScanRequest) (*csvScan, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, configError(err)
	}
	names, err := c.columns(req.Kind)
	if err != nil {
		return nil, configError(err)
	}
	s := &csvScan{csv: c, req: req, limit: batchRows}
	if err := s.prepare(); err != nil {
		return nil, configError(err)
	}
	if s.text, err = openText(in, c.MaxDecompressedBytes, c.MaxRatio); err != nil {
		return nil, s.failed(err)
	}
	s.split = newSplitter(ctx, s.text, c, in.Size())
	if err := s.begin(names); err != nil {
		s.close()
		return nil, s.failed(err)
	}
	return s, nil
}

// prepare makes builders and schema.
func (s *csvScan) prepare() error {
	fields := make([]arrow.Field, len(s.req.Columns))
	s.columns = make([]wantedColumn, len(s.req.Columns))
	for i, col := range s.req.Columns {
		b, err := textconv.New(col.Column)
		if err != nil {
			return err
		}
		textual := col.Type == etl.String || col.Type == etl.Binary
		s.columns[i] = wantedColumn{builder: b, textual: textual}
		fields[i] = arrow.Field{Name: col.Name, Type: col.Type.Arrow(), Nullable: true}
	}
	s.schema = arrow.NewSchema(fields, nil)
	s.block.spans = make([]textconv.Span, len(s.columns)*blockRows)
	return nil
}

// begin reads the header, if there is one, and finds the wanted columns.
func (s *csvScan) begin(names []string) error {
	if err := s.split.begin(); err != nil {
		return err
	}
	declared := !s.csv.Header
	if !declared {
		var err error
		if names, err = s.header(); err != nil {
			return err
		}
	}
	if !declared {
		s.head = s.csv.headOf(names)
	}
	s.width = len(names)
	s.split.skipBlank = s.width > 1
	for i, col := range s.req.Columns {
		at := -1
		if !ignoredColumn(col.Name) {
			at = slices.Index(names, col.Name)
		}
		switch {
		case at >= 0 && slices.Contains(names[at+1:], col.Name):
			return s.wrong(0, col.Name, "column is in the header twice")
		case at >= 0:
		case col.Optional, declared && s.req.Kind == etl.Full:
			at = absentNull
		case declared:
			at = absentUnsupplied
		default:
			return s.wrong(0, col.Name, "column is missing")
		}
		s.columns[i].at = at
		s.need = max(s.need, at+1)
	}
	s.placed()
	return nil
}

// placed is called when it is known where the columns are.
func (s *csvScan) placed() {
	s.places = make([]int, len(s.columns))
	for i := range s.columns {
		s.places[i] = s.columns[i].at
	}
	s.words = s.csv.Null != "" || s.csv.NotSupplied != nil
	if s.csv.share != nil {
		s.need = max(s.need, len(s.csv.share.columns()))
	}
	s.block.ends = make([]uint32, s.need+1)
}

func (s *csvScan) header() ([]string, error) {
	ok, err := s.split.next()
	var record badRecord
	switch {
	case errors.As(err, &record):
		return nil, badInput("header: " + string(record))
	case err != nil:
		return nil, err
	case !ok:
		return nil, badInput("file is empty: header expected")
	}
	s.split.fieldsUpTo(len(s.split.line) + 1)
	names := make([]string, len(s.split.fields))
	for i, f := range s.split.fields {
		text := s.split.line[f.start:f.end]
		if f.escaped {
			text = text[:unescape(text, s.csv.Quote)]
		}
		names[i] = string(text)
	}
	return names, nil
}

func (s *csvScan) run(yield func(etl.Rows, error) bool) {
	s.split.moving = s.convert
	for {
		ok, err := s.split.next()
		if err == nil && ok {
			s.row++
			if s.req.Select != nil && !s.req.Select(s.row) {
				continue
			}
			err = s.endures(s.add())
		}
		if err != nil || !ok {
			s.end(yield, err)
			return
		}
		if !s.blockIsFull() {
			continue
		}
		if err := s.convert(); err != nil {
			s.end(yield, err)
			return
		}
		if (len(s.numbers) == s.limit || s.taken >= batchBytes || len(s.bad.records) >= batchRows) && !s.flush(yield) {
			return
		}
	}
}

// end gives out what is left, and what the scan ended with.
func (s *csvScan) end(yield func(etl.Rows, error) bool, err error) {
	if earlier := s.convert(); earlier != nil {
		err = earlier
	}
	if err != nil {
		err = s.failed(err)
	}
	if s.flush(yield) && err != nil {
		yield(etl.Rows{}, err)
	}
}

// endures takes note of a bad record in place of its error, where the scan is tolerant.
func (s *csvScan) endures(err error) error {
	if err == nil || !s.req.Tolerant {
		return err
	}
	var row *etl.RowError
	if !errors.As(err, &row) {
		return err
	}
	s.bad.add(row)
	return nil
}

func (s *csvScan) close() {
	if s.text != nil {
		s.text.Close()
	}
}

func (s *csvScan) wrong(row int64, column, rule string) error {
	return &etl.RowError{File: s.req.Location, Row: row, Column: column, Rule: rule}
}

// failed places an error of the splitter or of what it reads from.
func (s *csvScan) failed(err error) error {
	var file badInput
	var record badRecord
	var row *etl.RowError
	switch {
	case errors.As(err, &row):
		return err
	case errors.As(err, &file):
		return s.wrong(0, "", string(file))
	case errors.As(err, &record):
		return s.wrong(s.row+1, "", string(record))
	}
	return &etl.FileError{File: s.req.Location, Err: err}
}
