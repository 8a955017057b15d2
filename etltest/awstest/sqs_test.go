package awstest_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/etltest/awstest"
)

func TestSQS(t *testing.T) {
	now := time.Now()
	q := &awstest.SQS{Now: func() time.Time { return now }}
	send := func(queue, body, group, id string, delay int32) error {
		in := &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body, DelaySeconds: delay}
		if group != "" {
			in.MessageGroupId = &group
		}
		if id != "" {
			in.MessageDeduplicationId = aws.String(id)
		}
		_, err := q.SendMessage(t.Context(), in)
		return err
	}
	require.NoError(t, send("q", "a", "", "", 10))
	require.NoError(t, send("q", "b", "", "", 0))
	require.Len(t, q.Messages("q"), 2)
	first := q.Receive("q")
	require.Len(t, first, 1, "the other one is delayed")
	q.Return("q", first...)
	now = now.Add(10 * time.Second)
	again := q.Receive("q")
	require.Len(t, again, 2)
	require.Equal(t, 2, again[0].Receives)

	require.NoError(t, send("q.fifo", "a", "g", "1", 0))
	require.NoError(t, send("q.fifo", "b", "g", "1", 0))
	require.Len(t, q.Messages("q.fifo"), 1, "swallowed as a duplicate")
	now = now.Add(5 * time.Minute)
	require.NoError(t, send("q.fifo", "b", "g", "1", 0))
	require.Len(t, q.Messages("q.fifo"), 2, "the window is over")

	for name, err := range map[string]error{
		"delay in FIFO":    send("q.fifo", "a", "g", "2", 1),
		"FIFO without ID":  send("q.fifo", "a", "g", "", 0),
		"no group":         send("q.fifo", "a", "", "3", 0),
		"ID in standard":   send("q", "a", "", "3", 0),
		"long delay":       send("q", "a", "", "", 901),
		"no body":          send("q", "", "", "", 0),
		"long body":        send("q", strings.Repeat("x", 1<<20+1), "", "", 0),
		"no queue":         send("", "a", "", "", 0),
		"group of 129":     send("q.fifo", "a", strings.Repeat("g", 129), "4", 0),
		"negative seconds": send("q", "a", "", "", -1),
	} {
		require.Error(t, err, name)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := q.SendMessage(over, &sqs.SendMessageInput{})
	require.ErrorIs(t, err, context.Canceled)
}
