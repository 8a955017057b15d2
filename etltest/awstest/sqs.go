package awstest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// Limits of the Amazon SQS API Reference, SendMessage.
const (
	sqsMaxDelay    = 900
	sqsMaxBody     = 1 << 20
	sqsDedupWindow = 5 * time.Minute
)

// SQS is an in-memory Amazon SQS, as far as senders see it: any queue URL is a
// queue, a FIFO one if it ends in ".fifo". What would be received is taken out
// by Receive. The exported fields must not be changed while calls are under
// way. It is safe for concurrent use.
type SQS struct {
	// Now is the clock by which messages are delayed; nil is [time.Now].
	Now func() time.Time
	// Fail, if not nil, may fail a call before its effect.
	Fail func() error

	mu     sync.Mutex
	queues map[string][]SQSMessage
	dedup  map[string]time.Time
	sent   int
}

// SQSMessage is a message in a queue.
type SQSMessage struct {
	ID    string
	Body  string
	Group string // of a FIFO queue
	// Visible is when the message can be received first.
	Visible time.Time
	// Receives counts how often it was received.
	Receives int
}

func sqsInvalid(code, format string, args ...any) error {
	return &apiError{code, fmt.Sprintf(format, args...)}
}

func (q *SQS) now() time.Time {
	if q.Now != nil {
		return q.Now()
	}
	return time.Now()
}

// SendMessage is that of the SDK's client.
func (q *SQS) SendMessage(ctx context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if q.Fail != nil {
		if err := q.Fail(); err != nil {
			return nil, err
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	url, body := deref(in.QueueUrl), deref(in.MessageBody)
	group, id := deref(in.MessageGroupId), deref(in.MessageDeduplicationId)
	fifo := strings.HasSuffix(url, ".fifo")
	switch {
	case url == "":
		return nil, &types.QueueDoesNotExist{Message: ptr("The specified queue does not exist")}
	case body == "" || len(body) > sqsMaxBody:
		return nil, sqsInvalid("InvalidParameterValue", "body of %d bytes", len(body))
	case in.DelaySeconds < 0 || in.DelaySeconds > sqsMaxDelay:
		return nil, sqsInvalid("InvalidParameterValue", "DelaySeconds %d is not between 0 and 900", in.DelaySeconds)
	case fifo && in.DelaySeconds != 0:
		return nil, sqsInvalid("InvalidParameterValue", "DelaySeconds is not valid for messages of a FIFO queue")
	case fifo && (group == "" || id == ""):
		return nil, sqsInvalid("MissingParameter", "a FIFO queue needs MessageGroupId and MessageDeduplicationId")
	case len(group) > 128 || len(id) > 128:
		return nil, sqsInvalid("InvalidParameterValue", "a group or deduplication ID is longer than 128")
	case !fifo && id != "":
		return nil, sqsInvalid("InvalidParameterValue", "MessageDeduplicationId is for FIFO queues")
	}
	q.sent++
	m := SQSMessage{ID: "message-" + strconv.Itoa(q.sent), Body: body, Group: group, Visible: q.now().Add(time.Duration(in.DelaySeconds) * time.Second)}
	if !fifo || q.fresh(url+"\n"+id) {
		q.put(url, append(q.queues[url], m))
	}
	return &sqs.SendMessageOutput{MessageId: &m.ID}, nil
}

func (q *SQS) put(url string, messages []SQSMessage) {
	if q.queues == nil {
		q.queues = map[string][]SQSMessage{}
	}
	q.queues[url] = messages
}

// fresh reports whether a deduplication ID has not been seen within the window.
func (q *SQS) fresh(id string) bool {
	if q.dedup == nil {
		q.dedup = map[string]time.Time{}
	}
	seen, known := q.dedup[id]
	if known && q.now().Sub(seen) < sqsDedupWindow {
		return false
	}
	q.dedup[id] = q.now()
	return true
}

// Receive takes the visible messages out of a queue, as if they were deleted
// after they had been received. Give those that failed back by Return.
func (q *SQS) Receive(url string) []SQSMessage {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out, stay []SQSMessage
	for _, m := range q.queues[url] {
		if m.Visible.After(q.now()) {
			stay = append(stay, m)
			continue
		}
		m.Receives++
		out = append(out, m)
	}
	q.put(url, stay)
	return out
}

// Return makes messages visible again, ahead of those in the queue.
func (q *SQS) Return(url string, messages ...SQSMessage) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.put(url, append(append([]SQSMessage{}, messages...), q.queues[url]...))
}

// Messages returns those in a queue, visible or not.
func (q *SQS) Messages(url string) []SQSMessage {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]SQSMessage{}, q.queues[url]...)
}

// apiError is an error of a service that has no type of its own in the SDK.
type apiError struct{ code, message string }

func (e *apiError) Error() string                 { return "api error " + e.code + ": " + e.message }
func (e *apiError) ErrorCode() string             { return e.code }
func (e *apiError) ErrorMessage() string          { return e.message }
func (e *apiError) ErrorFault() smithy.ErrorFault { return smithy.FaultClient }
