package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"iter"
	"os"
	"sync"
	"sync/atomic"
	"time"

	etl "github.com/tidemark-data/etl"
)

// Memory is a bucket in memory. Like an object store it takes any location and
// tells contents apart by an ETag, here a hash of the content: putting the same
// content again leaves the identity of the file as it was. It is safe for
// concurrent use.
type Memory struct {
	mu      sync.RWMutex
	objects map[string]object
}

type object struct {
	file    etl.File
	content []byte
}

var _ etl.Source = (*Memory)(nil)

// NewMemory returns an empty bucket.
func NewMemory() *Memory { return &Memory{objects: map[string]object{}} }

// Put stores a copy of content at the location, replaces what was there, and
// returns the file. It landed at modTime, or now if none is given.
func (m *Memory) Put(location string, content []byte, modTime ...time.Time) etl.File {
	landed := time.Now()
	if len(modTime) > 0 {
		landed = modTime[0]
	}
	sum := sha256.Sum256(content)
	f := etl.File{
		Location: location,
		ETag:     hex.EncodeToString(sum[:16]),
		Size:     int64(len(content)),
		ModTime:  landed,
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.objects[location] = object{f, append([]byte(nil), content...)}
	return f
}

// Remove deletes the object at the location, if there is one.
func (m *Memory) Remove(location string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, location)
}

// List implements [etl.Source]. It yields the objects of the moment when the
// iteration starts.
func (m *Memory) List(ctx context.Context) iter.Seq2[etl.File, error] {
	return func(yield func(etl.File, error) bool) {
		files := m.files()
		for i := 0; ctx.Err() == nil; i++ {
			if i == len(files) || !yield(files[i], nil) {
				return
			}
		}
		yield(etl.File{}, ctx.Err())
	}
}

func (m *Memory) files() []etl.File {
	m.mu.RLock()
	defer m.mu.RUnlock()
	files := make([]etl.File, 0, len(m.objects))
	for _, o := range m.objects {
		files = append(files, o.file)
	}
	return files
}

// Open implements [etl.Source]. What was opened stays readable when the object
// is replaced or removed.
func (m *Memory) Open(ctx context.Context, f etl.File) (etl.Input, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.RLock()
	o, ok := m.objects[f.Location]
	m.mu.RUnlock()
	switch {
	case !ok:
		return nil, &etl.FileError{File: f.Location, Err: etl.ErrFileVanished}
	case o.file.Version() != f.Version():
		return nil, &etl.FileError{File: f.Location, Err: etl.ErrFileChanged}
	}
	return &memoryInput{content: o.content}, nil
}

type memoryInput struct {
	content []byte
	closed  atomic.Bool
}

func (in *memoryInput) Size() int64 { return int64(len(in.content)) }

func (in *memoryInput) ReadAt(p []byte, off int64) (int, error) {
	switch {
	case in.closed.Load():
		return 0, os.ErrClosed
	case off < 0:
		return 0, os.ErrInvalid
	case off >= int64(len(in.content)):
		return 0, io.EOF
	}
	n := copy(p, in.content[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (in *memoryInput) Close() error {
	in.closed.Store(true)
	return nil
}
