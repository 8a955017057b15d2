package quarantine

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/quarantine/internal/rowset"
)

// Memory is an [etl.Quarantine] in memory, for tests. It is safe for concurrent use.
type Memory struct {
	mu   sync.Mutex
	sets map[setKey][]etl.BadRow
}

type setKey struct{ table, set string }

var _ etl.Quarantine = (*Memory)(nil)

// NewMemory returns an empty quarantine.
func NewMemory() *Memory { return &Memory{sets: map[setKey][]etl.BadRow{}} }

// Put implements [etl.Quarantine].
func (m *Memory) Put(ctx context.Context, table, set string, rows []etl.BadRow) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(rows) == 0 {
		delete(m.sets, setKey{table, set})
		return nil
	}
	m.sets[setKey{table, set}] = rowset.Clone(rows)
	return nil
}

// Rows implements [etl.Quarantine]. It yields the rows of the moment when the
// iteration starts.
func (m *Memory) Rows(ctx context.Context, table string) iter.Seq2[etl.BadRow, error] {
	return func(yield func(etl.BadRow, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(etl.BadRow{}, err)
			return
		}
		for _, row := range m.rows(table) {
			if !yield(row, nil) {
				return
			}
		}
	}
}

func (m *Memory) rows(table string) []etl.BadRow {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []etl.BadRow
	for key, rows := range m.sets {
		if key.table == table {
			out = append(out, rowset.Clone(rows)...)
		}
	}
	slices.SortFunc(out, rowset.Compare)
	return out
}

// Update implements [etl.Quarantine].
func (m *Memory) Update(ctx context.Context, rows ...etl.BadRow) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, row := range rows {
		found := false
		for key, kept := range m.sets {
			if key.table == row.Table && rowset.Replace(kept, row) {
				found = true
			}
		}
		if !found {
			return rowset.NotKept(row)
		}
	}
	return nil
}

// Remove implements [etl.Quarantine].
func (m *Memory) Remove(ctx context.Context, table string, ids ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, kept := range m.sets {
		if key.table == table {
			if m.sets[key] = rowset.Without(kept, ids); len(m.sets[key]) == 0 {
				delete(m.sets, key)
			}
		}
	}
	return nil
}
