package etltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// LockerOption is an option of [Locker].
type LockerOption func(*lockerSuite)

// ReopenLocker lets the suite check that fences and leases survive the process:
// reopen closes the locker and opens another over the same data.
func ReopenLocker(reopen func(t *testing.T, l etl.Locker) etl.Locker) LockerOption {
	return func(s *lockerSuite) { s.reopen = reopen }
}

// AdvanceClock spares the suite waiting: advance moves the clock by which l's
// leases expire.
func AdvanceClock(advance func(l etl.Locker, d time.Duration)) LockerOption {
	return func(s *lockerSuite) { s.advance = advance }
}

// ShortTTL sets the ttl of leases that the suite waits out, where it cannot
// advance the clock; without it that is 150 milliseconds. Lockers with coarse
// or remote clocks need more.
func ShortTTL(ttl time.Duration) LockerOption {
	return func(s *lockerSuite) { s.ttl = ttl }
}

type lockerSuite struct {
	open    func(t *testing.T) etl.Locker
	reopen  func(t *testing.T, l etl.Locker) etl.Locker
	advance func(l etl.Locker, d time.Duration)
	ttl     time.Duration
}

// longTTL is that of leases that must not expire during a test.
const longTTL = time.Hour

// Locker checks an implementation of [etl.Locker] against its contract, and of
// [etl.FenceRaiser] where it is one. open returns a new locker without leases
// for each call, and closes it by t.Cleanup.
func Locker(t *testing.T, open func(t *testing.T) etl.Locker, opts ...LockerOption) {
	s := &lockerSuite{open: open, ttl: 150 * time.Millisecond}
	for _, o := range opts {
		o(s)
	}
	run := func(name string, f func(t *testing.T, l etl.Locker)) {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
	run("OneHolder", oneHolder)
	run("Names", lockNames)
	run("Release", releaseTwice)
	run("Expiry", s.expiry)
	run("Renew", s.renew)
	run("RenewAfterExpiry", s.renewAfterExpiry)
	run("Contention", lockContention)
	run("Takeover", s.takeover)
	run("Context", lockerContext)
	run("RaiseFence", raiseFence)
	if s.reopen != nil {
		run("Reopen", s.survives)
	}
}

// pass lets d go by.
func (s *lockerSuite) pass(l etl.Locker, d time.Duration) {
	if s.advance != nil {
		s.advance(l, d)
		return
	}
	time.Sleep(d)
}

func acquire(t testing.TB, l etl.Locker, name string, ttl time.Duration) etl.Lease {
	t.Helper()
	le, err := l.Acquire(t.Context(), name, ttl)
	require.NoError(t, err)
	require.Positive(t, le.Fence())
	return le
}

func requireLocked(t testing.TB, l etl.Locker, name string) {
	t.Helper()
	le, err := l.Acquire(t.Context(), name, longTTL)
	require.ErrorIs(t, err, etl.ErrLocked)
	require.Nil(t, le)
	require.Equal(t, etl.Retry, etl.OutcomeOf(err))
}

func oneHolder(t *testing.T, l etl.Locker) {
	last := int64(0)
	for range 10 {
		le := acquire(t, l, "a.b", longTTL)
		require.Greater(t, le.Fence(), last)
		last = le.Fence()
		requireLocked(t, l, "a.b")
		requireLocked(t, l, "a.b")
		require.NoError(t, le.Renew(t.Context()))
		requireLocked(t, l, "a.b")
		require.Equal(t, last, le.Fence(), "a fence stays as it is")
		require.NoError(t, le.Release(t.Context()))
	}
}

func lockNames(t *testing.T, l etl.Locker) {
	var leases []etl.Lease
	for _, name := range hostile {
		leases = append(leases, acquire(t, l, name, longTTL))
	}
	for i, name := range hostile {
		requireLocked(t, l, name)
		require.NoError(t, leases[i].Renew(t.Context()), "%q", name)
		require.NoError(t, leases[i].Release(t.Context()), "%q", name)
		require.Greater(t, acquire(t, l, name, longTTL).Fence(), leases[i].Fence(), "%q", name)
	}
}

func releaseTwice(t *testing.T, l etl.Locker) {
	first := acquire(t, l, "a.b", longTTL)
	require.NoError(t, first.Release(t.Context()))
	require.NoError(t, first.Release(t.Context()))
	second := acquire(t, l, "a.b", longTTL)
	require.NoError(t, first.Release(t.Context()))
	requireLocked(t, l, "a.b")
	require.ErrorIs(t, first.Renew(t.Context()), etl.ErrStaleFence)
	require.NoError(t, second.Renew(t.Context()))
	require.Greater(t, second.Fence(), first.Fence())
}

func (s *lockerSuite) expiry(t *testing.T, l etl.Locker) {
	last := int64(0)
	var lost []etl.Lease
	for range 3 {
		le := acquire(t, l, "a.b", s.ttl)
		require.Greater(t, le.Fence(), last)
		last = le.Fence()
		lost = append(lost, le)
		s.pass(l, s.ttl+s.ttl/3)
	}
	holder := acquire(t, l, "a.b", longTTL)
	require.Greater(t, holder.Fence(), last)
	for _, le := range lost {
		err := le.Renew(t.Context())
		require.ErrorIs(t, err, etl.ErrStaleFence)
		require.Equal(t, etl.Refused, etl.OutcomeOf(err))
		require.NoError(t, le.Release(t.Context()), "releasing a lost lease is no error")
	}
	requireLocked(t, l, "a.b")
	require.NoError(t, holder.Renew(t.Context()))
}

// renew keeps a lease for longer than its ttl. On a machine that stalls, the
// lease may really expire between two renewals; such a try tells nothing.
func (s *lockerSuite) renew(t *testing.T, l etl.Locker) {
	for try := range 20 {
		name := fmt.Sprint("lock ", try)
		le := acquire(t, l, name, s.ttl)
		told := true
		for range 4 {
			renewed := time.Now()
			require.NoError(t, le.Renew(t.Context()))
			s.pass(l, s.ttl/2)
			other, err := l.Acquire(t.Context(), name, longTTL)
			if s.advance == nil && time.Since(renewed) >= s.ttl {
				told = false
				break
			}
			require.ErrorIs(t, err, etl.ErrLocked)
			require.Nil(t, other)
		}
		if told {
			return
		}
	}
	t.Skip("the machine is too slow for this ttl")
}

func (s *lockerSuite) renewAfterExpiry(t *testing.T, l etl.Locker) {
	le := acquire(t, l, "a.b", s.ttl)
	s.pass(l, 2*s.ttl)
	require.NoError(t, le.Renew(t.Context()), "nobody has taken it")
	s.pass(l, 2*s.ttl)
	other := acquire(t, l, "a.b", longTTL)
	require.Greater(t, other.Fence(), le.Fence())
	require.ErrorIs(t, le.Renew(t.Context()), etl.ErrStaleFence)
}

// lockContention lets racers fight for one lock: never two inside, and fences
// rise in the order in which they got in.
func lockContention(t *testing.T, l etl.Locker) {
	var inside atomic.Int32
	var mu sync.Mutex
	var fences []int64
	errs := race(func(int) error {
		for got := 0; got < 15; {
			le, err := l.Acquire(t.Context(), "a.b", longTTL)
			if errors.Is(err, etl.ErrLocked) {
				time.Sleep(100 * time.Microsecond)
				continue
			}
			if err != nil {
				return err
			}
			got++
			if n := inside.Add(1); n != 1 {
				return fmt.Errorf("%d holders at a time", n)
			}
			mu.Lock()
			fences = append(fences, le.Fence())
			mu.Unlock()
			time.Sleep(50 * time.Microsecond) // so that others get a chance to be in here too
			inside.Add(-1)
			if err := le.Release(t.Context()); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(t, errors.Join(errs...))
	require.Len(t, fences, racers*15)
	require.True(t, slices.IsSortedFunc(fences, func(a, b int64) int {
		if a < b {
			return -1
		}
		return 1 // equal ones are out of order too
	}), "fences %v", fences)
}

// takeover lets racers reach for a lease that has expired: one gets it.
func (s *lockerSuite) takeover(t *testing.T, l etl.Locker) {
	old := acquire(t, l, "a.b", s.ttl)
	s.pass(l, 2*s.ttl)
	fences := make([]int64, racers)
	errs := race(func(i int) error {
		le, err := l.Acquire(t.Context(), "a.b", longTTL)
		if errors.Is(err, etl.ErrLocked) {
			return nil
		}
		if err == nil {
			fences[i] = le.Fence()
		}
		return err
	})
	require.NoError(t, errors.Join(errs...))
	slices.Sort(fences)
	require.Zero(t, fences[racers-2], "two took it")
	require.Greater(t, fences[racers-1], old.Fence())
}

func lockerContext(t *testing.T, l etl.Locker) {
	le := acquire(t, l, "a.b", longTTL)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Acquire(ctx, "c.d", longTTL)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, le.Renew(ctx), context.Canceled)
	require.ErrorIs(t, le.Release(ctx), context.Canceled)
	requireLocked(t, l, "a.b")
	acquire(t, l, "c.d", longTTL)
}

func raiseFence(t *testing.T, l etl.Locker) {
	r, ok := l.(etl.FenceRaiser)
	if !ok {
		t.Skip("not a FenceRaiser")
	}
	raise := func(fence int64) { require.NoError(t, r.RaiseFence(t.Context(), "a.b", fence)) }
	raise(41)
	le := acquire(t, l, "a.b", longTTL)
	require.Greater(t, le.Fence(), int64(41))
	fence := le.Fence()
	raise(1000)
	require.Equal(t, fence, le.Fence())
	require.NoError(t, le.Renew(t.Context()), "a lease that runs is not disturbed")
	requireLocked(t, l, "a.b")
	require.NoError(t, le.Release(t.Context()))
	raise(5)
	raise(-5)
	le = acquire(t, l, "a.b", longTTL)
	require.Greater(t, le.Fence(), int64(1000), "a lower fence changes nothing")
	require.NoError(t, le.Release(t.Context()))
	raise(1 << 61)
	require.Greater(t, acquire(t, l, "a.b", longTTL).Fence(), int64(1<<61))
	require.Less(t, acquire(t, l, "c.d", longTTL).Fence(), int64(41), "names have fences of their own")
}

func (s *lockerSuite) survives(t *testing.T, l etl.Locker) {
	held := acquire(t, l, "held", longTTL)
	last := int64(0)
	for range 3 {
		le := acquire(t, l, "a.b", longTTL)
		require.Greater(t, le.Fence(), last)
		last = le.Fence()
		require.NoError(t, le.Release(t.Context()))
		expired := acquire(t, l, "c.d", s.ttl)
		l = s.reopen(t, l)
		requireLocked(t, l, "held")
		s.pass(l, s.ttl+s.ttl/3)
		again := acquire(t, l, "c.d", longTTL)
		require.Greater(t, again.Fence(), expired.Fence())
		require.NoError(t, again.Release(t.Context()))
	}
	require.Positive(t, held.Fence())
}
