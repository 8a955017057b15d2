package etltest

import (
	"context"

	"github.com/tidemark-data/etl"
)

// stagingSink is what sinks are that stage full loads.
type stagingSink interface {
	etl.Sink
	etl.Fencer
	etl.Witness
	etl.Stager
}

// staging returns s with points, and with [etl.Maintainer] where it is one.
func (i *Injector) staging(s stagingSink) etl.Sink {
	type (
		sink     = *faultSink
		fencer   = *faultFencer
		witness  = *faultWitness
		maintain = *faultMaintainer
		stager   = *faultStager
	)
	f, ff, fw, fs := &faultSink{i, s}, &faultFencer{i, s}, &faultWitness{i, s}, &faultStager{i, s}
	if keeps, ok := s.(etl.Maintainer); ok {
		return struct {
			sink
			fencer
			witness
			stager
			maintain
		}{f, ff, fw, fs, &faultMaintainer{i, keeps}}
	}
	return struct {
		sink
		fencer
		witness
		stager
	}{f, ff, fw, fs}
}

type faultStager struct {
	inj *Injector
	s   etl.Stager
}

func (f *faultStager) Prepare(ctx context.Context, target etl.Target, load etl.Load) error {
	return f.inj.scope().call("sink.Prepare", func() error { return f.s.Prepare(ctx, target, load) })
}

func (f *faultStager) Stage(ctx context.Context, target etl.Target, load etl.Load, i int, changes *etl.Changes) (etl.StagedFile, error) {
	return value(f.inj.scope(), "sink.Stage", func() (etl.StagedFile, error) { return f.s.Stage(ctx, target, load, i, changes) })
}

func (f *faultStager) Staged(ctx context.Context, target etl.Target, load etl.Load) ([]etl.StagedFile, error) {
	return value(f.inj.scope(), "sink.Staged", func() ([]etl.StagedFile, error) { return f.s.Staged(ctx, target, load) })
}

func (f *faultStager) Publish(ctx context.Context, target etl.Target, load etl.Load) (etl.Receipt, error) {
	return value(f.inj.scope(), "sink.Publish", func() (etl.Receipt, error) { return f.s.Publish(ctx, target, load) })
}

func (f *faultStager) Discard(ctx context.Context, target etl.Target) error {
	return f.inj.scope().call("sink.Discard", func() error { return f.s.Discard(ctx, target) })
}
