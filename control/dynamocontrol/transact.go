package dynamocontrol

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/tidemark-data/etl/internal/dynamo"
)

// Limits of a TransactWriteItems; that of bytes leaves room for what the
// service counts besides.
const (
	transactItems = 100
	transactBytes = 3500 << 10
)

// transact writes all items or none, and repeats that under one idempotency
// token while it may help.
func (s *Store) transact(ctx context.Context, token string, items []types.TransactWriteItem) (dynamo.Verdict, error) {
	return s.attempt(ctx, func() error {
		_, err := s.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: items, ClientRequestToken: &token})
		return err
	})
}

// putIf puts an item if attribute name has the value was; if that is empty, if
// there is no such item.
func (s *Store) putIf(it item, name, was string) types.TransactWriteItem {
	p := &types.Put{TableName: &s.opts.Table, Item: it}
	p.ConditionExpression, p.ExpressionAttributeNames, p.ExpressionAttributeValues = equals(name, was)
	return types.TransactWriteItem{Put: p}
}

// deleteIf deletes the item if attribute name has the value was.
func (s *Store) deleteIf(k item, name, was string) types.TransactWriteItem {
	d := &types.Delete{TableName: &s.opts.Table, Key: k}
	d.ConditionExpression, d.ExpressionAttributeNames, d.ExpressionAttributeValues = equals(name, was)
	return types.TransactWriteItem{Delete: d}
}

func equals(name, was string) (*string, map[string]string, item) {
	if was == "" {
		return ptr("attribute_not_exists(#pk)"), map[string]string{"#pk": attrPK}, nil
	}
	return ptr("#a = :was"), map[string]string{"#a": name}, item{":was": text(was)}
}

func (s *Store) plainPut(it item) types.TransactWriteItem {
	return types.TransactWriteItem{Put: &types.Put{TableName: &s.opts.Table, Item: it}}
}

func (s *Store) plainDelete(k item) types.TransactWriteItem {
	return types.TransactWriteItem{Delete: &types.Delete{TableName: &s.opts.Table, Key: k}}
}

// parallel runs f for 0 to n-1, a few at a time, up to the first error.
func (s *Store) parallel(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	if n == 1 {
		return f(ctx, 0)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.opts.Parallel)
	for i := range n {
		g.Go(func() error { return f(ctx, i) })
	}
	return g.Wait()
}
