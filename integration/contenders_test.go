package integration

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/awsetl"
	"github.com/tidemark-data/etl/control/dynamocontrol"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock/dynamolock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

var rounds = flag.Int("rounds", 200, "rounds in which contenders race; a tenth of them with -short")

const contenders = 50

// contended is one lock and one state item, and those who are after them.
type contended struct {
	t       *testing.T
	lockers []*dynamolock.Locker
	stores  []*dynamocontrol.Store
	lake    *sink.Memory
	table   etl.Table
	ahead   atomic.Int64 // of the lockers' clock, in nanoseconds
}

func newContended(t *testing.T, client awsetl.DynamoDBClient, item string) *contended {
	c := &contended{t: t, lake: sink.NewMemory(), table: etl.Table{
		Name: "shop.orders", Key: []string{"id"}, Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "round", Type: etl.Long}}, Format: format.CSV{},
	}}
	for range contenders {
		l, err := dynamolock.New(client, dynamolock.Options{Table: item, Attempts: 40, Now: func() time.Time {
			return time.Now().Add(time.Duration(c.ahead.Load()))
		}})
		require.NoError(t, err)
		s, err := dynamocontrol.New(client, dynamocontrol.Options{Table: item, Attempts: 40})
		require.NoError(t, err)
		c.lockers, c.stores = append(c.lockers, l), append(c.stores, s)
	}
	return c
}

// race lets all contenders try at the same moment, and returns the one that won;
// the others must have failed with the error that says so.
func (c *contended) race(lost error, try func(i int) error) (winner int) {
	c.t.Helper()
	errs := make([]error, contenders)
	begin := make(chan struct{})
	var group sync.WaitGroup
	for i := range contenders {
		group.Go(func() {
			<-begin
			errs[i] = try(i)
		})
	}
	close(begin)
	group.Wait()
	winner = -1
	for i, err := range errs {
		if err == nil {
			require.Equal(c.t, -1, winner, "two winners")
			winner = i
			continue
		}
		require.ErrorIs(c.t, err, lost)
	}
	require.NotEqual(c.t, -1, winner, "no winner")
	return winner
}

// acquire races for the lock.
func (c *contended) acquire(ttl time.Duration) etl.Lease {
	leases := make([]etl.Lease, contenders)
	winner := c.race(etl.ErrLocked, func(i int) (err error) {
		leases[i], err = c.lockers[i].Acquire(c.t.Context(), c.table.Name, ttl)
		return err
	})
	return leases[winner]
}

// swap races for the next version of the state, under one fence.
func (c *contended) swap(fence int64) etl.State {
	st, err := c.stores[0].State(c.t.Context(), c.table.Name)
	require.NoError(c.t, err)
	winner := c.race(etl.ErrConflict, func(i int) error {
		mine := st
		mine.Epoch = int64(i)
		return c.stores[i].Update(c.t.Context(), etl.Update{State: mine, Fence: fence})
	})
	now, err := c.stores[1].State(c.t.Context(), c.table.Name)
	require.NoError(c.t, err)
	require.Equal(c.t, [2]int64{st.Version + 1, int64(winner)}, [2]int64{now.Version, now.Epoch})
	return now
}

// apply loads one row under a fence.
func (c *contended) apply(id string, fence int64) error {
	src := source.NewMemory()
	load := etl.Load{ID: id, Table: c.table.Name, Kind: etl.Incremental, Epoch: 1, Fence: fence,
		Files: []etl.File{src.Put(id+".csv", []byte("1,1\n"), time.Unix(1_700_000_000, 0))}}
	changes, err := etl.NewChanges(etl.ChangesConfig{Table: c.table, Load: load, Source: src})
	require.NoError(c.t, err)
	target, err := c.table.Target()
	require.NoError(c.t, err)
	_, err = c.lake.Apply(c.t.Context(), target, load, changes)
	return err
}

// refused checks that a holder which was replaced can do nothing any more.
func (c *contended) refused(stale etl.Lease, st etl.State) {
	c.t.Helper()
	require.ErrorIs(c.t, stale.Renew(c.t.Context()), etl.ErrStaleFence)
	_ = stale.Release(c.t.Context()) // has no effect: the next race would have a winner too many
	require.ErrorIs(c.t, c.stores[2].Update(c.t.Context(), etl.Update{State: st, Fence: stale.Fence()}), etl.ErrStaleFence)
	require.ErrorIs(c.t, c.apply(fmt.Sprintf("stale-%d", stale.Fence()), stale.Fence()), etl.ErrStaleFence)
}

// TestContenders: fifty contenders for one lock and one state item, round after
// round; every other holder dies. One winner each; who was replaced is refused by
// the lock, the ledger and the table.
func TestContenders(t *testing.T) {
	fake := &awstest.DynamoDB{StaleReads: true}
	contend(t, fake)
}

// TestServiceContenders is TestContenders on a server.
func TestServiceContenders(t *testing.T) { contend(t, dynamoService(t)) }

func contend(t *testing.T, client interface {
	awsetl.DynamoDBClient
	dynamocontrol.Creator
}) {
	item := fmt.Sprintf("contended-%d", os.Getpid())
	require.NoError(t, dynamocontrol.CreateTable(t.Context(), client, item))
	c := newContended(t, client, item)
	n := *rounds
	if testing.Short() {
		n /= 10
	}
	var dead etl.Lease
	last := int64(0)
	for round := range n {
		le := c.acquire(time.Minute)
		require.Greater(t, le.Fence(), last)
		last = le.Fence()
		st := c.swap(last)
		require.NoError(t, c.apply(fmt.Sprintf("round-%d", round), last))
		if dead != nil {
			c.refused(dead, st)
			dead = nil
		}
		for _, l := range []*dynamolock.Locker{c.lockers[0], c.lockers[contenders-1]} {
			_, err := l.Acquire(t.Context(), c.table.Name, time.Minute)
			require.ErrorIs(t, err, etl.ErrLocked)
		}
		if round%2 == 0 {
			require.NoError(t, le.Release(t.Context()))
			continue
		}
		dead = le
		c.ahead.Add(int64(63 * time.Second)) // time to live and margin
	}
	t.Logf("%d rounds of %d contenders, %d fences", n, contenders, last)
}

// dynamoService is a client of the server that the environment names.
func dynamoService(t testing.TB) *dynamodb.Client {
	t.Helper()
	endpoint := os.Getenv("TIDEMARK_DYNAMODB_ENDPOINT")
	if endpoint == "" {
		t.Skip("TIDEMARK_DYNAMODB_ENDPOINT is not set: see integration/dynamodb.sh")
	}
	return dynamoClient(endpoint)
}

func dynamoClient(endpoint string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(endpoint), Region: s3Region,
		Credentials: credentials.NewStaticCredentialsProvider(s3Access, s3Secret, ""),
	})
}
