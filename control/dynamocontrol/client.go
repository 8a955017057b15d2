package dynamocontrol

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tidemark-data/etl"
)

// Client is what the store calls of *dynamodb.Client. It is safe for concurrent use.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	BatchWriteItem(context.Context, *dynamodb.BatchWriteItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

var _ Client = (*dynamodb.Client)(nil)

// Options are the options of [New].
type Options struct {
	// Table is the name or ARN of the DynamoDB table, as [CreateTable] makes it.
	Table string
	// Attempts is how often a call is tried that was throttled or got no answer;
	// 8 if zero. The client's own retries come on top.
	Attempts int
	// Backoff is the longest pause after the first attempt; it doubles with each,
	// up to 64 times that. 25 milliseconds if zero. Pauses are random.
	Backoff time.Duration
	// Parallel is how many calls one update in stages makes at a time; 4 if zero.
	Parallel int
	// Patience is how long an update waits for one in stages that is in its way,
	// before it takes that for dead, plus a thousandth of it for each record of
	// that; 2 seconds if zero.
	Patience time.Duration
}

func (o Options) withDefaults() Options {
	if o.Attempts == 0 {
		o.Attempts = 8
	}
	if o.Backoff == 0 {
		o.Backoff = 25 * time.Millisecond
	}
	if o.Parallel == 0 {
		o.Parallel = 4
	}
	if o.Patience == 0 {
		o.Patience = 2 * time.Second
	}
	return o
}

func (o Options) validate() error {
	var errs []error
	if o.Table == "" {
		errs = append(errs, errors.New("options: Table is empty"))
	}
	if o.Attempts < 0 || o.Backoff < 0 || o.Parallel < 0 || o.Patience < 0 {
		errs = append(errs, errors.New("options: Attempts, Backoff, Parallel and Patience must not be negative"))
	}
	return errors.Join(errs...)
}

var _ etl.ControlStore = (*Store)(nil)

// Store is a control store in a DynamoDB table. It is safe for concurrent use,
// and between processes. What Update has returned nil for is durable by the
// service's word. Times come back in UTC with their nanoseconds. The record of
// one file may have up to 180 KB.
type Store struct {
	client Client
	opts   Options
}

// New returns the store in the table that opts names. It makes no call.
func New(client Client, opts Options) (*Store, error) {
	opts = opts.withDefaults()
	err := opts.validate()
	if client == nil {
		err = errors.Join(errors.New("client is nil"), err)
	}
	if err != nil {
		return nil, etl.WithOutcome(etl.Terminal, errors.Join(errors.New("dynamocontrol"), err))
	}
	return &Store{client: client, opts: opts}, nil
}

// item is an item, or the key of one.
type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func blob(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }

func textOf(it item, name string) string {
	if v, ok := it[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

// blobOf returns nil where there is no such attribute.
func blobOf(it item, name string) []byte {
	if v, ok := it[name].(*types.AttributeValueMemberB); ok {
		return v.Value
	}
	return nil
}
