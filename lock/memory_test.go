package lock_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/lock"
)

func TestMemory(t *testing.T) {
	etltest.Locker(t, func(*testing.T) etl.Locker { return lock.NewMemory() })
}

func TestMemoryClock(t *testing.T) {
	now := map[etl.Locker]*time.Time{}
	etltest.Locker(t, func(*testing.T) etl.Locker {
		clock := time.Unix(1700000000, 0)
		m := lock.NewMemory()
		m.Now = func() time.Time { return clock }
		now[m] = &clock
		return m
	}, etltest.AdvanceClock(func(l etl.Locker, d time.Duration) { *now[l] = now[l].Add(d) }))
}

// A lease ends at its expiry, not before it.
func TestMemoryExpiry(t *testing.T) {
	clock := time.Unix(1700000000, 0)
	m := &lock.Memory{Now: func() time.Time { return clock }}
	le, err := m.Acquire(t.Context(), "x", time.Second)
	require.NoError(t, err)
	clock = clock.Add(time.Second - 1)
	_, err = m.Acquire(t.Context(), "x", time.Second)
	require.ErrorIs(t, err, etl.ErrLocked)
	clock = clock.Add(1)
	other, err := m.Acquire(t.Context(), "x", time.Second)
	require.NoError(t, err)
	clock = clock.Add(-time.Hour) // a clock that jumps back gives nothing away
	_, err = m.Acquire(t.Context(), "x", time.Second)
	require.ErrorIs(t, err, etl.ErrLocked)
	require.NoError(t, other.Release(t.Context()))
	third, err := m.Acquire(t.Context(), "x", time.Second)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2, 3}, []int64{le.Fence(), other.Fence(), third.Fence()})
}

func TestBadArguments(t *testing.T) {
	m := lock.NewMemory()
	for _, ttl := range []time.Duration{0, -1} {
		_, err := m.Acquire(context.Background(), "x", ttl)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	}
	require.Equal(t, etl.Terminal, etl.OutcomeOf(m.RaiseFence(context.Background(), "x", math.MaxInt64)))
}
