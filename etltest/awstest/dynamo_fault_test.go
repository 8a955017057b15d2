package awstest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/etltest/awstest"
)

func newDynamo(t *testing.T) *awstest.DynamoDB {
	f := &awstest.DynamoDB{}
	createTable(t, f, dynamoTable)
	return f
}

func putItem(t *testing.T, f *awstest.DynamoDB, it item) {
	t.Helper()
	_, err := f.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(dynamoTable), Item: it})
	require.NoError(t, err)
}

func getItem(t *testing.T, f *awstest.DynamoDB, consistent bool) string {
	t.Helper()
	out, err := f.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String(dynamoTable), Key: key("a", "1"), ConsistentRead: &consistent})
	require.NoError(t, err)
	return show(out.Item)
}

func TestDynamoStaleReads(t *testing.T) {
	f := newDynamo(t)
	f.StaleReads = true
	putItem(t, f, with(key("a", "1"), "v", num("1")))
	require.Equal(t, "map[]", getItem(t, f, false))
	putItem(t, f, with(key("a", "1"), "v", num("2")))
	require.Equal(t, "map[pk:a sk:1 v:number 1]", getItem(t, f, false))
	require.Equal(t, "map[pk:a sk:1 v:number 2]", getItem(t, f, true))
	_, err := f.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String(dynamoTable), Key: key("a", "1")})
	require.NoError(t, err)
	require.Equal(t, "map[pk:a sk:1 v:number 2]", getItem(t, f, false))
	require.Equal(t, "map[]", getItem(t, f, true))
	require.Empty(t, f.Items(dynamoTable))
}

func TestDynamoIndexLag(t *testing.T) {
	f := newDynamo(t)
	f.IndexLag = 1
	count := func() int32 {
		out, err := f.Query(t.Context(), &dynamodb.QueryInput{
			TableName: aws.String(dynamoTable), IndexName: aws.String("by_g"), KeyConditionExpression: aws.String("#g = :g"),
			ExpressionAttributeNames: map[string]string{"#g": "g"}, ExpressionAttributeValues: item{":g": str("x")},
		})
		require.NoError(t, err)
		return out.Count
	}
	putItem(t, f, with(key("a", "1"), "g", str("x")))
	require.Zero(t, count())
	putItem(t, f, with(key("a", "2"), "g", str("x")))
	require.Equal(t, int32(1), count())
	f.SyncIndexes()
	require.Equal(t, int32(2), count())
	putItem(t, f, key("a", "2"))
	putItem(t, f, with(key("a", "1"), "g", str("y")))
	require.Equal(t, int32(1), count(), "left the index")
	f.SyncIndexes()
	require.Zero(t, count())
}

// A page ends with the item that takes it over 1 MB.
func TestDynamoPages(t *testing.T) {
	f := newDynamo(t)
	for i := range 7 {
		putItem(t, f, with(key("a", fmt.Sprint(i)), "v", str(strings.Repeat("x", 300<<10))))
	}
	var counts []int32
	var start item
	for {
		out, err := f.Query(t.Context(), &dynamodb.QueryInput{
			TableName: aws.String(dynamoTable), KeyConditionExpression: aws.String("#pk = :pk"), ExclusiveStartKey: start,
			ExpressionAttributeNames: map[string]string{"#pk": "pk"}, ExpressionAttributeValues: item{":pk": str("a")},
		})
		require.NoError(t, err)
		counts = append(counts, out.Count)
		if start = out.LastEvaluatedKey; start == nil {
			break
		}
	}
	require.Equal(t, []int32{4, 3}, counts)
}

func TestDynamoBatchOf16MB(t *testing.T) {
	f := newDynamo(t)
	keys := types.KeysAndAttributes{}
	for i := range 60 {
		k := key("a", fmt.Sprint(i))
		keys.Keys = append(keys.Keys, k)
		putItem(t, f, with(key("a", fmt.Sprint(i)), "v", str(strings.Repeat("x", 300<<10))))
	}
	out, err := f.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{dynamoTable: keys}})
	require.NoError(t, err)
	require.Len(t, out.Responses[dynamoTable], 54)
	require.Len(t, out.UnprocessedKeys[dynamoTable].Keys, 6)
}

func TestDynamoTokensExpire(t *testing.T) {
	f := newDynamo(t)
	now := time.Unix(1700000000, 0)
	f.Now = func() time.Time { return now }
	add := func() {
		_, err := f.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{
			ClientRequestToken: aws.String("token"),
			TransactItems: []types.TransactWriteItem{{Update: &types.Update{
				TableName: aws.String(dynamoTable), Key: key("a", "1"), UpdateExpression: aws.String("ADD #v :one"),
				ExpressionAttributeNames: map[string]string{"#v": "v"}, ExpressionAttributeValues: item{":one": num("1")},
			}}},
		})
		require.NoError(t, err)
	}
	add()
	now = now.Add(10*time.Minute - 1)
	add()
	require.Equal(t, "map[pk:a sk:1 v:number 1]", getItem(t, f, true))
	now = now.Add(1)
	add()
	require.Equal(t, "map[pk:a sk:1 v:number 2]", getItem(t, f, true))
}

func TestDynamoFaults(t *testing.T) {
	f := newDynamo(t)
	put := func(ctx context.Context, v string) error {
		_, err := f.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(dynamoTable), Item: with(key("a", "1"), "v", num(v))})
		return err
	}
	var fault awstest.DynamoFault
	var seen awstest.DynamoCall
	f.Hook = func(c awstest.DynamoCall) awstest.DynamoFault {
		seen = c
		return fault
	}
	fault = awstest.DynamoFault{Before: awstest.DynamoThrottled()}
	var throttled *types.ThrottlingException
	require.ErrorAs(t, put(t.Context(), "1"), &throttled)
	require.Equal(t, "PutItem", seen.Op)
	require.Equal(t, dynamoTable, seen.Table)
	fault = awstest.DynamoFault{}
	require.Equal(t, "map[]", getItem(t, f, true))

	fault = awstest.DynamoFault{After: awstest.ErrReset}
	require.ErrorIs(t, put(t.Context(), "2"), awstest.ErrReset)
	fault = awstest.DynamoFault{}
	require.Equal(t, "map[pk:a sk:1 v:number 2]", getItem(t, f, true))

	fault = awstest.DynamoFault{Latency: time.Hour}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, put(ctx, "3"), context.DeadlineExceeded)
	f.Hook = awstest.DynamoLoseAnswers(2)
	lost := 0
	for range 10 {
		if errors.Is(put(t.Context(), "4"), awstest.ErrReset) {
			lost++
		}
	}
	require.Equal(t, 5, lost)
	var canceled *types.TransactionCanceledException
	require.ErrorAs(t, awstest.DynamoConflict(2), &canceled)
	require.Len(t, canceled.CancellationReasons, 2)
}

// What the fake does not do it refuses, and says so.
func TestDynamoRefuses(t *testing.T) {
	f := newDynamo(t)
	for name, in := range map[string]*dynamodb.PutItemInput{
		"bare name":      {Item: key("a", "1"), ConditionExpression: aws.String("attribute_exists(pk)")},
		"document path":  {Item: key("a", "1"), ConditionExpression: aws.String("attribute_exists(#pk.x)")},
		"number set":     {Item: with(key("a", "1"), "v", &types.AttributeValueMemberNS{Value: []string{"1"}})},
		"unknown action": {Item: key("a", "1"), ConditionExpression: aws.String("list_append(#pk, :x)")},
	} {
		in.TableName = aws.String(dynamoTable)
		if in.ConditionExpression != nil && strings.Contains(*in.ConditionExpression, "#pk") {
			in.ExpressionAttributeNames = map[string]string{"#pk": "pk"}
		}
		_, err := f.PutItem(t.Context(), in)
		require.ErrorContains(t, err, "ValidationException", name)
	}
	require.Empty(t, f.Items(dynamoTable))
}

// What goes in and out is copied.
func TestDynamoCopies(t *testing.T) {
	f := newDynamo(t)
	list := &types.AttributeValueMemberL{Value: []types.AttributeValue{str("x")}}
	it := with(with(key("a", "1"), "v", num("1")), "l", list)
	putItem(t, f, it)
	it["v"], list.Value[0] = num("2"), str("y")
	out, err := f.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String(dynamoTable), Key: key("a", "1")})
	require.NoError(t, err)
	require.Equal(t, num("1"), out.Item["v"])
	require.Equal(t, str("x"), out.Item["l"].(*types.AttributeValueMemberL).Value[0])
	out.Item["l"].(*types.AttributeValueMemberL).Value[0] = str("z")
	out.Item["v"] = num("3")
	require.Equal(t, "map[l:*types.AttributeValueMemberL pk:a sk:1 v:number 1]", getItem(t, f, true))
	require.Equal(t, str("x"), f.Items(dynamoTable)[0]["l"].(*types.AttributeValueMemberL).Value[0])
}
