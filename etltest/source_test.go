package etltest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// bucket is a source in memory, as small as it can be, and with flaws by name.
type bucket struct {
	flaw string
	mu   sync.Mutex
	objs map[string]object
	n    int
}

type object struct {
	file etl.File
	data []byte
}

func newBucket(flaw string) *bucket { return &bucket{flaw: flaw, objs: map[string]object{}} }

func (b *bucket) underTest() etltest.SourceUnderTest {
	return etltest.SourceUnderTest{Source: b, Put: b.put, Remove: b.remove}
}

func (b *bucket) put(location string, content []byte) error {
	if location == "" {
		return errors.New("no name")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n++
	if b.flaw == "version is the size" {
		b.n = 0
	}
	b.objs[location] = object{etl.File{Location: location, ETag: strconv.Itoa(b.n), Size: int64(len(content))}, bytes.Clone(content)}
	return nil
}

func (b *bucket) remove(location string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.objs, location)
	return nil
}

func (b *bucket) List(ctx context.Context) iter.Seq2[etl.File, error] {
	return func(yield func(etl.File, error) bool) {
		b.mu.Lock()
		objs := maps.Clone(b.objs)
		b.mu.Unlock()
		n := 0
		for name, o := range objs {
			if err := ctx.Err(); err != nil {
				yield(etl.File{}, err)
				return
			}
			if n++; n > 1000 && b.flaw == "one page" || name == "*.csv" && b.flaw == "skips a name" {
				return
			}
			if !yield(o.file, nil) {
				return
			}
			if b.flaw == "lists twice" && !yield(o.file, nil) {
				return
			}
		}
	}
}

func (b *bucket) get(f etl.File) (object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.objs[f.Location]
	switch {
	case !ok && b.flaw == "vanished is no sentinel":
		return o, fmt.Errorf("%s: no such key", f.Location)
	case !ok:
		return o, fmt.Errorf("%s: %w", f.Location, etl.ErrFileVanished)
	case o.file.Version() != f.Version() && b.flaw != "opens what is there":
		return o, fmt.Errorf("%s: %w", f.Location, etl.ErrFileChanged)
	}
	return o, nil
}

func (b *bucket) Open(ctx context.Context, f etl.File) (etl.Input, error) {
	if err := ctx.Err(); err != nil && b.flaw != "deaf to the context" {
		return nil, err
	}
	o, err := b.get(f)
	if err != nil {
		return nil, err
	}
	return &input{b: b, f: f, data: o.data}, nil
}

type input struct {
	b      *bucket
	f      etl.File
	data   []byte
	closed atomic.Bool
	pos    atomic.Int64
}

func (in *input) Size() int64 { return int64(len(in.data)) }

func (in *input) ReadAt(p []byte, off int64) (int, error) {
	if in.closed.Load() && in.b.flaw != "reads when closed" {
		return 0, errors.New("closed")
	}
	if in.b.flaw == "reads what is there" {
		if o, err := in.b.get(etl.File{Location: in.f.Location}); err == nil || errors.Is(err, etl.ErrFileChanged) {
			return bytes.NewReader(o.data).ReadAt(p, off)
		}
	}
	if in.b.flaw == "shared position" {
		in.pos.Store(off)
		for range 3 {
			off = in.pos.Load()
		}
		r := bytes.NewReader(in.data)
		r.Seek(max(off, 0), io.SeekStart)
		n, err := io.ReadFull(r, p)
		in.pos.Add(int64(n))
		return n, err
	}
	n, err := bytes.NewReader(in.data).ReadAt(p, off)
	if n > 0 && in.b.flaw == "flips a bit" {
		p[n-1] ^= 1
	}
	return n, err
}

func (in *input) Close() error {
	in.closed.Store(true)
	return nil
}

func TestFlawedSources(t *testing.T) {
	flaws(t, map[string]string{
		"version is the size":     "Replaced",
		"one page":                "ManyFiles",
		"skips a name":            "HostileNames",
		"lists twice":             "List",
		"vanished is no sentinel": "Vanished",
		"opens what is there":     "Replaced",
		"deaf to the context":     "Context",
		"reads when closed":       "Close",
		"reads what is there":     "ReplacedWhileOpen",
		"shared position":         "Concurrent",
		"flips a bit":             "Content",
	}, func(t *testing.T, flaw string) {
		etltest.Source(t, func(*testing.T) etltest.SourceUnderTest { return newBucket(flaw).underTest() })
	})
}
