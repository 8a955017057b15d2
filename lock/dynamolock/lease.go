package dynamolock

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/tidemark-data/etl"
)

var _ etl.Lease = (*Lease)(nil)

// Lease is a lock held. It is safe for concurrent use. Besides what every lease
// does, it tells when it can no longer be relied on.
type Lease struct {
	l     *Locker
	name  string
	ttl   time.Duration
	token string
	fence int64
	gone  chan struct{}

	mu      sync.Mutex
	over    bool // gone is closed
	done    bool // released
	renewed time.Time
	timer   *time.Timer
	stop    context.CancelFunc // of the heartbeat
	// offset takes this process's clock to that of the stamps.
	offset time.Duration
}

// won takes over what the item tells of the acquisition.
func (le *Lease) won(lock lockItem) error {
	le.fence = lock.fence
	le.l.saw(le.name, lock.version, le.l.now())
	le.sync(lock.now)
	return nil
}

func (le *Lease) sync(service time.Time) {
	le.mu.Lock()
	defer le.mu.Unlock()
	le.offset = service.Sub(le.l.now())
}

// stamp is the time now, by the clock of the stamps.
func (le *Lease) stamp() time.Time {
	le.mu.Lock()
	defer le.mu.Unlock()
	return le.l.now().Add(le.offset)
}

// Fence implements [etl.Lease].
func (le *Lease) Fence() int64 { return le.fence }

// Renew implements [etl.Lease]. A lease that expired but that nobody took is
// renewed; one that was released is not.
func (le *Lease) Renew(ctx context.Context) error {
	start := time.Now()
	held, err := le.l.renew(ctx, le)
	switch {
	case err != nil:
	case !held:
		le.lose()
		err = fmt.Errorf("lease with fence %d is lost or released: %w", le.fence, etl.ErrStaleFence)
	default:
		le.extend(start)
	}
	if err != nil {
		return fmt.Errorf("dynamolock: %q: %w", le.name, err)
	}
	return nil
}

// Release implements [etl.Lease]. It ends the heartbeat even if it fails; the
// lease then runs out by itself. To release at the end of a context, pass
// [context.WithoutCancel] of it.
func (le *Lease) Release(ctx context.Context) error {
	le.mu.Lock()
	le.done = true
	le.quiet()
	le.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := le.l.release(ctx, le); err != nil {
		return fmt.Errorf("dynamolock: %q: %w", le.name, err)
	}
	return nil
}

// Lost returns a channel that is closed when the lease can no longer be relied
// on: somebody else has it, or it was not renewed for its time to live. After
// Release it stays as it is.
func (le *Lease) Lost() <-chan struct{} { return le.gone }

// Context returns a context that ends when the lease is lost, by a cause that
// wraps [etl.ErrStaleFence]. Its cancel function must be called.
func (le *Lease) Context(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	go func() {
		select {
		case <-le.gone:
			cancel(fmt.Errorf("dynamolock: %q: lease with fence %d is lost: %w", le.name, le.fence, etl.ErrStaleFence))
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// watch starts what notices that the lease is lost.
func (le *Lease) watch() {
	le.mu.Lock()
	defer le.mu.Unlock()
	le.timer = time.AfterFunc(le.ttl-time.Since(le.renewed), le.lose)
	if le.l.opts.Heartbeat > 0 {
		var ctx context.Context
		ctx, le.stop = context.WithCancel(context.Background())
		go le.beat(ctx)
	}
}

// beat renews until the lease is released or lost.
func (le *Lease) beat(ctx context.Context) {
	tick := time.NewTicker(le.l.opts.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-le.gone:
			return
		case <-tick.C:
			_ = le.Renew(ctx) // what fails until the end of the lease closes gone
		}
	}
}

func (le *Lease) extend(start time.Time) {
	le.mu.Lock()
	defer le.mu.Unlock()
	if le.timer != nil && !le.done && start.After(le.renewed) {
		le.renewed = start
		le.timer.Reset(le.ttl - time.Since(start))
	}
}

func (le *Lease) lose() {
	le.mu.Lock()
	defer le.mu.Unlock()
	le.quiet()
	if !le.over && !le.done {
		le.over = true
		close(le.gone)
	}
}

// quiet ends timer and heartbeat; le.mu is held.
func (le *Lease) quiet() {
	if le.timer != nil {
		le.timer.Stop()
	}
	if le.stop != nil {
		le.stop()
	}
}
