package etl

import (
	"bytes"
	"context"
	"errors"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// A full load of one file whose keys rise from row to row has no key twice, so
// one pass over it is enough: rows are given out as they are read, and the order
// of the keys is checked on the way. Exports in the order of the primary key are
// like that. Where the order breaks the load starts over with two passes.

// errTwoPasses ends a pass over rows whose keys do not rise.
var errTwoPasses = errors.New("keys do not rise from row to row: two passes are needed")

// onePass reports whether the load may be read in one pass.
func (c *Changes) onePass() bool {
	return c.erased == nil && c.optimistic && !c.unsorted.Load() && c.swaps() && len(c.load.Files) == 1 && !c.partial() &&
		!c.keys.changed() // keys that rise may be equal once they are transformed
}

// stream is a one-pass reading of a full load. It is a [settlement] that decides
// nothing: every row wins.
type stream struct {
	w     *winners
	keyAt []int // of the key columns
	opAt  int   // -1 if absent
	codes *opCodes

	last []byte // key of the row before
	some bool   // there is one
}

var _ settlement = (*stream)(nil)

func (s *stream) committed(Found, *rowkey.Batch) {}
func (s *stream) remembered(int32, []byte)       {}
func (s *stream) settle() Counts                 { return Counts{} }
func (s *stream) changed(int32) bool             { return false }
func (s *stream) memory(int32, bool) []byte      { return nil }
func (s *stream) wanted(bitmap)                  {}

// streamPart is the only part of a load that is read in one pass.
func (c *Changes) streamPart() *Part {
	in := &inputs{chunks: make([][]Chunk, 1), base: []int64{0, math.MaxInt64 >> 1}}
	return &Part{c: c, in: in, keys: rowkey.NewTable(c.key, c.seed, 0), stream: true}
}

func newStream(r *Resolution) *stream {
	c := r.part.c
	s := &stream{w: &winners{r: r, c: c, in: r.part.in}, opAt: -1, codes: newOpCodes(c.table.Op.Codes)}
	for _, name := range c.table.Key {
		s.keyAt = append(s.keyAt, c.table.Columns.Index(name))
	}
	return s
}

// streamed is what is made of a batch.
type streamed struct {
	*won
	first, last []byte // keys
}

func (s *stream) run(ctx context.Context, yield func(arrow.RecordBatch) bool) error {
	c := s.w.c
	req := ScanRequest{Kind: Full}
	for _, col := range c.table.Columns {
		req.Columns = append(req.Columns, ScanColumn{Column: col})
	}
	if c.table.Op.Column != "" {
		s.opAt = len(req.Columns)
		req.Columns = append(req.Columns, ScanColumn{Column: Column{Name: c.table.Op.Column, Type: String}, Optional: true})
	}
	rows := int64(0)
	r := &reading[*streamed]{
		c: c, in: s.w.in, req: req, work: s.batch,
		take: func(u *unit[*streamed], b *streamed) error {
			u.rows += int64(b.read)
			rows += int64(b.read)
			err := s.take(ctx, b, yield)
			c.notify(c.load.Files[0].Location, 2, rows)
			return err
		},
		unitDone: func(u *unit[*streamed]) error {
			if u.open != nil { // errors of the next chunk count from here
				s.w.in.chunks[0] = append(s.w.in.chunks[0], Chunk{First: rows - u.rows, Rows: u.rows})
			}
			return nil
		},
		fileDone: func(int) error {
			if rows == 0 && !c.table.AllowEmpty {
				return &RowError{File: c.load.Files[0].Location, Rule: "file has no rows"}
			}
			return nil
		},
	}
	err := r.run(ctx)
	if errors.Is(err, errStop) {
		return nil
	}
	if bad := (*RowError)(nil); c.bad.tolerates() && errors.As(err, &bad) && bad.Row > 0 {
		err = errTwoPasses // which set rows aside
	}
	if errors.Is(err, errTwoPasses) {
		c.unsorted.Store(true)
	}
	return err
}

// batch checks and transforms a batch. It is safe for concurrent use.
func (s *stream) batch(ctx context.Context, file int, rows Rows) (*streamed, error) {
	cols := rows.Record.Columns()
	if s.opAt >= 0 {
		if err := s.upserts(file, cols[s.opAt], rows); err != nil {
			return nil, err
		}
		cut := array.NewRecordBatch(s.w.c.table.Columns.Schema(), cols[:s.opAt], rows.Record.NumRows())
		defer cut.Release()
		rows.Record = cut
	}
	keys := batches.Get().(*rowkey.Batch)
	defer batches.Put(keys)
	keyCols := make([]arrow.Array, len(s.keyAt))
	for i, at := range s.keyAt {
		keyCols[i] = cols[at]
	}
	if err := s.w.c.key.Encode(keys, keyCols); err != nil {
		return nil, err
	}
	out := &streamed{}
	for i := range keys.Len() {
		if keys.Null(i) {
			return nil, s.nullKey(file, keyCols, rows, i)
		}
	}
	if !rising(keys, s.w.c.key.Form()) {
		return nil, errTwoPasses
	}
	if n := keys.Len(); n > 0 {
		out.first, out.last = keys.Append(nil, 0), keys.Append(nil, n-1)
	}
	var err error
	out.won, err = s.w.batch(ctx, file, rows)
	return out, err
}

// upserts makes sure that no row is a delete: such loads take two passes.
func (s *stream) upserts(file int, col arrow.Array, rows Rows) error {
	op, ok := col.(*array.String)
	if !ok {
		return &RowError{File: s.w.c.load.Files[file].Location, Column: s.w.c.table.Op.Column, Rule: "operation column is not text"}
	}
	marks := make([]mark, op.Len())
	if row, rule := s.codes.mark(op, marks, true); rule != "" {
		return &RowError{File: s.w.c.load.Files[file].Location, Row: rows.Numbers[row], Column: s.w.c.table.Op.Column, Rule: rule}
	}
	for _, m := range marks {
		if m&markDelete != 0 {
			return errTwoPasses
		}
	}
	return nil
}

func (s *stream) nullKey(file int, cols []arrow.Array, rows Rows, row int) error {
	column := 0
	for cols[column].IsValid(row) {
		column++
	}
	return &RowError{File: s.w.c.load.Files[file].Location, Row: rows.Numbers[row], Column: s.w.c.table.Key[column], Rule: "key is null"}
}

// rising reports whether each key is greater than the one before.
func rising(b *rowkey.Batch, form rowkey.Form) bool {
	if form == rowkey.Word {
		for i := 1; i < b.Len(); i++ {
			if b.Words[i] <= b.Words[i-1] {
				return false
			}
		}
		return true
	}
	var last, next []byte
	for i := range b.Len() {
		next = b.Append(next[:0], i)
		if i > 0 && bytes.Compare(next, last) <= 0 {
			return false
		}
		last, next = next, last
	}
	return true
}

// take gives out a batch if it goes on where the one before ended.
func (s *stream) take(ctx context.Context, b *streamed, yield func(arrow.RecordBatch) bool) error {
	if b.first != nil {
		if s.some && bytes.Compare(b.first, s.last) <= 0 {
			b.rec.Release()
			return errTwoPasses
		}
		s.last, s.some = b.last, true
	}
	n := &s.w.r.counts
	n.Read += int64(b.read)
	n.Inserted += int64(b.read)
	return s.w.take(ctx, b.won, yield)
}
