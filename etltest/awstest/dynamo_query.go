package awstest

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Query reads the items of one partition in the order of their sort keys, up to
// a page of 1 MB or Limit items looked at.
func (d *DynamoDB) Query(ctx context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	return dynamoInvoke(ctx, d, "Query", deref(in.TableName), func() (*dynamodb.QueryOutput, error) {
		q, err := d.newQuery(in)
		if err != nil {
			return nil, err
		}
		return q.run()
	})
}

type dynamoQuery struct {
	d          *DynamoDB
	in         *dynamodb.QueryInput
	table      *dynamoTable
	schema     keySchema // of the table or the index
	entries    []*dynamoEntry
	within     condition // of the sort key
	filter     condition
	cut        func(dynamoItem) dynamoItem
	index      *dynamoIndex
	start      *dynamoKey
	descending bool
}

func (d *DynamoDB) newQuery(in *dynamodb.QueryInput) (*dynamoQuery, error) {
	t, err := d.table(in.TableName)
	if err != nil {
		return nil, err
	}
	q := &dynamoQuery{d: d, in: in, table: t, schema: t.schema, descending: in.ScanIndexForward != nil && !*in.ScanIndexForward}
	items := t.items
	if in.IndexName != nil {
		if q.index = t.indexes[*in.IndexName]; q.index == nil {
			return nil, validation("The table does not have the specified index: %s", *in.IndexName)
		}
		if deref(in.ConsistentRead) {
			return nil, validation("Consistent reads are not supported on global secondary indexes")
		}
		q.schema, items = q.index.schema, q.index.items
	}
	if in.Limit != nil && *in.Limit < 1 {
		return nil, validation("1 validation error detected: Value at 'limit' failed to satisfy constraint: Member must be greater than or equal to 1")
	}
	x, err := newExpr(in.ExpressionAttributeNames, in.ExpressionAttributeValues)
	if err != nil {
		return nil, err
	}
	part, err := q.keyCondition(x)
	if err != nil {
		return nil, err
	}
	if in.FilterExpression != nil {
		if q.filter, err = x.condition(*in.FilterExpression); err != nil {
			return nil, err
		}
	}
	var names []string
	if q.cut, names, err = projection(x, in.ProjectionExpression); err != nil {
		return nil, err
	}
	if q.index != nil && !q.index.projects(t.schema, names) {
		return nil, validation("One or more parameter values were invalid: the index does not project all of %v", names)
	}
	if err := x.finish(); err != nil {
		return nil, err
	}
	q.entries = items[part]
	return q, q.startKey(part)
}

// keyCondition parses "#pk = :v", alone or with "AND" and a condition of the
// sort key: =, <, <=, >, >=, BETWEEN or begins_with.
func (q *dynamoQuery) keyCondition(x *dynamoExpr) (part string, err error) {
	if q.in.KeyConditionExpression == nil {
		return "", validation("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request")
	}
	if err := x.start(*q.in.KeyConditionExpression); err != nil {
		return "", err
	}
	name, err := x.name()
	if err != nil {
		return "", err
	}
	if name != q.schema.part {
		return "", validation("Query condition missed key schema element: %s (awstest wants it first)", q.schema.part)
	}
	if err := x.expect("="); err != nil {
		return "", err
	}
	v, err := x.value()
	if err != nil {
		return "", err
	}
	if part, err = keyAttribute(dynamoItem{name: v}, name, q.schema.partType, maxPartitionKeyBytes); err != nil {
		return "", err
	}
	q.within = func(dynamoItem) bool { return true }
	if x.keyword("AND") {
		err = q.sortCondition(x)
	}
	if err == nil {
		err = x.end()
	}
	return part, err
}

func (q *dynamoQuery) sortCondition(x *dynamoExpr) (err error) {
	rest := x.tokens[x.at:]
	at := slices.IndexFunc(rest, func(t string) bool { return t[0] == '#' })
	if at < 0 || x.names[rest[at]] != q.schema.sort {
		return validation("Query key condition not supported: not the sort key %s", q.schema.sort)
	}
	for _, t := range rest {
		if t == "OR" || t == "NOT" || t == "IN" || t == "contains" || t == "<>" || t == "size" || t == "attribute_exists" || t == "attribute_not_exists" {
			return validation("Query key condition not supported: %s", t)
		}
	}
	for _, t := range rest {
		if v, ok := x.values[t]; ok && valueType(v) != string(q.schema.sortType) {
			return validation("One or more parameter values were invalid: Condition parameter type does not match schema type")
		}
	}
	c, ok, err := x.predicate()
	if !ok && err == nil {
		c, err = x.comparison()
	}
	q.within = c
	return err
}

// startKey reads ExclusiveStartKey, which must be in the partition.
func (q *dynamoQuery) startKey(part string) error {
	item := q.in.ExclusiveStartKey
	if item == nil {
		return nil
	}
	k, err := q.schema.key(item)
	if err != nil || k.part != part {
		return validation("The provided starting key is invalid")
	}
	if q.index != nil {
		tk, err := q.table.schema.key(item)
		if err != nil {
			return validation("The provided starting key is invalid")
		}
		k.tie = tk.part + "\x00" + tk.sort
	}
	q.start = &k
	return nil
}

func (q *dynamoQuery) run() (*dynamodb.QueryOutput, error) {
	entries := q.entries
	if q.descending {
		entries = slices.Clone(entries)
		slices.Reverse(entries)
	}
	out := &dynamodb.QueryOutput{}
	looked, size := int32(0), 0
	for _, e := range entries {
		if q.start != nil && !q.after(e.key) {
			continue
		}
		item := q.seen(e)
		if item == nil || !q.within(item) {
			continue
		}
		looked++
		size += sizeOf(item)
		if q.filter == nil || q.filter(item) {
			out.Items = append(out.Items, q.cut(item))
		}
		if q.in.Limit != nil && looked == *q.in.Limit || size >= maxPageBytes {
			out.LastEvaluatedKey = q.lastKey(item)
			break
		}
	}
	out.Count, out.ScannedCount = int32(len(out.Items)), looked
	return out, nil
}

// after tells whether a key comes after the start key, in the query's direction.
func (q *dynamoQuery) after(key dynamoKey) bool {
	if q.descending {
		return compareKeys(key, *q.start) < 0
	}
	return compareKeys(key, *q.start) > 0
}

func (q *dynamoQuery) seen(e *dynamoEntry) dynamoItem {
	if q.index != nil {
		return e.cur
	}
	return q.d.seen(e, q.in.ConsistentRead)
}

func (q *dynamoQuery) lastKey(item dynamoItem) dynamoItem {
	key := dynamoItem{}
	for _, name := range []string{q.table.schema.part, q.table.schema.sort, q.schema.part, q.schema.sort} {
		if v, ok := item[name]; ok && name != "" {
			key[name] = copyValue(v)
		}
	}
	return key
}
