package awstest

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// dynamoWrite is one write, checked and ready: apply returns the item that it
// makes of the old one, nil for none. A check leaves the item as it is.
type dynamoWrite struct {
	table     *dynamoTable
	name      string
	key       dynamoKey
	condition condition // nil if there is none
	onFailure types.ReturnValuesOnConditionCheckFailure
	apply     func(old dynamoItem) (dynamoItem, error)
	checkOnly bool
	size      int // of the request's item
}

func (w *dynamoWrite) old() dynamoItem {
	if e := w.table.items.get(w.key); e != nil {
		return e.cur
	}
	return nil
}

// prepare returns the new item, or an error; met is false where the condition
// is not met.
func (w *dynamoWrite) prepare() (item dynamoItem, met bool, err error) {
	old := w.old()
	if w.condition != nil && !w.condition(old) {
		return nil, false, nil
	}
	item, err = w.apply(old)
	if err == nil && item != nil && sizeOf(item) > maxItemBytes {
		err = validation("Item size has exceeded the maximum allowed size")
	}
	if err == nil {
		err = w.table.checkIndexKeys(item)
	}
	return item, true, err
}

func (w *dynamoWrite) run(d *DynamoDB) (old, item dynamoItem, err error) {
	old = w.old()
	item, met, err := w.prepare()
	if err != nil {
		return nil, nil, err
	}
	if !met {
		return nil, nil, conditionFailed(old, w.onFailure)
	}
	w.table.put(d, w.key, item)
	return old, item, nil
}

// expressions parses condition and update expression; the latter may be nil.
func (w *dynamoWrite) expressions(cond, update *string, names map[string]string, values dynamoItem) error {
	if cond == nil && update == nil {
		if len(names)+len(values) > 0 {
			return validation("ExpressionAttributeNames and ExpressionAttributeValues can only be specified when using expressions")
		}
		return nil
	}
	x, err := newExpr(names, values)
	if err != nil {
		return err
	}
	if cond != nil {
		if w.condition, err = x.condition(*cond); err != nil {
			return err
		}
	}
	if update != nil {
		change, err := x.update(*update, w.table.schema)
		if err != nil {
			return err
		}
		inner := w.apply
		w.apply = func(old dynamoItem) (dynamoItem, error) {
			base, err := inner(old)
			if err != nil {
				return nil, err
			}
			return change(base)
		}
	}
	return x.finish()
}

func (d *DynamoDB) putWrite(in *types.Put) (*dynamoWrite, error) {
	t, err := d.table(in.TableName)
	if err != nil {
		return nil, err
	}
	for _, v := range in.Item {
		if err := checkValue(v); err != nil {
			return nil, err
		}
	}
	key, err := t.schema.key(in.Item)
	if err != nil {
		return nil, err
	}
	if err := t.checkIndexKeys(in.Item); err != nil {
		return nil, err
	}
	item := copyItem(in.Item)
	if sizeOf(item) > maxItemBytes {
		return nil, validation("Item size has exceeded the maximum allowed size")
	}
	w := &dynamoWrite{table: t, name: deref(in.TableName), key: key, onFailure: in.ReturnValuesOnConditionCheckFailure, size: sizeOf(item)}
	w.apply = func(dynamoItem) (dynamoItem, error) { return item, nil }
	return w, w.expressions(in.ConditionExpression, nil, in.ExpressionAttributeNames, in.ExpressionAttributeValues)
}

// checkIndexKeys checks those index keys that are there: the others keep the
// item out of the index, but do not excuse these.
func (t *dynamoTable) checkIndexKeys(item dynamoItem) error {
	for _, x := range t.indexes {
		keys := []struct {
			name  string
			want  types.ScalarAttributeType
			limit int
		}{{x.schema.part, x.schema.partType, maxPartitionKeyBytes}, {x.schema.sort, x.schema.sortType, maxSortKeyBytes}}
		for _, k := range keys {
			if _, ok := item[k.name]; !ok {
				continue
			}
			if _, err := keyAttribute(item, k.name, k.want, k.limit); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *DynamoDB) keyWrite(name *string, keyItem dynamoItem) (*dynamoWrite, error) {
	t, err := d.table(name)
	if err != nil {
		return nil, err
	}
	key, err := t.schema.keyOnly(keyItem)
	return &dynamoWrite{table: t, name: deref(name), key: key, size: sizeOf(keyItem)}, err
}

func (d *DynamoDB) deleteWrite(in *types.Delete) (*dynamoWrite, error) {
	w, err := d.keyWrite(in.TableName, in.Key)
	if err != nil {
		return nil, err
	}
	w.onFailure = in.ReturnValuesOnConditionCheckFailure
	w.apply = func(dynamoItem) (dynamoItem, error) { return nil, nil }
	return w, w.expressions(in.ConditionExpression, nil, in.ExpressionAttributeNames, in.ExpressionAttributeValues)
}

func (d *DynamoDB) checkWrite(in *types.ConditionCheck) (*dynamoWrite, error) {
	w, err := d.keyWrite(in.TableName, in.Key)
	if err != nil {
		return nil, err
	}
	w.onFailure, w.checkOnly = in.ReturnValuesOnConditionCheckFailure, true
	w.apply = func(old dynamoItem) (dynamoItem, error) { return old, nil }
	if in.ConditionExpression == nil {
		return nil, validation("The expression can not be empty;")
	}
	return w, w.expressions(in.ConditionExpression, nil, in.ExpressionAttributeNames, in.ExpressionAttributeValues)
}

func (d *DynamoDB) updateWrite(in *types.Update) (*dynamoWrite, error) {
	w, err := d.keyWrite(in.TableName, in.Key)
	if err != nil {
		return nil, err
	}
	w.onFailure = in.ReturnValuesOnConditionCheckFailure
	keys := copyItem(in.Key)
	w.apply = func(old dynamoItem) (dynamoItem, error) {
		if old == nil {
			return keys, nil
		}
		return old, nil
	}
	return w, w.expressions(in.ConditionExpression, in.UpdateExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues)
}

// PutItem stores an item.
func (d *DynamoDB) PutItem(ctx context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	return dynamoInvoke(ctx, d, "PutItem", deref(in.TableName), func() (*dynamodb.PutItemOutput, error) {
		w, err := d.putWrite(&types.Put{
			TableName: in.TableName, Item: in.Item, ConditionExpression: in.ConditionExpression,
			ExpressionAttributeNames: in.ExpressionAttributeNames, ExpressionAttributeValues: in.ExpressionAttributeValues,
			ReturnValuesOnConditionCheckFailure: in.ReturnValuesOnConditionCheckFailure,
		})
		if err != nil {
			return nil, err
		}
		old, _, err := w.run(d)
		if err != nil {
			return nil, err
		}
		out := &dynamodb.PutItemOutput{}
		if in.ReturnValues == types.ReturnValueAllOld {
			out.Attributes = copyItem(old)
		}
		return out, nil
	})
}

// DeleteItem deletes an item.
func (d *DynamoDB) DeleteItem(ctx context.Context, in *dynamodb.DeleteItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error) {
	return dynamoInvoke(ctx, d, "DeleteItem", deref(in.TableName), func() (*dynamodb.DeleteItemOutput, error) {
		w, err := d.deleteWrite(&types.Delete{
			TableName: in.TableName, Key: in.Key, ConditionExpression: in.ConditionExpression,
			ExpressionAttributeNames: in.ExpressionAttributeNames, ExpressionAttributeValues: in.ExpressionAttributeValues,
			ReturnValuesOnConditionCheckFailure: in.ReturnValuesOnConditionCheckFailure,
		})
		if err != nil {
			return nil, err
		}
		old, _, err := w.run(d)
		if err != nil {
			return nil, err
		}
		out := &dynamodb.DeleteItemOutput{}
		if in.ReturnValues == types.ReturnValueAllOld {
			out.Attributes = copyItem(old)
		}
		return out, nil
	})
}

// UpdateItem changes attributes of an item, or makes it.
func (d *DynamoDB) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	return dynamoInvoke(ctx, d, "UpdateItem", deref(in.TableName), func() (*dynamodb.UpdateItemOutput, error) {
		w, err := d.updateWrite(&types.Update{
			TableName: in.TableName, Key: in.Key, UpdateExpression: in.UpdateExpression, ConditionExpression: in.ConditionExpression,
			ExpressionAttributeNames: in.ExpressionAttributeNames, ExpressionAttributeValues: in.ExpressionAttributeValues,
			ReturnValuesOnConditionCheckFailure: in.ReturnValuesOnConditionCheckFailure,
		})
		if err != nil {
			return nil, err
		}
		old, item, err := w.run(d)
		if err != nil {
			return nil, err
		}
		out := &dynamodb.UpdateItemOutput{}
		switch in.ReturnValues {
		case types.ReturnValueAllOld:
			out.Attributes = copyItem(old)
		case types.ReturnValueAllNew:
			out.Attributes = copyItem(item)
		case "", types.ReturnValueNone:
		default:
			return nil, validation("awstest: ReturnValues %s is not supported", in.ReturnValues)
		}
		return out, nil
	})
}
