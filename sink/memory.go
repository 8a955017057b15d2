package sink

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/rowkey"
)

// Memory is an [etl.Sink] whose tables live in memory. It keeps the contract of
// a lasting one: atomic commits by compare-and-swap on a table's version, fences,
// load IDs, remembered orders. Safe for concurrent use.
type Memory struct {
	mu       sync.Mutex
	tables   map[string]*version
	stagings map[string]*staging
	now      func() time.Time
}

var (
	_ etl.Sink    = (*Memory)(nil)
	_ etl.Fencer  = (*Memory)(nil)
	_ etl.Witness = (*Memory)(nil)
)

// NewMemory returns a sink without tables. Its clock is time.Now.
func NewMemory() *Memory {
	return &Memory{tables: map[string]*version{}, stagings: map[string]*staging{}, now: time.Now}
}

// version is one state of a table. It does not change once it is stored.
type version struct {
	number int
	target etl.Target
	rows   rowSet
	memory map[string]remembered
	loads  []etl.StandingLoad
	last   etl.Load
	fence  int64

	erasures *etl.Erasures
	evolved  []etl.EvolvedColumn
}

// row is a row of a batch; base rows came with the epoch's full load.
type row struct {
	batch arrow.RecordBatch
	at    int
	base  bool
}

type remembered struct {
	order []byte
	since time.Time
}

func (m *Memory) current(t etl.Target) *version {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := m.tables[t.Name]; v != nil {
		return v
	}
	return &version{target: t}
}

// swap stores v as the next version of the table if its number still is base.
func (m *Memory) swap(base int, v *version) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := 0
	if old := m.tables[v.target.Name]; old != nil {
		now = old.number
	}
	if now != base {
		return false
	}
	v.number = base + 1
	m.tables[v.target.Name] = v
	return true
}

// Apply implements [etl.Sink].
func (m *Memory) Apply(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
	for {
		base := m.current(target)
		if r, ok := base.find(load.ID); ok {
			return r, nil
		}
		if base.fence > load.Fence {
			return etl.Receipt{}, fmt.Errorf("table %s: %w: %d, the table has %d", target.Name, etl.ErrStaleFence, load.Fence, base.fence)
		}
		base, record, err := base.become(ctx, target)
		if err != nil {
			return etl.Receipt{}, etl.WithOutcome(etl.Terminal, err)
		}
		next, receipt, err := m.build(ctx, base, target, load, changes, record)
		if err != nil {
			return etl.Receipt{}, err
		}
		if m.swap(base.number, next) {
			return receipt, nil
		}
	}
}

func (v *version) find(loadID string) (etl.Receipt, bool) {
	for _, l := range v.loads {
		if l.ID == loadID {
			r := l.Receipt
			r.Found = true
			return r, true
		}
	}
	return etl.Receipt{}, false
}

func (v *version) sameSchema(t etl.Target) error {
	if v.number > 0 && !v.target.Schema.Equal(t.Schema) {
		return fmt.Errorf("table %s has another schema than is declared", t.Name)
	}
	return nil
}

// build makes the version that follows base.
func (m *Memory) build(ctx context.Context, base *version, target etl.Target, load etl.Load, changes *etl.Changes, record *etl.SchemaRecord) (*version, etl.Receipt, error) {
	b := &builder{target: target, load: load, next: base.clone(target, load, m.now()), found: map[string]bool{}}
	for part, err := range changes.Parts(ctx) {
		if err != nil {
			return nil, etl.Receipt{}, err
		}
		if err := b.part(ctx, base, part, m.now()); err != nil {
			return nil, etl.Receipt{}, err
		}
	}
	if load.Kind == etl.Full && load.Difference {
		if err := b.finishDifference(base, changes); err != nil {
			return nil, etl.Receipt{}, err
		}
	}
	b.counts.RowsBefore, b.counts.RowsAfter = base.rows.size(), b.next.rows.size()
	if err := target.Check(load, b.counts); err != nil {
		return nil, etl.Receipt{}, fmt.Errorf("table %s: %w", target.Name, err)
	}
	receipt := etl.Receipt{
		LoadID: load.ID, Snapshot: strconv.Itoa(base.number + 1), Committed: m.now(), Counts: b.counts, Checks: changes.Verdicts(),
	}
	if receipt.Evolved = record; record != nil {
		b.next.evolved = record.Columns
	}
	b.next.stamp(load, receipt)
	return b.next, receipt, nil
}

func (v *version) clone(t etl.Target, load etl.Load, now time.Time) *version {
	n := &version{number: v.number, target: t, rows: rowSet{}, memory: map[string]remembered{}, loads: slices.Clone(v.loads), last: v.last, fence: v.fence, erasures: v.erasures, evolved: v.evolved}
	if load.Kind == etl.Full && !load.Difference {
		return n
	}
	n.rows = v.rows.clone()
	if load.Kind == etl.Full {
		return n // orders of older epochs are forgotten
	}
	for k, r := range v.memory {
		if now.Sub(r.since) < t.TombstoneRetention {
			n.memory[k] = r
		}
	}
	return n
}

func (v *version) stamp(load etl.Load, r etl.Receipt) {
	s := etl.StandingLoad{ID: load.ID, Kind: load.Kind, Epoch: load.Epoch, Receipt: r}
	for _, f := range load.Files {
		s.FileIDs = append(s.FileIDs, f.ID())
		s.LastName = f.Location
	}
	v.loads = append(v.loads, s)
	v.last = load
	v.fence = max(v.fence, load.Fence)
}

// builder applies the parts of a load to a version in the making.
type builder struct {
	target etl.Target
	load   etl.Load
	next   *version
	counts etl.Counts
	found  map[string]bool // keys of the load, where it is a difference
	named  int             // rows without keys
}

// name makes up keys for rows that have none.
func (b *builder) name(keys []string) {
	for i := range keys {
		keys[i] = fmt.Sprintf("%016x-%s-%016x", b.next.number, b.load.ID, b.named)
		b.named++
	}
}

func (b *builder) part(ctx context.Context, base *version, part *etl.Part, now time.Time) error {
	keys, err := encodeAll(part.Keys().Columns(), part.Len())
	if err != nil {
		return err
	}
	var committed etl.Committed
	var from []place
	if b.load.Kind != etl.Full || b.load.Difference {
		if committed, from, err = base.committed(keys, part.Wants()); err != nil {
			return err
		}
	}
	res, err := part.Resolve(ctx, committed)
	if err != nil {
		return err
	}
	written, err := drain(res.Rows(ctx))
	if err != nil {
		return err
	}
	again, err := drain(res.BaseRows(ctx))
	if err != nil {
		return err
	}
	b.remove(from, res)
	for _, k := range keys {
		if part.Compares() {
			b.found[k] = true
		}
		delete(b.next.memory, k)
	}
	for _, mem := range res.Memory() {
		b.next.memory[keys[mem.Ordinal]] = remembered{slices.Clone(mem.Order), now}
	}
	b.counts.Add(res.Counts())
	if err := b.insert(again, true); err != nil {
		return err
	}
	return b.insert(written, b.load.Kind == etl.Full)
}

// drain keeps the batches that a resolution gives out.
func drain(batches iter.Seq2[arrow.RecordBatch, error]) (out []arrow.RecordBatch, err error) {
	for batch, err := range batches {
		if err != nil {
			return nil, err
		}
		batch.Retain()
		out = append(out, batch)
	}
	return out, nil
}

// place is where a row was found.
type place struct {
	key string
	at  int
}

// remove removes the rows found that go.
func (b *builder) remove(from []place, res *etl.Resolution) {
	for i := 0; i < len(from); {
		first, key := i, from[i].key
		for i < len(from) && from[i].key == key {
			i++
		}
		b.next.rows.remove(key, func(at int) bool { return res.RemovesRow(first+at, 0) })
	}
}

func (b *builder) insert(batches []arrow.RecordBatch, base bool) error {
	for _, batch := range batches {
		cols := make([]arrow.Array, len(b.target.Key))
		for i, k := range b.target.Key {
			cols[i] = batch.Column(batch.Schema().FieldIndices(k)[0])
		}
		keys, err := encodeAll(cols, int(batch.NumRows()))
		if err != nil {
			return err
		}
		if b.target.Mode == etl.ModeAppend {
			b.name(keys)
		}
		for i, k := range keys {
			if _, dup := b.next.rows[k]; dup && b.target.Mode != etl.ModeHistory {
				return fmt.Errorf("%w: a key is written twice", etl.ErrAccounting)
			}
			b.next.rows.add(k, row{batch, i, base})
		}
	}
	return nil
}

func encodeAll(cols []arrow.Array, n int) ([]string, error) {
	r, err := rowkey.NewReader(cols)
	if err != nil {
		return nil, err
	}
	keys := make([]string, n)
	for i := range keys {
		keys[i] = string(r.Append(nil, i))
	}
	return keys, nil
}

// committed looks the keys up, one row a batch, and tells where each was found.
func (v *version) committed(keys []string, wants []string) (c etl.Committed, from []place, err error) {
	for i, k := range keys {
		for at, r := range v.rows[k] {
			one := r.batch.NewSlice(int64(r.at), int64(r.at)+1)
			rec, err := project(one, wants)
			if err != nil {
				return c, nil, err
			}
			c.Rows = append(c.Rows, etl.Found{Ordinals: []int32{int32(i)}, Record: rec, Base: r.base})
			from = append(from, place{k, at})
		}
		if m, ok := v.memory[k]; ok {
			c.Memory = append(c.Memory, etl.Memory{Ordinal: int32(i), Order: m.order})
		}
	}
	return c, from, nil
}

func project(rec arrow.RecordBatch, names []string) (arrow.RecordBatch, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var fields []arrow.Field
	var cols []arrow.Array
	for _, n := range names {
		idx := rec.Schema().FieldIndices(n)
		if len(idx) != 1 {
			return nil, fmt.Errorf("no column %s", n)
		}
		fields = append(fields, rec.Schema().Field(idx[0]))
		cols = append(cols, rec.Column(idx[0]))
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, rec.NumRows()), nil
}

// Applied implements [etl.Sink].
func (m *Memory) Applied(_ context.Context, target etl.Target, loadID string) (etl.Receipt, bool, error) {
	r, ok := m.current(target).find(loadID)
	return r, ok, nil
}

// Fence implements [etl.Fencer].
func (m *Memory) Fence(_ context.Context, target etl.Target, fence int64) error {
	for {
		base := m.current(target)
		if base.fence >= fence {
			return nil
		}
		next := *base
		next.fence = fence
		if m.swap(base.number, &next) {
			return nil
		}
	}
}

// Standing implements [etl.Witness].
func (m *Memory) Standing(_ context.Context, target etl.Target) (etl.Standing, error) {
	v := m.current(target)
	return etl.Standing{
		Epoch: v.last.Epoch, Watermark: v.last.Watermark, WatermarkFile: v.last.WatermarkFile,
		Landed: v.last.Landed, Fence: v.fence, Loads: slices.Clone(v.loads), Complete: true, Erasures: v.erasures, Evolved: v.evolved,
	}, nil
}

// Scan implements [etl.Scanner], in the order of the keys and with all columns.
func (m *Memory) Scan(_ context.Context, name string, _ ...string) iter.Seq2[arrow.RecordBatch, error] {
	v := m.current(etl.Target{Name: name})
	return func(yield func(arrow.RecordBatch, error) bool) {
		keys := make([]string, 0, len(v.rows))
		for k := range v.rows {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			for _, r := range v.rows[k] {
				if !yield(r.batch.NewSlice(int64(r.at), int64(r.at)+1), nil) {
					return
				}
			}
		}
	}
}
