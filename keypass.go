package etl

import (
	"context"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// keyPass reads only operations, keys and orders. It is the first of two passes.
type keyPass struct {
	c       *Changes
	grant   *grant
	in      *inputs
	columns []ScanColumn
	// where the columns of a kind begin in columns, after the key's; op and old
	// are -1 if absent
	orderAt, opAt, oldAt int
	codes                *opCodes
	pool                 sync.Pool // of *keyBatch

	keys    *rowkey.Table
	latest  *latest
	all     *history
	spill   *overflow // nil while everything is in memory
	read    int64     // rows
	refused int64     // rows of erased keys
	finds   []int32

	reserved bool
}

func (c *Changes) newKeyPass(g *grant) *keyPass {
	t := c.table
	k := &keyPass{
		c: c, grant: g, opAt: -1, oldAt: -1, codes: newOpCodes(t.Op.Codes),
		in: &inputs{chunks: make([][]Chunk, len(c.load.Files)), base: make([]int64, len(c.load.Files)+1)},
	}
	k.pool.New = func() any { return new(keyBatch) }
	for _, name := range t.Key {
		k.columns = append(k.columns, ScanColumn{Column: t.Columns[t.Columns.Index(name)]})
	}
	k.orderAt = len(k.columns)
	for _, name := range t.OrderBy {
		k.columns = append(k.columns, ScanColumn{Column: t.Columns[t.Columns.Index(name)]})
	}
	if t.Op.Column != "" {
		k.opAt = len(k.columns)
		k.columns = append(k.columns, ScanColumn{Column: Column{Name: t.Op.Column, Type: String}, Optional: c.load.Kind == Full})
	}
	if len(t.OldKey) > 0 && c.load.Kind != Full {
		k.oldAt = len(k.columns)
		for i, name := range t.OldKey {
			col := k.columns[i].Column
			col.Name = name
			k.columns = append(k.columns, ScanColumn{Column: col, Optional: true})
		}
	}
	k.clear(0)
	return k
}

// clear starts over with an empty part that has room for n keys.
func (k *keyPass) clear(n int) {
	k.keys, k.latest, k.all = rowkey.NewTable(k.c.key, k.c.seed, n), nil, nil
	if k.c.simple() {
		k.latest = newLatest(k.c.order, n)
	} else {
		k.all = &history{}
	}
}

func (k *keyPass) close() {
	if k.spill != nil {
		k.spill.close()
	}
}

// run reads all files.
func (k *keyPass) run(ctx context.Context) error {
	// Of the current file: its rows, the number of the last one, which is greater
	// where the format passes over records, and that of the last one before the chunk.
	var rows, last, seen int64
	r := &reading[*keyBatch]{
		c: k.c, in: k.in, req: ScanRequest{Kind: k.c.load.Kind, Columns: k.columns, Tolerant: k.c.bad.tolerates()},
		work: k.batch,
		take: func(u *unit[*keyBatch], b *keyBatch) error {
			n := int64(b.rows)
			base := k.in.base[u.file]
			if u.open != nil {
				base += seen - u.chunk.First // where the chunk counts from
			}
			last = max(last, base-k.in.base[u.file]+b.last())
			u.rows += n
			rows += n
			b, err := k.refuse(b)
			if err != nil {
				return err
			}
			b, err = k.sieve(b, u.file, base-k.in.base[u.file])
			if err != nil {
				return err
			}
			err = k.take(b, base)
			k.pool.Put(b)
			k.c.notify(k.c.load.Files[u.file].Location, 1, rows)
			return err
		},
		unitDone: func(u *unit[*keyBatch]) error {
			if u.open == nil {
				return nil
			}
			c := u.chunk
			c.Data, c.First, c.Rows = nil, seen, max(u.rows, last-seen)
			seen += c.Rows
			k.in.chunks[u.file] = append(k.in.chunks[u.file], c)
			k.reserve(c)
			return nil
		},
		fileDone: func(file int) error {
			if f := k.c.load.Files[file]; rows == 0 && f.Part == "" && !k.c.table.AllowEmpty {
				return &RowError{File: f.Location, Rule: "file has no rows"}
			}
			k.in.base[file+1] = k.in.base[file] + max(rows, last)
			rows, last, seen = 0, 0, 0
			return nil
		},
	}
	return r.run(ctx)
}

// keyBatch is what the engine keeps of a batch of rows.
type keyBatch struct {
	keys, olds, orders rowkey.Batch
	hashes, oldHashes  []uint64
	marks              []mark
	hasOld             []bool // nil: none has
	noKey              []bool // nil: all have; the key belongs to another part
	oldMemory          []bool
	erased             []bool // rows that an erased key has; nil: none

	rows int         // rows, bad ones as well
	bad  []BadRecord // set aside
}

// last is the number of the last row, counted as its batch does.
func (b *keyBatch) last() (n int64) {
	if m := len(b.marks); m > 0 {
		n = b.marks[m-1].position()
	}
	if m := len(b.bad); m > 0 {
		n = max(n, b.bad[m-1].Number)
	}
	return n
}

// batch encodes a batch. It is safe for concurrent use.
func (k *keyPass) batch(ctx context.Context, file int, rows Rows) (*keyBatch, error) {
	if k.c.bad.tolerates() {
		return k.sift(ctx, file, rows)
	}
	return k.encode(ctx, file, rows)
}

func (k *keyPass) encode(ctx context.Context, file int, rows Rows) (*keyBatch, error) {
	b := k.pool.Get().(*keyBatch)
	b.noKey, b.rows, b.bad = nil, len(rows.Numbers), nil
	cols, err := k.c.transformKeys(ctx, k, file, rows)
	if err != nil {
		return nil, err
	}
	if err := k.c.key.Encode(&b.keys, cols[:k.orderAt]); err != nil {
		return nil, err
	}
	good := len(rows.Numbers)
	for i, null := range b.keys.Nulls {
		if null {
			good = i
			break
		}
	}
	bad := func(row, column int, rule string) error {
		return &RowError{File: k.c.load.Files[file].Location, Row: rows.Numbers[row], Column: k.columns[column].Name, Rule: rule}
	}
	b.marks = b.marks[:0]
	for _, n := range rows.Numbers {
		b.marks = append(b.marks, mark(n)<<markBits)
	}
	if k.opAt >= 0 {
		op, ok := cols[k.opAt].(*array.String)
		if !ok {
			return nil, &RowError{File: k.c.load.Files[file].Location, Column: k.columns[k.opAt].Name, Rule: "operation column is not text"}
		}
		if row, rule := k.codes.mark(op, b.marks[:good], k.c.load.Kind == Full); rule != "" {
			return nil, bad(row, k.opAt, rule)
		}
	}
	if good < len(rows.Numbers) {
		column := 0
		for cols[column].IsValid(good) {
			column++
		}
		return nil, bad(good, column, "key is null")
	}
	b.hashes = k.c.key.Hash(&k.c.seed, &b.keys, b.hashes)
	if err := k.oldKeys(b, cols); err != nil {
		return nil, err
	}
	b.erased = k.c.erased.among(&b.keys, k.c.load.Files[file])
	return b, k.orders(b, file, cols)
}

func (k *keyPass) orders(b *keyBatch, file int, cols []arrow.Array) error {
	if k.c.order == nil {
		return nil
	}
	n := len(k.c.table.OrderBy)
	if err := k.c.order.Encode(&b.orders, cols[k.orderAt:k.orderAt+n]); err != nil {
		return err
	}
	if k.c.chronicles() && k.c.mendsFull(file) {
		b.orders.Reset(k.c.order) // it comes on top of what its key has
		for range b.marks {
			b.orders.AppendNull()
		}
		return nil
	}
	for i, m := range b.marks {
		switch {
		case !b.orders.Null(i):
			b.marks[i] |= markOrdered
		case k.c.chronicles() && m&markDelete == 0:
			column := k.orderAt
			for cols[column].IsValid(i) {
				column++
			}
			return &RowError{File: k.c.load.Files[file].Location, Row: m.position(), Column: k.columns[column].Name, Rule: "a change of a history table needs an order"}
		}
	}
	return nil
}

func (k *keyPass) oldKeys(b *keyBatch, cols []arrow.Array) error {
	b.hasOld = nil
	if k.oldAt < 0 {
		return nil
	}
	if err := k.c.key.Encode(&b.olds, cols[k.oldAt:k.oldAt+k.orderAt]); err != nil {
		return err
	}
	b.oldHashes = k.c.key.Hash(&k.c.seed, &b.olds, b.oldHashes)
	b.oldMemory = b.oldMemory[:0]
	for i, m := range b.marks {
		b.oldMemory = append(b.oldMemory, m&markDelete == 0 && !b.olds.Null(i) && !b.olds.Equal(i, &b.keys, i))
	}
	b.hasOld = b.oldMemory
	return nil
}

// take takes in a batch whose rows are counted from base.
func (k *keyPass) take(b *keyBatch, base int64) error {
	for i := range b.marks {
		b.marks[i] += mark(base) << markBits
	}
	k.read += int64(len(b.marks))
	if k.spill != nil && k.spill.direct {
		return k.spill.add(b)
	}
	k.add(b)
	if k.c.crossing() || k.grant.covers(k.bytes()) {
		return nil
	}
	return k.overflow()
}

// add takes a batch into memory.
func (k *keyPass) add(b *keyBatch) {
	if k.all != nil {
		for i, m := range b.marks {
			c := change{m, -1, -1}
			if b.noKey == nil || !b.noKey[i] {
				c.key = k.keys.Add(&b.keys, i, b.hashes[i])
			}
			if b.hasOld != nil && b.hasOld[i] {
				c.old = k.keys.Add(&b.olds, i, b.oldHashes[i])
			}
			k.all.add(c, &b.orders, i)
		}
		return
	}
	k.finds = k.keys.AddAll(&b.keys, b.hashes, k.finds)
	k.latest.add(k.finds, b.marks, &b.orders, k.keys.Len())
}

// part makes a part of what is in memory.
func (k *keyPass) part(read int64) *Part {
	if !k.c.swaps() || k.c.bad.watches() { // else nobody looks for the keys
		k.keys.Ready()
	}
	return &Part{c: k.c, in: k.in, keys: k.keys, latest: k.latest, all: k.all, read: read}
}

// opCodes maps the values of the operation column, those of one byte by a table.
type opCodes struct {
	short [256]Op
	all   map[string]Op
}

func newOpCodes(codes map[string]Op) *opCodes {
	c := &opCodes{all: codes}
	for s, op := range codes {
		if len(s) == 1 {
			c.short[s[0]] = op
		}
	}
	return c
}

// mark marks the deletes. It returns the first row of which the operation is
// not known, and the rule that it violates.
func (c *opCodes) mark(col *array.String, marks []mark, full bool) (int, string) {
	nulls := col.NullN() > 0
	for i := range marks {
		if nulls && col.IsNull(i) {
			if !full {
				return i, "operation is null"
			}
			continue
		}
		var op Op
		s := col.Value(i)
		if len(s) == 1 {
			op = c.short[s[0]]
		} else {
			op = c.all[s]
		}
		switch op {
		case Upsert:
		case Delete:
			marks[i] |= markDelete
		default:
			return i, "unknown operation"
		}
	}
	return 0, ""
}

// inFile makes sure that an error names the file it was met in.
func inFile(location string, err error) error {
	if d := Diagnose(err, ""); d.File != "" || canceled(err) {
		return err
	}
	return &FileError{File: location, Err: err}
}
