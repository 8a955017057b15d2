package gen

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl"
)

// Made is the format of files that hold a [Spec] instead of rows: the rows are
// made while they are read, so that a load of any size needs no disk.
type Made struct{}

var _ etl.ChunkedFormat = Made{}

const batchRows = 4096

// Partial implements [etl.Format].
func (Made) Partial(etl.LoadKind) bool { return false }

// Scan implements [etl.Format].
func (Made) Scan(ctx context.Context, in etl.Input, req etl.ScanRequest) iter.Seq2[etl.Rows, error] {
	return func(yield func(etl.Rows, error) bool) {
		spec, err := readSpec(in)
		if err != nil {
			yield(etl.Rows{}, err)
			return
		}
		scanRange(ctx, spec, req, 0, spec.Rows())(yield)
	}
}

// scanRange reads the rows from..to-1, counted from 0.
func scanRange(ctx context.Context, spec Spec, req etl.ScanRequest, from, to int64) iter.Seq2[etl.Rows, error] {
	return func(yield func(etl.Rows, error) bool) {
		s, err := newScan(spec, req)
		if err != nil {
			yield(etl.Rows{}, err)
			return
		}
		defer s.builder.Release()
		for i := from; i < to; i++ {
			if req.Select != nil && !req.Select(i+1) {
				continue
			}
			s.add(i)
			if len(s.numbers) == batchRows {
				if ctx.Err() != nil {
					yield(etl.Rows{}, ctx.Err())
					return
				}
				if !s.flush(yield) {
					return
				}
			}
		}
		if len(s.numbers) > 0 {
			s.flush(yield)
		}
	}
}

// chunkRows is how many rows are read side by side.
const chunkRows = 1 << 15

// Chunks implements [etl.ChunkedFormat]. A chunk's offset and size are rows.
func (Made) Chunks(_ context.Context, in etl.Input, req etl.ScanRequest, known []etl.Chunk) (etl.ChunkScan, error) {
	spec, err := readSpec(in)
	if err != nil {
		return nil, err
	}
	return &chunkScan{spec: spec, req: req, known: known, all: known == nil}, nil
}

type chunkScan struct {
	spec  Spec
	req   etl.ScanRequest
	known []etl.Chunk
	all   bool // not only the known ones
	next  int64
}

func (c *chunkScan) Next() (etl.Chunk, error) {
	if !c.all {
		if len(c.known) == 0 {
			return etl.Chunk{}, io.EOF
		}
		k := c.known[0]
		c.known = c.known[1:]
		return k, nil
	}
	n := min(chunkRows, c.spec.Rows()-c.next)
	if n <= 0 {
		return etl.Chunk{}, io.EOF
	}
	k := etl.Chunk{Offset: c.next, Size: n, First: c.next, Rows: n}
	c.next += n
	return k, nil
}

func (c *chunkScan) Scan(ctx context.Context, k etl.Chunk) iter.Seq2[etl.Rows, error] {
	return scanRange(ctx, c.spec, c.req, k.Offset, k.Offset+k.Size)
}

func (c *chunkScan) Close() {}

func readSpec(in etl.Input) (spec Spec, err error) {
	text, err := io.ReadAll(io.NewSectionReader(in, 0, in.Size()))
	if err != nil {
		return spec, err
	}
	if err := json.Unmarshal(text, &spec); err != nil {
		return spec, fmt.Errorf("spec: %w", err)
	}
	return spec, nil
}

type scan struct {
	maker   *Maker
	builder *array.RecordBuilder
	keys    bool // no more than key, order and operation are wanted
	columns []func()
	rows    []Row // the batch
	numbers []int64
	note    []byte
}

func newScan(spec Spec, req etl.ScanRequest) (*scan, error) {
	s := &scan{maker: New(spec), keys: true, rows: make([]Row, 0, batchRows)}
	fields := make([]arrow.Field, len(req.Columns))
	for i, c := range req.Columns {
		fields[i] = arrow.Field{Name: c.Name, Type: c.Type.Arrow(), Nullable: true}
	}
	s.builder = array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	for i, c := range req.Columns {
		f, err := s.column(c.Name, s.builder.Field(i))
		if err != nil {
			return nil, err
		}
		s.columns = append(s.columns, f)
		s.keys = s.keys && (c.Name == "id" || c.Name == "updated_at" || c.Name == "op")
	}
	return s, nil
}

// column returns a function that appends a column of the batch.
func (s *scan) column(name string, b array.Builder) (func(), error) {
	switch b := b.(type) {
	case *array.Int64Builder:
		if name == "id" {
			return each(s, b.UnsafeAppend, func(r *Row) int64 { return r.ID }), nil
		}
		return each(s, b.UnsafeAppend, func(r *Row) int64 { return r.Account }), nil
	case *array.TimestampBuilder:
		return each(s, b.UnsafeAppend, func(r *Row) arrow.Timestamp { return arrow.Timestamp(r.UpdatedAt) }), nil
	case *array.Decimal128Builder:
		return each(s, b.UnsafeAppend, func(r *Row) decimal128.Num { return decimal128.FromI64(r.Amount) }), nil
	case *array.Int32Builder:
		return each(s, b.UnsafeAppend, func(r *Row) int32 { return r.Quantity }), nil
	case *array.Date32Builder:
		return each(s, b.UnsafeAppend, func(r *Row) arrow.Date32 { return arrow.Date32(r.Created) }), nil
	case *array.StringBuilder:
		return s.text(name, b)
	}
	return nil, fmt.Errorf("no column %s", name)
}

func each[T any](s *scan, add func(T), value func(*Row) T) func() {
	return func() {
		for i := range s.rows {
			add(value(&s.rows[i]))
		}
	}
}

func (s *scan) text(name string, b *array.StringBuilder) (func(), error) {
	switch name {
	case "op":
		codes := map[byte]string{'I': "I", 'U': "U", 'D': "D"}
		if s.maker.spec.Changes == 0 {
			return func() { b.AppendNulls(len(s.rows)) }, nil
		}
		return each(s, b.Append, func(r *Row) string { return codes[r.Op] }), nil
	case "status":
		return each(s, b.Append, func(r *Row) string { return r.Status }), nil
	case "country":
		return each(s, b.Append, func(r *Row) string { return r.Country }), nil
	case "note":
		return each(s, b.BinaryBuilder.Append, func(r *Row) []byte {
			s.note = r.AppendNote(s.note[:0])
			return s.note
		}), nil
	}
	return nil, fmt.Errorf("no column %s", name)
}

func (s *scan) add(i int64) {
	s.numbers = append(s.numbers, i+1)
	s.rows = append(s.rows, Row{})
	r := &s.rows[len(s.rows)-1]
	if s.keys {
		r.ID, r.UpdatedAt = s.maker.Key(i)
		r.Op = s.maker.Op(i, r.ID)
	} else {
		*r = s.maker.Row(i)
	}
}

func (s *scan) flush(yield func(etl.Rows, error) bool) bool {
	s.builder.Reserve(len(s.rows))
	for _, f := range s.columns {
		f()
	}
	rows := etl.Rows{Record: s.builder.NewRecordBatch(), Numbers: s.numbers}
	s.rows, s.numbers = s.rows[:0], make([]int64, 0, batchRows)
	defer rows.Record.Release()
	return yield(rows, nil)
}
