//go:build integration

package integration

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/awsetl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

// inbox is a function over stores in memory that is fed by the queues of a server.
type inbox struct {
	cloud
	t       *testing.T
	handler *awsetl.Handler
	source  *source.Memory
	locker  *lock.Memory
	sink    *sink.Memory
	landed  int
}

// newInbox has messages come again after a second, and die at their third receive.
func newInbox(t *testing.T) *inbox {
	b := &inbox{t: t, source: source.NewMemory(), locker: lock.NewMemory(), sink: sink.NewMemory()}
	b.startSQS(t, 1, 2)
	var err error
	b.handler, err = awsetl.NewHandler(etl.Config{
		Source: b.source, Control: control.NewMemory(), Locker: b.locker, Sink: b.sink, Layout: format.DMS{}, Margin: time.Millisecond,
		Tables: []etl.Table{{
			Name: "hr.people", Key: []string{"id"}, OrderBy: []string{"seq"}, Op: etl.OpColumn{Column: "op"},
			Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "seq", Type: etl.Long}},
			Format:  format.CSV{ChangeColumns: []string{"op", "id", "seq"}},
		}},
	}, awsetl.Parts{Bucket: landingBucket, Waker: &awsetl.SQSWaker{Client: b.sqs(), QueueURL: b.Queue}, Settle: -1, Quiet: -1})
	require.NoError(t, err)
	return b
}

// land lands a file of one row and returns the event of it.
func (b *inbox) land() string {
	b.landed++
	key := fmt.Sprintf("hr/people/20240220-%09d.csv", b.landed)
	b.source.Put(key, fmt.Appendf(nil, "I,%d,%d\n", b.landed, b.landed), time.Unix(int64(1_700_000_000+b.landed), 0))
	return bridged(key)
}

func (b *inbox) rows() (ids []string) {
	rows, err := etltest.ReadRows(b.t.Context(), b.sink, "hr.people")
	if err != nil {
		return nil // there is no table yet
	}
	for _, r := range rows {
		ids = append(ids, fmt.Sprint(r[0]))
	}
	return ids
}

func (b *inbox) mustSend(url, body, group, id string) {
	b.t.Helper()
	require.NoError(b.t, b.send(b.t.Context(), url, body, group, id))
}

// polled polls until something is received, or for a while.
func (b *inbox) polled(url string, wait time.Duration) (bodies, failed []string) {
	b.t.Helper()
	for end := time.Now().Add(wait); len(bodies) == 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var err error
		bodies, failed, err = b.poll(b.t.Context(), url, b.handler)
		require.NoError(b.t, err)
	}
	return bodies, failed
}

// dead are the messages in a queue of dead letters.
func (b *inbox) dead(name string) (bodies []string) {
	url, err := b.sqs().GetQueueUrl(b.t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	require.NoError(b.t, err)
	for {
		out, err := b.sqs().ReceiveMessage(b.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url.QueueUrl, MaxNumberOfMessages: 10})
		require.NoError(b.t, err)
		if len(out.Messages) == 0 {
			return bodies
		}
		for _, m := range out.Messages {
			bodies = append(bodies, *m.Body)
		}
	}
}

// TestSQSPartialFailures: of a batch only what is not understood comes again, and
// goes to the dead letters in the end.
func TestSQSPartialFailures(t *testing.T) {
	b := newInbox(t)
	poison := "not JSON"
	for _, body := range []string{b.land(), poison, b.land()} {
		b.mustSend(b.Queue, body, "", "")
	}
	begun := time.Now()
	seen := map[string]int{}
	for time.Since(begun) < 5*time.Second && len(b.dead("dead-letters")) == 0 {
		bodies, failed := b.polled(b.Queue, 1200*time.Millisecond)
		for _, body := range bodies {
			seen[body]++
		}
		require.Subset(t, []string{poison}, failed)
	}
	require.Equal(t, map[string]int{poison: 2, bridged("hr/people/20240220-000000001.csv"): 1, bridged("hr/people/20240220-000000002.csv"): 1}, seen)
	require.Greater(t, time.Since(begun), time.Second, "what failed stays out of sight for the visibility timeout")
	require.Equal(t, []string{"1", "2"}, b.rows())
}

// TestSQSAfterDeath: a function that was killed before its answer gets the same
// messages again, and applies nothing twice.
func TestSQSAfterDeath(t *testing.T) {
	b := newInbox(t)
	b.mustSend(b.Queue, b.land(), "", "")
	out, err := b.sqs().ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &b.Queue})
	require.NoError(t, err)
	require.Len(t, out.Messages, 1)
	failed, err := handleBatch(t.Context(), b.handler, b.Queue, out.Messages)
	require.NoError(t, err)
	require.Empty(t, failed)
	require.Equal(t, []string{"1"}, b.rows()) // and now it dies, before the message is deleted
	bodies, failedAgain := b.polled(b.Queue, 3*time.Second)
	require.Len(t, bodies, 1)
	require.Empty(t, failedAgain)
	st, err := b.handler.Runner().Status(t.Context(), "hr.people")
	require.NoError(t, err)
	require.Equal(t, map[etl.FileStatus]int{etl.Applied: 1}, st.Files)
	bodies, _ = b.polled(b.Queue, 1500*time.Millisecond)
	require.Empty(t, bodies)
}

// TestSQSFIFO: a message that fails holds back those behind it in its group and
// nothing of other groups, until it goes to the dead letters; duplicates are
// swallowed. The server hands out one message of a group at a time; batches with
// several are tested in package awsetl.
func TestSQSFIFO(t *testing.T) {
	b := newInbox(t)
	first, poison, third, other := b.land(), "not JSON", b.land(), b.land()
	for i, body := range []string{first, poison, third} {
		b.mustSend(b.FIFO, body, "a", fmt.Sprint("a", i))
		b.mustSend(b.FIFO, body, "a", fmt.Sprint("a", i))
	}
	b.mustSend(b.FIFO, other, "b", "b")
	var order []string
	failures := 0
	for end := time.Now().Add(10 * time.Second); !slices.Contains(order, third) && time.Now().Before(end); {
		bodies, failed := b.polled(b.FIFO, 2*time.Second)
		order = append(order, bodies...)
		for _, body := range failed {
			require.Equal(t, poison, body)
			require.NotContains(t, b.rows(), "2", "nothing behind a message that failed")
			failures++
		}
	}
	require.Equal(t, 2, failures)
	require.Less(t, slices.Index(order, other), slices.Index(order, third), "another group is not held back")
	order = slices.DeleteFunc(order, func(body string) bool { return body == other })
	require.Equal(t, []string{first, poison, poison, third}, order)
	require.Equal(t, []string{poison}, b.dead("dead-letters.fifo"))
	require.Equal(t, []string{"1", "2", "3"}, b.rows())
}

// TestSQSWakesLater: a table that is locked is looked at again by a message that
// the queue holds back for a while.
func TestSQSWakesLater(t *testing.T) {
	b := newInbox(t)
	held, err := b.locker.Acquire(t.Context(), "hr.people", time.Minute)
	require.NoError(t, err)
	b.mustSend(b.Queue, b.land(), "", "")
	begun := time.Now()
	_, failed := b.polled(b.Queue, time.Second)
	require.Empty(t, failed, "the ledger has it: it need not come again")
	require.Empty(t, b.rows())
	require.NoError(t, held.Release(context.WithoutCancel(t.Context())))
	bodies, failed := b.polled(b.Queue, 10*time.Second)
	require.Len(t, bodies, 1)
	require.Contains(t, bodies[0], `"wake":"hr.people"`)
	require.Empty(t, failed)
	require.Greater(t, time.Since(begun), 3*time.Second)
	require.Equal(t, []string{"1"}, b.rows())
	attributes, err := b.sqs().GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(b.Queue), AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	require.NoError(t, err)
	require.Equal(t, "0", attributes.Attributes["ApproximateNumberOfMessages"])
}
