package awsetl

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/emrserverless"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/dynamocontrol"
	"github.com/tidemark-data/etl/dispatch/emrdispatch"
	"github.com/tidemark-data/etl/dispatch/gluedispatch"
	"github.com/tidemark-data/etl/dispatch/s3store"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock/dynamolock"
	"github.com/tidemark-data/etl/sink/icebergsink/gluesink"
	"github.com/tidemark-data/etl/source/s3source"
)

// Options say what [New] composes. Landing, ControlTable, Warehouse and Tables
// are required, unless Config has what is made of them.
type Options struct {
	// Landing is where files land, "s3://bucket" or "s3://bucket/folder".
	Landing string
	// ControlTable is the DynamoDB table of ledger and locks, as
	// dynamocontrol.CreateTable makes it.
	ControlTable string
	// Warehouse is where the tables are, "s3://bucket/prefix". Their catalog is
	// that of Glue.
	Warehouse string
	// Tables are the tables to keep; Layout says which files belong to them and
	// is format.DMS{} if it is nil.
	Tables []etl.Table
	Layout etl.Layout

	// WakeQueue is the URL of an SQS queue that the function is subscribed to, by
	// which an invocation wakes the next. WakeFunction, the function's own name,
	// is the poorer choice: it knows no delays.
	WakeQueue    string
	WakeFunction string
	// NoticeTopic is the ARN of an SNS topic, NoticeBus the name of an
	// EventBridge bus, that are told of tables that were paused; NoticeLoads
	// puts loads applied on the bus too.
	NoticeTopic string
	NoticeBus   string
	NoticeLoads bool

	// Jobs hands loads to Spark on AWS Glue or EMR Serverless.
	Jobs JobOptions

	// Config has limits, Observer, Logger and so on. Stores that are set in it
	// are used as they are, also with wraps around them.
	Config etl.Config
	// Parts has the further settings of the Handler; what is set there is kept.
	Parts Parts
	// S3 and Glue have the further settings of the source and the sink.
	S3   s3source.Options
	Glue gluesink.Config
	// Clients replace those of the SDK.
	Clients Clients
}

// Clients are clients of the services. Those that are nil are made from the
// aws.Config.
type Clients struct {
	S3          s3source.Client
	DynamoDB    DynamoDBClient
	SQS         SQSClient
	Lambda      LambdaClient
	SNS         SNSClient
	EventBridge BridgeClient
	SFN         TaskClient
	// Glue, EMRServerless and Documents are those of jobs; Documents reads and
	// writes their manifests and results.
	Glue          gluedispatch.Client
	EMRServerless emrdispatch.Client
	Documents     s3store.Client
}

// DynamoDBClient is what of the client of aws-sdk-go-v2/service/dynamodb ledger
// and locks need.
type DynamoDBClient interface {
	dynamocontrol.Client
	dynamolock.Client
}

// New composes a Handler of the source s3source, the control store
// dynamocontrol, the locker dynamolock, the sink gluesink, and the dispatcher
// gluedispatch or emrdispatch where one is asked for. It asks nothing of
// AWS yet. [Handler.Close] ends what it has opened.
func New(ctx context.Context, cfg aws.Config, o Options) (*Handler, error) {
	o.Clients = o.Clients.orOf(cfg)
	c := o.Config
	if o.Tables != nil {
		c.Tables = o.Tables
	}
	if o.Layout != nil {
		c.Layout = o.Layout
	}
	if c.Layout == nil {
		c.Layout = format.DMS{}
	}
	closers, err := o.stores(ctx, cfg, &c)
	if err == nil {
		var h *Handler
		if h, err = NewHandler(c, o.withClients()); err == nil {
			h.closers = closers
			return h, nil
		}
	}
	return nil, fmt.Errorf("awsetl: %w", errors.Join(err, closeAll(closers)))
}

func (c Clients) orOf(cfg aws.Config) Clients {
	if c.S3 == nil {
		c.S3 = s3.NewFromConfig(cfg)
	}
	if c.DynamoDB == nil {
		c.DynamoDB = dynamodb.NewFromConfig(cfg)
	}
	if c.SQS == nil {
		c.SQS = sqs.NewFromConfig(cfg)
	}
	if c.Lambda == nil {
		c.Lambda = lambda.NewFromConfig(cfg)
	}
	if c.SNS == nil {
		c.SNS = sns.NewFromConfig(cfg)
	}
	if c.EventBridge == nil {
		c.EventBridge = eventbridge.NewFromConfig(cfg)
	}
	if c.SFN == nil {
		c.SFN = sfn.NewFromConfig(cfg)
	}
	if c.Glue == nil {
		c.Glue = glue.NewFromConfig(cfg)
	}
	if c.EMRServerless == nil {
		c.EMRServerless = emrserverless.NewFromConfig(cfg)
	}
	if c.Documents == nil {
		c.Documents = s3.NewFromConfig(cfg)
	}
	return c
}

// stores opens the stores that c does not have, and returns what to close.
func (o *Options) stores(ctx context.Context, cfg aws.Config, c *etl.Config) (closers []func() error, err error) {
	var problems []error
	problem := func(err error) {
		if err != nil {
			problems = append(problems, err)
		}
	}
	if c.Source == nil {
		src, err := o.source()
		problem(err)
		if err == nil {
			c.Source, closers = src, append(closers, src.Close)
		}
	}
	if c.Control == nil {
		control, err := dynamocontrol.New(o.Clients.DynamoDB, dynamocontrol.Options{Table: o.ControlTable})
		problem(err)
		c.Control = control
	}
	if c.Locker == nil {
		locker, err := dynamolock.New(o.Clients.DynamoDB, dynamolock.Options{Table: o.ControlTable})
		problem(err)
		c.Locker = locker
	}
	if c.Sink == nil {
		catalog := o.Glue
		catalog.AWS = cfg
		if o.Warehouse != "" {
			catalog.Warehouse = o.Warehouse
		}
		if catalog.Logger == nil {
			catalog.Logger = c.Logger
		}
		lake, err := gluesink.Open(ctx, catalog)
		problem(err)
		if err == nil {
			c.Sink, closers = lake, append(closers, lake.Close)
		}
	}
	if c.Dispatcher == nil {
		c.Dispatcher, err = o.dispatcher()
		problem(err)
	}
	return closers, errors.Join(problems...)
}

func (o *Options) source() (*s3source.Source, error) {
	rest, ok := strings.CutPrefix(o.Landing, "s3://")
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !ok || bucket == "" {
		return nil, errors.New("landing is not of the form s3://bucket/folder")
	}
	opts := o.S3
	opts.Bucket, opts.Prefix = bucket, prefix
	if o.Parts.Bucket == "" {
		o.Parts.Bucket = bucket
	}
	return s3source.New(o.Clients.S3, opts)
}

// withClients returns the parts with what the names of o ask for.
func (o *Options) withClients() Parts {
	p := o.Parts
	switch {
	case p.Waker != nil:
	case o.WakeQueue != "":
		p.Waker = &SQSWaker{Client: o.Clients.SQS, QueueURL: o.WakeQueue}
	case o.WakeFunction != "":
		p.Waker = &LambdaWaker{Client: o.Clients.Lambda, Function: o.WakeFunction}
	}
	p.Notifiers = append([]Notifier{}, p.Notifiers...)
	if o.NoticeTopic != "" {
		p.Notifiers = append(p.Notifiers, &SNSNotifier{o.Clients.SNS, o.NoticeTopic})
	}
	if o.NoticeBus != "" {
		p.Notifiers = append(p.Notifiers, &BridgeNotifier{o.Clients.EventBridge, o.NoticeBus, o.NoticeLoads})
	}
	if p.Tasks == nil {
		p.Tasks = o.Clients.SFN
	}
	return p
}

// Close ends what [New] has opened. The Handler is of no use after it.
func (h *Handler) Close() error { return closeAll(h.closers) }

func closeAll(closers []func() error) error {
	errs := make([]error, len(closers))
	for i, f := range closers {
		errs[i] = f()
	}
	return errors.Join(errs...)
}
