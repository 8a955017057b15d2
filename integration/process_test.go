package integration

import (
	"context"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/awsetl"
	"github.com/tidemark-data/etl/etltest"
)

// process is a process that dies at one of its calls of a service: before the
// call's effect or after it. From then on no call of it has an effect; nothing
// is given back, nothing is tidied up.
type process struct {
	context.Context
	kill context.CancelFunc
	fuse atomic.Int64 // passes until its death; it lives for ever below 1
	dead atomic.Bool
}

func newProcess(fuse int64) *process {
	p := &process{}
	p.Context, p.kill = context.WithCancel(context.Background())
	p.fuse.Store(fuse)
	return p
}

func (p *process) pass() error {
	if p.fuse.Add(-1) == 0 {
		p.dead.Store(true)
		p.kill()
	}
	if p.dead.Load() {
		return etltest.ErrCrash
	}
	return nil
}

// through makes a call of the process.
func through[In, Out, Opts any](p *process, ctx context.Context, in In, call func(context.Context, In, ...func(Opts)) (Out, error)) (Out, error) {
	var none Out
	if err := p.pass(); err != nil {
		return none, err
	}
	out, err := call(ctx, in)
	if dead := p.pass(); dead != nil {
		return none, dead
	}
	return out, err
}

type mortalDynamo struct {
	p *process
	c awsetl.DynamoDBClient
}

func (m mortalDynamo) GetItem(ctx context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return through(m.p, ctx, in, m.c.GetItem)
}

func (m mortalDynamo) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	return through(m.p, ctx, in, m.c.BatchGetItem)
}

func (m mortalDynamo) BatchWriteItem(ctx context.Context, in *dynamodb.BatchWriteItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error) {
	return through(m.p, ctx, in, m.c.BatchWriteItem)
}

func (m mortalDynamo) Query(ctx context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return through(m.p, ctx, in, m.c.Query)
}

func (m mortalDynamo) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	return through(m.p, ctx, in, m.c.TransactWriteItems)
}

func (m mortalDynamo) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return through(m.p, ctx, in, m.c.UpdateItem)
}

// s3Reads is what the source needs of S3.
type s3Reads interface {
	ListObjectsV2(context.Context, *s3.ListObjectsV2Input, ...func(*s3.Options)) (*s3.ListObjectsV2Output, error)
	HeadObject(context.Context, *s3.HeadObjectInput, ...func(*s3.Options)) (*s3.HeadObjectOutput, error)
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

type mortalS3 struct {
	p *process
	c s3Reads
}

func (m mortalS3) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input, _ ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	return through(m.p, ctx, in, m.c.ListObjectsV2)
}

func (m mortalS3) HeadObject(ctx context.Context, in *s3.HeadObjectInput, _ ...func(*s3.Options)) (*s3.HeadObjectOutput, error) {
	return through(m.p, ctx, in, m.c.HeadObject)
}

func (m mortalS3) GetObject(ctx context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	return through(m.p, ctx, in, m.c.GetObject)
}

type mortalSQS struct {
	p *process
	c awsetl.SQSClient
}

func (m mortalSQS) SendMessage(ctx context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options)) (*sqs.SendMessageOutput, error) {
	return through(m.p, ctx, in, m.c.SendMessage)
}

// tables is what both sinks can do, as far as the Runner needs it.
type tables interface {
	etl.Sink
	etl.Fencer
	etl.Witness
	etltest.Scanner
}

// mortalSink sends each table to the sink that keeps it.
type mortalSink struct {
	p  *process
	of func(table string) tables
}

var (
	_ etl.Sink    = mortalSink{}
	_ etl.Fencer  = mortalSink{}
	_ etl.Witness = mortalSink{}
)

func (m mortalSink) Apply(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
	return through(m.p, ctx, load, func(ctx context.Context, load etl.Load, _ ...func(any)) (etl.Receipt, error) {
		return m.of(target.Name).Apply(ctx, target, load, changes)
	})
}

func (m mortalSink) Applied(ctx context.Context, target etl.Target, id string) (r etl.Receipt, found bool, err error) {
	r, err = through(m.p, ctx, id, func(ctx context.Context, id string, _ ...func(any)) (r etl.Receipt, err error) {
		r, found, err = m.of(target.Name).Applied(ctx, target, id)
		return r, err
	})
	return r, found && err == nil, err
}

func (m mortalSink) Fence(ctx context.Context, target etl.Target, fence int64) error {
	_, err := through(m.p, ctx, fence, func(ctx context.Context, fence int64, _ ...func(any)) (struct{}, error) {
		return struct{}{}, m.of(target.Name).Fence(ctx, target, fence)
	})
	return err
}

func (m mortalSink) Standing(ctx context.Context, target etl.Target) (etl.Standing, error) {
	return through(m.p, ctx, target, func(ctx context.Context, target etl.Target, _ ...func(any)) (etl.Standing, error) {
		return m.of(target.Name).Standing(ctx, target)
	})
}
