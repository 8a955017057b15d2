package etl

import (
	"context"
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// Rows of an append table have no key, so there is nothing to settle: one pass reads
// the files, in chunks side by side, and gives their rows out in order.

// appends reports whether the load adds its rows to the table, or replaces it by
// them, without a look at their keys.
func (c *Changes) appends() bool { return c.table.Mode == ModeAppend }

// rowStream is a [settlement] that gives out rows as it reads them.
type rowStream interface {
	run(ctx context.Context, yield func(arrow.RecordBatch) bool) error
}

// fileBits is how many bits of a position count the rows of a file, where positions
// are given before it is known how many rows the files have.
const fileBits = 40

// appendPart is the only part of a load of an append table.
func (c *Changes) appendPart() *Part {
	files := len(c.load.Files)
	in := &inputs{chunks: make([][]Chunk, files), base: make([]int64, files+1)}
	for i := range in.base {
		in.base[i] = int64(i) << fileBits
	}
	return &Part{c: c, in: in, keys: rowkey.NewTable(c.key, c.seed, 0), stream: true}
}

// appending is the reading of a load of an append table. It is a [settlement] that
// decides nothing: every row stays.
type appending struct {
	w     *winners
	opAt  int // -1 if absent
	codes *opCodes
}

var (
	_ settlement = (*appending)(nil)
	_ rowStream  = (*appending)(nil)
	_ rowStream  = (*stream)(nil)
)

func (a *appending) committed(Found, *rowkey.Batch) {}
func (a *appending) remembered(int32, []byte)       {}
func (a *appending) settle() Counts                 { return Counts{} }
func (a *appending) changed(int32) bool             { return false }
func (a *appending) memory(int32, bool) []byte      { return nil }
func (a *appending) wanted(bitmap)                  {}

func newAppending(r *Resolution) *appending {
	c := r.part.c
	return &appending{w: &winners{r: r, c: c, in: r.part.in}, opAt: -1, codes: newOpCodes(c.table.Op.Codes)}
}

func (a *appending) request() ScanRequest {
	c := a.w.c
	req := ScanRequest{Kind: c.load.Kind, Tolerant: c.bad.tolerates()}
	for _, col := range c.table.Columns {
		req.Columns = append(req.Columns, ScanColumn{Column: col})
	}
	if c.table.Op.Column != "" {
		a.opAt = len(req.Columns)
		req.Columns = append(req.Columns, ScanColumn{Column: Column{Name: c.table.Op.Column, Type: String}, Optional: c.load.Kind == Full})
	}
	return req
}

// appended is what is made of a batch.
type appended struct {
	*won
	rows int64 // bad ones as well
	bad  int64 // rows set aside
	last int64 // position of the last row
}

func (a *appending) run(ctx context.Context, yield func(arrow.RecordBatch) bool) error {
	c, in := a.w.c, a.w.in
	var rows, last, seen int64 // of the current file: rows, and the last row's number, at all and before the chunk
	total := int64(0)
	r := &reading[*appended]{
		c: c, in: in, req: a.request(), work: a.batch,
		whole: c.bad.tolerates(), // bad rows are known by their numbers
		take: func(u *unit[*appended], b *appended) error {
			shift := int64(0)
			if u.open != nil {
				shift = seen - u.chunk.First // where the chunk counts from
			}
			at := b.at
			if b.source != nil {
				at = b.source.at
			}
			for i := range at {
				at[i] += shift
			}
			if b.rows > 0 {
				last = b.last + shift - in.base[u.file]
			}
			u.rows += b.rows
			rows += b.rows
			total += b.rows
			err := a.take(ctx, b, yield)
			c.notify(c.load.Files[u.file].Location, 2, rows)
			return err
		},
		unitDone: func(u *unit[*appended]) error {
			if u.open != nil { // errors of the next chunk count from here
				in.chunks[u.file] = append(in.chunks[u.file], Chunk{First: seen, Rows: last - seen})
				seen = last
			}
			return nil
		},
		fileDone: func(file int) error {
			if f := c.load.Files[file]; rows == 0 && f.Part == "" && !c.table.AllowEmpty {
				return &RowError{File: f.Location, Rule: "file has no rows"}
			}
			rows, last, seen = 0, 0, 0
			return nil
		},
	}
	switch err := r.run(ctx); {
	case errors.Is(err, errStop):
		return nil
	case err != nil:
		return err
	}
	return c.bad.appended(in, total)
}

// appended ends the reading of an append table's load: bad rows were left out on the
// way, but those that checks refuse.
func (b *badRows) appended(in *inputs, rows int64) error {
	if b != nil {
		b.in, b.read = in, rows
	}
	return b.verdict()
}

// batch checks and transforms a batch. It is safe for concurrent use.
func (a *appending) batch(ctx context.Context, file int, rows Rows) (*appended, error) {
	bad := a.w.c.bad
	out := &appended{rows: int64(len(rows.Numbers) + len(rows.Bad)), bad: int64(len(rows.Bad))}
	if n := len(rows.Numbers); n > 0 {
		out.last = a.w.in.base[file] + rows.Numbers[n-1]
	}
	for _, r := range rows.Bad {
		bad.add(file, r.Number, r.Err)
		out.last = max(out.last, a.w.in.base[file]+r.Number)
	}
	gone := bad.among(file, rows.Numbers)
	for {
		if len(gone) > 0 {
			var err error
			if rows, err = without(rows, gone); err != nil {
				return nil, err
			}
			out.bad += int64(len(gone))
		}
		var err error
		if out.won, err = a.whole(ctx, file, rows); err == nil {
			return out, nil
		}
		row := rowOf(err, rows.Numbers)
		if row < 0 || !bad.tolerates() {
			return nil, err
		}
		var re *RowError
		errors.As(err, &re)
		bad.add(file, re.Row, re)
		gone = map[int]bool{row: true}
	}
}

// among returns which rows of a file are known to be bad, from an attempt before.
func (b *badRows) among(file int, numbers []int64) map[int]bool {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	gone := map[int]bool{}
	for i, n := range numbers {
		if b.out[file][n] != nil {
			gone[i] = true
		}
	}
	return gone
}

// whole checks and transforms rows of which none is known to be bad.
func (a *appending) whole(ctx context.Context, file int, rows Rows) (*won, error) {
	if a.opAt >= 0 {
		cols := rows.Record.Columns()
		if err := a.inserts(file, cols[a.opAt], rows.Numbers); err != nil {
			return nil, err
		}
		cut := array.NewRecordBatch(a.w.c.table.Columns.Schema(), cols[:a.opAt], rows.Record.NumRows())
		defer cut.Release()
		rows.Record = cut
	}
	at := make([]int64, len(rows.Numbers))
	for i, n := range rows.Numbers {
		at[i] = a.w.in.base[file] + n
	}
	return a.w.whole(ctx, rows.Record, at, nil)
}

// inserts makes sure that no row is a delete.
func (a *appending) inserts(file int, col arrow.Array, numbers []int64) error {
	bad := func(row int64, rule string) error {
		return &RowError{File: a.w.c.load.Files[file].Location, Row: row, Column: a.w.c.table.Op.Column, Rule: rule}
	}
	op, ok := col.(*array.String)
	if !ok {
		return bad(0, "operation column is not text")
	}
	marks := make([]mark, op.Len())
	unknown, rule := a.codes.mark(op, marks, a.w.c.load.Kind == Full)
	for i, m := range marks {
		switch {
		case rule != "" && i == unknown:
			return bad(numbers[i], rule)
		case m&markDelete != 0:
			return bad(numbers[i], "append tables take no deletes")
		}
	}
	return nil
}

func (a *appending) take(ctx context.Context, b *appended, yield func(arrow.RecordBatch) bool) error {
	n := &a.w.r.counts
	n.Read += b.rows
	n.Quarantined += b.bad
	n.Inserted += b.rows - b.bad
	return a.w.take(ctx, b.won, yield)
}
