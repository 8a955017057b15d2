package etltest

import (
	"context"

	"github.com/tidemark-data/etl"
)

// faultEraser stands behind a [faultSink], where [etl.Ability] finds it.
type faultEraser struct {
	inj *Injector
	e   etl.Eraser
	s   etl.Sink
}

var _ etl.Eraser = (*faultEraser)(nil)

// Unwrap implements [etl.Wrapper].
func (f *faultEraser) Unwrap() any { return f.s }

func (f *faultEraser) Erase(ctx context.Context, target etl.Target, req etl.ErasureRequest) (etl.ErasedRows, error) {
	return value(f.inj.scope(), "sink.Erase", func() (etl.ErasedRows, error) { return f.e.Erase(ctx, target, req) })
}

func (f *faultEraser) Purge(ctx context.Context, target etl.Target, fence int64) (etl.PurgeReport, error) {
	return value(f.inj.scope(), "sink.Purge", func() (etl.PurgeReport, error) { return f.e.Purge(ctx, target, fence) })
}
