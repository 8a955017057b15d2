package awstest

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// seen is what a read sees of an entry.
func (d *DynamoDB) seen(e *dynamoEntry, consistent *bool) dynamoItem {
	switch {
	case e == nil:
		return nil
	case d.StaleReads && !deref(consistent):
		return e.prev
	}
	return e.cur
}

// projection returns the function that cuts items down, to those attributes;
// x may be used for other expressions of the request too.
func projection(x *dynamoExpr, text *string) (func(dynamoItem) dynamoItem, []string, error) {
	if text == nil {
		return copyItem, nil, nil
	}
	if err := x.start(*text); err != nil {
		return nil, nil, err
	}
	var names []string
	for {
		name, err := x.name()
		if err != nil {
			return nil, nil, err
		}
		names = append(names, name)
		if x.peek() != "," {
			break
		}
		x.at++
	}
	return func(item dynamoItem) dynamoItem {
		out := dynamoItem{}
		for _, n := range names {
			if v, ok := item[n]; ok {
				out[n] = copyValue(v)
			}
		}
		return out
	}, names, x.end()
}

// GetItem reads an item.
func (d *DynamoDB) GetItem(ctx context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return dynamoInvoke(ctx, d, "GetItem", deref(in.TableName), func() (*dynamodb.GetItemOutput, error) {
		t, err := d.table(in.TableName)
		if err != nil {
			return nil, err
		}
		key, err := t.schema.keyOnly(in.Key)
		if err != nil {
			return nil, err
		}
		x, err := newExpr(in.ExpressionAttributeNames, nil)
		if err != nil {
			return nil, err
		}
		cut, _, err := projection(x, in.ProjectionExpression)
		if err != nil {
			return nil, err
		}
		if err := x.finish(); err != nil {
			return nil, err
		}
		out := &dynamodb.GetItemOutput{}
		if item := d.seen(t.items.get(key), in.ConsistentRead); item != nil {
			out.Item = cut(item)
		}
		return out, nil
	})
}

// BatchGetItem reads up to 100 items. Those that do not fit into an answer of
// 16 MB come back as unprocessed.
func (d *DynamoDB) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	name, total := "", 0
	for n, r := range in.RequestItems {
		name, total = n, total+len(r.Keys)
	}
	return dynamoInvoke(ctx, d, "BatchGetItem", name, func() (*dynamodb.BatchGetItemOutput, error) {
		if total == 0 || total > maxBatchReadItems {
			return nil, validation("Too many items requested for the BatchGetItem call, or none: %d", total)
		}
		out := &dynamodb.BatchGetItemOutput{
			Responses: map[string][]map[string]types.AttributeValue{}, UnprocessedKeys: map[string]types.KeysAndAttributes{},
		}
		left := maxBatchReadBytes
		for name, r := range in.RequestItems {
			if err := d.batchGet(name, r, out, &left); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

func (d *DynamoDB) batchGet(name string, r types.KeysAndAttributes, out *dynamodb.BatchGetItemOutput, left *int) error {
	t, err := d.table(&name)
	if err != nil {
		return err
	}
	if r.ProjectionExpression != nil {
		return validation("awstest: ProjectionExpression of BatchGetItem is not supported")
	}
	dup := map[dynamoKey]bool{}
	for i, k := range r.Keys {
		key, err := t.schema.keyOnly(k)
		if err != nil {
			return err
		}
		if dup[key] {
			return validation("Provided list of item keys contains duplicates")
		}
		dup[key] = true
		item := d.seen(t.items.get(key), r.ConsistentRead)
		if item == nil {
			continue
		}
		if *left -= sizeOf(item); *left < 0 && i > 0 {
			rest := r
			rest.Keys = r.Keys[i:]
			out.UnprocessedKeys[name] = rest
			return nil
		}
		out.Responses[name] = append(out.Responses[name], copyItem(item))
	}
	return nil
}

// BatchWriteItem puts and deletes up to 25 items, each by itself.
func (d *DynamoDB) BatchWriteItem(ctx context.Context, in *dynamodb.BatchWriteItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error) {
	name, total := "", 0
	for n, r := range in.RequestItems {
		name, total = n, total+len(r)
	}
	return dynamoInvoke(ctx, d, "BatchWriteItem", name, func() (*dynamodb.BatchWriteItemOutput, error) {
		if total == 0 || total > maxBatchWriteItems {
			return nil, validation("Too many items requested for the BatchWriteItem call, or none: %d", total)
		}
		var writes []*dynamoWrite
		dup := map[string]bool{}
		for name, requests := range in.RequestItems {
			for _, r := range requests {
				w, err := d.batchWrite(name, r)
				if err != nil {
					return nil, err
				}
				id := strings.Join([]string{name, w.key.part, w.key.sort}, "\x00")
				if dup[id] {
					return nil, validation("Provided list of item keys contains duplicates")
				}
				dup[id] = true
				writes = append(writes, w)
			}
		}
		for _, w := range writes {
			if _, _, err := w.run(d); err != nil {
				return nil, err
			}
		}
		return &dynamodb.BatchWriteItemOutput{}, nil
	})
}

func (d *DynamoDB) batchWrite(name string, r types.WriteRequest) (*dynamoWrite, error) {
	switch {
	case r.PutRequest != nil && r.DeleteRequest == nil:
		return d.putWrite(&types.Put{TableName: &name, Item: r.PutRequest.Item})
	case r.DeleteRequest != nil && r.PutRequest == nil:
		return d.deleteWrite(&types.Delete{TableName: &name, Key: r.DeleteRequest.Key})
	}
	return nil, validation("Supplied AttributeValue has more than one datatypes set, or none: a write request is a put or a delete")
}
