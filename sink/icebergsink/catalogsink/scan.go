package catalogsink

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"
)

// Scan yields the rows of the table as it is now, for tests and tools; none if
// there is no such table. Each batch is released after the next one is asked for.
func (s *Sink) Scan(ctx context.Context, name string) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		tbl, err := s.load(ctx, name)
		if errors.Is(err, catalog.ErrNoSuchTable) || errors.Is(err, catalog.ErrNoSuchNamespace) {
			return
		}
		if err != nil {
			yield(nil, err)
			return
		}
		if tbl.SnapshotByName(table.MainBranch) == nil {
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		_, batches, err := tbl.Scan().ToArrowRecords(ctx)
		if err != nil {
			yield(nil, fmt.Errorf("scan table %s: %w", name, err))
			return
		}
		for rec, err := range batches {
			if err != nil {
				yield(nil, fmt.Errorf("scan table %s: %w", name, err))
				return
			}
			more := yield(rec, nil)
			rec.Release()
			if !more {
				return
			}
		}
	}
}

// Table loads the table itself, for maintenance and tools.
func (s *Sink) Table(ctx context.Context, name string) (*table.Table, error) {
	return s.load(ctx, name)
}
