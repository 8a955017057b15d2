//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/awsetl"
	"github.com/tidemark-data/etl/control/dynamocontrol"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/lock/dynamolock"
	"github.com/tidemark-data/etl/sink/icebergsink/gluesink"
)

// cloud names the servers that the function works with; its text is handed to
// processes of their own.
type cloud struct {
	S3, Dynamo, Glue, SQS string // endpoints
	Item                  string // the DynamoDB table
	Queue, FIFO           string // URLs
	Seed                  uint64
	Tables                int

	// In tests that need no other process, what replaces servers.
	dynamo awsetl.DynamoDBClient
	queue  awsetl.SQSClient
	http   aws.HTTPClient
}

// startCloud starts a gateway for S3 and makes what the function needs: landing
// and warehouse, and the table in the DynamoDB that the environment names. The
// catalog of Glue is the fake, which checks VersionId as moto does not.
func startCloud(t *testing.T, seed uint64, tables int) cloud {
	service := dynamoService(t)
	c := startStores(t)
	c.Dynamo, c.Seed, c.Tables = os.Getenv("TIDEMARK_DYNAMODB_ENDPOINT"), seed, tables
	require.NoError(t, dynamocontrol.CreateTable(t.Context(), service, c.Item))
	return c
}

// startStores starts what keeps files and tables.
func startStores(t *testing.T) cloud {
	gateway := startS3(t)
	newBucket(t, s3Client(gateway), landingBucket, false)
	newBucket(t, s3Client(gateway), "lake", false)
	catalog := httptest.NewServer(awstest.NewGlue())
	t.Cleanup(catalog.Close)
	return cloud{S3: "http://" + gateway, Glue: catalog.URL, Item: fmt.Sprintf("%s-%d", t.Name(), os.Getpid())}
}

func (c cloud) config() aws.Config {
	cfg := s3Config()
	cfg.HTTPClient = c.http
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 5, 100*time.Millisecond })
	}
	return cfg
}

func (c cloud) s3() *s3.Client {
	return s3.NewFromConfig(c.config(), func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &c.S3, true })
}

func (c cloud) dynamoDB() awsetl.DynamoDBClient {
	if c.dynamo != nil {
		return c.dynamo
	}
	return dynamodb.NewFromConfig(c.config(), func(o *dynamodb.Options) { o.BaseEndpoint = &c.Dynamo })
}

func (c cloud) sqs() *sqs.Client {
	return sqs.NewFromConfig(c.config(), func(o *sqs.Options) { o.BaseEndpoint = &c.SQS })
}

func (c cloud) put(key string, content []byte) error {
	_, err := c.s3().PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String(landingBucket), Key: &key, Body: bytes.NewReader(content)})
	return err
}

func (c cloud) glue() gluesink.Config {
	g := gluesink.Config{AWS: c.config(), Warehouse: "s3://lake/warehouse", S3Endpoint: c.S3, PathStyle: true}
	g.AWS.BaseEndpoint = &c.Glue
	return g
}

// open composes the function as [awsetl.New] does, with leases that are short
// enough for a test.
func (c cloud) open(ctx context.Context, declared []etl.Table) (*awsetl.Handler, error) {
	client := c.dynamoDB()
	locker, err := dynamolock.New(client, dynamolock.Options{Table: c.Item, Margin: 200 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	lake, err := gluesink.Open(ctx, c.glue())
	if err != nil {
		return nil, err
	}
	o := awsetl.Options{
		Landing: "s3://" + landingBucket, ControlTable: c.Item, Tables: declared,
		Clients: awsetl.Clients{S3: c.s3(), DynamoDB: client},
		Config: etl.Config{
			Sink: lake, Locker: locker, LeaseTTL: time.Second, Margin: time.Millisecond, MaxBegins: 100,
			Retry: etl.RetryPolicy{Attempts: 4, Base: 10 * time.Millisecond, Max: 100 * time.Millisecond},
		},
		Parts: awsetl.Parts{Grace: 2 * time.Second, Settle: -1, Quiet: -1},
	}
	switch {
	case c.queue != nil:
		o.WakeQueue, o.Clients.SQS = wakeURL, c.queue
	case c.Queue != "":
		o.WakeQueue, o.Clients.SQS = c.Queue, c.sqs()
	}
	return awsetl.New(ctx, c.config(), o)
}

// check compares tables and ledger with the model, over connections that are clean.
func (c cloud) check(t *testing.T, s *shop) {
	lake, err := gluesink.Open(t.Context(), c.glue())
	require.NoError(t, err)
	defer lake.Close()
	s.check(t.Context(), c.ledger(t), func(string) etl.Sink { return lake })
}

func (c cloud) ledger(t *testing.T) etl.ControlStore {
	ledger, err := dynamocontrol.New(c.dynamoDB(), dynamocontrol.Options{Table: c.Item})
	require.NoError(t, err)
	return ledger
}

// startSQS makes a queue and a FIFO queue whose messages come again after a
// while, and a queue for the dead letters of each.
func (c *cloud) startSQS(t *testing.T, visibility, receives int) {
	c.SQS = "http://" + startServer(t, "fauxqs", "{port}")
	for _, q := range []struct {
		url    *string
		suffix string
	}{{&c.Queue, ""}, {&c.FIFO, ".fifo"}} {
		attributes := map[string]string{}
		if q.suffix != "" {
			attributes["FifoQueue"] = "true"
		}
		c.createQueue(t, "dead-letters"+q.suffix, attributes)
		attributes["VisibilityTimeout"] = fmt.Sprint(visibility)
		attributes["RedrivePolicy"] = document(map[string]any{
			"deadLetterTargetArn": "arn:aws:sqs:" + s3Region + ":000000000000:dead-letters" + q.suffix, "maxReceiveCount": receives,
		})
		*q.url = c.createQueue(t, "landed"+q.suffix, attributes)
	}
}

func (c cloud) createQueue(t *testing.T, name string, attributes map[string]string) string {
	out, err := c.sqs().CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	require.NoError(t, err)
	return *out.QueueUrl
}

func (c cloud) send(ctx context.Context, url, body, group, id string) error {
	in := &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &body}
	if group != "" {
		in.MessageGroupId, in.MessageDeduplicationId = &group, &id
	}
	_, err := c.sqs().SendMessage(ctx, in)
	return err
}

// poll does what the event source mapping of a queue does once: it hands a batch
// to the function and deletes what did not fail. It returns the bodies received
// and the answers' failures among them.
func (c cloud) poll(ctx context.Context, url string, h *awsetl.Handler) (bodies, failed []string, err error) {
	out, err := c.sqs().ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{sqstypes.MessageSystemAttributeNameAll},
	})
	if err != nil || len(out.Messages) == 0 {
		return nil, nil, err
	}
	fails, err := handleBatch(ctx, h, url, out.Messages)
	if err != nil {
		return nil, nil, err
	}
	for _, m := range out.Messages {
		bodies = append(bodies, *m.Body)
		if fails[*m.MessageId] {
			failed = append(failed, *m.Body)
			continue
		}
		if _, err := c.sqs().DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
			return nil, nil, err
		}
	}
	return bodies, failed, nil
}

func handleBatch(ctx context.Context, h *awsetl.Handler, url string, messages []sqstypes.Message) (failed map[string]bool, err error) {
	raw := json.RawMessage(document(batchOf(url, messages)))
	out, err := h.Handle(ctx, raw)
	if err != nil {
		return nil, err
	}
	failed = map[string]bool{}
	for _, f := range failures(out) {
		failed[f] = true
	}
	return failed, nil
}
