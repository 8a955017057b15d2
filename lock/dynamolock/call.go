package dynamolock

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"github.com/tidemark-data/etl"
)

// verdict is what an error says of the call that it ended.
type verdict uint8

const (
	unanswered verdict = iota // may have had its effect
	notNow                    // had none, and may go better next time
	unmet                     // had none: the condition was not met
	never                     // had none, and will not go better by itself
)

// judge sorts the errors of the service ("Error handling with DynamoDB").
func judge(err error) verdict {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return unanswered
	}
	switch api.ErrorCode() {
	case "ConditionalCheckFailedException":
		return unmet
	case "ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "Throttling",
		"TransactionConflictException", "LimitExceededException", "ExpiredTokenException", "ReplicatedWriteConflictException":
		return notNow
	}
	if api.ErrorFault() == smithy.FaultClient {
		return never
	}
	return unanswered
}

// attempt repeats f while that may help. Where an attempt got no answer and a
// later one did not meet the condition, the verdict is unmet all the same: the
// caller looks at the item.
func (l *Locker) attempt(ctx context.Context, f func() error) (verdict, error) {
	open := false
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			if open {
				return unanswered, err
			}
			return notNow, err
		}
		err := f()
		if err == nil {
			return 0, nil
		}
		v := judge(err)
		if v == unmet || v == never && !open {
			return v, err
		}
		open = open || v == unanswered
		if n >= l.opts.Attempts {
			if open {
				v = unanswered
			}
			return v, err
		}
		l.pause(ctx, n)
	}
}

func (l *Locker) pause(ctx context.Context, n int) {
	timer := time.NewTimer(rand.N(l.opts.Backoff<<min(n-1, 6)) + 1)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func outcome(v verdict, err error) error {
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case v == never:
		return etl.WithOutcome(etl.Terminal, err)
	}
	return etl.WithOutcome(etl.Retry, err)
}

// used returns the attribute names that expressions use.
func used(expressions string) map[string]string {
	out := map[string]string{}
	for placeholder, name := range names {
		if strings.Contains(expressions, placeholder) {
			out[placeholder] = name
		}
	}
	return out
}
