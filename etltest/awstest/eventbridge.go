package awstest

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// EventBridge is an in-memory Amazon EventBridge that keeps the events put on
// its buses. The exported fields must not be changed while calls are under way.
// It is safe for concurrent use.
type EventBridge struct {
	// Fail, if not nil, may fail a call before its effect.
	Fail func() error
	// Refuse, if not nil, may refuse single entries with an error code.
	Refuse func(types.PutEventsRequestEntry) string

	mu     sync.Mutex
	events []types.PutEventsRequestEntry
}

// PutEvents is that of the SDK's client. Bad entries fail one by one in an
// answer that is no error, as the service's do.
func (b *EventBridge) PutEvents(ctx context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if b.Fail != nil {
		if err := b.Fail(); err != nil {
			return nil, err
		}
	}
	if n := len(in.Entries); n < 1 || n > 10 {
		return nil, &apiError{"ValidationException", strconv.Itoa(n) + " entries are not between 1 and 10"}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	out := &eventbridge.PutEventsOutput{}
	for _, e := range in.Entries {
		code := b.refusal(e)
		if code != "" {
			out.FailedEntryCount++
			out.Entries = append(out.Entries, types.PutEventsResultEntry{ErrorCode: &code})
			continue
		}
		b.events = append(b.events, e)
		out.Entries = append(out.Entries, types.PutEventsResultEntry{EventId: ptr("event-" + strconv.Itoa(len(b.events)))})
	}
	return out, nil
}

func (b *EventBridge) refusal(e types.PutEventsRequestEntry) string {
	switch {
	case deref(e.Source) == "" || deref(e.DetailType) == "":
		return "InvalidArgument"
	case !json.Valid([]byte(deref(e.Detail))):
		return "MalformedDetail"
	case b.Refuse != nil:
		return b.Refuse(e)
	}
	return ""
}

// Events returns the events that were put, oldest first.
func (b *EventBridge) Events() []types.PutEventsRequestEntry {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]types.PutEventsRequestEntry{}, b.events...)
}
