package dynamolock_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/lock/dynamolock"
)

// Lockers that live for one call each take over from the dead: none of them
// could have watched the lease for its time to live.
func TestShortLivedCallers(t *testing.T) {
	f, c := fake(), newClock()
	o := dynamolock.Options{Table: newTable(t, f), Now: c.Now}
	dead, err := locker(t, f, o).Acquire(t.Context(), "a.b", time.Minute)
	require.NoError(t, err)
	for _, after := range []time.Duration{10 * time.Second, 49 * time.Second, 2 * time.Second} {
		c.advance(after)
		_, err = locker(t, f, o).Acquire(t.Context(), "a.b", time.Minute)
		require.ErrorIs(t, err, etl.ErrLocked, "within time to live and margin")
	}
	c.advance(time.Second + time.Millisecond)
	le, err := locker(t, f, o).Acquire(t.Context(), "a.b", time.Minute)
	require.NoError(t, err)
	require.Greater(t, le.Fence(), dead.Fence())
	require.ErrorIs(t, dead.Renew(t.Context()), etl.ErrStaleFence)
}

// A holder that renews is never taken over, however long others wait.
func TestRenewedIsNotTaken(t *testing.T) {
	f, c := fake(), newClock()
	o := dynamolock.Options{Table: newTable(t, f), Now: c.Now}
	le, err := locker(t, f, o).Acquire(t.Context(), "a.b", time.Minute)
	require.NoError(t, err)
	watcher := locker(t, f, o)
	for range 20 {
		c.advance(50 * time.Second)
		require.NoError(t, le.Renew(t.Context()))
		for _, l := range []*dynamolock.Locker{watcher, locker(t, f, o)} {
			_, err := l.Acquire(t.Context(), "a.b", time.Minute)
			require.ErrorIs(t, err, etl.ErrLocked)
		}
	}
}

// A holder whose clock is years ahead does not keep the lock for years.
func TestStampInTheFuture(t *testing.T) {
	f, c, ahead := fake(), newClock(), newClock()
	ahead.advance(10 * 365 * 24 * time.Hour)
	table := newTable(t, f)
	_, err := locker(t, f, dynamolock.Options{Table: table, Now: ahead.Now}).Acquire(t.Context(), "a.b", time.Minute)
	require.NoError(t, err)
	o := dynamolock.Options{Table: table, Now: c.Now}
	_, err = locker(t, f, o).Acquire(t.Context(), "a.b", time.Minute)
	require.ErrorIs(t, err, etl.ErrLocked)
	c.advance(61 * time.Second)
	_, err = locker(t, f, o).Acquire(t.Context(), "a.b", time.Minute)
	require.ErrorIs(t, err, etl.ErrLocked)
	c.advance(2 * time.Second)
	_, err = locker(t, f, o).Acquire(t.Context(), "a.b", time.Minute)
	require.NoError(t, err)
}

// Without the stamp only watching counts, and no clock is compared with another.
func TestWatchingOnly(t *testing.T) {
	f, holder, c := fake(), newClock(), newClock()
	holder.advance(-1000 * time.Hour)
	o := dynamolock.Options{Table: newTable(t, f), Now: c.Now, Margin: -1}
	_, err := locker(t, f, dynamolock.Options{Table: o.Table, Now: holder.Now, Margin: -1}).Acquire(t.Context(), "a.b", time.Minute)
	require.NoError(t, err)
	watcher := locker(t, f, o)
	_, err = watcher.Acquire(t.Context(), "a.b", time.Minute)
	require.ErrorIs(t, err, etl.ErrLocked)
	c.advance(time.Minute + time.Millisecond)
	_, err = locker(t, f, o).Acquire(t.Context(), "a.b", time.Minute)
	require.ErrorIs(t, err, etl.ErrLocked, "it has only come by")
	_, err = watcher.Acquire(t.Context(), "a.b", time.Minute)
	require.NoError(t, err)
}

func lost(le etl.Lease) <-chan struct{} { return le.(*dynamolock.Lease).Lost() }

func TestLost(t *testing.T) {
	f, c := fake(), newClock()
	o := dynamolock.Options{Table: newTable(t, f), Now: c.Now}
	le, err := locker(t, f, o).Acquire(t.Context(), "a.b", time.Hour)
	require.NoError(t, err)
	ctx, cancel := le.(*dynamolock.Lease).Context(t.Context())
	defer cancel()
	require.NoError(t, ctx.Err())
	c.advance(2 * time.Hour)
	other, err := locker(t, f, o).Acquire(t.Context(), "a.b", time.Hour)
	require.NoError(t, err)
	require.ErrorIs(t, le.Renew(t.Context()), etl.ErrStaleFence)
	<-lost(le)
	<-ctx.Done()
	require.ErrorIs(t, context.Cause(ctx), etl.ErrStaleFence)
	require.NoError(t, other.Release(t.Context()))
	select {
	case <-lost(other):
		t.Fatal("a released lease is not lost")
	default:
	}
}

// A lease that is not renewed is lost by itself; a heartbeat keeps it.
func TestHeartbeat(t *testing.T) {
	f := fake()
	table := newTable(t, f)
	l := locker(t, f, dynamolock.Options{Table: table})
	le, err := l.Acquire(t.Context(), "still", 50*time.Millisecond)
	require.NoError(t, err)
	select {
	case <-lost(le):
	case <-time.After(5 * time.Second):
		t.Fatal("not noticed")
	}
	beating := locker(t, f, dynamolock.Options{Table: table, Heartbeat: 20 * time.Millisecond})
	le, err = beating.Acquire(t.Context(), "beating", 400*time.Millisecond)
	require.NoError(t, err)
	select {
	case <-lost(le):
		t.Fatal("lost in spite of its heartbeat")
	case <-time.After(800 * time.Millisecond):
	}
	_, err = l.Acquire(t.Context(), "beating", time.Second)
	require.ErrorIs(t, err, etl.ErrLocked)
	require.NoError(t, le.Release(t.Context()))
	calls := f.Calls()
	time.Sleep(60 * time.Millisecond)
	require.Equal(t, calls, f.Calls(), "the heartbeat ends with the release")
}

// The suite holds while any answer may get lost, before or after the effect.
func TestLostAnswers(t *testing.T) {
	for name, fault := range map[string]awstest.DynamoFault{
		"before":    {Before: awstest.ErrReset},
		"after":     {After: awstest.ErrReset},
		"throttled": {Before: awstest.DynamoThrottled()},
	} {
		for _, every := range []int{2, 5} {
			t.Run(name, func(t *testing.T) {
				f := fake()
				f.Hook = func(c awstest.DynamoCall) awstest.DynamoFault {
					if c.Op != "CreateTable" && c.Op != "DescribeTable" && c.N%every == 0 {
						return fault
					}
					return awstest.DynamoFault{}
				}
				withClocks(t, f)
			})
		}
	}
}

// A lock whose every answer was lost is not lost to the Locker that has it.
func TestAllAnswersLost(t *testing.T) {
	f := fake()
	l := locker(t, f, dynamolock.Options{Attempts: 2})
	f.Hook = func(c awstest.DynamoCall) awstest.DynamoFault {
		if c.Op == "UpdateItem" {
			return awstest.DynamoFault{After: awstest.ErrReset}
		}
		return awstest.DynamoFault{}
	}
	l2 := locker(t, f, dynamolock.Options{Attempts: 1, Table: newTable(t, f)})
	_, err := l2.Acquire(t.Context(), "a.b", time.Hour)
	require.Error(t, err)
	require.Equal(t, etl.Retry, etl.OutcomeOf(err))
	f.Hook = nil
	_, err = l2.Acquire(t.Context(), "a.b", time.Hour)
	require.NoError(t, err)
	_, err = l.Acquire(t.Context(), "a.b", time.Hour)
	require.NoError(t, err, "another table")
}

// racing lets lockers with a clock each race for a lock whose holders die: each
// fence is given out once, and they rise.
func racing(t *testing.T, c client, rounds int) {
	table := newTable(t, c)
	var mu sync.Mutex
	given := map[int64]int{}
	var wg sync.WaitGroup
	cl := newClock()
	for i := range 6 {
		wg.Go(func() {
			last := int64(0)
			for range rounds {
				l := locker(t, c, dynamolock.Options{Table: table, Now: cl.Now})
				cl.advance(11 * time.Second)
				le, err := l.Acquire(t.Context(), "a.b", time.Minute)
				if errors.Is(err, etl.ErrLocked) {
					continue
				}
				if err != nil || le.Fence() <= last {
					t.Errorf("racer %d: fence %v after %d, error %v", i, le, last, err)
					return
				}
				last = le.Fence()
				mu.Lock()
				given[last]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	require.NotEmpty(t, given)
	for fence, n := range given {
		require.Equal(t, 1, n, "fence %d", fence)
	}
}

func TestRace(t *testing.T) { racing(t, fake(), 300) }

func TestServiceRace(t *testing.T) { racing(t, service(t), 60) }
