package dynamolock

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tidemark-data/etl/internal/dynamo"
)

// attempt repeats f while that may help. Where an attempt got no answer and a
// later one did not meet the condition, the verdict is unmet all the same: the
// caller looks at the item.
func (l *Locker) attempt(ctx context.Context, f func() error) (dynamo.Verdict, error) {
	open := false
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil {
			if open {
				return dynamo.Unanswered, err
			}
			return dynamo.NotNow, err
		}
		err := f()
		if err == nil {
			return 0, nil
		}
		v := dynamo.Judge(err)
		if v == dynamo.Unmet || v == dynamo.Never && !open {
			return v, err
		}
		open = open || v == dynamo.Unanswered
		if n >= l.opts.Attempts {
			if open {
				v = dynamo.Unanswered
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
