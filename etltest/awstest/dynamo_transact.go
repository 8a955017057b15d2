package awstest

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// tokenLife is how long an idempotency token is remembered.
const tokenLife = 10 * time.Minute

type dynamoToken struct {
	request string
	at      time.Time
}

// TransactWriteItems writes all of the items or none. A canceled transaction
// tells the reason of each item; a token makes a repeated request, up to ten
// minutes later, do nothing.
func (d *DynamoDB) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	return dynamoInvoke(ctx, d, "TransactWriteItems", firstTable(in.TransactItems), func() (*dynamodb.TransactWriteItemsOutput, error) {
		writes, err := d.transaction(in.TransactItems)
		if err != nil {
			return nil, err
		}
		done, remember, err := d.repeated(in)
		if done || err != nil {
			return &dynamodb.TransactWriteItemsOutput{}, err
		}
		items := make([]dynamoItem, len(writes))
		if err := prepareAll(writes, items); err != nil {
			return nil, err
		}
		for i, w := range writes {
			if !w.checkOnly {
				w.table.put(d, w.key, items[i])
			}
		}
		remember()
		return &dynamodb.TransactWriteItemsOutput{}, nil
	})
}

func firstTable(items []types.TransactWriteItem) string {
	for _, it := range items {
		switch {
		case it.Put != nil:
			return deref(it.Put.TableName)
		case it.Update != nil:
			return deref(it.Update.TableName)
		case it.Delete != nil:
			return deref(it.Delete.TableName)
		case it.ConditionCheck != nil:
			return deref(it.ConditionCheck.TableName)
		}
	}
	return ""
}

// transaction checks what the service checks before it looks at any item.
func (d *DynamoDB) transaction(items []types.TransactWriteItem) ([]*dynamoWrite, error) {
	if len(items) == 0 || len(items) > maxTransactionItems {
		return nil, validation("1 validation error detected: Value at 'transactItems' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d and greater than or equal to 1, got %d", maxTransactionItems, len(items))
	}
	type place struct {
		table string
		key   dynamoKey
	}
	seen := map[place]bool{}
	total := 0
	writes := make([]*dynamoWrite, len(items))
	for i, it := range items {
		w, err := d.transactWrite(it)
		if err != nil {
			return nil, err
		}
		p := place{w.name, w.key}
		if seen[p] {
			return nil, validation("Transaction request cannot include multiple operations on one item")
		}
		seen[p] = true
		if total += w.size; total > maxTransactionBytes {
			return nil, validation("Collection size in bytes is too large: the items of a transaction exceed 4 MB")
		}
		writes[i] = w
	}
	return writes, nil
}

func (d *DynamoDB) transactWrite(it types.TransactWriteItem) (*dynamoWrite, error) {
	n := 0
	for _, set := range []bool{it.Put != nil, it.Update != nil, it.Delete != nil, it.ConditionCheck != nil} {
		if set {
			n++
		}
	}
	if n != 1 {
		return nil, validation("TransactItems can only contain one of Check, Put, Update or Delete")
	}
	switch {
	case it.Put != nil:
		return d.putWrite(it.Put)
	case it.Update != nil:
		return d.updateWrite(it.Update)
	case it.Delete != nil:
		return d.deleteWrite(it.Delete)
	default:
		return d.checkWrite(it.ConditionCheck)
	}
}

// repeated looks the token up; remember stores it once the request has gone through.
func (d *DynamoDB) repeated(in *dynamodb.TransactWriteItemsInput) (done bool, remember func(), err error) {
	token := deref(in.ClientRequestToken)
	if token == "" {
		return false, func() {}, nil
	}
	if len(token) > 36 {
		return false, nil, validation("1 validation error detected: Value at 'clientRequestToken' failed to satisfy constraint: Member must have length less than or equal to 36")
	}
	request, err := json.Marshal(in.TransactItems)
	if err != nil {
		return false, nil, err
	}
	now := d.now()
	if t, ok := d.tokens[token]; ok && now.Sub(t.at) < tokenLife {
		if t.request != string(request) {
			return false, nil, &types.IdempotentParameterMismatchException{Message: ptr("The request has other parameters than the first of its token")}
		}
		return true, nil, nil
	}
	return false, func() {
		if d.tokens == nil {
			d.tokens = map[string]dynamoToken{}
		}
		d.tokens[token] = dynamoToken{string(request), now}
	}, nil
}

// prepareAll fills items, or returns the cancellation with all its reasons.
func prepareAll(writes []*dynamoWrite, items []dynamoItem) error {
	reasons := make([]types.CancellationReason, len(writes))
	canceled := false
	for i, w := range writes {
		reasons[i].Code = ptr("None")
		item, met, err := w.prepare()
		var de *dynamoError
		switch {
		case errors.As(err, &de):
			canceled = true
			reasons[i] = types.CancellationReason{Code: ptr("ValidationError"), Message: &de.message}
		case err != nil:
			return err
		case !met:
			canceled = true
			reasons[i] = types.CancellationReason{Code: ptr("ConditionalCheckFailed"), Message: ptr("The conditional request failed")}
			if w.onFailure == types.ReturnValuesOnConditionCheckFailureAllOld {
				reasons[i].Item = copyItem(w.old())
			}
		}
		items[i] = item
	}
	if canceled {
		return canceledTransaction(reasons)
	}
	return nil
}
