package etl

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
)

// reading is one pass over the files of a load: a cutter opens files and cuts
// them into units, workers read the units side by side and make values of type T
// of them, and the caller takes the values in position order.
type reading[T any] struct {
	c   *Changes
	req ScanRequest // Location and Select are set for each file
	in  *inputs
	// again is set in the second pass: files are cut as in the first one.
	again bool
	// whole is set where files are not to be cut.
	whole bool
	// wants reports whether any row of a piece of a file is wanted; nil if all are.
	wants func(file int, first, rows int64) bool
	// picks returns the Select of a file; nil if all rows are wanted.
	picks func(file int) func(row int64) bool
	// work makes a value of a batch. It is called from several goroutines. In
	// the first pass row numbers of chunks count from the chunk's start.
	work func(ctx context.Context, file int, rows Rows) (T, error)
	// take is called in position order, after it unitDone and fileDone.
	take     func(u *unit[T], v T) error
	unitDone func(u *unit[T]) error
	fileDone func(file int) error

	mu     sync.Mutex
	opened map[*openFile]bool
}

// inputs is what the first pass learns about the files of a load.
type inputs struct {
	chunks [][]Chunk // by file; nil where a file was read in one go
	base   []int64   // by file: how many rows the files before it have
}

// chunkSize is how long a chunk is to be, and the size up to which files are
// not cut at all.
func (b *budget) chunkSize() int { return int(min(max(b.step, 64), 1<<20)) }

// unit is a file or a chunk of one.
type unit[T any] struct {
	file  int
	open  *openFile // nil: the worker opens the file
	chunk Chunk
	last  bool  // of its file
	err   error // met instead of a unit
	out   chan result[T]
	rows  int64 // taken so far
}

type result[T any] struct {
	value T
	err   error
}

// openFile is a file that is read in chunks.
type openFile struct {
	in   Input
	scan ChunkScan
}

func (r *reading[T]) run(parent context.Context) error {
	ctx, cancel := context.WithCancel(parent)
	workers := min(runtime.GOMAXPROCS(0), 16)
	queue := make(chan *unit[T], workers+1)
	jobs := make(chan *unit[T])
	var group sync.WaitGroup
	group.Go(func() {
		defer close(queue)
		defer close(jobs)
		r.cut(ctx, func(u *unit[T]) bool { return send(ctx, queue, u) && (u.err != nil || send(ctx, jobs, u)) })
	})
	for range workers {
		group.Go(func() {
			for u := range jobs {
				r.scan(ctx, u)
			}
		})
	}
	defer func() {
		cancel()
		group.Wait()
		for o := range r.opened {
			_ = r.close(o) // the pass ended before its end
		}
	}()
	for u := range queue {
		if err := r.consume(ctx, u); err != nil {
			return err
		}
		if !u.last {
			continue
		}
		if u.open != nil {
			if err := r.close(u.open); err != nil {
				return inFile(r.c.load.Files[u.file].Location, err)
			}
		}
		if err := r.fileDone(u.file); err != nil {
			return err
		}
	}
	return parent.Err()
}

func (r *reading[T]) opens(o *openFile) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opened == nil {
		r.opened = map[*openFile]bool{}
	}
	r.opened[o] = true
}

func (r *reading[T]) close(o *openFile) error {
	r.mu.Lock()
	delete(r.opened, o)
	r.mu.Unlock()
	o.scan.Close()
	return o.in.Close()
}

func send[V any](ctx context.Context, to chan<- V, v V) bool {
	select {
	case to <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// consume takes the values of one unit.
func (r *reading[T]) consume(ctx context.Context, u *unit[T]) error {
	if u.err != nil {
		return inFile(r.c.load.Files[u.file].Location, u.err)
	}
	for {
		var res result[T]
		var more bool
		select {
		case res, more = <-u.out:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !more {
			return r.unitDone(u)
		}
		if res.err != nil {
			return inFile(r.c.load.Files[u.file].Location, r.moved(u, res.err))
		}
		if err := r.take(u, res.value); err != nil {
			return err
		}
	}
}

// moved counts the row of an error from the start of the file. In the first pass
// chunks do not know theirs.
func (r *reading[T]) moved(u *unit[T], err error) error {
	var re *RowError
	first := r.in.first(u.file) - u.chunk.First
	if u.open == nil || r.again || !errors.As(err, &re) || re.Row == 0 || first == 0 {
		return err
	}
	there := *re
	there.Row += first
	return &there
}

// first is the number of rows in the chunks of a file that are known.
func (in *inputs) first(file int) int64 {
	if n := len(in.chunks[file]); n > 0 {
		return in.chunks[file][n-1].First + in.chunks[file][n-1].Rows
	}
	return 0
}

// cut makes the units.
func (r *reading[T]) cut(ctx context.Context, put func(*unit[T]) bool) {
	for i := range r.c.load.Files {
		if r.wants != nil && !r.wants(i, 0, -1) {
			continue
		}
		if more, err := r.cutFile(ctx, i, put); err != nil {
			put(&unit[T]{file: i, err: err})
			return
		} else if !more {
			return
		}
	}
}

func (r *reading[T]) cutFile(ctx context.Context, file int, put func(*unit[T]) bool) (bool, error) {
	f := r.c.load.Files[file]
	format, chunked := r.c.formatOf(file).(ChunkedFormat)
	var known []Chunk
	if r.again {
		known = r.in.chunks[file]
		chunked = chunked && known != nil
	}
	if !chunked || r.whole || !r.again && f.Size > 0 && f.Size <= int64(r.c.budget.chunkSize()) {
		return put(r.unit(file, nil, Chunk{}, true)), nil
	}
	in, err := r.c.source.Open(ctx, f)
	if err != nil {
		return false, err
	}
	scan, err := format.Chunks(ctx, in, r.request(file), known)
	if err != nil {
		_ = in.Close()
		return false, err
	}
	o := &openFile{in, scan}
	r.opens(o)
	return r.cutChunks(file, o, put)
}

func (r *reading[T]) request(file int) ScanRequest {
	req := r.req
	req.Location, req.ChunkBytes = r.c.load.Files[file].Location, r.c.budget.chunkSize()
	if r.picks != nil {
		req.Select = r.picks(file)
	}
	return req
}

// cutChunks keeps one unit back, so that the last one can be told.
func (r *reading[T]) cutChunks(file int, o *openFile, put func(*unit[T]) bool) (bool, error) {
	var held *unit[T]
	for {
		c, err := o.scan.Next()
		if err == nil && r.wants != nil && !r.wants(file, c.First, c.Rows) {
			continue
		}
		if held != nil {
			held.last = errors.Is(err, io.EOF)
			if !put(held) {
				return false, nil
			}
		}
		switch {
		case errors.Is(err, io.EOF) && held == nil:
			return put(r.unit(file, o, Chunk{Size: -1}, true)), nil // without records
		case errors.Is(err, io.EOF):
			return true, nil
		case err != nil:
			return false, err
		}
		held = r.unit(file, o, c, false)
	}
}

func (r *reading[T]) unit(file int, o *openFile, c Chunk, last bool) *unit[T] {
	return &unit[T]{file: file, open: o, chunk: c, last: last, out: make(chan result[T], 8)}
}

// scan reads one unit.
func (r *reading[T]) scan(ctx context.Context, u *unit[T]) {
	defer close(u.out)
	if u.open != nil && u.chunk.Size < 0 {
		return
	}
	err := func() error {
		if u.open != nil {
			return r.batches(ctx, u, u.open.scan.Scan(ctx, u.chunk))
		}
		in, err := r.c.source.Open(ctx, r.c.load.Files[u.file])
		if err != nil {
			return err
		}
		err = r.batches(ctx, u, r.c.formatOf(u.file).Scan(ctx, in, r.request(u.file)))
		if cerr := in.Close(); err == nil {
			err = cerr
		}
		return err
	}()
	if err != nil {
		send(ctx, u.out, result[T]{err: err})
	}
}

func (r *reading[T]) batches(ctx context.Context, u *unit[T], rows func(func(Rows, error) bool)) error {
	for b, err := range rows {
		if err != nil {
			return err
		}
		v, err := r.work(ctx, u.file, b)
		if err != nil {
			return err
		}
		if !send(ctx, u.out, result[T]{value: v}) {
			return ctx.Err()
		}
	}
	return nil
}
