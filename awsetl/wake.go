package awsetl

import (
	"context"
	crand "crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Wake is a message of a Handler to its next invocation.
type Wake struct {
	// Tables are to be drained.
	Tables []string
	// Hops counts the wake-ups in a row that brought no progress.
	Hops int
	// TaskToken is that of the Step Functions task that waits for the outcome.
	TaskToken string
}

// MarshalJSON makes the event that [Handler.Handle] reads.
func (w Wake) MarshalJSON() ([]byte, error) {
	type inner struct {
		Wake names `json:"wake"`
		Hops int   `json:"hops,omitempty"`
	}
	return json.Marshal(struct {
		Tidemark  inner  `json:"tidemark"`
		TaskToken string `json:"taskToken,omitempty"`
	}{inner{w.Tables, w.Hops}, w.TaskToken})
}

// Waker sends wake-ups. Implementations are safe for concurrent use. What Wake
// has returned nil for arrives at least once, not before delay has passed.
//
// Lambda ends chains of about 16 invocations that wake each other, through SQS
// too, unless the function's recursive loop detection is set to Allow (AWS Lambda
// Developer Guide, "Recursive loop detection"). The handler counts for itself,
// and what is ended is taken up by the schedule.
type Waker interface {
	Wake(ctx context.Context, w Wake, delay time.Duration) error
	// MaxDelay is the longest delay that Wake takes; zero is none.
	MaxDelay() time.Duration
}

// SQSClient is what of the client of aws-sdk-go-v2/service/sqs an [SQSWaker] needs.
type SQSClient interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// SQSWaker wakes by a queue that the function is subscribed to. A FIFO queue has
// no delays for single messages; the group is the table.
type SQSWaker struct {
	Client   SQSClient
	QueueURL string
}

// LambdaClient is what of the client of aws-sdk-go-v2/service/lambda a
// [LambdaWaker] needs.
type LambdaClient interface {
	Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// LambdaWaker wakes by invoking the function asynchronously, without delay.
type LambdaWaker struct {
	Client LambdaClient
	// Function is the name or ARN.
	Function string
}

var (
	_ Waker        = (*SQSWaker)(nil)
	_ Waker        = (*LambdaWaker)(nil)
	_ SQSClient    = (*sqs.Client)(nil)
	_ LambdaClient = (*lambda.Client)(nil)
)

// maxSQSDelay is that of SendMessage (Amazon SQS API Reference, DelaySeconds).
const maxSQSDelay = 15 * time.Minute

func (s *SQSWaker) fifo() bool { return strings.HasSuffix(s.QueueURL, ".fifo") }

// MaxDelay implements [Waker].
func (s *SQSWaker) MaxDelay() time.Duration {
	if s.fifo() {
		return 0
	}
	return maxSQSDelay
}

// Wake implements [Waker].
func (s *SQSWaker) Wake(ctx context.Context, w Wake, delay time.Duration) error {
	body, err := json.Marshal(w)
	if err != nil {
		return err
	}
	in := &sqs.SendMessageInput{QueueUrl: &s.QueueURL, MessageBody: aws.String(string(body))}
	if s.fifo() {
		// Unique: SQS would swallow a wake-up that equals one of the last minutes.
		in.MessageGroupId, in.MessageDeduplicationId = aws.String(group(w.Tables)), aws.String(crand.Text())
	} else {
		in.DelaySeconds = int32((min(delay, maxSQSDelay) + time.Second - 1) / time.Second)
	}
	if _, err = s.Client.SendMessage(ctx, in); err != nil {
		return fmt.Errorf("send a wake-up to SQS: %w", err)
	}
	return nil
}

// group returns a message group ID: at most 128 letters, digits and punctuation.
func group(tables []string) string {
	g := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, strings.Join(tables, ","))
	return g[:min(len(g), 128)]
}

// MaxDelay implements [Waker].
func (l *LambdaWaker) MaxDelay() time.Duration { return 0 }

// Wake implements [Waker].
func (l *LambdaWaker) Wake(ctx context.Context, w Wake, _ time.Duration) error {
	payload, err := json.Marshal(w)
	if err != nil {
		return err
	}
	_, err = l.Client.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: &l.Function, InvocationType: lambdatypes.InvocationTypeEvent, Payload: payload,
	})
	if err != nil {
		return fmt.Errorf("invoke the next run: %w", err)
	}
	return nil
}

func (h *Handler) canDelay() bool { return h.parts.Waker != nil && h.parts.Waker.MaxDelay() > 0 }

// wake sends what the next invocations need to know.
func (c *call) wake(ctx context.Context) {
	for table := range c.soon {
		if _, drained := c.left[table]; !drained {
			c.left[table] = left{hops: 1}
		}
	}
	woken := c.passTokens(ctx)
	for _, t := range c.cfg.Tables {
		l, ok := c.left[t.Name]
		if !ok {
			continue
		}
		if !woken[t.Name] {
			woken[t.Name] = c.wakeTable(ctx, t.Name, l)
		}
		for i := range c.answer.Tables {
			if a := &c.answer.Tables[i]; a.Table == t.Name {
				a.Woken = woken[t.Name]
			}
		}
	}
}

// wakeTable reports whether the table will be woken.
func (c *call) wakeTable(ctx context.Context, table string, l left) bool {
	if !c.sendable(l) {
		c.leave(table, l)
		return false
	}
	delay := min(l.delay, c.parts.Waker.MaxDelay())
	due := time.Now().Add(delay)
	before, ok := c.claim(table, due)
	if !ok {
		return true
	}
	if err := c.parts.Waker.Wake(ctx, Wake{Tables: []string{table}, Hops: l.hops}, delay); err != nil {
		c.unclaim(table, due, before)
		c.log.Error("wake-up not sent; the schedule goes on", "table", table, "error", err)
		return false
	}
	return true
}

// sendable reports whether a wake-up can and may be sent.
func (h *Handler) sendable(l left) bool {
	return h.parts.Waker != nil && (l.delay == 0 || h.canDelay()) && l.hops <= h.parts.MaxHops
}

// leave leaves a table to the schedule, and says so.
func (h *Handler) leave(table string, l left) {
	if h.parts.Waker == nil || l.hops <= h.parts.MaxHops {
		h.log.Info("left to the schedule", "table", table, "wait", l.delay)
		return
	}
	h.giveUp(table, fmt.Sprintf("the table was woken %d times in a row without progress; it is left to the schedule", h.parts.MaxHops))
}

func (h *Handler) giveUp(table, why string) {
	h.log.Error("not woken again", "table", table, "why", why)
	if !h.first(table + ": " + why) {
		return
	}
	h.notify(Notice{Kind: NoticeGaveUp, Table: table, Text: why})
}

// claim says that a wake-up of the table arrives at due. It returns false where
// one is under way that arrives no later, and therefore sees all that is in the
// ledger now: a thousand files of a locked table need one wake-up.
func (h *Handler) claim(table string, due time.Time) (before time.Time, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before = h.due[table]
	if before.After(time.Now()) && !before.After(due) {
		return before, false
	}
	h.due[table] = due
	return before, true
}

func (h *Handler) unclaim(table string, due, before time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.due[table].Equal(due) {
		h.due[table] = before
	}
}
