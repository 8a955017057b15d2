package sink

import (
	"context"
	"fmt"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/ranking"
	"github.com/tidemark-data/etl/internal/rowkey"
)

var _ etl.Stager = (*Memory)(nil)

// staging is what is staged of a load.
type staging struct {
	load  string
	fence int64
	files map[int]stagedFile
}

type stagedFile struct {
	etl.StagedFile
	rows  rowSet
	sheet map[string]etl.SheetEntry
}

// Prepare implements [etl.Stager].
func (m *Memory) Prepare(_ context.Context, target etl.Target, load etl.Load) error {
	base := m.current(target)
	if _, done := base.find(load.ID); done {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.stagings[target.Name]
	fence := base.fence
	if s != nil {
		fence = max(fence, s.fence)
	}
	if fence > load.Fence {
		return staleFence(target, load, fence)
	}
	if s == nil || s.load != load.ID {
		s = &staging{load: load.ID, files: map[int]stagedFile{}}
		m.stagings[target.Name] = s
	}
	s.fence = load.Fence
	return nil
}

func staleFence(target etl.Target, load etl.Load, fence int64) error {
	return fmt.Errorf("table %s: %w: %d, the table has %d", target.Name, etl.ErrStaleFence, load.Fence, fence)
}

// open returns the staging of a load, or nil. The caller holds the lock.
func (m *Memory) open(target etl.Target, load etl.Load) *staging {
	if s := m.stagings[target.Name]; s != nil && s.load == load.ID {
		return s
	}
	return nil
}

func notOpen(target etl.Target) error {
	return fmt.Errorf("table %s: the staging: %w", target.Name, etl.ErrNotFound)
}

// Stage implements [etl.Stager].
func (m *Memory) Stage(ctx context.Context, target etl.Target, load etl.Load, i int, changes *etl.Changes) (etl.StagedFile, error) {
	m.mu.Lock()
	s := m.open(target, load)
	m.mu.Unlock()
	if s == nil {
		return etl.StagedFile{}, notOpen(target)
	}
	f, err := m.stage(ctx, target, load, changes)
	if err != nil {
		return etl.StagedFile{}, err
	}
	f.Index, f.ID = i, load.Files[i].ID()
	if target.Mode == etl.ModeAppend {
		f.apart()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open(target, load) != s {
		return etl.StagedFile{}, notOpen(target)
	}
	if there, ok := s.files[i]; ok {
		there.Found = true
		return there.StagedFile, nil
	}
	s.files[i] = f
	return f.StagedFile, nil
}

func (m *Memory) stage(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (stagedFile, error) {
	f := stagedFile{sheet: map[string]etl.SheetEntry{}}
	b := &builder{target: target, load: load, next: &version{target: target, rows: rowSet{}, memory: map[string]remembered{}}}
	for part, err := range changes.Parts(ctx) {
		if err != nil {
			return f, err
		}
		res, err := part.Resolve(ctx, etl.Committed{})
		if err != nil {
			return f, err
		}
		var written []arrow.RecordBatch
		for batch, err := range res.Rows(ctx) {
			if err != nil {
				return f, err
			}
			batch.Retain()
			written = append(written, batch)
		}
		if err := b.insert(written, true); err != nil {
			return f, err
		}
		keys, err := encodeAll(part.Keys().Columns(), part.Len())
		if err != nil {
			return f, err
		}
		for _, e := range res.Sheet() {
			f.sheet[keys[e.Ordinal]] = e
		}
		b.counts.Add(res.Counts())
	}
	check := b.counts
	check.RowsAfter = b.next.rows.size()
	if err := check.Check(etl.Full); err != nil {
		return f, fmt.Errorf("table %s: %w", target.Name, err)
	}
	f.rows, f.Counts = b.next.rows, b.counts
	return f, nil
}

// apart keeps rows without keys apart from those of other files.
func (f *stagedFile) apart() {
	rows := make(rowSet, len(f.rows))
	for k, r := range f.rows {
		rows[fmt.Sprintf("%s-%08x", k, f.Index)] = r
	}
	f.rows = rows
}

// Staged implements [etl.Stager].
func (m *Memory) Staged(_ context.Context, target etl.Target, load etl.Load) ([]etl.StagedFile, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.open(target, load)
	if s == nil {
		return nil, nil
	}
	var out []etl.StagedFile
	for i := range load.Files {
		if f, ok := s.files[i]; ok {
			out = append(out, f.StagedFile)
		}
	}
	return out, nil
}

// Discard implements [etl.Stager].
func (m *Memory) Discard(_ context.Context, target etl.Target) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.stagings, target.Name)
	return nil
}

// Publish implements [etl.Stager].
func (m *Memory) Publish(ctx context.Context, target etl.Target, load etl.Load) (etl.Receipt, error) {
	for {
		if err := ctx.Err(); err != nil {
			return etl.Receipt{}, err
		}
		base := m.current(target)
		if r, ok := base.find(load.ID); ok {
			return r, nil
		}
		if base.fence > load.Fence {
			return etl.Receipt{}, staleFence(target, load, base.fence)
		}
		m.mu.Lock()
		s := m.open(target, load)
		m.mu.Unlock()
		if s == nil || len(s.files) < len(load.Files) {
			return etl.Receipt{}, notOpen(target)
		}
		was, record, err := base.become(ctx, target)
		if err != nil {
			return etl.Receipt{}, etl.WithOutcome(etl.Terminal, err)
		}
		next, receipt, err := m.merge(was, target, load, s, record)
		if err != nil {
			return etl.Receipt{}, err
		}
		if m.publish(base.number, next, s) {
			return receipt, nil
		}
	}
}

// publish is swap, if the staging is still open.
func (m *Memory) publish(base int, v *version, s *staging) bool {
	m.mu.Lock()
	open := m.stagings[v.target.Name] == s
	m.mu.Unlock()
	if !open || !m.swap(base, v) {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stagings[v.target.Name] == s {
		delete(m.stagings, v.target.Name)
	}
	return true
}

// merge settles the staged files against each other.
func (m *Memory) merge(base *version, target etl.Target, load etl.Load, s *staging, record *etl.SchemaRecord) (*version, etl.Receipt, error) {
	next := base.clone(target, load, m.now())
	g := merger{next: next, ranks: map[string]*ranking.Ranking{}, fates: map[string]etl.Fate{}}
	for i := range load.Files {
		if err := g.add(s.files[i]); err != nil {
			return nil, etl.Receipt{}, err
		}
	}
	g.counts.RowsBefore, g.counts.RowsAfter = base.rows.size(), next.rows.size()
	if err := g.counts.Check(etl.Full); err != nil {
		return nil, etl.Receipt{}, fmt.Errorf("table %s: %w", target.Name, err)
	}
	receipt := etl.Receipt{LoadID: load.ID, Snapshot: strconv.Itoa(base.number + 1), Committed: m.now(), Counts: g.counts, Evolved: record}
	if record != nil {
		next.evolved = record.Columns
	}
	next.stamp(load, receipt)
	return next, receipt, nil
}

// merger takes staged files in their order.
type merger struct {
	next   *version
	ranks  map[string]*ranking.Ranking
	fates  map[string]etl.Fate // of the keys' winners so far
	counts etl.Counts
}

func (g *merger) add(f stagedFile) error {
	g.counts.Add(f.Counts)
	for k, e := range f.sheet {
		if e.Fate != etl.FateRow {
			g.take(k, row{}, e.Fate, e.Order)
		}
	}
	for k, rows := range f.rows { // one each
		r := rows[0]
		order := f.sheet[k].Order
		if _, listed := f.sheet[k]; !listed {
			var err error
			if order, err = r.order(g.next.target); err != nil {
				return err
			}
		}
		g.take(k, r, etl.FateRow, order)
	}
	return nil
}

func (g *merger) take(key string, r row, fate etl.Fate, order []byte) {
	rank := g.ranks[key]
	if rank == nil {
		rank = &ranking.Ranking{}
		g.ranks[key] = rank
	}
	before, some := g.fates[key]
	if !rank.Takes(order) {
		g.lose(fate)
		return
	}
	if some {
		g.lose(before)
	}
	g.fates[key] = fate
	delete(g.next.rows, key)
	if fate == etl.FateRow {
		g.next.rows.add(key, r)
	}
}

// lose counts a change as superseded that its own file counted otherwise.
func (g *merger) lose(fate etl.Fate) {
	g.counts.Superseded++
	switch fate {
	case etl.FateFiltered:
		g.counts.Filtered--
	case etl.FateDeleted:
		g.counts.Unchanged--
	default:
		g.counts.Inserted--
	}
}

// order is what the row shows; nil if it shows none.
func (r row) order(t etl.Target) ([]byte, error) {
	if len(t.OrderBy) == 0 {
		return nil, nil
	}
	cols := make([]arrow.Array, len(t.OrderBy))
	for i, name := range t.OrderBy {
		cols[i] = r.batch.Column(r.batch.Schema().FieldIndices(name)[0])
		if cols[i].IsNull(r.at) {
			return nil, nil
		}
	}
	read, err := rowkey.NewReader(cols)
	if err != nil {
		return nil, err
	}
	return read.Append([]byte{}, r.at), nil
}
