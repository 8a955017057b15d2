package awstest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/etltest/awstest"
)

// dynamo is what the fake and the service have in common.
type dynamo interface {
	CreateTable(context.Context, *dynamodb.CreateTableInput, ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error)
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	BatchWriteItem(context.Context, *dynamodb.BatchWriteItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

var (
	_ dynamo = (*awstest.DynamoDB)(nil)
	_ dynamo = (*dynamodb.Client)(nil)
)

type item = map[string]types.AttributeValue

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func num(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }
func key(p, s string) item              { return item{"pk": str(p), "sk": str(s)} }

func with(it item, name string, v types.AttributeValue) item {
	it[name] = v
	return it
}

const dynamoTable = "awstest"

func createTable(t *testing.T, c dynamo, name string) {
	t.Helper()
	attr := func(n string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &n, AttributeType: types.ScalarAttributeTypeS}
	}
	keys := func(p, s string) []types.KeySchemaElement {
		return []types.KeySchemaElement{{AttributeName: &p, KeyType: types.KeyTypeHash}, {AttributeName: &s, KeyType: types.KeyTypeRange}}
	}
	_, err := c.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{attr("pk"), attr("sk"), attr("g")}, KeySchema: keys("pk", "sk"),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String("by_g"), KeySchema: keys("g", "pk"), Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}},
	})
	require.NoError(t, err)
}

// told puts what a call said into words that do not depend on who said it.
func told(out any, err error) string {
	var canceled *types.TransactionCanceledException
	if errors.As(err, &canceled) {
		codes := []string{}
		for _, r := range canceled.CancellationReasons {
			codes = append(codes, aws.ToString(r.Code))
		}
		return "canceled " + strings.Join(codes, ",")
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	if err != nil {
		return "error"
	}
	switch out := out.(type) {
	case *dynamodb.GetItemOutput:
		return show(out.Item)
	case *dynamodb.UpdateItemOutput:
		return show(out.Attributes)
	case *dynamodb.PutItemOutput:
		return "put " + show(out.Attributes)
	case *dynamodb.QueryOutput:
		var b strings.Builder
		for _, it := range out.Items {
			b.WriteString(show(it))
		}
		return fmt.Sprint(b.String(), " ", out.Count, out.ScannedCount, " last ", show(out.LastEvaluatedKey))
	case *dynamodb.BatchGetItemOutput:
		return fmt.Sprint(len(out.Responses[dynamoTable]), " items")
	}
	return "done"
}

func show(it item) string {
	m := map[string]string{}
	for n, v := range it {
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			m[n] = v.Value[:min(len(v.Value), 20)]
		case *types.AttributeValueMemberN:
			m[n] = "number " + v.Value
		default:
			m[n] = fmt.Sprintf("%T", v)
		}
	}
	return fmt.Sprint(m)
}

type step struct {
	name string
	want string
	call func(ctx context.Context, c dynamo) (any, error)
}

func getStep(name, want, p, s string) step {
	return step{name, want, func(ctx context.Context, c dynamo) (any, error) {
		return c.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(dynamoTable), Key: key(p, s), ConsistentRead: aws.Bool(true)})
	}}
}

func putStep(name, want string, it item, condition string, names map[string]string, values item) step {
	return step{name, want, func(ctx context.Context, c dynamo) (any, error) {
		in := &dynamodb.PutItemInput{TableName: aws.String(dynamoTable), Item: it, ExpressionAttributeNames: names, ExpressionAttributeValues: values}
		if condition != "" {
			in.ConditionExpression = &condition
		}
		return c.PutItem(ctx, in)
	}}
}

func updateStep(name, want string, k item, update, condition string, names map[string]string, values item) step {
	return step{name, want, func(ctx context.Context, c dynamo) (any, error) {
		in := &dynamodb.UpdateItemInput{
			TableName: aws.String(dynamoTable), Key: k, UpdateExpression: &update,
			ExpressionAttributeNames: names, ExpressionAttributeValues: values, ReturnValues: types.ReturnValueAllNew,
		}
		if condition != "" {
			in.ConditionExpression = &condition
		}
		return c.UpdateItem(ctx, in)
	}}
}

func queryStep(name, want string, change func(*dynamodb.QueryInput)) step {
	return step{name, want, func(ctx context.Context, c dynamo) (any, error) {
		in := &dynamodb.QueryInput{
			TableName: aws.String(dynamoTable), KeyConditionExpression: aws.String("#pk = :pk"), ConsistentRead: aws.Bool(true),
			ExpressionAttributeNames: map[string]string{"#pk": "pk"}, ExpressionAttributeValues: item{":pk": str("q")},
		}
		change(in)
		return c.Query(ctx, in)
	}}
}

func transactStep(name, want, token string, items ...types.TransactWriteItem) step {
	return step{name, want, func(ctx context.Context, c dynamo) (any, error) {
		in := &dynamodb.TransactWriteItemsInput{TransactItems: items}
		if token != "" {
			in.ClientRequestToken = &token
		}
		return c.TransactWriteItems(ctx, in)
	}}
}

func txPut(it item, condition string) types.TransactWriteItem {
	p := &types.Put{TableName: aws.String(dynamoTable), Item: it}
	if condition != "" {
		p.ConditionExpression, p.ExpressionAttributeNames = &condition, map[string]string{"#pk": "pk"}
	}
	return types.TransactWriteItem{Put: p}
}

func check(c dynamo, steps []step) func(t *testing.T) {
	return func(t *testing.T) {
		for _, s := range steps {
			out, err := s.call(t.Context(), c)
			if got := told(out, err); got != s.want {
				t.Errorf("%s:\n got  %s\n want %s\n err  %v", s.name, got, s.want, err)
			}
		}
	}
}

// TestDynamoDB holds the fake to what the service says; with an endpoint, the
// expectations themselves are held to it.
func TestDynamoDB(t *testing.T) {
	f := &awstest.DynamoDB{}
	createTable(t, f, dynamoTable)
	t.Run("Fake", check(f, dynamoSteps()))
	endpoint := os.Getenv("TIDEMARK_DYNAMODB_ENDPOINT")
	if endpoint == "" {
		t.Skip("the service is not compared: TIDEMARK_DYNAMODB_ENDPOINT is not set, see integration/dynamodb.sh")
	}
	c := dynamodb.New(dynamodb.Options{
		BaseEndpoint: &endpoint, Region: "local", Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: fmt.Sprint("awstest", time.Now().UnixNano()), SecretAccessKey: "local"}, nil
		}),
	})
	_, _ = c.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String(dynamoTable)})
	createTable(t, c, dynamoTable)
	t.Run("Service", check(c, dynamoSteps()))
}
