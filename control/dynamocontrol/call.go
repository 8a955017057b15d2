package dynamocontrol

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/tidemark-data/etl"
)

// verdict is what an error says of the call that it ended.
type verdict uint8

const (
	unanswered verdict = iota // may have had its effect
	notNow                    // had none, and may go better next time
	unmet                     // had none: a condition was not met
	never                     // had none, and will not go better by itself
	unmetLate                 // a condition was not met, after an attempt without an answer
)

// judge sorts the errors of the service ("Error handling with DynamoDB").
func judge(err error) verdict {
	var canceled *types.TransactionCanceledException
	if errors.As(err, &canceled) {
		return judgeReasons(canceled.CancellationReasons)
	}
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
	case "TransactionInProgressException", "InternalServerError", "ServiceUnavailable", "ServiceUnavailableException":
		return unanswered
	}
	if api.ErrorFault() == smithy.FaultClient {
		return never
	}
	return unanswered
}

func judgeReasons(reasons []types.CancellationReason) verdict {
	v := notNow
	for _, r := range reasons {
		if r.Code == nil {
			continue
		}
		switch *r.Code {
		case "ConditionalCheckFailed":
			v = max(v, unmet)
		case "ValidationError", "ItemCollectionSizeLimitExceeded", "AccessDenied":
			v = never
		}
	}
	return v
}

// attempt repeats f while that may help. An error that it returns after a call
// that may have had its effect, without having learnt more, is unanswered.
func (s *Store) attempt(ctx context.Context, f func() error) (verdict, error) {
	open := false // an earlier attempt may have had its effect
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil && n == 1 {
			return notNow, err
		}
		err := f()
		if err == nil {
			return 0, nil
		}
		v := judge(err)
		if v == unmet && open {
			v = unmetLate
		}
		if v == unmet || v == unmetLate || v == never && !open {
			return v, err
		}
		open = open || v == unanswered
		if n < s.opts.Attempts && ctx.Err() == nil && s.pause(ctx, n) == nil {
			continue
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if open {
			v = unanswered
		}
		return v, err
	}
}

func (s *Store) pause(ctx context.Context, n int) error {
	timer := time.NewTimer(rand.N(s.opts.Backoff<<min(n-1, 6)) + 1)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// do is attempt for calls that may be repeated; its error has an outcome.
func (s *Store) do(ctx context.Context, f func() error) error {
	v, err := s.attempt(ctx, f)
	return outcome(v, err)
}

// outcome declares what an error of the service, or of the way to it, means
// for calls without effect.
func outcome(v verdict, err error) error {
	switch {
	case err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case v == never:
		return etl.WithOutcome(etl.Terminal, err)
	}
	return etl.WithOutcome(etl.Retry, err)
}

func (s *Store) get(ctx context.Context, k item) (item, error) {
	var out *dynamodb.GetItemOutput
	err := s.do(ctx, func() (err error) {
		out, err = s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &s.opts.Table, Key: k, ConsistentRead: ptr(true)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// batchRead is the greatest number of keys of a BatchGetItem.
const batchRead = 100

// getAll reads up to batchRead items, in no particular order.
func (s *Store) getAll(ctx context.Context, keys []item) ([]item, error) {
	var found []item
	for n := 1; len(keys) > 0; n++ {
		var out *dynamodb.BatchGetItemOutput
		err := s.do(ctx, func() (err error) {
			out, err = s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
				s.opts.Table: {Keys: keys, ConsistentRead: ptr(true)},
			}})
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, items := range out.Responses {
			found = append(found, items...)
		}
		left := 0
		for _, rest := range out.UnprocessedKeys {
			left, keys = len(rest.Keys), rest.Keys
		}
		if left == 0 {
			break
		}
		if err := s.unprocessed(ctx, n); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// unprocessed waits before what a batch has left over is tried again.
func (s *Store) unprocessed(ctx context.Context, n int) error {
	if n >= 4*s.opts.Attempts {
		return etl.WithOutcome(etl.Retry, fmt.Errorf("throttled: parts of a batch were not processed in %d attempts", n))
	}
	return s.pause(ctx, n)
}

// batchWrite is the greatest number of requests of a BatchWriteItem.
const batchWrite = 25

// writeAll puts and deletes items, each by itself.
func (s *Store) writeAll(ctx context.Context, reqs []types.WriteRequest) error {
	for n := 1; len(reqs) > 0; n++ {
		var out *dynamodb.BatchWriteItemOutput
		err := s.do(ctx, func() (err error) {
			out, err = s.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{s.opts.Table: reqs}})
			return err
		})
		if err != nil {
			return err
		}
		left := 0
		for _, rest := range out.UnprocessedItems {
			left, reqs = len(rest), rest
		}
		if left == 0 {
			return nil
		}
		if err := s.unprocessed(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func put(it item) types.WriteRequest {
	return types.WriteRequest{PutRequest: &types.PutRequest{Item: it}}
}

func del(k item) types.WriteRequest {
	return types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: k}}
}

func ptr[T any](v T) *T { return &v }
