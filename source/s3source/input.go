package s3source

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/tidemark-data/etl"
)

// input is an opened object. Of its bytes it holds spans, each the outcome of
// one fetch: at most Parts times PartSize bytes of them, fetched and being
// fetched.
type input struct {
	src    *Source
	object object
	ctx    context.Context
	cancel context.CancelFunc
	spool  *spooled // nil without
	work   sync.WaitGroup

	mu     sync.Mutex
	moved  *sync.Cond // a span came in or was let go of
	spans  []*span
	held   int64
	clock  int64
	runs   [8]run // where the latest fetches end
	nextTo int
	fatal  error // gone or changed, which stays so
	closed bool
}

// run is where a fetch ended and how long it was meant to be.
type run struct{ end, stride int64 }

// Open implements [etl.Source]. Reads of the input end when ctx does. The first
// bytes are fetched here, of objects of up to PartSize all.
func (s *Source) Open(ctx context.Context, f etl.File) (etl.Input, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	key, ok := s.key(f.Location)
	if !ok || f.Size < 0 {
		return nil, noKey(f.Location)
	}
	in := &input{src: s, object: object{key, f}}
	in.moved = sync.NewCond(&in.mu)
	first := f.Size
	if first > s.opts.PartSize {
		first = minPartSize
	}
	head := &span{end: first, stride: first, data: make([]byte, first), ready: true}
	if err := s.fetch(ctx, &in.object, 0, head.data); err != nil {
		return nil, inFile(f.Location, err)
	}
	in.ctx, in.cancel = context.WithCancel(ctx)
	in.spool = s.spool.take(f.Object().ID(), f.Size) // parts of an object share it
	in.spool.write(0, head.data)
	in.insert(head)
	return in, nil
}

// Size implements [etl.Input].
func (in *input) Size() int64 { return in.object.file.Size }

// ReadAt implements [io.ReaderAt].
func (in *input) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, os.ErrInvalid
	}
	n := 0
	for n < len(p) && off+int64(n) < in.Size() {
		at := off + int64(n)
		sp, err := in.hold(at, int64(len(p)-n))
		if err != nil {
			return n, err
		}
		n += copy(p[n:], sp.data[at-sp.off:])
		in.letGo(sp)
	}
	if err := in.failed(); err != nil {
		return n, err
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Close implements [etl.Input]. It waits for fetches under way to end, which it
// breaks off.
func (in *input) Close() error {
	in.mu.Lock()
	closed := in.closed
	in.closed = true
	in.mu.Unlock()
	if closed {
		return nil
	}
	in.cancel()
	in.work.Wait()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.src.memory.Add(-in.held)
	in.spans, in.held = nil, 0
	in.src.spool.put(in.spool)
	in.moved.Broadcast()
	return nil
}

func (in *input) failed() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.stopped()
}

// stopped is why nothing can be read any more. Callers hold mu.
func (in *input) stopped() error {
	switch {
	case in.closed:
		return os.ErrClosed
	case in.fatal != nil:
		return in.fatal
	}
	return in.ctx.Err()
}

// hold returns a span that has the byte at off, and keeps it until letGo.
func (in *input) hold(off, want int64) (*span, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for {
		if err := in.stopped(); err != nil {
			return nil, err
		}
		sp := in.find(off)
		if sp == nil {
			if sp = in.demand(off, want); sp == nil {
				in.moved.Wait()
				continue
			}
		}
		in.clock++
		sp.used, sp.ahead = in.clock, false
		sp.pins++
		in.readAhead(sp)
		for !sp.ready {
			in.moved.Wait()
		}
		if sp.err == nil {
			return sp, nil
		}
		sp.pins--
		if err := in.stopped(); err != nil {
			return nil, err
		}
		return nil, sp.err
	}
}

func (in *input) letGo(sp *span) {
	in.mu.Lock()
	defer in.mu.Unlock()
	sp.pins--
	in.moved.Broadcast()
}

// load fetches what a span is for.
func (in *input) load(sp *span) {
	defer in.work.Done()
	data := make([]byte, sp.end-sp.off)
	var err error
	if !in.spool.read(sp.off, data) {
		if err = in.src.fetch(in.ctx, &in.object, sp.off, data); err == nil {
			in.spool.write(sp.off, data)
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	sp.data, sp.err, sp.ready = data, err, true
	if err != nil {
		in.drop(sp)
	}
	if errors.Is(err, etl.ErrFileChanged) || errors.Is(err, etl.ErrFileVanished) {
		in.fatal = err
	}
	in.moved.Broadcast()
}
