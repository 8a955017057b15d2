package etl

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl/internal/cells"
	"github.com/tidemark-data/etl/internal/rowkey"
)

// keyPass reads only operations, keys and orders. It is the first of two passes.
type keyPass struct {
	part    *Part
	share   share
	mayGrow bool
	builder *array.RecordBuilder
	columns []ScanColumn
	// where the columns of a kind begin in columns, after the key's; op and old
	// are -1 if absent
	orderAt, opAt, oldAt int
	codes                map[string]Op
	buf                  []byte
}

func (c *Changes) readKeys(ctx context.Context, s share) (*Part, error) {
	k := c.newKeyPass(s)
	defer k.builder.Release()
	for i, f := range c.load.Files {
		err := c.withInput(ctx, f, func(in Input) error {
			return k.file(ctx, in, int32(i), f.Location)
		})
		if err != nil {
			return nil, err
		}
	}
	k.part.record = k.builder.NewRecordBatch()
	return k.part, nil
}

func (c *Changes) newKeyPass(s share) *keyPass {
	t := c.table
	k := &keyPass{
		part:    &Part{c: c, keys: rowkey.NewTable()},
		share:   s,
		mayGrow: c.crossing() || s.of >= maxShares,
		opAt:    -1, oldAt: -1,
		codes: t.Op.Codes,
	}
	var keyColumns Columns
	for _, name := range t.Key {
		col := t.Columns[t.Columns.Index(name)]
		keyColumns = append(keyColumns, col)
		k.columns = append(k.columns, ScanColumn{Column: col})
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
			col := keyColumns[i]
			col.Name = name
			k.columns = append(k.columns, ScanColumn{Column: col, Optional: true})
		}
	}
	k.builder = array.NewRecordBuilder(memory.DefaultAllocator, keyColumns.Schema())
	return k
}

// withInput opens a file for the time of fn and names it in errors.
func (c *Changes) withInput(ctx context.Context, f File, fn func(Input) error) error {
	in, err := c.source.Open(ctx, f)
	if err != nil {
		return inFile(f.Location, err)
	}
	err = fn(in)
	if cerr := in.Close(); err == nil && cerr != nil {
		err = inFile(f.Location, cerr)
	}
	return err
}

func (k *keyPass) file(ctx context.Context, in Input, file int32, location string) error {
	c := k.part.c
	req := ScanRequest{Location: location, Kind: c.load.Kind, Columns: k.columns}
	var n int64
	for rows, err := range c.format.Scan(ctx, in, req) {
		if err != nil {
			return inFile(location, err)
		}
		if err := k.batch(rows, file, location); err != nil {
			return err
		}
		n += int64(len(rows.Numbers))
		c.notify(location, 1, n)
		if !k.mayGrow && k.part.bytes() > c.budget {
			return errOverBudget
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if n == 0 && !c.table.AllowEmpty {
		return &RowError{File: location, Rule: "file has no rows"}
	}
	return nil
}

// bytes estimates what the part holds in memory.
func (p *Part) bytes() int64 {
	return p.keys.Bytes() + int64(len(p.orders)) + int64(len(p.changes))*48 + int64(p.keys.Len())*16
}

// keyBatch is one batch in the making: readers of its column groups.
type keyBatch struct {
	key, order, old *rowkey.Reader
	op              *array.String
	addKey          []func(int) // appends row i's key to the builder
	addOld          []func(int)
}

func (k *keyPass) open(rows Rows, location string) (*keyBatch, error) {
	cols := rows.Record.Columns()
	nk := k.orderAt
	b := &keyBatch{}
	var err error
	if b.key, err = rowkey.NewReader(cols[:nk]); err != nil {
		return nil, err
	}
	if b.addKey, err = k.adders(cols[:nk]); err != nil {
		return nil, err
	}
	if n := len(k.part.c.table.OrderBy); n > 0 {
		if b.order, err = rowkey.NewReader(cols[nk : nk+n]); err != nil {
			return nil, err
		}
	}
	if k.opAt >= 0 {
		op, ok := cols[k.opAt].(*array.String)
		if !ok {
			return nil, &RowError{File: location, Column: k.columns[k.opAt].Name, Rule: "operation column is not text"}
		}
		b.op = op
	}
	if k.oldAt >= 0 {
		if b.old, err = rowkey.NewReader(cols[k.oldAt : k.oldAt+nk]); err != nil {
			return nil, err
		}
		if b.addOld, err = k.adders(cols[k.oldAt : k.oldAt+nk]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (k *keyPass) adders(cols []arrow.Array) ([]func(int), error) {
	fns := make([]func(int), len(cols))
	for i, col := range cols {
		fn, err := cells.Appender(k.builder.Field(i), col)
		if err != nil {
			return nil, err
		}
		fns[i] = fn
	}
	return fns, nil
}

func (k *keyPass) batch(rows Rows, file int32, location string) error {
	b, err := k.open(rows, location)
	if err != nil {
		return err
	}
	for i, number := range rows.Numbers {
		ch := change{key: -1, old: -1, file: file, row: number, op: Upsert, order: span{len: -1}}
		if n := b.key.Null(i); n >= 0 {
			return &RowError{File: location, Row: number, Column: k.columns[n].Name, Rule: "key is null"}
		}
		if b.op != nil {
			if ch.op, err = k.opOf(b.op, i); err != nil {
				return &RowError{File: location, Row: number, Column: k.columns[k.opAt].Name, Rule: err.Error()}
			}
		}
		k.buf = b.key.Append(k.buf[:0], i)
		nkey := len(k.buf)
		ch.key = k.add(k.buf, b.addKey, i)
		if b.old != nil && ch.op == Upsert && b.old.Null(i) < 0 {
			k.buf = b.old.Append(k.buf, i)
			if string(k.buf[nkey:]) != string(k.buf[:nkey]) {
				ch.old = k.add(k.buf[nkey:], b.addOld, i)
			}
		}
		if ch.key < 0 && ch.old < 0 {
			continue
		}
		if ch.key >= 0 {
			k.part.read++
		}
		if b.order != nil && b.order.Null(i) < 0 {
			at := len(k.part.orders)
			k.part.orders = b.order.Append(k.part.orders, i)
			ch.order = span{int64(at), int32(len(k.part.orders) - at)}
		}
		k.part.changes = append(k.part.changes, ch)
	}
	return nil
}

// add returns the ordinal of a key, or -1 where it is not of this share.
func (k *keyPass) add(key []byte, adders []func(int), row int) int32 {
	if k.share.of > 1 && !k.share.holds(rowkey.Hash(k.part.c.seed, key)) {
		return -1
	}
	n, fresh := k.part.keys.Add(key)
	if fresh {
		for _, f := range adders {
			f(row)
		}
	}
	return n
}

func (k *keyPass) opOf(col *array.String, row int) (Op, error) {
	full := k.part.c.load.Kind == Full
	if col.IsNull(row) {
		if full {
			return Upsert, nil
		}
		return 0, fmt.Errorf("operation is null")
	}
	op, ok := k.codes[col.Value(row)]
	if !ok {
		return 0, fmt.Errorf("unknown operation")
	}
	return op, nil
}

// inFile makes sure that an error names the file it was met in.
func inFile(location string, err error) error {
	if d := Diagnose(err, ""); d.File != "" || canceled(err) {
		return err
	}
	return &FileError{File: location, Err: err}
}
