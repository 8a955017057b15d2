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

// Scan implements [etl.Scanner].
func (s *Sink) Scan(ctx context.Context, name string, columns ...string) iter.Seq2[arrow.RecordBatch, error] {
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
		var opts []table.ScanOption
		if len(columns) > 0 {
			opts = append(opts, table.WithSelectedFields(columns...))
		}
		_, batches, err := tbl.Scan(opts...).ToArrowRecords(ctx)
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
