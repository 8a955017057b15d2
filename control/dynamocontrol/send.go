package dynamocontrol

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/dynamo"
)

// cleanTime is for how long is cleaned up after a context has ended.
const cleanTime = 5 * time.Second

// cleaning returns a context that outlives the caller's by a little.
func cleaning(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
}

// send sends the transaction that commits an update, and finds out what became
// of it: nil, or ErrConflict, ErrStaleFence, errMoved or another certain
// failure, or ErrUnknownCommit.
func (p *commit) send(ctx context.Context, items []types.TransactWriteItem) error {
	v, err := p.s.transact(ctx, p.token, items)
	switch {
	case err == nil:
		return nil
	case v == dynamo.Never, v == dynamo.NotNow:
		return dynamo.Outcome(v, err)
	}
	// A condition that is not met, at last, may be met no more because an earlier
	// attempt has landed. An attempt without an answer may have landed, or do so yet.
	look, cancel := ctx, context.CancelFunc(func() {})
	if v == dynamo.Unanswered {
		look, cancel = cleaning(ctx)
	}
	defer cancel()
	h, herr := p.s.head(look, p.c.pk)
	switch {
	case herr != nil && v == dynamo.Unmet:
		return herr
	case herr != nil:
		return fmt.Errorf("%w: %w", etl.ErrUnknownCommit, errors.Join(err, herr))
	}
	landed, known := h.landed(p.c.base, p.token)
	if landed {
		return nil
	}
	stale := p.c.check(h)
	switch {
	case stale != nil && (known || v == dynamo.Unmet):
		return stale // and can land no more
	case stale == nil && v != dynamo.Unanswered:
		return errMoved
	}
	return fmt.Errorf("%w: %w", etl.ErrUnknownCommit, err)
}
