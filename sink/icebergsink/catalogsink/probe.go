package catalogsink

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
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

// probe looks for the keys of one part in the data files of a listing.
type probe struct {
	list    *listing
	part    *etl.Part
	spans   []span
	keys    []readColumn
	wants   []readColumn
	schema  *arrow.Schema // of wants
	base    int64
	workers int

	mu      sync.Mutex
	matches []*match
}

func (w *work) newProbe(part *etl.Part) (*probe, error) {
	p := &probe{list: w.list, part: part, base: w.past.base, workers: w.sink.opts.Workers}
	ids := make([]int, len(w.target.Key))
	for i, name := range w.target.Key {
		c, err := w.column(name)
		if err != nil {
			return nil, err
		}
		p.keys, ids[i] = append(p.keys, c), c.id
	}
	p.spans = spansOf(part.Keys(), w.target, ids)
	var fields []arrow.Field
	for _, name := range part.Wants() {
		c, err := w.column(name)
		if err != nil {
			return nil, err
		}
		p.wants = append(p.wants, c)
		fields = append(fields, arrow.Field{Name: name, Type: c.want, Nullable: true})
	}
	p.schema = arrow.NewSchema(fields, nil)
	return p, nil
}

func (w *work) column(name string) (readColumn, error) {
	i := w.target.Columns.Index(name)
	f, ok := w.tbl.Schema().FindFieldByName(name)
	if i < 0 || !ok {
		return readColumn{}, terminal(fmt.Errorf("table %s: no column %s", w.target.Name, name))
	}
	return readColumn{id: f.ID, name: name, want: w.target.Columns[i].Type.Arrow()}, nil
}

// run reads the files that may hold the keys. The caller releases the matches.
func (p *probe) run(ctx context.Context) ([]*match, error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.workers)
	for _, f := range p.list.data {
		if !slices.ContainsFunc(p.spans, func(s span) bool { return !s.inFile(f) }) {
			g.Go(func() error { return p.file(gctx, f) })
		}
	}
	if err := g.Wait(); err != nil {
		releaseAll(p.matches)
		return nil, err
	}
	slices.SortFunc(p.matches, func(a, b *match) int {
		return cmp.Or(cmp.Compare(a.file.FilePath(), b.file.FilePath()), cmp.Compare(a.first, b.first))
	})
	return p.matches, nil
}

func releaseAll(ms []*match) {
	for _, m := range ms {
		m.release()
	}
}

func (p *probe) file(ctx context.Context, f *dataFile) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	in, err := openFile(p.list.fs, f)
	if err != nil {
		return err
	}
	defer in.close()
	var groups []int
	for rg := range in.NumRowGroups() {
		if ok, err := p.worth(in, rg); err != nil {
			return err
		} else if ok {
			groups = append(groups, rg)
		}
	}
	if len(groups) == 0 {
		return nil
	}
	dead, err := p.list.deadOf(ctx, f)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.workers)
	for _, rg := range groups {
		g.Go(func() error { return p.rowGroup(gctx, f, in, rg, dead) })
	}
	return g.Wait()
}

// worth reports whether a row group may hold a key.
func (p *probe) worth(in *parquetFile, rg int) (bool, error) {
	meta := in.MetaData().RowGroup(rg)
	for i := range p.spans {
		leaf := in.column(p.keys[i])
		if leaf < 0 {
			return false, nil // a key column that the file lacks is null
		}
		chunk, err := meta.ColumnChunk(leaf)
		if err != nil {
			return false, fmt.Errorf("read %s: %w", in.path, err)
		}
		if !p.spans[i].inRowGroup(chunk, in.MetaData().Schema.Column(leaf)) {
			return false, nil
		}
	}
	return true, nil
}

func (p *probe) rowGroup(ctx context.Context, f *dataFile, in *parquetFile, rg int, dead bits) error {
	m := &match{file: f, first: in.first[rg], found: etl.Found{Base: f.seq <= p.base}}
	out := make([]int32, readBatch)
	err := in.read(ctx, rg, p.keys, func(pos int64, got []arrow.Array) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if n := got[0].Len(); n > len(out) {
			out = make([]int32, n)
		}
		if err := p.part.Find(got, out[:got[0].Len()]); err != nil {
			return err
		}
		for i, ordinal := range out[:got[0].Len()] {
			if ordinal >= 0 && !dead.has(pos+int64(i)) {
				m.positions = append(m.positions, pos+int64(i))
				m.found.Ordinals = append(m.found.Ordinals, ordinal)
			}
		}
		return nil
	})
	if err != nil || len(m.positions) == 0 {
		return err
	}
	if len(p.wants) > 0 {
		if m.found.Record, err = p.fetch(ctx, in, rg, m.positions); err != nil {
			return err
		}
	}
	p.mu.Lock()
	p.matches = append(p.matches, m)
	p.mu.Unlock()
	return nil
}

// fetch reads the wanted columns of the rows at positions, which rise.
func (p *probe) fetch(ctx context.Context, in *parquetFile, rg int, positions []int64) (_ arrow.RecordBatch, err error) {
	pieces := make([][]arrow.Array, len(p.wants))
	defer func() {
		for _, as := range pieces {
			for _, a := range as {
				a.Release()
			}
		}
	}()
	rest := positions
	err = in.read(ctx, rg, p.wants, func(pos int64, got []arrow.Array) error {
		n := 0
		for n < len(rest) && rest[n] < pos+int64(got[0].Len()) {
			n++
		}
		if n == 0 {
			return nil
		}
		b := array.NewInt64Builder(memory.DefaultAllocator)
		defer b.Release()
		for _, at := range rest[:n] {
			b.Append(at - pos)
		}
		rest = rest[n:]
		rows := b.NewInt64Array()
		defer rows.Release()
		for i, a := range got {
			picked, err := take(ctx, a, rows)
			if err != nil {
				return fmt.Errorf("read %s: %w", in.path, err)
			}
			pieces[i] = append(pieces[i], picked)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	cols := make([]arrow.Array, len(pieces))
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, as := range pieces {
		if cols[i], err = array.Concatenate(as, memory.DefaultAllocator); err != nil {
			return nil, fmt.Errorf("read %s: %w", in.path, err)
		}
	}
	return array.NewRecordBatch(p.schema, cols, int64(len(positions))), nil
}
