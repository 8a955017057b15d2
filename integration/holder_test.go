//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/dynamocontrol"
	"github.com/tidemark-data/etl/lock/dynamolock"
)

const (
	holderItem = "TIDEMARK_TEST_HOLDER"
	holderTTL  = 2 * time.Second
)

// TestHolder takes the lock and keeps it until it is killed.
func TestHolder(t *testing.T) {
	item := os.Getenv(holderItem)
	if item == "" {
		t.Skip("it is started by TestKilledHolderIsReplaced")
	}
	c := newContended(t, dynamoService(t), item)
	le, err := waitForLock(t.Context(), c.lockers[0], c.table.Name, holderTTL)
	require.NoError(t, err)
	st, err := c.stores[0].State(t.Context(), c.table.Name)
	require.NoError(t, err)
	require.NoError(t, c.stores[0].Update(t.Context(), etl.Update{State: st, Fence: le.Fence()}))
	for parent := os.Getppid(); os.Getppid() == parent; time.Sleep(holderTTL / 4) {
		require.NoError(t, le.Renew(t.Context()))
	}
}

// TestKilledHolderIsReplaced kills a process that holds the lock and renews it,
// and measures how long it takes until one of fifty others has it.
func TestKilledHolderIsReplaced(t *testing.T) {
	item := fmt.Sprintf("held-%d", os.Getpid())
	client := dynamoService(t)
	require.NoError(t, dynamocontrol.CreateTable(t.Context(), client, item))
	c := newContended(t, client, item)
	for range 3 {
		before, err := c.stores[0].State(t.Context(), c.table.Name)
		require.NoError(t, err)
		holder := exec.Command(os.Args[0], "-test.run=^TestHolder$")
		holder.Env = append(os.Environ(), holderItem+"="+item)
		require.NoError(t, holder.Start())
		held := before
		eventually(t, 20*time.Second, func() string {
			held, err = c.stores[0].State(t.Context(), c.table.Name)
			require.NoError(t, err)
			if held.Version == before.Version {
				return "the holder does not hold"
			}
			return ""
		})
		time.Sleep(holderTTL + holderTTL/2) // it renews: nobody gets in
		_, err = c.lockers[1].Acquire(t.Context(), c.table.Name, holderTTL)
		require.Error(t, err)
		require.NoError(t, holder.Process.Kill())
		_ = holder.Wait()
		killed := time.Now()
		took := c.replace(killed)
		require.Less(t, took, holderTTL+2500*time.Millisecond, "lease, margin of the lock and a while to ask")
		t.Logf("killed with fence %d; replaced after %.1f s of a lease of %v", held.Fence, took.Seconds(), holderTTL)
	}
}

// waitForLock polls until the lock is given out.
func waitForLock(ctx context.Context, l *dynamolock.Locker, name string, ttl time.Duration) (etl.Lease, error) {
	for {
		le, err := l.Acquire(ctx, name, ttl)
		if !errors.Is(err, etl.ErrLocked) {
			return le, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// replace has all contenders poll until one of them has the lock of a holder that
// died; then its fence is refused. It returns how long that took.
func (c *contended) replace(since time.Time) time.Duration {
	c.t.Helper()
	st, err := c.stores[0].State(c.t.Context(), c.table.Name)
	require.NoError(c.t, err)
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	var group sync.WaitGroup
	leases := make(chan etl.Lease, contenders)
	for _, l := range c.lockers {
		group.Go(func() {
			le, err := waitForLock(ctx, l, c.table.Name, time.Minute)
			if err == nil {
				leases <- le
				cancel()
			}
		})
	}
	group.Wait()
	took := time.Since(since)
	require.Len(c.t, leases, 1)
	le := <-leases
	require.Greater(c.t, le.Fence(), st.Fence)
	require.NoError(c.t, c.stores[1].Update(c.t.Context(), etl.Update{State: st, Fence: le.Fence()}))
	require.NoError(c.t, c.apply(fmt.Sprintf("fence-%d", le.Fence()), le.Fence()))
	require.ErrorIs(c.t, c.stores[2].Update(c.t.Context(), etl.Update{State: st, Fence: st.Fence}), etl.ErrStaleFence)
	require.ErrorIs(c.t, c.apply(fmt.Sprintf("stale-%d", st.Fence), st.Fence), etl.ErrStaleFence)
	require.NoError(c.t, le.Release(c.t.Context()))
	return took
}
