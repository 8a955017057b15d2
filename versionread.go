package etl

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// versionReader reads the mode's columns of rows.
type versionReader struct {
	orders           *rowkey.Batch // nil: none
	from, to         *array.Timestamp
	current, deleted *array.Boolean
}

// readFound reads the mode's columns of rows that the sink found.
func (c *Changes) readFound(f Found) (*versionReader, error) {
	if f.Record == nil || int(f.Record.NumRows()) != len(f.Ordinals) {
		return nil, fmt.Errorf("sink gave rows of table %s without their columns", c.target.Name)
	}
	return c.readVersions(f.Record)
}

func (c *Changes) readVersions(rec arrow.RecordBatch) (*versionReader, error) {
	if err := sameColumns(rec.Schema(), c.target.Schema); err != nil {
		return nil, fmt.Errorf("sink gave rows: %w", err)
	}
	r := &versionReader{}
	n := int(rec.NumCols())
	ok := make([]bool, 4)
	r.from, ok[0] = rec.Column(n - 4).(*array.Timestamp)
	r.to, ok[1] = rec.Column(n - 3).(*array.Timestamp)
	r.current, ok[2] = rec.Column(n - 2).(*array.Boolean)
	r.deleted, ok[3] = rec.Column(n - 1).(*array.Boolean)
	for _, is := range ok {
		if !is {
			return nil, fmt.Errorf("sink gave rows of table %s whose mode columns have other types", c.target.Name)
		}
	}
	if c.shown == nil {
		return r, nil
	}
	cols := make([]arrow.Array, len(c.target.OrderBy))
	for i, name := range c.target.OrderBy {
		cols[i] = rec.Column(c.target.Columns.Index(name))
	}
	r.orders = new(rowkey.Batch)
	if err := c.shown.Encode(r.orders, cols); err != nil {
		return nil, fmt.Errorf("sink gave an ordering %w", err)
	}
	return r, nil
}

func (r *versionReader) version(i int) version {
	v := version{from: int64(r.from.Value(i)), to: forever, current: r.current.Value(i), deleted: r.deleted.Value(i)}
	if r.to.IsValid(i) {
		v.to = int64(r.to.Value(i))
	}
	if r.orders != nil && !r.orders.Null(i) {
		v.order = r.orders.Append([]byte{}, i)
	}
	return v
}
