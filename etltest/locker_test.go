package etltest_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/lock"
)

// flawedLocker is the memory locker with a flaw.
type flawedLocker struct {
	*lock.Memory
	flaw   string
	clock  time.Time
	mu     sync.Mutex
	leases map[string]etl.Lease
}

func newFlawedLocker(flaw string) *flawedLocker {
	f := &flawedLocker{Memory: lock.NewMemory(), flaw: flaw, clock: time.Unix(1700000000, 0), leases: map[string]etl.Lease{}}
	f.Now = func() time.Time { return f.clock }
	return f
}

type flawedLease struct {
	etl.Lease
	f     *flawedLocker
	name  string
	fence int64
}

func (f *flawedLocker) Acquire(ctx context.Context, name string, ttl time.Duration) (etl.Lease, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := name
	switch f.flaw {
	case "names as C strings":
		key, _, _ = strings.Cut(name, "\x00")
	case "one lock for all":
		key = ""
	case "never expires":
		ttl = 1000 * time.Hour
	case "deaf to the context":
		ctx = context.WithoutCancel(ctx)
	case "lets everybody in", "lets racers in":
		if old := f.leases[name]; old != nil {
			_ = old.Release(context.WithoutCancel(ctx))
		}
	}
	le, err := f.Memory.Acquire(ctx, key, ttl)
	if err != nil {
		if f.flaw == "locked without sentinel" {
			err = errors.New("busy")
		}
		return nil, err
	}
	f.leases[name] = le
	fl := &flawedLease{le, f, name, le.Fence()}
	if f.flaw == "constant fence" {
		fl.fence = 1
	}
	return fl, nil
}

func (l *flawedLease) Fence() int64 { return l.fence }

func (l *flawedLease) Renew(ctx context.Context) error {
	err := l.Lease.Renew(ctx)
	switch l.f.flaw {
	case "renews what is lost":
		return ctx.Err()
	case "lost without sentinel":
		if err != nil && ctx.Err() == nil {
			return errors.New("lost")
		}
	case "fence grows by renewal":
		l.fence++
	case "forgets to renew":
		l.f.mu.Lock()
		defer l.f.mu.Unlock()
		l.f.leases[l.name].Release(context.Background())
	}
	return err
}

func (l *flawedLease) Release(ctx context.Context) error {
	switch l.f.flaw {
	case "releases for others":
		l.f.mu.Lock()
		defer l.f.mu.Unlock()
		return l.f.leases[l.name].Release(ctx)
	case "releases once":
		if l.Lease.Renew(ctx) != nil && ctx.Err() == nil {
			return errors.New("not held")
		}
	case "release does nothing":
		return ctx.Err()
	}
	return l.Lease.Release(ctx)
}

func (f *flawedLocker) RaiseFence(ctx context.Context, name string, fence int64) error {
	switch f.flaw {
	case "raises nothing":
		return nil
	case "lowers":
		f.mu.Lock()
		defer f.mu.Unlock()
		if fence < 10 {
			f.Memory = lock.NewMemory()
			f.Now = func() time.Time { return f.clock }
		}
	}
	return f.Memory.RaiseFence(ctx, name, fence)
}

func TestFlawedLockers(t *testing.T) {
	flaws(t, map[string]string{
		"names as C strings":      "Names",
		"one lock for all":        "Names",
		"never expires":           "Expiry",
		"deaf to the context":     "Context",
		"lets everybody in":       "OneHolder",
		"lets racers in":          "Contention",
		"locked without sentinel": "OneHolder",
		"constant fence":          "OneHolder",
		"renews what is lost":     "Expiry",
		"lost without sentinel":   "Expiry",
		"fence grows by renewal":  "OneHolder",
		"forgets to renew":        "Renew",
		"releases for others":     "Release",
		"releases once":           "Release",
		"release does nothing":    "OneHolder",
		"raises nothing":          "RaiseFence",
		"lowers":                  "RaiseFence",
		"reopens empty":           "Reopen",
	}, func(t *testing.T, flaw string) {
		etltest.Locker(t, func(*testing.T) etl.Locker { return newFlawedLocker(flaw) },
			etltest.AdvanceClock(func(l etl.Locker, d time.Duration) {
				f := l.(*flawedLocker)
				f.clock = f.clock.Add(d)
			}),
			etltest.ReopenLocker(func(t *testing.T, l etl.Locker) etl.Locker {
				if flaw == "reopens empty" {
					return newFlawedLocker("")
				}
				return l
			}))
	})
}
