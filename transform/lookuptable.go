package transform

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/cells"
)

// LookupTable is another table of the lake, as it is when it is read. A table that
// is not there yet has no rows. A job on Spark reads it in the catalog of its own
// table, once, up to 256 MiB.
type LookupTable struct {
	// Tables is what reads it: a sink that is an [etl.Scanner].
	Tables etl.Scanner
	Name   string
	// Cols are the columns to read, of the types that the table has.
	Cols etl.Columns
}

// MaxLookupRows is the greatest number of rows of a [LookupTable].
const MaxLookupRows = 20_000_000

var (
	_ LookupSource = LookupTable{}
	_ etl.Declarer = LookupTable{}
)

// Columns implements [LookupSource].
func (t LookupTable) Columns() etl.Columns { return slices.Clone(t.Cols) }

// Declare implements [etl.Declarer].
func (t LookupTable) Declare() (etl.Declaration, error) {
	return etl.Declaration{Kind: "table", Options: map[string]any{"table": t.Name, "columns": declaredColumns(t.Cols)}}, nil
}

// Load implements [LookupSource].
func (t LookupTable) Load(ctx context.Context) (arrow.RecordBatch, error) {
	if t.Tables == nil {
		return nil, etl.WithOutcome(etl.Terminal, errors.New("nothing to read tables with"))
	}
	names := make([]string, len(t.Cols))
	for i, c := range t.Cols {
		names[i] = c.Name
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, t.Cols.Schema())
	defer b.Release()
	rows := int64(0)
	for rec, err := range t.Tables.Scan(ctx, t.Name, names...) {
		if err != nil {
			return nil, err
		}
		if rows += rec.NumRows(); rows > MaxLookupRows {
			return nil, etl.WithOutcome(etl.Terminal, fmt.Errorf("table %s: more than %d rows", t.Name, MaxLookupRows))
		}
		if err := t.add(b, rec); err != nil {
			return nil, etl.WithOutcome(etl.Terminal, fmt.Errorf("table %s: %w", t.Name, err))
		}
	}
	return b.NewRecordBatch(), nil
}

func (t LookupTable) add(b *array.RecordBuilder, rec arrow.RecordBatch) error {
	for i, c := range t.Cols {
		at := rec.Schema().FieldIndices(c.Name)
		if len(at) != 1 {
			return fmt.Errorf("no column %s", c.Name)
		}
		if !arrow.TypeEqual(rec.Column(at[0]).DataType(), c.Type.Arrow()) {
			return fmt.Errorf("column %s is not of type %s", c.Name, c.Type)
		}
		add, err := cells.Appender(b.Field(i), rec.Column(at[0]))
		if err != nil {
			return fmt.Errorf("column %s: %w", c.Name, err)
		}
		for row := range int(rec.NumRows()) {
			add(row)
		}
	}
	return nil
}
