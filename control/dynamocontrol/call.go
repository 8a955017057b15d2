package dynamocontrol

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/dynamo"
)

// attempt repeats f while that may help. An error that it returns after a call
// that may have had its effect, without having learnt more, is unanswered.
func (s *Store) attempt(ctx context.Context, f func() error) (dynamo.Verdict, error) {
	open := false // an earlier attempt may have had its effect
	for n := 1; ; n++ {
		if err := ctx.Err(); err != nil && n == 1 {
			return dynamo.NotNow, err
		}
		err := f()
		if err == nil {
			return 0, nil
		}
		v := dynamo.Judge(err)
		if v == dynamo.Unmet && open {
			v = dynamo.UnmetLate
		}
		if v == dynamo.Unmet || v == dynamo.UnmetLate || v == dynamo.Never && !open {
			return v, err
		}
		open = open || v == dynamo.Unanswered
		if n < s.opts.Attempts && ctx.Err() == nil && s.pause(ctx, n) == nil {
			continue
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if open {
			v = dynamo.Unanswered
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
	return dynamo.Outcome(v, err)
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
