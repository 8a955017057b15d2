package catalogsink

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"golang.org/x/sync/errgroup"

	"github.com/tidemark-data/etl"
)

// match are rows of one row group that have keys of a part.
type match struct {
	file      *dataFile
	first     int64 // position of the first row looked at, for order
	positions []int64
	found     etl.Found
}

func (m *match) release() {
	if m.found.Record != nil {
		m.found.Record.Release()
	}
}

// locator finds the rows that have keys of a part. The key scan reads the key
// columns; an index of the keys could take its place. The caller releases the
// matches, which come in a fixed order.
type locator interface {
	locate(ctx context.Context) ([]*match, error)
}

// keyScan looks for the keys of one part in the data files of a listing.
type keyScan struct {
	list    *listing
	part    *etl.Part
	spans   []span
	sieve   int // key column whose span tells most rows apart from the keys, or -1
	places  *partitions
	keys    []readColumn
	wants   []readColumn
	schema  *arrow.Schema // of wants
	base    int64
	deleted bool // rows that are deleted already are found too
	late    bool // wants serve to tell late changes only, which rows of base need not
	workers int

	mu      sync.Mutex
	matches []*match
}

var _ locator = (*keyScan)(nil)

func (w *work) locator(part *etl.Part) (locator, error) {
	k := &keyScan{list: w.list, part: part, base: w.past.base, workers: w.sink.opts.Workers}
	ids := make([]int, len(w.target.Key))
	for i, name := range w.target.Key {
		c, err := w.column(name)
		if err != nil {
			return nil, err
		}
		k.keys, ids[i] = append(k.keys, c), c.id
	}
	k.spans = spansOf(part.Keys(), w.target, ids)
	k.sieve = sieveOf(k.spans)
	k.places = partitionsOf(w.tbl, w.list, part.Keys(), ids)
	names := part.Wants()
	k.late = len(names) < len(w.target.Columns) && !part.WantsBase()
	return k, k.want(w, names)
}

// want sets the columns to read of rows that are found.
func (k *keyScan) want(w *work, names []string) error {
	var fields []arrow.Field
	for _, name := range names {
		c, err := w.column(name)
		if err != nil {
			return err
		}
		k.wants = append(k.wants, c)
		fields = append(fields, arrow.Field{Name: name, Type: c.want, Nullable: true})
	}
	k.schema = arrow.NewSchema(fields, nil)
	return nil
}

func (w *work) column(name string) (readColumn, error) {
	i := w.target.Columns.Index(name)
	f, ok := w.tbl.Schema().FindFieldByName(name)
	if i < 0 || !ok {
		return readColumn{}, terminal(fmt.Errorf("table %s: no column %s", w.target.Name, name))
	}
	return readColumn{id: f.ID, name: name, former: formerNames(w.tbl, f.ID), want: w.target.Columns[i].Type.Arrow()}, nil
}

// chunk is a row group to look into.
type chunk struct {
	f    *dataFile
	in   *parquetFile
	rg   int
	left *atomic.Int32 // of its file
}

func (c chunk) done() {
	if c.left.Add(-1) == 0 {
		c.in.close()
	}
}

// locate implements [locator]. Files are opened ahead, and their row groups
// shared out among the workers whatever the file.
func (k *keyScan) locate(ctx context.Context) ([]*match, error) {
	files := slices.DeleteFunc(slices.Clone(k.list.data), func(f *dataFile) bool { return !k.inFile(f) })
	g, ctx := errgroup.WithContext(ctx)
	work := make(chan chunk, k.workers)
	var next, openers atomic.Int32
	openers.Store(int32(min(4*k.workers, len(files)))) // they wait for storage more than they compute
	for range openers.Load() {
		g.Go(func() error {
			defer func() {
				if openers.Add(-1) == 0 {
					close(work)
				}
			}()
			for i := next.Add(1) - 1; int(i) < len(files); i = next.Add(1) - 1 {
				if err := k.open(ctx, files[i], work); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if len(files) == 0 {
		close(work)
	}
	for range min(k.workers, 8*len(files)) {
		g.Go(func() error { return k.serve(ctx, work) })
	}
	err := g.Wait()
	for c := range work {
		c.done()
	}
	if err != nil {
		releaseAll(k.matches)
		return nil, err
	}
	slices.SortFunc(k.matches, func(a, b *match) int {
		return cmp.Or(cmp.Compare(a.file.FilePath(), b.file.FilePath()), cmp.Compare(a.first, b.first))
	})
	return k.matches, nil
}

func (k *keyScan) inFile(f *dataFile) bool {
	return !slices.ContainsFunc(k.spans, func(s span) bool { return !s.inFile(f) }) && k.places.meet(f)
}

// open hands out the row groups of a file that may hold keys.
func (k *keyScan) open(ctx context.Context, f *dataFile, work chan<- chunk) error {
	in, err := openFile(k.list.fs, f)
	if err != nil {
		return err
	}
	var groups []int
	for rg := range in.NumRowGroups() {
		ok, err := k.worth(in, rg)
		if err != nil {
			in.close()
			return err
		}
		if ok {
			groups = append(groups, rg)
		}
	}
	if len(groups) == 0 {
		in.close()
		return nil
	}
	left := new(atomic.Int32)
	left.Store(int32(len(groups)))
	for i, rg := range groups {
		select {
		case work <- chunk{f, in, rg, left}:
		case <-ctx.Done():
			for range groups[i:] {
				chunk{in: in, left: left}.done()
			}
			return ctx.Err()
		}
	}
	return nil
}

func (k *keyScan) serve(ctx context.Context, work <-chan chunk) error {
	var own scratch
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c, ok := <-work:
			if !ok {
				return nil
			}
			err := k.rowGroup(ctx, c, &own)
			c.done()
			if err != nil {
				return err
			}
		}
	}
}

func releaseAll(ms []*match) {
	for _, m := range ms {
		m.release()
	}
}

// worth reports whether a row group may hold a key.
func (k *keyScan) worth(in *parquetFile, rg int) (bool, error) {
	meta := in.MetaData().RowGroup(rg)
	for i := range k.spans {
		leaf := in.column(k.keys[i])
		if leaf < 0 {
			return false, nil // a key column that the file lacks is null
		}
		chunk, err := meta.ColumnChunk(leaf)
		if err != nil {
			return false, fmt.Errorf("read %s: %w", in.path, err)
		}
		if !k.spans[i].inRowGroup(chunk, in.MetaData().Schema.Column(leaf)) {
			return false, nil
		}
	}
	return true, nil
}

func (k *keyScan) rowGroup(ctx context.Context, c chunk, own *scratch) error {
	m := &match{file: c.f, first: c.in.first[c.rg], found: etl.Found{Base: c.f.seq <= k.base}}
	err := k.search(ctx, c, m, own)
	if err == nil && !k.deleted {
		err = k.live(ctx, m)
	}
	if err != nil || len(m.positions) == 0 {
		return err
	}
	switch needless := m.found.Base && k.late; {
	case k.part.TakesDigests():
		if m.found.Digests, err = k.digest(ctx, c.in, c.rg, m.positions, &own.leaves); err != nil {
			return err
		}
	case len(k.wants) > 0 && !needless:
		if m.found.Record, err = k.fetch(ctx, c.in, c.rg, m.positions, &own.leaves); err != nil {
			return err
		}
	}
	k.mu.Lock()
	k.matches = append(k.matches, m)
	k.mu.Unlock()
	return nil
}

// live drops the rows that are deleted already.
func (k *keyScan) live(ctx context.Context, m *match) error {
	if len(m.positions) == 0 {
		return nil
	}
	dead, err := k.list.deadOf(ctx, m.file)
	if err != nil || dead == nil {
		return err
	}
	n := 0
	for i, pos := range m.positions {
		if !dead.has(pos) {
			m.positions[n], m.found.Ordinals[n] = pos, m.found.Ordinals[i]
			n++
		}
	}
	m.positions, m.found.Ordinals = m.positions[:n], m.found.Ordinals[:n]
	return nil
}
