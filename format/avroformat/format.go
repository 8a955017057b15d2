// Package avroformat reads Avro object container files. It is a package of its own
// because the Avro library is a third party's.
package avroformat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

// Format is the format of Avro object container files (Avro specification 1.12,
// "Object Container Files") whose records are rows, compressed by deflate, snappy
// or zstandard, or not at all. Columns are found by name among the record's fields.
// A field's type, or the one beside null in a union of two, must hold what the
// declared one holds or less:
//
//	bool         boolean
//	int          int
//	long         int, long
//	float        float
//	double       float, double
//	decimal(p,s) decimal of no greater scale and no more digits before the point
//	date         date
//	timestamp    local-timestamp-millis, -micros, -nanos
//	timestamptz  timestamp-millis, -micros, -nanos
//	string       string, enum
//	binary       bytes, fixed
//	uuid         uuid, fixed of 16 bytes
//
// The names of Kafka Connect and Debezium for moments and decimals ("connect.name")
// are understood as well. Any other type is bad input. The zero value is ready to use.
type Format struct {
	// Events is set where records are Debezium's change events, of which the rows
	// are taken, with the columns that [format.Debezium] describes.
	Events bool
	// Unavailable lets values that the database did not log be unsupplied, in
	// change events. Otherwise they are bad input.
	Unavailable bool
	// AnyZone takes moments with a zone for timestamp columns, with their time of
	// day in UTC, and those without for timestamptz columns, as times in UTC.
	AnyZone bool
	// MaxBlockBytes limits a block of the file, compressed and not; 0 is 64 MiB.
	MaxBlockBytes int64
}

var (
	_ etl.Format   = Format{}
	_ etl.OpFormat = Format{}
)

// Op implements [etl.OpFormat] for change events; plain rows have no operation.
func (f Format) Op() etl.OpColumn {
	if !f.Events {
		return etl.OpColumn{}
	}
	return format.Debezium{}.Op()
}

// Partial implements [etl.Format].
func (f Format) Partial(kind etl.LoadKind) bool {
	return f.Events && f.Unavailable && kind != etl.Full
}

func (f Format) withDefaults() Format {
	if f.MaxBlockBytes == 0 {
		f.MaxBlockBytes = 64 << 20
	}
	return f
}

// Scan implements [etl.Format].
func (f Format) Scan(ctx context.Context, in etl.Input, req etl.ScanRequest) iter.Seq2[etl.Rows, error] {
	f = f.withDefaults()
	return func(yield func(etl.Rows, error) bool) {
		s := newScan(f, in, req)
		if err := s.run(ctx, yield); err != nil && !errors.Is(err, errConsumer) {
			yield(etl.Rows{}, s.failed(ctx, err))
		}
	}
}

const (
	batchRows  = 4096
	batchBytes = 8 << 20
)

// mostRows is how many records a byte of a file may hold: a block claims any number
// of records that take no bytes at all.
const mostRows = 1000

var errConsumer = errors.New("consumer stopped")

// scan is one pass over one file.
type scan struct {
	format  Format
	req     etl.ScanRequest
	source  io.ReaderAt
	in      *tracked
	size    int64
	schema  *arrow.Schema
	columns []column
	row     int64

	numbers    []int64
	unsupplied [][]bool
	taken      int
	bad        map[int]*etl.RowError // by row of the batch in the making

	keep func(rec any) error // instead of converting, if not nil
	// keepLost is keep for records that cannot be decoded.
	keepLost func(rest []byte) error
}

func newScan(f Format, in etl.Input, req etl.ScanRequest) *scan {
	return &scan{format: f, req: req, source: in, size: in.Size(), in: &tracked{r: io.NewSectionReader(in, 0, in.Size())}}
}

// tracked keeps the error of the input apart from those of its content.
type tracked struct {
	r   io.Reader
	err error
}

func (t *tracked) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}

func (s *scan) run(ctx context.Context, yield func(etl.Rows, error) bool) error {
	r, err := s.open()
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	if err := s.plan(r.Schema().Root()); err != nil {
		return err
	}
	s.in.r = io.NewSectionReader(s.source, 0, s.size)
	in, err := newBlocks(s.in, r, s.format.MaxBlockBytes)
	if err != nil {
		return s.broken(err, "not an Avro object container file")
	}
	defer in.close()
	flush := func() error { return s.full(ctx, yield) }
	for {
		b, err := in.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s.broken(err, undecodable)
		}
		err = s.records(r.Schema(), b, func(rec any) error {
			if s.row++; s.row > mostRows*s.size {
				return s.broken(nil, "more records than its bytes can hold")
			}
			if s.req.Select == nil || s.req.Select(s.row) {
				if err := s.take(rec); err != nil {
					return err
				}
			}
			return flush()
		}, func(n int64, rest []byte, why error) error { return s.lose(n, rest, why, flush) })
		if err != nil {
			return err
		}
	}
	if len(s.numbers) > 0 && !s.flush(yield) {
		return errConsumer
	}
	return nil
}

// full gives a batch out if it is large enough.
func (s *scan) full(ctx context.Context, yield func(etl.Rows, error) bool) error {
	if len(s.numbers) < batchRows && s.taken < batchBytes {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.flush(yield) {
		return errConsumer
	}
	return nil
}

// broken is the error of a file that cannot be read on. The library's own errors
// may quote the file.
func (s *scan) broken(err error, rule string) error {
	if s.in.err != nil {
		return s.in.err
	}
	var p *panicked
	if errors.As(err, &p) {
		rule += " (" + p.Error() + ")"
	}
	row := s.row + 1
	if s.schema == nil {
		row = 0
	}
	return &etl.RowError{File: s.req.Location, Row: row, Rule: rule}
}

func (s *scan) failed(ctx context.Context, err error) error {
	if cerr := ctx.Err(); cerr != nil {
		return cerr
	}
	return err
}

func (s *scan) flush(yield func(etl.Rows, error) bool) bool {
	n := len(s.numbers)
	arrays := make([]arrow.Array, len(s.columns))
	for i := range s.columns {
		arrays[i] = s.columns[i].builder.NewArray()
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
	if err := s.leave(&rows); err != nil {
		yield(etl.Rows{}, err)
		return false
	}
	return yield(rows, nil)
}

func (s *scan) wrong(row int64, column, rule string) *etl.RowError {
	return &etl.RowError{File: s.req.Location, Row: row, Column: column, Rule: rule}
}

// panicked is a panic of the library, met by bytes that it did not expect.
type panicked struct{ kind string }

func (p *panicked) Error() string { return "the decoder gave up: " + p.kind }

func guard(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{fmt.Sprintf("%T", p)}
		}
	}()
	return fn()
}

func newBuilder(t etl.Type) array.Builder {
	return array.NewBuilder(memory.DefaultAllocator, t.Arrow())
}
