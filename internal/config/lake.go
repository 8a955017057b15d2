package config

import (
	"context"
	"errors"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl"
)

// lake is the sink as lookups read other tables in it. Tables are declared before it
// is open.
type lake struct{ sink etl.Scanner }

var _ etl.Scanner = (*lake)(nil)

var errNotOpen = errors.New("the tables are not open")

// Scan implements [etl.Scanner].
func (l *lake) Scan(ctx context.Context, table string, columns ...string) iter.Seq2[arrow.RecordBatch, error] {
	if l.sink == nil {
		return func(yield func(arrow.RecordBatch, error) bool) { yield(nil, errNotOpen) }
	}
	return l.sink.Scan(ctx, table, columns...)
}
