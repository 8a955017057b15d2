package profile_test

import (
	"context"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/sink"
)

// scratch is a sink to throw away.
type scratch struct{ *sink.Memory }

func newScratch() scratch { return scratch{sink.NewMemory()} }

func (scratch) Close() error { return nil }

// lossy reads tables without their first row.
type lossy struct{ etl.Scanner }

func (l lossy) Scan(ctx context.Context, table string, columns ...string) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		first := true
		for b, err := range l.Scanner.Scan(ctx, table, columns...) {
			if first && err == nil {
				b = b.NewSlice(1, b.NumRows())
			}
			first = false
			if !yield(b, err) {
				return
			}
		}
	}
}
