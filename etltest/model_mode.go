package etltest

import (
	"fmt"
	"slices"
	"time"

	etl "github.com/tidemark-data/etl"
)

// deleted returns what a key holds once c has deleted it: nothing, or in a table of
// etl.ModeSoftDelete the row that it held, marked.
func (m *Model) deleted(key string, c Change) []any {
	row := m.keys[key].row
	if m.table.Mode != etl.ModeSoftDelete || m.full || row == nil {
		return nil
	}
	n := len(m.table.Columns)
	return append(slices.Clone(row[:n]), true, m.timeOf(c))
}

// timeOf is the change's first ordering column where the change has an order and
// that is a timestamp, else when its file landed.
func (m *Model) timeOf(c Change) time.Time {
	if order := m.orderOf(c); order != nil {
		if at, ok := order[0].(time.Time); ok {
			return at
		}
	}
	return c.Landed.Truncate(time.Microsecond)
}

// add adds the rows of a load to a table without keys.
func (m *Model) add(changes []Change) (etl.Counts, error) {
	counts := etl.Counts{Read: int64(len(changes)), RowsBefore: m.len()}
	var rows [][]any
	for i, c := range changes {
		if c.Op == etl.Delete {
			return etl.Counts{}, fmt.Errorf("change %d: %w", i+1, &etl.RowError{Rule: "append tables take no deletes"})
		}
		row := make([]any, len(c.Values))
		for j, v := range c.Values {
			if _, unsupplied := v.(Unsupplied); !unsupplied {
				row[j] = v
			}
		}
		if err := m.required(row); err != nil {
			return etl.Counts{}, fmt.Errorf("change %d: %w", i+1, err)
		}
		if m.Filter != nil && !m.Filter(row) {
			counts.Filtered++
			continue
		}
		counts.Inserted++
		rows = append(rows, row)
	}
	m.appended = append(slices.Clip(m.appended), rows...)
	counts.RowsAfter = m.len()
	return counts, nil
}
