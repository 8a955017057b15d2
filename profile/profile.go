// Package profile describes tables and their sources by figures, column by column,
// and compares them: the validation after a migration, or of what a pipeline keeps.
//
// A [Source] is whatever has rows: a table ([Table]), an export of it ([File]), the
// files that a table was made of ([Replay]), or a query of the database it came from
// ([SQL]). [Of] makes a [Profile] of one in a single pass and bounded memory, and
// [Compare] gives the verdict on two.
//
// The least and the greatest value of a column are data. Whoever prints a profile
// decides who sees them; those of sensitive columns are not looked for.
package profile

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
	"github.com/tidemark-data/etl/check/hllcheck"
	"github.com/tidemark-data/etl/internal/rowkey"
)

// Source has rows.
type Source interface {
	// Rows yields the rows, with at least those of the columns that it has. They are
	// found by name. A batch is valid until the next one is asked for.
	Rows(ctx context.Context, columns etl.Columns) iter.Seq2[arrow.RecordBatch, error]
}

// Profile describes rows by figures.
type Profile struct {
	Rows    int64    `json:"rows"`
	Columns []Column `json:"columns"`
}

// Column describes the values of a column.
type Column struct {
	Name string `json:"name"`
	// Type is that of the rows, or, where there are none, the declared one.
	Type etl.Type `json:"type"`
	// Missing is set where the rows do not have the column.
	Missing bool `json:"missing,omitempty"`
	// Values and Nulls count the rows with and without a value.
	Values int64 `json:"values"`
	Nulls  int64 `json:"nulls"`
	// Distinct is about how many different values there are, with a standard error of
	// 0.8 %. Equal sets of values have equal numbers.
	Distinct int64 `json:"distinct"`
	// Min and Max are the least and the greatest value in the order of the type, as
	// text; of text the first 256 bytes. They are nil without values, and where the
	// column is sensitive.
	Min *string `json:"min,omitempty"`
	Max *string `json:"max,omitempty"`
	// Sensitive columns have neither.
	Sensitive bool `json:"sensitive,omitempty"`
}

// Complete is the share of the rows that have a value, 1 without rows.
func (c Column) Complete() float64 {
	if c.Values+c.Nulls == 0 {
		return 1
	}
	return float64(c.Values) / float64(c.Values+c.Nulls)
}

// WithoutValues returns a copy that holds figures only: no least and greatest values.
func (p Profile) WithoutValues() Profile {
	columns := make([]Column, len(p.Columns))
	for i, c := range p.Columns {
		columns[i] = c.withoutValues()
	}
	p.Columns = columns
	return p
}

func (c Column) withoutValues() Column {
	c.Min, c.Max = nil, nil
	return c
}

// Of reads the columns of a source once.
func Of(ctx context.Context, source Source, columns etl.Columns) (Profile, error) {
	tallies := make([]*tally, len(columns))
	for i, c := range columns {
		tallies[i] = &tally{column: Column{Name: c.Name, Type: c.Type, Sensitive: c.Sensitive}, distinct: hllcheck.NewCounter()}
	}
	var p Profile
	for batch, err := range source.Rows(ctx, columns) {
		if err == nil {
			err = ctx.Err()
		}
		for i := 0; err == nil && i < len(tallies); i++ {
			err = tallies[i].add(batch)
		}
		if err != nil {
			return Profile{}, err
		}
		p.Rows += batch.NumRows()
	}
	for _, t := range tallies {
		p.Columns = append(p.Columns, t.done())
	}
	return p, nil
}

// tally takes in the values of a column.
type tally struct {
	column   Column
	distinct check.DistinctCounter
	low      []byte // encoded
	high     []byte
	buf      []byte
}

func (t *tally) add(batch arrow.RecordBatch) error {
	found := batch.Schema().FieldIndices(t.column.Name)
	switch {
	case len(found) > 1:
		return fmt.Errorf("there are %d columns %s", len(found), t.column.Name)
	case len(found) == 0:
		t.column.Missing = true
		return nil
	}
	col := batch.Column(found[0])
	typ, ok := etl.TypeOf(col.DataType())
	if !ok {
		return fmt.Errorf("column %s is of type %v, which is none of a table", t.column.Name, col.DataType())
	}
	if t.column.Values+t.column.Nulls > 0 && typ != t.column.Type {
		return fmt.Errorf("column %s is of type %v and of type %v", t.column.Name, t.column.Type, typ)
	}
	t.column.Type = typ
	read, err := rowkey.NewReader([]arrow.Array{col})
	if err != nil {
		return fmt.Errorf("column %s: %w", t.column.Name, err)
	}
	t.column.Nulls += int64(col.NullN())
	t.column.Values += int64(col.Len() - col.NullN())
	for row := range col.Len() {
		if col.IsValid(row) {
			t.buf = read.Append(t.buf[:0], row)
			t.take(col, row)
		}
	}
	return nil
}

// take takes in the value that is encoded in the buffer.
func (t *tally) take(col arrow.Array, row int) {
	t.distinct.Insert(t.buf)
	if t.column.Sensitive {
		return
	}
	if t.low == nil || bytes.Compare(t.buf, t.low) < 0 {
		t.low = append(t.low[:0], t.buf...)
		t.column.Min = text(col, row)
	}
	if t.high == nil || bytes.Compare(t.buf, t.high) > 0 {
		t.high = append(t.high[:0], t.buf...)
		t.column.Max = text(col, row)
	}
}

func (t *tally) done() Column {
	t.column.Distinct = int64(t.distinct.Estimate())
	return t.column
}
