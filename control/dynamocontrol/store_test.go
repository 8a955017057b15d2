package dynamocontrol_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/dynamocontrol"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/etltest/awstest"
)

type client interface {
	dynamocontrol.Client
	dynamocontrol.Creator
}

var tables atomic.Int64

// open returns a store in a table of its own.
func open(t *testing.T, c client) *dynamocontrol.Store {
	t.Helper()
	name := fmt.Sprintf("control-%d-%d", os.Getpid(), tables.Add(1))
	require.NoError(t, dynamocontrol.CreateTable(t.Context(), c, name))
	onlyTables.Store(c, name)
	return openTable(t, c, name)
}

func openTable(t *testing.T, c client, name string) *dynamocontrol.Store {
	t.Helper()
	o := dynamocontrol.Options{Table: name}
	if _, ok := c.(*awstest.DynamoDB); ok { // which answers at once
		o.Backoff, o.Attempts, o.Patience = 50*time.Microsecond, 40, 20*time.Millisecond
	}
	s, err := dynamocontrol.New(c, o)
	require.NoError(t, err)
	return s
}

// fake is as hostile as the service may be without failing.
func fake() *awstest.DynamoDB { return &awstest.DynamoDB{StaleReads: true, IndexLag: 3} }

func TestConformance(t *testing.T) {
	names := map[etl.ControlStore]string{}
	f := fake()
	etltest.ControlStore(t, func(t *testing.T) etl.ControlStore {
		s := open(t, f)
		names[s] = fmt.Sprintf("control-%d-%d", os.Getpid(), tables.Load())
		return s
	}, etltest.ReopenControl(func(t *testing.T, s etl.ControlStore) etl.ControlStore {
		again := openTable(t, f, names[s])
		names[again] = names[s]
		return again
	}))
}

// service returns a client of the server that the environment names.
func service(t *testing.T) *dynamodb.Client {
	t.Helper()
	endpoint := os.Getenv("TIDEMARK_DYNAMODB_ENDPOINT")
	if endpoint == "" {
		t.Skip("TIDEMARK_DYNAMODB_ENDPOINT is not set: see integration/dynamodb.sh")
	}
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: &endpoint, Region: "local",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	})
}

func TestService(t *testing.T) {
	c := service(t)
	etltest.ControlStore(t, func(t *testing.T) etl.ControlStore { return open(t, c) })
}

func TestOptions(t *testing.T) {
	for _, o := range []dynamocontrol.Options{{}, {Table: "x", Attempts: -1}, {Table: "x", Backoff: -1}, {Table: "x", Parallel: -1}} {
		_, err := dynamocontrol.New(fake(), o)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "%+v", o)
	}
	_, err := dynamocontrol.New(nil, dynamocontrol.Options{Table: "x"})
	require.ErrorContains(t, err, "client is nil")
}

// names of the tables of the fakes that hold one.
var onlyTables sync.Map

func onlyTable(t *testing.T, f client) string {
	t.Helper()
	name, ok := onlyTables.Load(f)
	require.True(t, ok)
	return name.(string)
}
