package dynamocontrol

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/dynamo"
)

// Creator is what [CreateTable] calls of *dynamodb.Client.
type Creator interface {
	CreateTable(context.Context, *dynamodb.CreateTableInput, ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	UpdateContinuousBackups(context.Context, *dynamodb.UpdateContinuousBackupsInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateContinuousBackupsOutput, error)
}

var _ Creator = (*dynamodb.Client)(nil)

// CreateOption is an option of [CreateTable].
type CreateOption func(*createOptions)

type createOptions struct {
	input   dynamodb.CreateTableInput
	backups bool
}

// WithPointInTimeRecovery switches continuous backups on.
func WithPointInTimeRecovery() CreateOption { return func(o *createOptions) { o.backups = true } }

// WithDeletionProtection protects the table from being deleted by mistake.
func WithDeletionProtection() CreateOption {
	return func(o *createOptions) { o.input.DeletionProtectionEnabled = ptr(true) }
}

// WithKMSKey encrypts the table with a key of the account: its ID, ARN or alias.
// Without one it is the key that the service manages for the account.
func WithKMSKey(key string) CreateOption {
	return func(o *createOptions) { o.input.SSESpecification.KMSMasterKeyId = &key }
}

// CreateTable makes the DynamoDB table for a [Store], for leases of dynamolock,
// or for both, and waits until it is active: billed on demand, encrypted with
// KMS, with its sparse index. There is no time to live: nothing in the table may
// vanish by itself. If the table exists already its keys and index are checked;
// nothing of it is changed but backups, if asked for.
func CreateTable(ctx context.Context, client Creator, name string, opts ...CreateOption) error {
	o := createOptions{input: tableInput(name)}
	for _, opt := range opts {
		opt(&o)
	}
	_, err := client.CreateTable(ctx, &o.input)
	var exists *types.ResourceInUseException
	if err == nil || errors.As(err, &exists) {
		err = waitActive(ctx, client, name)
	}
	if err == nil && o.backups {
		_, err = client.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{
			TableName:                        &name,
			PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: ptr(true)},
		})
	}
	if err != nil {
		return fmt.Errorf("dynamocontrol: create table %q: %w", name, dynamo.Outcome(dynamo.Judge(err), err))
	}
	return nil
}

func tableInput(name string) dynamodb.CreateTableInput {
	attr := func(n string) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &n, AttributeType: types.ScalarAttributeTypeS}
	}
	keys := func(part, sort string) []types.KeySchemaElement {
		return []types.KeySchemaElement{{AttributeName: &part, KeyType: types.KeyTypeHash}, {AttributeName: &sort, KeyType: types.KeyTypeRange}}
	}
	return dynamodb.CreateTableInput{
		TableName:            &name,
		AttributeDefinitions: []types.AttributeDefinition{attr(attrPK), attr(attrSK), attr(attrAttention)},
		KeySchema:            keys(attrPK, attrSK),
		BillingMode:          types.BillingModePayPerRequest,
		SSESpecification:     &types.SSESpecification{Enabled: ptr(true), SSEType: types.SSETypeKms},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: ptr(AttentionIndex), KeySchema: keys(attrAttention, attrPK),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeInclude, NonKeyAttributes: []string{"name"}},
		}},
	}
}

// waitActive waits for the table and checks that it is one of ours.
func waitActive(ctx context.Context, client Creator, name string) error {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
		var missing *types.ResourceNotFoundException
		if err != nil && !errors.As(err, &missing) { // which is what it is at first
			return err
		}
		if err == nil && out.Table != nil && out.Table.TableStatus == types.TableStatusActive {
			return checkSchema(out.Table)
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

func checkSchema(t *types.TableDescription) error {
	want := []string{attrPK, attrSK}
	ok := len(t.KeySchema) == len(want)
	for i, k := range t.KeySchema {
		ok = ok && k.AttributeName != nil && *k.AttributeName == want[i]
	}
	if !ok {
		return etl.WithOutcome(etl.Terminal, errors.New("it exists with other keys than pk and sk"))
	}
	return nil
}
