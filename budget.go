package etl

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// budget is the memory that the loads of a Runner share: each load that works
// has a least share of it, and takes more as long as there is more.
type budget struct {
	least, step int64
	starts      *semaphore.Weighted // of least shares
	common      *semaphore.Weighted
}

// newBudget divides total bytes between loads of which sharers work at a time.
func newBudget(total int64, sharers int) *budget {
	n := int64(max(sharers, 1))
	least := max(total/(4*n), 1)
	return &budget{
		least: least, step: max(total/64, 1),
		starts: semaphore.NewWeighted(n), common: semaphore.NewWeighted(max(total-n*least, 0)),
	}
}

// grant is what one load holds of a budget. It is not safe for concurrent use,
// but for held.
type grant struct {
	b      *budget
	held   atomic.Int64
	common int64
}

// open waits for a least share.
func (b *budget) open(ctx context.Context) (*grant, error) {
	if err := b.starts.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	g := &grant{b: b}
	g.held.Store(b.least)
	return g, nil
}

// covers reports whether the load may hold n bytes, and takes more if it must.
func (g *grant) covers(n int64) bool {
	for n > g.held.Load() {
		if !g.b.common.TryAcquire(g.b.step) {
			return false
		}
		g.common += g.b.step
		g.held.Add(g.b.step)
	}
	return true
}

// shrink gives back all but the least share.
func (g *grant) shrink() {
	g.b.common.Release(g.common)
	g.common = 0
	g.held.Store(g.b.least)
}

func (g *grant) close() {
	g.shrink()
	g.b.starts.Release(1)
}
