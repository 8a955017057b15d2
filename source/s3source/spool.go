package s3source

import (
	"cmp"
	"os"
	"slices"
	"sync"
)

// spool keeps fetched bytes on local disk, in a file for each object that is
// sparse until all of it was fetched. Names have nothing to do with keys. What
// goes wrong with the disk only makes bytes be fetched again.
type spool struct {
	dir   string
	limit int64

	mu     sync.Mutex
	used   int64 // by the full sizes of the objects
	clock  int64
	files  map[string]*spooled // by file ID
	closed bool
}

// spooled is what is on disk of one object. Its methods take nil.
type spooled struct {
	id   string
	size int64
	path string // to remove, where an open file has to keep its name
	refs int
	last int64

	mu   sync.RWMutex
	file *os.File
	have []extent // apart from each other, in order
}

type extent struct{ from, to int64 }

func newSpool(dir string, limit int64) *spool {
	return &spool{dir: dir, limit: limit, files: map[string]*spooled{}}
}

// take returns the file of an object, or nil where there is no room.
func (s *spool) take(id string, size int64) *spooled {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	if x := s.files[id]; x != nil {
		x.refs++
		x.last = s.clock
		return x
	}
	if s.closed || size == 0 || size > s.limit || !s.makeRoom(size) {
		return nil
	}
	file, err := os.CreateTemp(s.dir, "tidemark-s3-*")
	if err != nil {
		return nil
	}
	x := &spooled{id: id, size: size, path: file.Name(), file: file, refs: 1, last: s.clock}
	if os.Remove(x.path) == nil { // it goes with the process
		x.path = ""
	}
	s.files[id] = x
	s.used += size
	return x
}

// makeRoom drops files that nobody has open, the least recently opened first.
func (s *spool) makeRoom(size int64) bool {
	for s.used+size > s.limit {
		var oldest *spooled
		for _, x := range s.files {
			if x.refs == 0 && (oldest == nil || x.last < oldest.last) {
				oldest = x
			}
		}
		if oldest == nil {
			return false
		}
		s.drop(oldest)
	}
	return true
}

func (s *spool) drop(x *spooled) {
	delete(s.files, x.id)
	s.used -= x.size
	x.mu.Lock()
	defer x.mu.Unlock()
	_ = x.file.Close()
	if x.path != "" {
		_ = os.Remove(x.path)
	}
	x.have = nil
}

// put gives back what take returned.
func (s *spool) put(x *spooled) {
	if x == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.refs--; x.refs == 0 && s.closed {
		s.drop(x)
	}
}

func (s *spool) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, x := range s.files {
		if x.refs == 0 {
			s.drop(x)
		}
	}
}

// write keeps bytes.
func (x *spooled) write(off int64, p []byte) {
	if x == nil {
		return
	}
	if _, err := x.file.WriteAt(p, off); err != nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.have = merge(append(x.have, extent{off, off + int64(len(p))}))
}

// merge sorts extents and joins those that touch.
func merge(all []extent) []extent {
	slices.SortFunc(all, func(a, b extent) int { return cmp.Compare(a.from, b.from) })
	out := all[:0]
	for _, e := range all {
		if n := len(out); n > 0 && e.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, e.to)
		} else {
			out = append(out, e)
		}
	}
	return out
}

// read fills p if all of it was kept.
func (x *spooled) read(off int64, p []byte) bool {
	if x == nil {
		return false
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, e := range x.have {
		if e.from <= off && off+int64(len(p)) <= e.to {
			n, err := x.file.ReadAt(p, off)
			return n == len(p) && err == nil
		}
	}
	return false
}
