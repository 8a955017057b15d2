package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/textconv"
)

// Missing says what it means that a record lacks a column.
type Missing uint8

const (
	// MissingIsBad makes it bad input. A producer that leaves out nulls, or what
	// did not change, has to be known as such.
	MissingIsBad Missing = iota
	// MissingIsNull makes it null.
	MissingIsNull
	// MissingIsUnsupplied leaves the column as it is, in change files; in full
	// loads it is null.
	MissingIsUnsupplied
)

// JSONLines is the format of one JSON object (RFC 8259) to a line, in UTF-8,
// plain or compressed by gzip or zstd. Members are columns; those that nobody
// wants are passed over. Blank lines are no records.
//
// Strings are read as text of the column's type, numbers and booleans by their
// literal. A string column takes strings only, and objects and arrays as the
// JSON that they are.
type JSONLines struct {
	// Missing says what it means that a record lacks a wanted column.
	Missing Missing
	// MaxRowBytes limits one line; 0 is 64 MiB.
	MaxRowBytes int
	// MaxDecompressedBytes and MaxRatio are those of [CSV].
	MaxDecompressedBytes int64
	MaxRatio             int64
}

var _ etl.Format = JSONLines{}

// Partial implements [etl.Format].
func (j JSONLines) Partial(kind etl.LoadKind) bool {
	return kind != etl.Full && j.Missing == MissingIsUnsupplied
}

// Scan implements [etl.Format].
func (j JSONLines) Scan(ctx context.Context, in etl.Input, req etl.ScanRequest) iter.Seq2[etl.Rows, error] {
	return func(yield func(etl.Rows, error) bool) {
		s, err := newJSONScan(j, req)
		if err != nil {
			yield(etl.Rows{}, configError(err))
			return
		}
		s.scan(ctx, in, yield)
	}
}

// scan reads a whole file.
func (s *jsonScan) scan(ctx context.Context, in etl.Input, yield func(etl.Rows, error) bool) {
	j := s.format
	text, err := openText(in, j.MaxDecompressedBytes, j.MaxRatio)
	if err != nil {
		yield(etl.Rows{}, s.failed(err))
		return
	}
	defer text.Close()
	if err := s.run(ctx, text, yield); err != nil && !errors.Is(err, errConsumer) {
		yield(etl.Rows{}, s.failed(err))
	}
}

func (j JSONLines) withDefaults() JSONLines {
	set(&j.MaxRowBytes, 64<<20)
	set(&j.MaxDecompressedBytes, 64<<30)
	set(&j.MaxRatio, 1000)
	return j
}

// jsonScan is one pass over one file.
type jsonScan struct {
	format  JSONLines
	req     etl.ScanRequest
	schema  *arrow.Schema
	columns []jsonColumn
	byName  map[string]int
	row     int64

	numbers    []int64
	unsupplied [][]bool
	taken      int
	bad        badRows
	parser     jsonParser

	// members reads the wanted columns of a line; blank says of which lines are
	// no records.
	members func(line []byte) error
	blank   func(line []byte) bool
}

type jsonColumn struct {
	builder textconv.Builder
	text    bool
	seen    int64 // row in which it was last seen
	twin    int   // earlier column of the same name, which it repeats; -1 if none
}

func newJSONScan(j JSONLines, req etl.ScanRequest) (*jsonScan, error) {
	j = j.withDefaults()
	s := &jsonScan{format: j, req: req, byName: map[string]int{}, columns: make([]jsonColumn, len(req.Columns))}
	s.members = s.object
	s.blank = func(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }
	fields := make([]arrow.Field, len(req.Columns))
	for i, col := range req.Columns {
		b, err := textconv.New(col.Column)
		if err != nil {
			return nil, err
		}
		s.columns[i] = jsonColumn{builder: b, text: col.Type == etl.String, twin: -1}
		if first, twice := s.byName[col.Name]; twice {
			s.columns[i].twin = first
		} else {
			s.byName[col.Name] = i
		}
		fields[i] = arrow.Field{Name: col.Name, Type: col.Type.Arrow(), Nullable: true}
	}
	s.schema = arrow.NewSchema(fields, nil)
	return s, nil
}

var errConsumer = errors.New("consumer stopped")

func (s *jsonScan) run(ctx context.Context, r io.Reader, yield func(etl.Rows, error) bool) error {
	lines := &lineReader{r: r, limit: s.format.MaxRowBytes}
	for first := true; ; first = false {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if first {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		if s.blank(line) {
			continue
		}
		s.row++
		if s.req.Select != nil && !s.req.Select(s.row) {
			continue
		}
		if err := s.endures(s.record(line)); err != nil {
			return err
		}
		if len(s.numbers) == batchRows || s.taken >= batchBytes {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !s.flush(yield) {
				return errConsumer
			}
		}
	}
	if len(s.numbers) > 0 && !s.flush(yield) {
		return errConsumer
	}
	return nil
}

// record appends the wanted columns of one line.
func (s *jsonScan) record(line []byte) error {
	if err := s.members(line); err != nil {
		return err
	}
	for i := range s.columns {
		if s.columns[i].seen != s.row && s.columns[i].twin < 0 {
			if err := s.missing(i); err != nil {
				return err
			}
		}
	}
	s.numbers = append(s.numbers, s.row)
	s.taken += len(line)
	return nil
}

// object appends the wanted members of one object.
func (s *jsonScan) object(line []byte) error {
	return s.wanted(line, s.byName, func(i int, _ []byte, v jsonValue) string { return s.value(i, v) })
}

// wanted calls add for those members of an object that are columns, by their names.
func (s *jsonScan) wanted(object []byte, columns map[string]int, add func(i int, name []byte, v jsonValue) (rule string)) error {
	rule, column := "", ""
	bad := s.parser.object(object, func(name []byte, v jsonValue) bool {
		i, ok := columns[string(name)]
		if !ok {
			return true
		}
		column = s.req.Columns[i].Name
		if s.columns[i].seen == s.row {
			rule = "column is there twice"
			return false
		}
		s.columns[i].seen = s.row
		rule = add(i, name, v)
		return rule == ""
	})
	if rule != "" {
		return s.wrong(column, rule)
	}
	if bad != "" {
		return s.wrong("", bad)
	}
	return nil
}

func (s *jsonScan) value(i int, v jsonValue) (rule string) {
	col := &s.columns[i]
	switch {
	case v.kind == jsonNull:
		col.builder.AppendNull()
		return ""
	case v.kind == jsonString, v.kind == jsonNested && col.text:
		return col.builder.Append(v.text)
	case v.kind == jsonLiteral && !col.text:
		return col.builder.Append(v.text)
	}
	return "not a " + s.req.Columns[i].Type.String()
}

func (s *jsonScan) missing(i int) error {
	switch {
	case s.req.Columns[i].Optional, s.format.Missing == MissingIsNull:
	case s.format.Missing == MissingIsBad && !s.req.Columns[i].Sparse:
		return s.wrong(s.req.Columns[i].Name, "column is missing")
	case s.req.Kind != etl.Full:
		s.unsupply(i)
	}
	s.columns[i].builder.AppendNull()
	return nil
}

// unsupply takes note that the record leaves a column as it is.
func (s *jsonScan) unsupply(i int) {
	if s.unsupplied == nil {
		s.unsupplied = make([][]bool, len(s.columns))
	}
	if s.unsupplied[i] == nil {
		s.unsupplied[i] = make([]bool, batchRows)
	}
	s.unsupplied[i][len(s.numbers)] = true
}

func (s *jsonScan) flush(yield func(etl.Rows, error) bool) bool {
	n := len(s.numbers)
	arrays := make([]arrow.Array, len(s.columns))
	for i, c := range s.columns {
		if c.twin >= 0 {
			arrays[i] = arrays[c.twin]
			arrays[i].Retain()
			if s.unsupplied != nil {
				s.unsupplied[i] = s.unsupplied[c.twin]
			}
			continue
		}
		arrays[i] = c.builder.NewArray()
		if s.unsupplied != nil && s.unsupplied[i] != nil {
			s.unsupplied[i] = s.unsupplied[i][:n]
		}
	}
	rows := etl.Rows{Record: array.NewRecordBatch(s.schema, arrays, int64(n)), Numbers: s.numbers, Unsupplied: s.unsupplied}
	for _, a := range arrays {
		a.Release()
	}
	s.numbers, s.unsupplied, s.taken = nil, nil, 0
	defer func() { rows.Record.Release() }()
	if err := s.bad.leave(&rows); err != nil {
		yield(etl.Rows{}, err)
		return false
	}
	return yield(rows, nil)
}

// endures takes note of a bad record in place of its error, where the scan is
// tolerant. Columns that it had no value for get a null, and flush leaves it out.
func (s *jsonScan) endures(err error) error {
	if err == nil || !s.req.Tolerant {
		return err
	}
	var row *etl.RowError
	if !errors.As(err, &row) {
		return err
	}
	for i := range s.columns {
		if s.columns[i].builder.Len() == len(s.numbers) {
			s.columns[i].builder.AppendNull()
		}
	}
	s.bad.drop(len(s.numbers), row)
	s.numbers = append(s.numbers, s.row)
	return nil
}

func (s *jsonScan) wrong(column, rule string) error {
	return &etl.RowError{File: s.req.Location, Row: s.row, Column: column, Rule: rule}
}

// failed turns what ended the scan into the error to report; the consumer's own
// stop is none.
func (s *jsonScan) failed(err error) error {
	var input badInput
	if errors.As(err, &input) {
		return &etl.RowError{File: s.req.Location, Row: s.row + 1, Rule: string(input)}
	}
	return err
}

// lineReader cuts a stream into lines without their ends.
type lineReader struct {
	r          io.Reader
	limit      int
	buf        []byte
	start, end int
	eof        bool
}

// next returns a line that is valid until the next call, or io.EOF.
func (l *lineReader) next() ([]byte, error) {
	for scanned := 0; ; {
		if i := bytes.IndexByte(l.buf[l.start+scanned:l.end], '\n'); i >= 0 {
			line := l.buf[l.start : l.start+scanned+i]
			l.start += scanned + i + 1
			return line, nil
		}
		scanned = l.end - l.start
		switch {
		case l.eof && scanned == 0:
			return nil, io.EOF
		case l.eof:
			line := l.buf[l.start:l.end]
			l.start = l.end
			return line, nil
		case scanned > l.limit:
			return nil, badInput(fmt.Sprintf("record is longer than %d bytes", l.limit))
		}
		if err := l.fill(); err != nil {
			return nil, err
		}
	}
}

func (l *lineReader) fill() error {
	if l.start > 0 {
		l.end = copy(l.buf, l.buf[l.start:l.end])
		l.start = 0
	}
	if len(l.buf)-l.end < 64<<10 {
		l.buf = append(make([]byte, 0, max(256<<10, 2*len(l.buf))), l.buf[:l.end]...)
		l.buf = l.buf[:cap(l.buf)]
	}
	n, err := l.r.Read(l.buf[l.end:])
	l.end += n
	if err == io.EOF {
		l.eof = true
		return nil
	}
	return err
}
