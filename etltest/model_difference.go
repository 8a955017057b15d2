package etltest

import (
	"math"
	"slices"

	etl "github.com/tidemark-data/etl"
)

// difference accounts for a full load that is committed as the difference between
// the table and fresh, which holds nothing but the load.
func (m *Model) difference(fresh *Model, rows []Change) etl.Counts {
	n := etl.Counts{Read: int64(len(rows)), RowsBefore: m.len(), RowsAfter: fresh.len()}
	deleted := &Model{table: m.table, keys: map[string]known{}, full: true} // what the load says without the filter
	won := map[string]verdict{}
	for i, c := range rows {
		_ = deleted.fold(i, c, won) // fresh has taken the rows, so none is bad
	}
	for key := range won {
		before, after := m.keys[key].row, fresh.keys[key].row
		switch existed := count(before != nil); {
		case deleted.keys[key].row == nil:
			n.Deleted += existed
			n.Unchanged += 1 - existed
		case after == nil:
			n.Filtered++
			n.RemovedByFilter += existed
		case before == nil:
			n.Inserted++
		case slices.EqualFunc(before, after, sameValue):
			n.Unchanged++
		default:
			n.Updated++
		}
	}
	for key, k := range m.keys {
		if _, has := won[key]; k.row != nil && !has {
			n.RemovedAsAbsent++
		}
	}
	n.Superseded = n.Read - n.Inserted - n.Updated - n.Deleted - n.Unchanged - n.Filtered
	return n
}

// sameValue tells null from empty and 0 from -0; NaN equals NaN.
func sameValue(a, b any) bool {
	x, float := a.(float64)
	if y, ok := b.(float64); ok && float {
		return math.Float64bits(x) == math.Float64bits(y) || math.IsNaN(x) && math.IsNaN(y)
	}
	return (a == nil) == (b == nil) && Text(a) == Text(b)
}
