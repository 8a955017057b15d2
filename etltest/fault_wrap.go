package etltest

import (
	"context"
	"iter"
	"time"

	"github.com/tidemark-data/etl"
)

// iterate passes the points of an iteration.
func iterate[T any](i *Injector, name string, seq func() iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		s := i.scope()
		fail := func(place string) bool {
			err := s.pass(name + place)
			if err != nil {
				var zero T
				yield(zero, err)
			}
			return err != nil
		}
		if fail("/before") {
			return
		}
		n := 0
		for v, err := range seq() {
			if n++; n == 2 && fail("/mid") {
				return
			}
			if !s.alive() {
				fail("")
				return
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
		fail("/after")
	}
}

// alive reports whether the process that the scope belongs to lives.
func (s scope) alive() bool {
	s.inj.mu.Lock()
	defer s.inj.mu.Unlock()
	return !s.inj.dead && s.inj.life == s.life
}

// Source returns s with points, and with the optional abilities of s.
func (i *Injector) Source(s etl.Source) etl.Source {
	f := &faultSource{i, s}
	able, disposes := s.(etl.Disposer)
	knows, locates := s.(etl.Locator)
	d, l := &faultDisposer{i, able}, &faultLocator{i, knows}
	switch [...]bool{disposes, locates} {
	case [...]bool{true, true}:
		return struct {
			*faultSource
			etl.Disposer
			etl.Locator
		}{f, d, l}
	case [...]bool{true, false}:
		return struct {
			*faultSource
			etl.Disposer
		}{f, d}
	case [...]bool{false, true}:
		return struct {
			*faultSource
			etl.Locator
		}{f, l}
	}
	return f
}

type faultLocator struct {
	inj *Injector
	l   etl.Locator
}

func (f *faultLocator) URI(ctx context.Context, file etl.File) (string, error) {
	return value(f.inj.scope(), "source.URI", func() (string, error) { return f.l.URI(ctx, file) })
}

type faultDisposer struct {
	inj *Injector
	d   etl.Disposer
}

func (f *faultDisposer) Disposes(status etl.FileStatus) bool { return f.d.Disposes(status) }

func (f *faultDisposer) Dispose(ctx context.Context, file etl.File, status etl.FileStatus) error {
	return f.inj.scope().call("source.Dispose", func() error { return f.d.Dispose(ctx, file, status) })
}

type faultSource struct {
	inj *Injector
	s   etl.Source
}

func (f *faultSource) List(ctx context.Context) iter.Seq2[etl.File, error] {
	return iterate(f.inj, "source.List", func() iter.Seq2[etl.File, error] { return f.s.List(ctx) })
}

func (f *faultSource) Open(ctx context.Context, file etl.File) (etl.Input, error) {
	s := f.inj.scope()
	var in etl.Input
	err := s.call("source.Open", func() (err error) {
		in, err = f.s.Open(ctx, file)
		return err
	})
	if err != nil {
		if in != nil {
			in.Close() // the caller never gets to see it
		}
		return nil, err
	}
	return &faultInput{s, in}, nil
}

type faultInput struct {
	scope
	in etl.Input
}

func (f *faultInput) Size() int64 { return f.in.Size() }

func (f *faultInput) ReadAt(p []byte, off int64) (int, error) {
	if err := f.pass("input.ReadAt/before"); err != nil {
		return 0, err
	}
	n, err := f.in.ReadAt(p, off)
	if fault := f.pass("input.ReadAt/after"); fault != nil {
		return 0, fault
	}
	return n, err
}

// Close closes the input whatever happens, as the end of a process does.
func (f *faultInput) Close() error {
	before := f.pass("input.Close/before")
	err := f.in.Close()
	if before != nil {
		return before
	}
	if fault := f.pass("input.Close/after"); fault != nil {
		return fault
	}
	return err
}

// Control returns c with points.
func (i *Injector) Control(c etl.ControlStore) etl.ControlStore { return &faultControl{i, c} }

type faultControl struct {
	inj *Injector
	c   etl.ControlStore
}

func (f *faultControl) State(ctx context.Context, table string) (etl.State, error) {
	return value(f.inj.scope(), "control.State", func() (etl.State, error) { return f.c.State(ctx, table) })
}

func (f *faultControl) Update(ctx context.Context, u etl.Update) error {
	return f.inj.scope().call("control.Update", func() error { return f.c.Update(ctx, u) })
}

func (f *faultControl) Files(ctx context.Context, q etl.FileQuery) iter.Seq2[etl.FileRecord, error] {
	return iterate(f.inj, "control.Files", func() iter.Seq2[etl.FileRecord, error] { return f.c.Files(ctx, q) })
}

func (f *faultControl) History(ctx context.Context, table string) iter.Seq2[etl.Entry, error] {
	return iterate(f.inj, "control.History", func() iter.Seq2[etl.Entry, error] { return f.c.History(ctx, table) })
}

// Locker returns l with points, and with the optional abilities of l.
func (i *Injector) Locker(l etl.Locker) etl.Locker {
	f := &faultLocker{i, l}
	if r, ok := l.(etl.FenceRaiser); ok {
		return struct {
			*faultLocker
			etl.FenceRaiser
		}{f, &faultRaiser{i, r}}
	}
	return f
}

type faultLocker struct {
	inj *Injector
	l   etl.Locker
}

func (f *faultLocker) Acquire(ctx context.Context, name string, ttl time.Duration) (etl.Lease, error) {
	s := f.inj.scope()
	le, err := value(s, "locker.Acquire", func() (etl.Lease, error) { return f.l.Acquire(ctx, name, ttl) })
	if err != nil {
		return nil, err
	}
	return &faultLease{s, le}, nil
}

type faultRaiser struct {
	inj *Injector
	r   etl.FenceRaiser
}

func (f *faultRaiser) RaiseFence(ctx context.Context, name string, fence int64) error {
	return f.inj.scope().call("locker.RaiseFence", func() error { return f.r.RaiseFence(ctx, name, fence) })
}

type faultLease struct {
	scope
	le etl.Lease
}

func (f *faultLease) Fence() int64 { return f.le.Fence() }

func (f *faultLease) Renew(ctx context.Context) error {
	return f.call("lease.Renew", func() error { return f.le.Renew(ctx) })
}

func (f *faultLease) Release(ctx context.Context) error {
	return f.call("lease.Release", func() error { return f.le.Release(ctx) })
}
