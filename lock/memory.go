// Package lock holds lockers: leases with a fence that never restarts. Memory
// needs nothing but the standard library; lockers on top of other products are
// in packages below this one.
package lock

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/tidemark-data/etl"
)

var (
	_ etl.Locker      = (*Memory)(nil)
	_ etl.FenceRaiser = (*Memory)(nil)
	_ etl.Lease       = (*lease)(nil)
)

// Memory is a locker among the goroutines of one process. It is safe for
// concurrent use.
type Memory struct {
	// Now is the clock by which leases expire; nil is [time.Now]. It must not be
	// changed once the locker is in use.
	Now func() time.Time

	mu    sync.Mutex
	locks map[string]*state
}

// state is never forgotten, for the sake of the fence.
type state struct {
	fence   int64
	holder  *lease // nil once released
	expires time.Time
}

// NewMemory returns a locker without leases.
func NewMemory() *Memory { return &Memory{} }

func (m *Memory) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}

// at returns the state of a name; m.mu is held.
func (m *Memory) at(name string) *state {
	s := m.locks[name]
	if s == nil {
		s = &state{}
		if m.locks == nil {
			m.locks = map[string]*state{}
		}
		m.locks[name] = s
	}
	return s
}

// Acquire implements [etl.Locker].
func (m *Memory) Acquire(ctx context.Context, name string, ttl time.Duration) (etl.Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if ttl <= 0 {
		return nil, etl.WithOutcome(etl.Terminal, fmt.Errorf("lock %q: time to live %v is not positive", name, ttl))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, now := m.at(name), m.now()
	if s.holder != nil && now.Before(s.expires) {
		return nil, fmt.Errorf("lock %q: fence %d: %w", name, s.holder.fence, etl.ErrLocked)
	}
	s.fence++
	s.holder = &lease{m: m, name: name, ttl: ttl, fence: s.fence}
	s.expires = now.Add(ttl)
	return s.holder, nil
}

// RaiseFence implements [etl.FenceRaiser]. A lease that runs is not disturbed.
func (m *Memory) RaiseFence(ctx context.Context, name string, fence int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if fence == math.MaxInt64 {
		return etl.WithOutcome(etl.Terminal, fmt.Errorf("lock %q: no fence is greater than %d", name, fence))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.at(name)
	s.fence = max(s.fence, fence)
	return nil
}

type lease struct {
	m     *Memory
	name  string
	ttl   time.Duration
	fence int64
}

// Fence implements [etl.Lease].
func (l *lease) Fence() int64 { return l.fence }

// Renew implements [etl.Lease]. A lease that expired but that nobody took is
// renewed; one that was released is not.
func (l *lease) Renew(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	s := l.m.at(l.name)
	if s.holder != l {
		return fmt.Errorf("lock %q: lease with fence %d is lost or released: %w", l.name, l.fence, etl.ErrStaleFence)
	}
	s.expires = l.m.now().Add(l.ttl)
	return nil
}

// Release implements [etl.Lease].
func (l *lease) Release(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if s := l.m.at(l.name); s.holder == l {
		s.holder = nil
	}
	return nil
}
