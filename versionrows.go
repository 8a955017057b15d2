package etl

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl/internal/cells"
	"github.com/tidemark-data/etl/internal/rowkey"
)

// versionRows makes rows of the target of the values of other rows, which begin with
// the columns that the transforms make.
func (c *Changes) versionRows(from []rowRef, vs []*version) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, 0, c.target.Schema.NumFields())
	defer func() {
		for _, col := range cols {
			col.Release()
		}
	}()
	orders := c.ordersOf(vs)
	for i, f := range c.made.Fields() {
		col, err := versionColumn(f, i, from, vs, orders)
		if err != nil {
			return nil, err
		}
		cols = append(cols, col)
	}
	cols = append(cols, versionCells(vs)...)
	return array.NewRecordBatch(c.target.Schema, cols, int64(len(vs))), nil
}

// versionColumn takes column i of rows, or of orders where versions show theirs.
func versionColumn(f arrow.Field, i int, from []rowRef, vs []*version, orders ownOrders) (arrow.Array, error) {
	shown := orders.columns[f.Name]
	if shown == nil && sameRows(from) {
		col := from[0].record.Column(i)
		col.Retain()
		return col, nil
	}
	b := array.NewBuilder(memory.DefaultAllocator, f.Type)
	defer b.Release()
	b.Reserve(len(from))
	adders := map[arrow.RecordBatch]func(int){}
	var own func(int)
	if shown != nil {
		var err error
		if own, err = cells.Appender(b, shown); err != nil {
			return nil, err
		}
	}
	next := 0
	for n, ref := range from {
		if own != nil && vs[n].reorders {
			own(int(orders.at[next]))
			next++
			continue
		}
		add := adders[ref.record]
		if add == nil {
			var err error
			if add, err = cells.Appender(b, ref.record.Column(i)); err != nil {
				return nil, err
			}
			adders[ref.record] = add
		}
		add(ref.row)
	}
	return b.NewArray(), nil
}

// sameRows reports whether rows are those of one batch, as they come.
func sameRows(rows []rowRef) bool {
	for i, r := range rows {
		if r.row != i || r.record != rows[0].record {
			return false
		}
	}
	return len(rows) > 0 && int(rows[0].record.NumRows()) == len(rows)
}

// ownOrders are those of versions that show their own, which at points to.
type ownOrders struct {
	columns map[string]arrow.Array
	at      []int32
}

func (c *Changes) ordersOf(vs []*version) ownOrders {
	var b rowkey.Batch
	for _, v := range vs {
		if !v.reorders {
			continue
		}
		if b.Len() == 0 {
			b.Reset(c.order)
		}
		b.AppendEncoded(v.order)
	}
	if b.Len() == 0 {
		return ownOrders{}
	}
	b.Done()
	t := rowkey.NewTable(c.order, c.seed, b.Len())
	o := ownOrders{map[string]arrow.Array{}, t.AddAll(&b, c.order.Hash(&c.seed, &b, nil), nil)}
	for i, col := range t.Columns(c.order) {
		o.columns[c.table.OrderBy[i]] = col
	}
	return o
}
