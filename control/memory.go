// Package control holds control stores: the state and the ledger of every
// table. Memory needs nothing but the standard library; stores on top of other
// products are in packages below this one.
package control

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/internal/body"
)

var _ etl.ControlStore = (*Memory)(nil)

// Memory is a control store that lives as long as its process: for tests, and
// for services that rebuild their state from the tables. It is safe for
// concurrent use; what goes in and out is copied, times come back in UTC.
type Memory struct {
	mu     sync.RWMutex
	tables map[string]*ledger
	owner  map[string]string // file ID to table
}

type ledger struct {
	state   etl.State
	files   map[string]etl.FileRecord // by ID
	history []etl.Entry
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{tables: map[string]*ledger{}, owner: map[string]string{}}
}

// State implements [etl.ControlStore].
func (m *Memory) State(ctx context.Context, table string) (etl.State, error) {
	if err := ctx.Err(); err != nil {
		return etl.State{}, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if l := m.tables[table]; l != nil {
		return body.Clone(l.state), nil
	}
	return etl.State{Table: table}, nil
}

// Update implements [etl.ControlStore]. Inserts go before puts; a put of a
// record that does not exist makes it.
func (m *Memory) Update(ctx context.Context, u etl.Update) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	u = body.Clone(u)
	inserts, puts := byID(u.Insert), byID(u.Put)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(u, inserts); err != nil {
		return err
	}
	l := m.ledger(u.State.Table)
	fence := max(l.state.Fence, u.State.Fence, u.Fence)
	l.state = u.State
	l.state.Version++
	l.state.Fence = fence
	l.state.Table = u.State.Table
	for _, e := range slices.Concat(inserts, puts) {
		if old, ok := m.owner[e.id]; ok {
			delete(m.tables[old].files, e.id)
		}
		m.owner[e.id] = e.rec.Table
		m.ledger(e.rec.Table).files[e.id] = e.rec
	}
	l.history = append(l.history, u.Entries...)
	return nil
}

// check refuses an update without changing anything. A stale fence goes before
// a conflict, because trying again does not help.
func (m *Memory) check(u etl.Update, inserts []record) error {
	stored := etl.State{}
	if l := m.tables[u.State.Table]; l != nil {
		stored = l.state
	}
	if u.Fence != 0 && u.Fence < stored.Fence {
		return fmt.Errorf("control: table %q: fence %d, recorded is %d: %w", u.State.Table, u.Fence, stored.Fence, etl.ErrStaleFence)
	}
	if u.State.Version != stored.Version {
		return fmt.Errorf("control: table %q: version %d, recorded is %d: %w", u.State.Table, u.State.Version, stored.Version, etl.ErrConflict)
	}
	seen := make(map[string]bool, len(inserts))
	for _, e := range inserts {
		if _, ok := m.owner[e.id]; ok || seen[e.id] {
			return fmt.Errorf("control: file %q is recorded already: %w", e.rec.Location, etl.ErrConflict)
		}
		seen[e.id] = true
	}
	return nil
}

func (m *Memory) ledger(table string) *ledger {
	l := m.tables[table]
	if l == nil {
		l = &ledger{state: etl.State{Table: table}, files: map[string]etl.FileRecord{}}
		m.tables[table] = l
	}
	return l
}

// record is a file record with its ID, which is expensive to derive.
type record struct {
	id  string
	rec etl.FileRecord
}

func byID(recs []etl.FileRecord) []record {
	out := make([]record, len(recs))
	for i, r := range recs {
		out[i] = record{r.ID(), r}
	}
	return out
}

// Files implements [etl.ControlStore]. It yields the records as they stood when
// the iteration began.
func (m *Memory) Files(ctx context.Context, q etl.FileQuery) iter.Seq2[etl.FileRecord, error] {
	return func(yield func(etl.FileRecord, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(etl.FileRecord{}, err)
			return
		}
		recs := m.find(q)
		slices.SortFunc(recs, func(a, b record) int {
			if c := strings.Compare(a.rec.Order, b.rec.Order); c != 0 {
				return c
			}
			if c := strings.Compare(a.rec.Location, b.rec.Location); c != 0 {
				return c
			}
			return strings.Compare(a.id, b.id)
		})
		if q.Limit > 0 && len(recs) > q.Limit {
			recs = recs[:q.Limit]
		}
		yieldAll(ctx, len(recs), func(i int) etl.FileRecord { return recs[i].rec }, yield)
	}
}

func (m *Memory) find(q etl.FileQuery) []record {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []record
	take := func(id string, r etl.FileRecord) {
		if (len(q.Statuses) == 0 || slices.Contains(q.Statuses, r.Status)) &&
			(q.Kind == etl.Unknown || r.Kind == q.Kind) {
			out = append(out, record{id, r})
		}
	}
	if len(q.IDs) == 0 {
		if l := m.tables[q.Table]; l != nil {
			for id, r := range l.files {
				take(id, r)
			}
		}
		return out
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(q.IDs))) {
		table, ok := m.owner[id]
		if ok && (q.AnyTable || table == q.Table) {
			take(id, m.tables[table].files[id])
		}
	}
	return out
}

// History implements [etl.ControlStore]. It yields the entries as they stood
// when the iteration began.
func (m *Memory) History(ctx context.Context, table string) iter.Seq2[etl.Entry, error] {
	return func(yield func(etl.Entry, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(etl.Entry{}, err)
			return
		}
		var entries []etl.Entry
		m.mu.RLock()
		if l := m.tables[table]; l != nil {
			entries = l.history[:len(l.history):len(l.history)] // append only
		}
		m.mu.RUnlock()
		last := len(entries) - 1
		yieldAll(ctx, len(entries), func(i int) etl.Entry { return body.Clone(entries[last-i]) }, yield)
	}
}

func yieldAll[T any](ctx context.Context, n int, at func(int) T, yield func(T, error) bool) {
	for i := range n {
		if err := ctx.Err(); err != nil {
			var zero T
			yield(zero, err)
			return
		}
		if !yield(at(i), nil) {
			return
		}
	}
}
