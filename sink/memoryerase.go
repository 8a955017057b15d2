package sink

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	"github.com/tidemark-data/etl"
)

var _ etl.Eraser = (*Memory)(nil)

// Erase implements [etl.Eraser].
func (m *Memory) Erase(_ context.Context, target etl.Target, req etl.ErasureRequest) (etl.ErasedRows, error) {
	keys, err := encodeAll(req.Keys.Keys().Columns(), req.Keys.Len())
	if err != nil {
		return etl.ErasedRows{}, err
	}
	for {
		base := m.current(target)
		if base.fence > req.Fence {
			return etl.ErasedRows{}, fmt.Errorf("table %s: %w: %d, the table has %d", target.Name, etl.ErrStaleFence, req.Fence, base.fence)
		}
		next := *base
		next.rows, next.memory, next.fence, next.erasures = base.rows.clone(), maps.Clone(base.memory), req.Fence, &req.All
		var done etl.ErasedRows
		for _, k := range keys {
			done.Rows += int64(len(next.rows[k]))
			delete(next.rows, k)
			if _, ok := next.memory[k]; ok {
				delete(next.memory, k)
				done.Orders++
			}
		}
		if m.swap(base.number, &next) {
			if done != (etl.ErasedRows{}) {
				done.Snapshot = strconv.Itoa(next.number)
			}
			return done, nil
		}
	}
}

// Purge implements [etl.Eraser]. The sink keeps no older versions.
func (m *Memory) Purge(_ context.Context, target etl.Target, fence int64) (etl.PurgeReport, error) {
	if base := m.current(target); base.fence > fence {
		return etl.PurgeReport{}, fmt.Errorf("table %s: %w: %d, the table has %d", target.Name, etl.ErrStaleFence, fence, base.fence)
	}
	return etl.PurgeReport{}, nil
}
