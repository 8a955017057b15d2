package dynamolock

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/tidemark-data/etl"
)

// Client is what the locker calls of *dynamodb.Client. It is safe for concurrent use.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
}

var _ Client = (*dynamodb.Client)(nil)

// Options are the options of [New].
type Options struct {
	// Table is the name or ARN of the DynamoDB table, as dynamocontrol.CreateTable
	// makes it.
	Table string
	// Margin is added to a lease's time to live where that is measured from its
	// stamp; see the package documentation. Zero is 2 seconds, a negative one
	// switches the stamp off.
	Margin time.Duration
	// Heartbeat, if not zero, lets every lease renew itself at that interval,
	// until it is released or lost. A Runner renews its leases itself.
	Heartbeat time.Duration
	// Attempts is how often a call is tried that was throttled or got no answer;
	// 8 if zero. The client's own retries come on top.
	Attempts int
	// Backoff is the longest pause after the first attempt; it doubles with each,
	// up to 64 times that. 25 milliseconds if zero. Pauses are random.
	Backoff time.Duration
	// Now is the clock; nil is [time.Now] for what is measured here, and that of
	// the service for stamps.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Margin == 0 {
		o.Margin = 2 * time.Second
	}
	if o.Attempts == 0 {
		o.Attempts = 8
	}
	if o.Backoff == 0 {
		o.Backoff = 25 * time.Millisecond
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.Table == "" {
		errs = append(errs, errors.New("options: Table is empty"))
	}
	if o.Attempts < 0 || o.Backoff < 0 || o.Heartbeat < 0 {
		errs = append(errs, errors.New("options: Attempts, Backoff and Heartbeat must not be negative"))
	}
	return errors.Join(errs...)
}

var (
	_ etl.Locker      = (*Locker)(nil)
	_ etl.FenceRaiser = (*Locker)(nil)
)

// Locker hands out leases that are items of a DynamoDB table. It is safe for
// concurrent use, and between processes. It remembers what it has seen of each
// lock that it was asked for.
type Locker struct {
	client Client
	opts   Options

	mu   sync.Mutex
	seen map[string]sight
	lost map[string]bool // tokens of acquisitions whose answers were lost
}

// sight is since when a version is known to be that of a lock.
type sight struct {
	version string
	since   time.Time
}

// New returns a locker in the table that opts names. It makes no call.
func New(client Client, opts Options) (*Locker, error) {
	opts = opts.withDefaults()
	err := opts.validate()
	if client == nil {
		err = errors.Join(errors.New("client is nil"), err)
	}
	if err != nil {
		return nil, etl.WithOutcome(etl.Terminal, errors.Join(errors.New("dynamolock"), err))
	}
	return &Locker{client: client, opts: opts, seen: map[string]sight{}, lost: map[string]bool{}}, nil
}

func (l *Locker) now() time.Time {
	if l.opts.Now != nil {
		return l.opts.Now()
	}
	return time.Now()
}

// Acquire implements [etl.Locker]. The lease that it returns is a [*Lease].
func (l *Locker) Acquire(ctx context.Context, name string, ttl time.Duration) (etl.Lease, error) {
	le, err := l.acquire(ctx, name, ttl)
	if err != nil {
		return nil, fmt.Errorf("dynamolock: %q: %w", name, err)
	}
	le.watch()
	return le, nil
}

func (l *Locker) acquire(ctx context.Context, name string, ttl time.Duration) (*Lease, error) {
	if ttl <= 0 {
		return nil, etl.WithOutcome(etl.Terminal, fmt.Errorf("time to live %v is not positive", ttl))
	}
	le := &Lease{l: l, name: name, ttl: ttl, token: newToken(), gone: make(chan struct{})}
	for n := 1; ; n++ {
		lock, err := l.read(ctx, name)
		if err != nil {
			return nil, err
		}
		if lock.holder == le.token {
			return le, le.won(lock) // by an attempt that got no answer
		}
		if err := l.free(ctx, name, lock); err != nil {
			return nil, err
		}
		won, err := l.take(ctx, le, lock)
		if err == nil && won.holder == le.token {
			return le, le.won(won)
		}
		if n >= l.opts.Attempts && err == nil {
			return nil, fmt.Errorf("others were faster: %w", etl.ErrLocked)
		}
		if err != nil {
			return nil, err
		}
	}
}

// newToken tells one lease from all others, and people where it is held.
func newToken() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%.200q:%d:%s", host, os.Getpid(), rand.Text())
}

// free returns nil if nobody has the lock, else ErrLocked.
func (l *Locker) free(ctx context.Context, name string, lock lockItem) error {
	if lock.holder == "" {
		return nil
	}
	now := l.now()
	l.mu.Lock()
	orphan := l.lost[lock.holder]
	s := l.seen[name]
	if s.version != lock.version {
		s = sight{lock.version, now}
		l.seen[name] = s
	}
	l.mu.Unlock()
	if orphan || now.Sub(s.since) >= lock.ttl {
		return nil
	}
	if l.opts.Margin >= 0 && lock.now.Sub(lock.stamp) >= lock.ttl+l.opts.Margin {
		return nil
	}
	if l.opts.Margin >= 0 && lock.stamp.Sub(lock.now) > l.opts.Margin {
		if err := l.lowerStamp(ctx, name, lock); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s has it with fence %d: %w", lock.holder, lock.fence, etl.ErrLocked)
}

// saw remembers that a version was written at a time, or later.
func (l *Locker) saw(name, version string, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[name] = sight{version, at}
}

// RaiseFence implements [etl.FenceRaiser]. A lease that runs is not disturbed.
func (l *Locker) RaiseFence(ctx context.Context, name string, fence int64) error {
	var err error
	if fence == math.MaxInt64 {
		err = etl.WithOutcome(etl.Terminal, fmt.Errorf("no fence is greater than %d", fence))
	} else {
		err = l.raise(ctx, name, max(fence, 0))
	}
	if err != nil {
		return fmt.Errorf("dynamolock: %q: %w", name, err)
	}
	return nil
}
