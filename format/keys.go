package format

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/textconv"
)

// Keys makes keys of text, one for each of rows, which has the key's columns in the
// order of Table.Key, by the rules of text files. It is for [etl.Runner.Erase]. Keys
// that the table's contract lets become wider are as wide as they can be. Its errors
// name the row, counted from 1, and the column, never a value.
func Keys(t etl.Table, rows [][]string) (arrow.RecordBatch, error) {
	var columns etl.Columns
	var builders []textconv.Builder
	for _, name := range t.Key {
		at := t.Columns.Index(name)
		if at < 0 {
			return nil, fmt.Errorf("key column %q is not declared", name)
		}
		col := t.Columns[at]
		col.Type = widest(t, col)
		b, err := textconv.New(col)
		if err != nil {
			return nil, err
		}
		columns, builders = append(columns, col), append(builders, b)
	}
	for i, row := range rows {
		if len(row) != len(columns) {
			return nil, fmt.Errorf("key %d has %d values, the key has %d columns", i+1, len(row), len(columns))
		}
		for j, text := range row {
			if rule := builders[j].Append([]byte(text)); rule != "" {
				return nil, fmt.Errorf("key %d, column %s: %s", i+1, columns[j].Name, rule)
			}
		}
	}
	cols := make([]arrow.Array, len(builders))
	for j, b := range builders {
		cols[j] = b.NewArray()
		defer cols[j].Release()
	}
	return array.NewRecordBatch(columns.Schema(), cols, int64(len(rows))), nil
}

// widest is the widest type that a column may have by now.
func widest(t etl.Table, col etl.Column) etl.Type {
	rule := t.Contract.Type
	if own := t.Contract.Columns[col.Name].Type; own != "" {
		rule = own
	}
	_, scale, decimal := col.Type.DecimalSize()
	switch {
	case rule != etl.Evolve:
		return col.Type
	case col.Type == etl.Int:
		return etl.Long
	case decimal:
		return etl.Decimal(38, scale)
	}
	return col.Type
}
