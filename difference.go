package etl

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl/internal/cells"
	"github.com/tidemark-data/etl/internal/rowkey"
)

// A full load that is committed as a difference is settled like changes: its keys
// are looked for in the table. Of each committed row that is found a digest is
// kept, with which the winner's is compared while the rows are given out.

// Digest stands for the values of a row. Equal rows have equal digests, others
// different ones, but for one chance in 2^128. Digests of different [Changes]
// do not compare.
type Digest [2]uint64

// swaps reports whether the load replaces the table's content, whatever it is, and
// nobody asks for what became of single keys.
func (c *Changes) swaps() bool {
	return c.load.Kind == Full && !c.load.Difference && !c.traces()
}

// compares reports whether rows that equal the committed ones stay where they are.
func (c *Changes) compares() bool { return c.load.Kind == Full && c.load.Difference }

// Compares reports whether Resolve compares committed rows with those that come.
// Committed rows whose key no part of the load has are then to be removed, too, and
// counted as RemovedAsAbsent; in a table of ModeHistory they go through
// [Changes.Retire].
func (p *Part) Compares() bool { return p.c.compares() }

// TakesDigests reports whether [Found.Digests] may stand in place of the rows
// themselves.
func (p *Part) TakesDigests() bool { return p.c.compares() && p.c.table.Mode != ModeHistory }

// Digest appends the digests of the rows of rec, which has the columns that Wants
// names, in that order. It is safe for concurrent use.
func (p *Part) Digest(to []Digest, rec arrow.RecordBatch) ([]Digest, error) {
	return p.c.digest(to, rec)
}

// digestSeeds are random, so that nobody can craft rows that collide.
type digestSeeds [2]maphash.Seed

func newDigestSeeds() digestSeeds { return digestSeeds{maphash.MakeSeed(), maphash.MakeSeed()} }

func (c *Changes) digest(to []Digest, rec arrow.RecordBatch) ([]Digest, error) {
	if err := sameColumns(rec.Schema(), c.target.Schema); err != nil {
		return nil, err
	}
	return c.digestOf(to, rec.Columns(), int(rec.NumRows()))
}

// digestOf appends the digests of rows of columns.
func (c *Changes) digestOf(to []Digest, cols []arrow.Array, rows int) ([]Digest, error) {
	appenders := make([]func([]byte, int) []byte, len(cols))
	for i, col := range cols {
		var err error
		if appenders[i], err = cellBytes(col); err != nil {
			return nil, err
		}
	}
	var row []byte
	for i := range rows {
		row = row[:0]
		for _, app := range appenders {
			row = app(row, i)
		}
		to = append(to, Digest{maphash.Bytes(c.digests[0], row), maphash.Bytes(c.digests[1], row)})
	}
	return to, nil
}

// cellBytes returns a function that appends value i of a column such that rows
// of the same columns have the same bytes if and only if their values are the
// same: a null differs from an empty or zero value, -0 from 0, and all NaNs are
// one.
func cellBytes(col arrow.Array) (func(to []byte, i int) []byte, error) {
	if e, ok := col.(array.ExtensionArray); ok {
		return cellBytes(e.Storage())
	}
	fixed, long := valueBytes(col)
	if fixed == nil && long == nil {
		return nil, fmt.Errorf("cannot compare values of type %v", col.DataType())
	}
	return func(to []byte, i int) []byte {
		switch {
		case col.IsNull(i):
			return append(to, 0)
		case fixed != nil:
			return fixed(append(to, 1), i)
		}
		v := long(i)
		return append(binary.AppendUvarint(append(to, 1), uint64(len(v))), v...)
	}, nil
}

// valueBytes returns how values are appended that all have the same length, or
// the values themselves where they have not.
func valueBytes(col arrow.Array) (fixed func([]byte, int) []byte, long func(int) string) {
	le := binary.LittleEndian
	switch a := col.(type) {
	case *array.Boolean:
		fixed = func(to []byte, i int) []byte {
			if a.Value(i) {
				return append(to, 1)
			}
			return append(to, 0)
		}
	case *array.Int32:
		fixed = func(to []byte, i int) []byte { return le.AppendUint32(to, uint32(a.Value(i))) }
	case *array.Date32:
		fixed = func(to []byte, i int) []byte { return le.AppendUint32(to, uint32(a.Value(i))) }
	case *array.Int64:
		fixed = func(to []byte, i int) []byte { return le.AppendUint64(to, uint64(a.Value(i))) }
	case *array.Timestamp:
		fixed = func(to []byte, i int) []byte { return le.AppendUint64(to, uint64(a.Value(i))) }
	case *array.Float32:
		fixed = func(to []byte, i int) []byte { return le.AppendUint32(to, float32Bits(a.Value(i))) }
	case *array.Float64:
		fixed = func(to []byte, i int) []byte { return le.AppendUint64(to, float64Bits(a.Value(i))) }
	case *array.Decimal128:
		fixed = func(to []byte, i int) []byte {
			v := a.Value(i)
			return le.AppendUint64(le.AppendUint64(to, v.LowBits()), uint64(v.HighBits()))
		}
	case *array.FixedSizeBinary:
		fixed = func(to []byte, i int) []byte { return append(to, a.Value(i)...) }
	case *array.String:
		long = a.Value
	case *array.Binary:
		long = a.ValueString
	}
	return fixed, long
}

func float32Bits(v float32) uint32 {
	if v != v {
		v = float32(math.NaN())
	}
	return math.Float32bits(v)
}

func float64Bits(v float64) uint64 {
	if v != v {
		v = math.NaN()
	}
	return math.Float64bits(v)
}

// comparison is what a [Resolution] of a difference knows of the part's keys.
type comparison struct {
	committed []Digest
	same      []bool // the winner equals the committed row
}

func newComparison(keys int) *comparison {
	return &comparison{committed: make([]Digest, keys), same: make([]bool, keys)}
}

// found takes in the digests of committed rows.
func (r *Resolution) compare(f Found) error {
	digests := f.Digests
	if digests == nil && len(f.Ordinals) > 0 {
		if f.Record == nil {
			return fmt.Errorf("sink gave rows of table %s without their columns", r.part.c.target.Name)
		}
		var err error
		if digests, err = r.part.Digest(nil, f.Record); err != nil {
			return fmt.Errorf("sink gave rows: %w", err)
		}
	}
	if len(digests) != len(f.Ordinals) {
		return fmt.Errorf("sink gave %d rows for %d keys", len(digests), len(f.Ordinals))
	}
	for i, k := range f.Ordinals {
		r.differs.committed[k] = digests[i]
	}
	return nil
}

// same takes note of winners that equal committed rows.
func (r *Resolution) same(n int64) {
	if r.counts.Unchanged += n; r.succeeds != nil {
		r.counts.Inserted -= n // where nothing is replaced
	} else {
		r.counts.Updated -= n
	}
}

// compare drops the rows that equal the committed ones. It is safe for concurrent
// use: no two rows have the same key.
func (w *winners) compare(out *won) error {
	d := w.r.differs
	if d == nil || out.rec == nil || out.rec.NumRows() == 0 {
		return nil
	}
	b := batches.Get().(*rowkey.Batch)
	defer batches.Put(b)
	cols, err := w.keyColumns(out.rec)
	if err != nil {
		return err
	}
	if err := w.c.key.Encode(b, cols); err != nil {
		return WithOutcome(Terminal, err)
	}
	digests, err := w.c.digest(make([]Digest, 0, out.rec.NumRows()), out.rec)
	if err != nil {
		return WithOutcome(Terminal, err)
	}
	found := make([]int32, b.Len())
	w.r.part.keys.Find(b, found)
	stay := make([]int, 0, len(found))
	for i, k := range found {
		if k >= 0 && w.r.exists[k] && d.committed[k] == digests[i] {
			d.same[k] = true
			continue
		}
		stay = append(stay, i)
	}
	if out.same = len(found) - len(stay); out.same == 0 {
		return nil
	}
	rec, err := cells.Take(memory.DefaultAllocator, out.rec, stay)
	if err != nil {
		return err
	}
	if w.c.checks == nil {
		out.rec.Release()
	} else {
		out.all = out.rec
	}
	out.rec = rec
	return nil
}
