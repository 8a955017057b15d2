package etltest

import (
	"context"

	"github.com/tidemark-data/etl"
)

// Sink returns s with points, and with the optional abilities of s: those of
// [etl.Fencer], [etl.Witness] and [etl.Maintainer], and [etl.Stager] where s is a
// Fencer and a Witness too.
func (i *Injector) Sink(s etl.Sink) etl.Sink {
	if stager, ok := s.(stagingSink); ok {
		return i.staging(stager)
	}
	type (
		sink     = *faultSink
		fencer   = *faultFencer
		witness  = *faultWitness
		maintain = *faultMaintainer
	)
	f := &faultSink{i, s}
	able, fences := s.(etl.Fencer)
	knows, tells := s.(etl.Witness)
	keeps, maintains := s.(etl.Maintainer)
	ff, fw, fm := &faultFencer{i, able}, &faultWitness{i, knows}, &faultMaintainer{i, keeps}
	switch [...]bool{fences, tells, maintains} {
	case [...]bool{true, true, true}:
		return struct {
			sink
			fencer
			witness
			maintain
		}{f, ff, fw, fm}
	case [...]bool{true, true, false}:
		return struct {
			sink
			fencer
			witness
		}{f, ff, fw}
	case [...]bool{true, false, true}:
		return struct {
			sink
			fencer
			maintain
		}{f, ff, fm}
	case [...]bool{false, true, true}:
		return struct {
			sink
			witness
			maintain
		}{f, fw, fm}
	case [...]bool{true, false, false}:
		return struct {
			sink
			fencer
		}{f, ff}
	case [...]bool{false, true, false}:
		return struct {
			sink
			witness
		}{f, fw}
	case [...]bool{false, false, true}:
		return struct {
			sink
			maintain
		}{f, fm}
	}
	return f
}

type faultSink struct {
	inj *Injector
	s   etl.Sink
}

// Unwrap implements [etl.Wrapper].
func (f *faultSink) Unwrap() any {
	if e, ok := etl.Ability[etl.Eraser](f.s); ok {
		return &faultEraser{f.inj, e, f.s}
	}
	return f.s
}

func (f *faultSink) Apply(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
	return value(f.inj.scope(), "sink.Apply", func() (etl.Receipt, error) { return f.s.Apply(ctx, target, load, changes) })
}

func (f *faultSink) Applied(ctx context.Context, target etl.Target, loadID string) (etl.Receipt, bool, error) {
	found := false
	r, err := value(f.inj.scope(), "sink.Applied", func() (r etl.Receipt, err error) {
		r, found, err = f.s.Applied(ctx, target, loadID)
		return r, err
	})
	return r, found && err == nil, err
}

type faultFencer struct {
	inj *Injector
	f   etl.Fencer
}

func (f *faultFencer) Fence(ctx context.Context, target etl.Target, fence int64) error {
	return f.inj.scope().call("sink.Fence", func() error { return f.f.Fence(ctx, target, fence) })
}

type faultWitness struct {
	inj *Injector
	w   etl.Witness
}

func (f *faultWitness) Standing(ctx context.Context, target etl.Target) (etl.Standing, error) {
	return value(f.inj.scope(), "sink.Standing", func() (etl.Standing, error) { return f.w.Standing(ctx, target) })
}

type faultMaintainer struct {
	inj *Injector
	m   etl.Maintainer
}

// Maintain keeps the report beside an error, as the interface says; only a fault hides it.
func (f *faultMaintainer) Maintain(ctx context.Context, target etl.Target, opts etl.MaintainOptions) (etl.MaintainReport, error) {
	s := f.inj.scope()
	if err := s.pass("sink.Maintain/before"); err != nil {
		return etl.MaintainReport{}, err
	}
	rep, err := f.m.Maintain(ctx, target, opts)
	if fault := s.pass("sink.Maintain/after"); fault != nil {
		return etl.MaintainReport{}, fault
	}
	return rep, err
}
