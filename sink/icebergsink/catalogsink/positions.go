package catalogsink

import (
	"context"
	"fmt"
	mathbits "math/bits"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"golang.org/x/sync/errgroup"
)

// bits is a set of row positions of one data file; nil is empty.
type bits []uint64

func (b bits) has(pos int64) bool {
	return pos>>6 < int64(len(b)) && b[pos>>6]&(1<<(pos&63)) != 0
}

func (b bits) set(pos int64) { b[pos>>6] |= 1 << (pos & 63) }

func (b bits) count() (n int64) {
	for _, w := range b {
		n += int64(mathbits.OnesCount64(w))
	}
	return n
}

func newBits(rows int64) bits { return make(bits, (rows+63)/64) }

// deadOf returns the positions of f that are deleted. They are read once.
func (l *listing) deadOf(ctx context.Context, f *dataFile) (bits, error) {
	f.once.Do(func() { f.dead, f.err = l.readDead(ctx, f) })
	return f.dead, f.err
}

func (l *listing) readDead(ctx context.Context, f *dataFile) (bits, error) {
	if len(f.deletes) == 0 && len(l.shared) == 0 {
		return nil, nil
	}
	dead := newBits(f.Count())
	for _, d := range f.deletes {
		err := l.readDeletes(ctx, d, func(path string, pos int64) error {
			if path != f.FilePath() {
				return nil
			}
			return mark64(dead, pos, f.Count(), d)
		})
		if err != nil {
			return nil, err
		}
	}
	if len(l.shared) == 0 || f.vector {
		return dead, nil
	}
	l.once.Do(func() { l.dead, l.err = l.readShared(ctx) })
	for i, w := range l.dead[f.FilePath()] {
		dead[i] |= w
	}
	return dead, l.err
}

// readShared reads the delete files that may name several data files.
func (l *listing) readShared(ctx context.Context) (map[string]bits, error) {
	out := map[string]bits{}
	l.named = map[string][]string{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4 * l.workers) // waits for storage more than it computes
	for _, d := range l.shared {
		g.Go(func() error {
			own := map[string]bits{}
			err := l.readDeletes(ctx, d, func(path string, pos int64) error {
				f := l.byPath[path]
				if f == nil || f.seq > d.seq {
					return nil
				}
				b := own[path]
				if b == nil {
					b = newBits(f.Count())
					own[f.FilePath()] = b // path is valid during the call only
				}
				return mark64(b, pos, f.Count(), d)
			})
			mu.Lock()
			defer mu.Unlock()
			for path, b := range own {
				out[path] = out[path].or(b)
				l.named[d.FilePath()] = append(l.named[d.FilePath()], path)
			}
			return err
		})
	}
	return out, g.Wait()
}

// idle returns the delete files, of those that may name several data files, that
// delete nothing any more once the data files at gone are.
func (l *listing) idle(ctx context.Context, gone map[string]bool) ([]deleteFile, error) {
	if len(l.shared) == 0 {
		return nil, nil
	}
	l.once.Do(func() { l.dead, l.err = l.readShared(ctx) })
	if l.err != nil {
		return nil, l.err
	}
	return slices.DeleteFunc(slices.Clone(l.shared), func(d deleteFile) bool {
		return slices.ContainsFunc(l.named[d.FilePath()], func(path string) bool { return !gone[path] })
	}), nil
}

// or joins two sets of positions of one file.
func (b bits) or(o bits) bits {
	if b == nil {
		return o
	}
	for i, w := range o {
		b[i] |= w
	}
	return b
}

func mark64(b bits, pos, rows int64, d deleteFile) error {
	if pos < 0 || pos >= rows {
		return terminal(fmt.Errorf("delete file %s names position %d of a data file of %d rows", d.FilePath(), pos, rows))
	}
	b.set(pos)
	return nil
}

// readDeletes calls each for the rows of a position-delete file.
func (l *listing) readDeletes(ctx context.Context, d deleteFile, each func(path string, pos int64) error) error {
	if isVector(d) {
		return l.readVector(d, each)
	}
	p, err := openFile(l.fs, d)
	if err != nil {
		return err
	}
	defer p.close()
	cols := []readColumn{{id: fieldPos, name: "pos", want: arrow.PrimitiveTypes.Int64}}
	path, one := only(d)
	if one = one && l.byPath[path] != nil; !one {
		cols = append(cols, readColumn{id: fieldFilePath, name: "file_path", want: arrow.BinaryTypes.String})
	}
	for rg := range p.NumRowGroups() {
		err := p.read(ctx, rg, cols, func(_ int64, got []arrow.Array) error {
			for _, a := range got {
				if a.NullN() > 0 {
					return terminal(fmt.Errorf("delete file %s: nulls in file_path or pos", d.FilePath()))
				}
			}
			for i, pos := range got[0].(*array.Int64).Int64Values() {
				if !one {
					path = got[1].(*array.String).Value(i)
				}
				if err := each(path, pos); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
