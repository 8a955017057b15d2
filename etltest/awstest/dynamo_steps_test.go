package awstest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	invalid = "ValidationException"
	unmet   = "ConditionalCheckFailedException"
)

func dynamoSteps() []step {
	return slices.Concat(writeSteps(), updateSteps(), querySteps(), transactSteps(), batchSteps())
}

func writeSteps() []step {
	v := map[string]string{"#v": "v"}
	both := map[string]string{"#v": "v", "#w": "w"}
	values := item{":one": num("1"), ":two": num("2")}
	exists := map[string]string{"#pk": "pk"}
	return []step{
		putStep("put", "put map[]", with(key("a", "1"), "v", num("1")), "attribute_not_exists(#pk)", exists, nil),
		putStep("it exists", unmet, key("a", "1"), "attribute_not_exists(#pk)", exists, nil),
		getStep("get", "map[pk:a sk:1 v:number 1]", "a", "1"),
		getStep("get nothing", "map[]", "a", "2"),
		putStep("equal", "put map[]", with(key("a", "1"), "v", num("1")), "#v = :one", v, item{":one": num("1.0")}),
		putStep("less or not", unmet, with(key("a", "1"), "v", num("9")), "#v < :one OR NOT #v <> :two", v, values),
		putStep("precedence", "put map[]", with(key("a", "1"), "v", num("3")), "#v = :one OR #v = :two AND #v = :two", v, values),
		putStep("parentheses", unmet, with(key("a", "1"), "v", num("4")), "(#v = :one OR #v <> :two) AND #v = :two", v, values),
		putStep("between", "put map[]", with(key("a", "1"), "v", num("2")), "#v BETWEEN :one AND :four", v, item{":one": num("1"), ":four": num("4")}),
		putStep("in", "put map[]", with(key("a", "1"), "v", num("2")), "#v IN (:one, :two)", v, values),
		putStep("missing is not less", unmet, key("a", "1"), "#w < :one", map[string]string{"#w": "w"}, item{":one": num("1")}),
		putStep("missing differs", "put map[]", key("a", "1"), "#w <> :one", map[string]string{"#w": "w"}, item{":one": num("1")}),
		putStep("types differ", unmet, key("a", "1"), "#pk < :one", exists, item{":one": num("1")}),
		putStep("functions", "put map[]", with(key("a", "1"), "v", str("abc")),
			"begins_with(#pk, :a) AND contains(#pk, :a) AND size(#pk) = :one AND attribute_type(#pk, :s) AND attribute_exists(#pk)",
			exists, item{":a": str("a"), ":one": num("1"), ":s": str("S")}),
		putStep("no key", invalid, item{"pk": str("a")}, "", nil, nil),
		putStep("key of another type", invalid, item{"pk": str("a"), "sk": num("1")}, "", nil, nil),
		putStep("empty key", invalid, key("a", ""), "", nil, nil),
		putStep("index key of another type", invalid, with(key("a", "1"), "g", num("1")), "", nil, nil),
		putStep("longest keys", "put map[]", key(strings.Repeat("p", 1024), strings.Repeat("s", 1024)), "", nil, nil),
		putStep("too long for an index that it is not in", invalid, key(strings.Repeat("p", 1025), "s"), "", nil, nil),
		putStep("long sort key", invalid, key("a", strings.Repeat("s", 1025)), "", nil, nil),
		putStep("long partition key", invalid, key(strings.Repeat("p", 2049), "s"), "", nil, nil),
		putStep("largest item", "put map[]", with(key("a", "1"), "v", str(strings.Repeat("x", 400<<10-7))), "", nil, nil),
		putStep("larger item", invalid, with(key("a", "1"), "v", str(strings.Repeat("x", 400<<10-6))), "", nil, nil),
		putStep("no number", invalid, with(key("a", "1"), "v", num("one")), "", nil, nil),
		putStep("too many digits", invalid, with(key("a", "1"), "v", num(strings.Repeat("12", 20))), "", nil, nil),
		putStep("unused name", invalid, key("a", "1"), "attribute_exists(#v)", both, nil),
		putStep("unused value", invalid, key("a", "1"), "#v = :one", v, values),
		putStep("undefined name", invalid, key("a", "1"), "#x = :one", nil, item{":one": num("1")}),
		putStep("undefined value", invalid, key("a", "1"), "#v = :none", v, nil),
		putStep("names without expression", invalid, key("a", "1"), "", v, nil),
		putStep("syntax", invalid, key("a", "1"), "#v = ", v, nil),
		putStep("rest", invalid, key("a", "1"), "#v = :one )", v, item{":one": num("1")}),
		putStep("long expression", invalid, key("a", "1"), strings.Repeat("#v = :one OR ", 400)+"#v = :one", v, item{":one": num("1")}),
		{"no table", "ResourceNotFoundException", func(ctx context.Context, c dynamo) (any, error) {
			return c.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String("missing"), Key: key("a", "1")})
		}},
		{"too much of a key", invalid, func(ctx context.Context, c dynamo) (any, error) {
			return c.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(dynamoTable), Key: with(key("a", "1"), "v", str("x"))})
		}},
		{"delete on condition", unmet, func(ctx context.Context, c dynamo) (any, error) {
			return c.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String(dynamoTable), Key: key("a", "none"),
				ConditionExpression: aws.String("attribute_exists(#pk)"), ExpressionAttributeNames: exists})
		}},
	}
}

func updateSteps() []step {
	n := map[string]string{"#n": "n"}
	one := item{":one": num("1")}
	return []step{
		updateStep("upsert", "map[n:number 1 pk:u sk:1]", key("u", "1"), "SET #n = if_not_exists(#n, :zero) + :one", "", n, item{":one": num("1"), ":zero": num("0")}),
		updateStep("again", "map[n:number 2 pk:u sk:1]", key("u", "1"), "SET #n = if_not_exists(#n, :zero) + :one", "", n, item{":one": num("1"), ":zero": num("0")}),
		updateStep("minus", "map[n:number 1 pk:u sk:1]", key("u", "1"), "SET #n = #n - :one", "#n = :two", n, item{":one": num("1"), ":two": num("2")}),
		updateStep("condition", unmet, key("u", "1"), "SET #n = :one", "#n > :one", n, one),
		updateStep("add", "map[n:number 2 pk:u sk:1]", key("u", "1"), "ADD #n :one", "", n, one),
		updateStep("large numbers", "map[n:number 2305843009213693953 pk:u sk:2]", key("u", "2"), "SET #n = if_not_exists(#n, :big) + :one", "", n, item{":one": num("1"), ":big": num("2305843009213693952")}),
		updateStep("set and remove", "map[a:x pk:u sk:1]", key("u", "1"), "SET #a = :x REMOVE #n", "", map[string]string{"#n": "n", "#a": "a"}, item{":x": str("x")}),
		updateStep("old values", "map[a:y b:x pk:u sk:1]", key("u", "1"), "SET #a = :y, #b = #a", "", map[string]string{"#a": "a", "#b": "b"}, item{":y": str("y")}),
		updateStep("missing operand", invalid, key("u", "1"), "SET #n = #n + :one", "", n, one),
		updateStep("not a number", invalid, key("u", "1"), "SET #a = #a + :one", "", map[string]string{"#a": "a"}, one),
		updateStep("key", invalid, key("u", "1"), "SET #pk = :x", "", map[string]string{"#pk": "pk"}, item{":x": str("x")}),
		updateStep("twice", invalid, key("u", "1"), "SET #n = :one, #n = :one", "", n, one),
		updateStep("syntax", invalid, key("u", "1"), "PUT #n = :one", "", n, one),
	}
}

func querySteps() []step {
	var steps []step
	for _, s := range []string{"a", "a1", "b", "b\u00e9", "c", "~"} {
		it := with(key("q", s), "v", str(s))
		if s != "a" {
			it["g"] = str("group")
		}
		steps = append(steps, putStep("put "+s, "put map[]", it, "", nil, nil))
	}
	sorted := func(expr string, values item) func(*dynamodb.QueryInput) {
		return func(in *dynamodb.QueryInput) {
			in.KeyConditionExpression = aws.String("#pk = :pk AND " + expr)
			in.ExpressionAttributeNames = map[string]string{"#pk": "pk", "#sk": "sk"}
			in.ExpressionAttributeValues = with(values, ":pk", str("q"))
			in.ProjectionExpression = aws.String("#sk")
		}
	}
	index := func(limit int32, start item) func(*dynamodb.QueryInput) {
		return func(in *dynamodb.QueryInput) {
			in.IndexName, in.ConsistentRead = aws.String("by_g"), nil
			in.KeyConditionExpression = aws.String("#g = :g AND #pk > :pk")
			in.ExpressionAttributeNames = map[string]string{"#g": "g", "#pk": "pk"}
			in.ExpressionAttributeValues = item{":g": str("group"), ":pk": str("a")}
			in.Limit, in.ExclusiveStartKey = &limit, start
		}
	}
	return append(steps,
		queryStep("begins_with", "map[sk:b]map[sk:b\u00e9] 2 2 last map[]", sorted("begins_with(#sk, :b)", item{":b": str("b")})),
		queryStep("between", "map[sk:a1]map[sk:b]map[sk:b\u00e9]map[sk:c] 4 4 last map[]", sorted("#sk BETWEEN :a AND :c", item{":a": str("a1"), ":c": str("c")})),
		queryStep("greater", "map[sk:~] 1 1 last map[]", sorted("#sk > :c", item{":c": str("c")})),
		queryStep("equal", "map[sk:c] 1 1 last map[]", sorted("#sk = :c", item{":c": str("c")})),
		queryStep("descending limit", "map[sk:~]map[sk:c] 2 2 last map[pk:q sk:c]", func(in *dynamodb.QueryInput) {
			sorted("#sk >= :a", item{":a": str("a")})(in)
			in.ScanIndexForward, in.Limit = aws.Bool(false), aws.Int32(2)
		}),
		queryStep("start key", "map[sk:b]map[sk:a1]map[sk:a] 3 3 last map[]", func(in *dynamodb.QueryInput) {
			sorted("#sk >= :a", item{":a": str("a")})(in)
			in.ScanIndexForward, in.ExclusiveStartKey = aws.Bool(false), key("q", "b\u00e9")
		}),
		queryStep("start key that is no item", "map[sk:c]map[sk:~] 2 2 last map[]", func(in *dynamodb.QueryInput) {
			sorted("#sk >= :a", item{":a": str("a")})(in)
			in.ExclusiveStartKey = key("q", "bz~\u00ff")
			in.ExclusiveStartKey["sk"] = str("b\u00ff")
		}),
		queryStep("limit at the end", "map[sk:c]map[sk:~] 2 2 last map[pk:q sk:~]", func(in *dynamodb.QueryInput) {
			sorted("#sk >= :c", item{":c": str("c")})(in)
			in.Limit = aws.Int32(2)
		}),
		queryStep("filter", "map[sk:b] 1 6 last map[]", func(in *dynamodb.QueryInput) {
			sorted("#sk >= :a", item{":a": str("a"), ":b": str("b")})(in)
			in.FilterExpression = aws.String("#v = :b")
			in.ExpressionAttributeNames["#v"] = "v"
		}),
		queryStep("start key elsewhere", invalid, func(in *dynamodb.QueryInput) { in.ExclusiveStartKey = key("other", "b") }),
		queryStep("no condition", invalid, func(in *dynamodb.QueryInput) {
			in.KeyConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues = nil, nil, nil
		}),
		queryStep("unequal key", invalid, func(in *dynamodb.QueryInput) { in.KeyConditionExpression = aws.String("#pk > :pk") }),
		queryStep("or", invalid, sorted("(#sk = :a OR #sk = :a)", item{":a": str("a")})),
		queryStep("contains", invalid, sorted("contains(#sk, :a)", item{":a": str("a")})),
		queryStep("type", invalid, sorted("#sk = :a", item{":a": num("1")})),
		queryStep("limit zero", invalid, func(in *dynamodb.QueryInput) { in.Limit = aws.Int32(0) }),
		queryStep("consistent index", invalid, func(in *dynamodb.QueryInput) {
			index(1, nil)(in)
			in.ConsistentRead = aws.Bool(true)
		}),
		queryStep("no index", invalid, func(in *dynamodb.QueryInput) {
			index(1, nil)(in)
			in.IndexName = aws.String("none")
		}),
		queryStep("page of an index", strings.Repeat("map[g:group]", 5)+" 5 5 last map[]", func(in *dynamodb.QueryInput) {
			index(10, nil)(in)
			in.ProjectionExpression = aws.String("#g")
		}),
		queryStep("not projected", invalid, func(in *dynamodb.QueryInput) {
			index(10, nil)(in)
			in.ProjectionExpression = aws.String("#v")
			in.ExpressionAttributeNames["#v"] = "v"
		}),
	)
}

func transactSteps() []step {
	update := func(s string, n string) types.TransactWriteItem {
		return types.TransactWriteItem{Update: &types.Update{
			TableName: aws.String(dynamoTable), Key: key("t", s), UpdateExpression: aws.String("ADD #n :n"),
			ExpressionAttributeNames: map[string]string{"#n": "n"}, ExpressionAttributeValues: item{":n": num(n)},
		}}
	}
	checks := func(s string) types.TransactWriteItem {
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: aws.String(dynamoTable), Key: key("t", s), ConditionExpression: aws.String("attribute_exists(#pk)"),
			ExpressionAttributeNames: map[string]string{"#pk": "pk"},
		}}
	}
	deletes := func(s string) types.TransactWriteItem {
		return types.TransactWriteItem{Delete: &types.Delete{TableName: aws.String(dynamoTable), Key: key("t", s)}}
	}
	token := func(n int) string { return fmt.Sprint("token ", n, " ", time.Now().UnixNano()) } // the service remembers them
	first, second := token(1), token(2)
	var hundred, more, big []types.TransactWriteItem
	for i := range 101 {
		more = append(more, txPut(key("many", fmt.Sprint(i)), ""))
	}
	hundred = more[:100]
	for i := range 11 {
		big = append(big, txPut(with(key("big", fmt.Sprint(i)), "v", str(strings.Repeat("x", 399<<10))), ""))
	}
	const absent = "attribute_not_exists(#pk)"
	return []step{
		transactStep("all", "done", "", txPut(key("t", "1"), absent), txPut(key("t", "2"), absent), update("n", "5")),
		transactStep("none", "canceled None,ConditionalCheckFailed,None", "", txPut(key("t", "3"), absent), txPut(key("t", "1"), absent), update("n", "5")),
		getStep("nothing written", "map[]", "t", "3"),
		getStep("nothing added", "map[n:number 5 pk:t sk:n]", "t", "n"),
		transactStep("check", "done", "", checks("1"), txPut(key("t", "4"), "")),
		transactStep("failed check", "canceled ConditionalCheckFailed,None", "", checks("none"), txPut(key("t", "4"), "")),
		transactStep("delete", "done", "", deletes("4"), deletes("none")),
		getStep("deleted", "map[]", "t", "4"),
		transactStep("an item twice", invalid, "", txPut(key("t", "5"), ""), deletes("5")),
		transactStep("a hundred", "done", "", hundred...),
		transactStep("more", invalid, "", more...),
		transactStep("nothing", invalid, "", []types.TransactWriteItem{}...),
		transactStep("4 MB", "done", "", big[:10]...),
		transactStep("more than 4 MB", invalid, "", big...),
		transactStep("two in one", invalid, "", types.TransactWriteItem{Put: txPut(key("t", "6"), "").Put, Delete: deletes("7").Delete}),
		transactStep("token", "done", first, update("n", "1")),
		transactStep("token again", "done", first, update("n", "1")),
		getStep("added once", "map[n:number 6 pk:t sk:n]", "t", "n"),
		transactStep("token for another", "IdempotentParameterMismatchException", first, update("n", "2")),
		transactStep("canceled", "canceled ConditionalCheckFailed", second, txPut(key("t", "1"), absent)),
		transactStep("out of the way", "done", "", deletes("1")),
		transactStep("a canceled token is not used up", "done", second, txPut(key("t", "1"), absent)),
		transactStep("and then it is", "done", second, txPut(key("t", "1"), absent)),
		transactStep("long token", invalid, strings.Repeat("t", 37), update("n", "1")),
	}
}

func batchSteps() []step {
	write := func(n int, dup bool) func(context.Context, dynamo) (any, error) {
		return func(ctx context.Context, c dynamo) (any, error) {
			var reqs []types.WriteRequest
			for i := range n {
				if dup {
					i = 0
				}
				reqs = append(reqs, types.WriteRequest{PutRequest: &types.PutRequest{Item: key("batch", fmt.Sprint(i))}})
			}
			return c.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{dynamoTable: reqs}})
		}
	}
	read := func(n int, dup bool) func(context.Context, dynamo) (any, error) {
		return func(ctx context.Context, c dynamo) (any, error) {
			var keys []map[string]types.AttributeValue
			for i := range n {
				if dup {
					i = 0
				}
				keys = append(keys, key("batch", fmt.Sprint(i)))
			}
			return c.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{dynamoTable: {Keys: keys}}})
		}
	}
	return []step{
		{"write 25", "done", write(25, false)},
		{"write 26", invalid, write(26, false)},
		{"write one twice", invalid, write(2, true)},
		{"read 100", "25 items", read(100, false)},
		{"read 101", invalid, read(101, false)},
		{"read one twice", invalid, read(2, true)},
		{"delete", "done", func(ctx context.Context, c dynamo) (any, error) {
			return c.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{dynamoTable: {
				{DeleteRequest: &types.DeleteRequest{Key: key("batch", "0")}}, {DeleteRequest: &types.DeleteRequest{Key: key("batch", "none")}},
			}}})
		}},
		{"one less", "24 items", read(100, false)},
	}
}
