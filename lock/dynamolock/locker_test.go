package dynamolock_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/dynamocontrol"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/lock/dynamolock"
)

type client interface {
	dynamolock.Client
	dynamocontrol.Creator
}

var tables atomic.Int64

func newTable(t testing.TB, c client) string {
	t.Helper()
	name := fmt.Sprintf("lock-%d-%d", os.Getpid(), tables.Add(1))
	require.NoError(t, dynamocontrol.CreateTable(t.Context(), c, name))
	return name
}

func locker(t testing.TB, c client, o dynamolock.Options) *dynamolock.Locker {
	t.Helper()
	if o.Table == "" {
		o.Table = newTable(t, c)
	}
	if o.Backoff == 0 {
		o.Backoff = 100 * time.Microsecond
	}
	if o.Attempts == 0 {
		o.Attempts = 40
	}
	l, err := dynamolock.New(c, o)
	require.NoError(t, err)
	return l
}

// clock is one that stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1700000000, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func fake() *awstest.DynamoDB { return &awstest.DynamoDB{StaleReads: true} }

// withClocks runs the suite over lockers that have a clock of their own.
func withClocks(t *testing.T, c client) {
	type opened struct {
		clock *clock
		table string
	}
	all := map[etl.Locker]opened{}
	open := func(t *testing.T, o opened) etl.Locker {
		l := locker(t, c, dynamolock.Options{Table: o.table, Now: o.clock.Now})
		all[l] = o
		return l
	}
	etltest.Locker(t, func(t *testing.T) etl.Locker { return open(t, opened{newClock(), newTable(t, c)}) },
		etltest.ShortTTL(time.Minute),
		etltest.AdvanceClock(func(l etl.Locker, d time.Duration) { all[l].clock.advance(d) }),
		etltest.ReopenLocker(func(t *testing.T, l etl.Locker) etl.Locker { return open(t, all[l]) }))
}

func TestConformance(t *testing.T) {
	etltest.Locker(t, func(t *testing.T) etl.Locker { return locker(t, fake(), dynamolock.Options{}) })
}

func TestClock(t *testing.T) { withClocks(t, fake()) }

// service returns a client of the server that the environment names.
func service(t *testing.T) *dynamodb.Client {
	t.Helper()
	endpoint := os.Getenv("TIDEMARK_DYNAMODB_ENDPOINT")
	if endpoint == "" {
		t.Skip("TIDEMARK_DYNAMODB_ENDPOINT is not set: see integration/dynamodb.sh")
	}
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: &endpoint, Region: "local",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
}

func TestService(t *testing.T) {
	c := service(t)
	t.Run("Clock", func(t *testing.T) { withClocks(t, c) })
	t.Run("Watching", func(t *testing.T) {
		etltest.Locker(t, func(t *testing.T) etl.Locker { return locker(t, c, dynamolock.Options{}) },
			etltest.ShortTTL(time.Second))
	})
}

func TestBadArguments(t *testing.T) {
	for _, o := range []dynamolock.Options{{}, {Table: "x", Attempts: -1}, {Table: "x", Heartbeat: -1}, {Table: "x", Backoff: -1}} {
		_, err := dynamolock.New(fake(), o)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "%+v", o)
	}
	_, err := dynamolock.New(nil, dynamolock.Options{Table: "x"})
	require.ErrorContains(t, err, "client is nil")
	l := locker(t, fake(), dynamolock.Options{})
	for _, ttl := range []time.Duration{0, -1} {
		_, err := l.Acquire(t.Context(), "x", ttl)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	}
	require.Equal(t, etl.Terminal, etl.OutcomeOf(l.RaiseFence(t.Context(), "x", math.MaxInt64)))
	missing := locker(t, fake(), dynamolock.Options{Table: "no-such-table"})
	_, err = missing.Acquire(t.Context(), "x", time.Second)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}
