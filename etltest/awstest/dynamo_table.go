package awstest

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// dynamoKey places an item in a table or an index. tie tells items of an index
// apart whose keys are the same.
type dynamoKey struct{ part, sort, tie string }

// dynamoEntry is an item, and what it was before its last write.
type dynamoEntry struct {
	key       dynamoKey
	cur, prev dynamoItem // nil where there is none
}

// collection holds entries by partition key, in the order of their sort keys.
type collection map[string][]*dynamoEntry

func (c collection) find(key dynamoKey) (int, bool) {
	return slices.BinarySearchFunc(c[key.part], key, func(e *dynamoEntry, k dynamoKey) int { return compareKeys(e.key, k) })
}

func (c collection) get(key dynamoKey) *dynamoEntry {
	if i, ok := c.find(key); ok {
		return c[key.part][i]
	}
	return nil
}

// set stores an item; nil deletes it. The entry stays for stale reads.
func (c collection) set(key dynamoKey, item dynamoItem) {
	i, ok := c.find(key)
	if !ok {
		c[key.part] = slices.Insert(c[key.part], i, &dynamoEntry{key: key})
	}
	e := c[key.part][i]
	e.prev, e.cur = e.cur, item
	if e.cur == nil && e.prev == nil {
		c[key.part] = slices.Delete(c[key.part], i, i+1)
	}
}

type dynamoTable struct {
	desc    types.TableDescription
	schema  keySchema
	items   collection
	indexes map[string]*dynamoIndex
	pending []indexWrite
	backups bool
}

type dynamoIndex struct {
	schema     keySchema
	projection types.Projection
	items      collection
}

type indexWrite struct{ old, cur dynamoItem }

// keySchema names key attributes; sort is empty where there is none.
type keySchema struct {
	part, sort         string
	partType, sortType types.ScalarAttributeType
}

func schemaOf(keys []types.KeySchemaElement, attrs []types.AttributeDefinition) (keySchema, error) {
	var s keySchema
	for _, k := range keys {
		i := slices.IndexFunc(attrs, func(a types.AttributeDefinition) bool { return deref(a.AttributeName) == deref(k.AttributeName) })
		if i < 0 {
			return s, validation("Some index key attributes are not defined in AttributeDefinitions: %s", deref(k.AttributeName))
		}
		if attrs[i].AttributeType == types.ScalarAttributeTypeN {
			return s, validation("awstest: number keys are not supported")
		}
		if k.KeyType == types.KeyTypeHash {
			s.part, s.partType = deref(k.AttributeName), attrs[i].AttributeType
		} else {
			s.sort, s.sortType = deref(k.AttributeName), attrs[i].AttributeType
		}
	}
	if s.part == "" {
		return s, validation("No Hash Key specified in schema")
	}
	return s, nil
}

// key returns the key of an item of the table.
func (s keySchema) key(item dynamoItem) (dynamoKey, error) {
	part, err := keyAttribute(item, s.part, s.partType, maxPartitionKeyBytes)
	if err != nil {
		return dynamoKey{}, err
	}
	k := dynamoKey{part: part}
	if s.sort != "" {
		k.sort, err = keyAttribute(item, s.sort, s.sortType, maxSortKeyBytes)
	}
	return k, err
}

func keyAttribute(item dynamoItem, name string, want types.ScalarAttributeType, limit int) (string, error) {
	v, ok := item[name]
	if !ok {
		return "", validation("One or more parameter values were invalid: Missing the key %s in the item", name)
	}
	if valueType(v) != string(want) {
		return "", validation("One or more parameter values were invalid: Type mismatch for key %s", name)
	}
	b := keyBytes(v)
	if b == "" {
		return "", validation("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", name)
	}
	if len(b) > limit {
		return "", validation("One or more parameter values were invalid: Size of key %s has exceeded the maximum size limit of %d bytes", name, limit)
	}
	return b, nil
}

// keyOnly is key for requests that give a key and nothing else.
func (s keySchema) keyOnly(item dynamoItem) (dynamoKey, error) {
	n := 1
	if s.sort != "" {
		n = 2
	}
	if len(item) != n {
		return dynamoKey{}, validation("The provided key element does not match the schema")
	}
	return s.key(item)
}

// put stores an item that was checked; nil deletes it.
func (t *dynamoTable) put(d *DynamoDB, key dynamoKey, item dynamoItem) {
	var old dynamoItem
	if e := t.items.get(key); e != nil {
		old = e.cur
	}
	t.items.set(key, item)
	t.pending = append(t.pending, indexWrite{old, item})
	t.catchUp(d.IndexLag)
}

// catchUp brings the indexes up to all writes but the last lag.
func (t *dynamoTable) catchUp(lag int) {
	for len(t.pending) > lag {
		w := t.pending[0]
		t.pending = t.pending[1:]
		for _, x := range t.indexes {
			x.apply(t.schema, w)
		}
	}
}

func (x *dynamoIndex) apply(table keySchema, w indexWrite) {
	place := func(item dynamoItem) (dynamoKey, bool) {
		if item == nil {
			return dynamoKey{}, false
		}
		k, err := x.schema.key(item)
		if err != nil {
			return k, false // sparse
		}
		tk, err := table.key(item)
		k.tie = tk.part + "\x00" + tk.sort
		return k, err == nil
	}
	if k, ok := place(w.old); ok {
		x.items.set(k, nil)
		x.items.set(k, nil) // indexes keep nothing for stale reads
	}
	if k, ok := place(w.cur); ok {
		x.items.set(k, x.project(table, w.cur))
	}
}

func (x *dynamoIndex) project(table keySchema, item dynamoItem) dynamoItem {
	out := dynamoItem{}
	for n, v := range item {
		if x.projects(table, []string{n}) {
			out[n] = v
		}
	}
	return out
}

// projects reports whether the index holds all of these attributes.
func (x *dynamoIndex) projects(table keySchema, names []string) bool {
	held := []string{table.part, table.sort, x.schema.part, x.schema.sort}
	if x.projection.ProjectionType == types.ProjectionTypeInclude {
		held = append(held, x.projection.NonKeyAttributes...)
	}
	return x.projection.ProjectionType == types.ProjectionTypeAll ||
		!slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(held, n) })
}

// SyncIndexes brings the secondary indexes of all tables up to date.
func (d *DynamoDB) SyncIndexes() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range d.tables {
		t.catchUp(0)
	}
}

// Items returns copies of all items of a table, in no particular order.
func (d *DynamoDB) Items(table string) []map[string]types.AttributeValue {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []map[string]types.AttributeValue
	if t := d.tables[table]; t != nil {
		for _, entries := range t.items {
			for _, e := range entries {
				if e.cur != nil {
					out = append(out, copyItem(e.cur))
				}
			}
		}
	}
	return out
}

// CreateTable makes a table, which is active at once.
func (d *DynamoDB) CreateTable(ctx context.Context, in *dynamodb.CreateTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error) {
	return dynamoInvoke(ctx, d, "CreateTable", deref(in.TableName), func() (*dynamodb.CreateTableOutput, error) {
		name := deref(in.TableName)
		if len(name) < 3 || len(name) > 255 {
			return nil, validation("TableName must be at least 3 characters long and at most 255 characters long")
		}
		if d.tables[name] != nil {
			return nil, &types.ResourceInUseException{Message: ptr("Table already exists: " + name)}
		}
		t, err := newDynamoTable(in)
		if err != nil {
			return nil, err
		}
		if d.tables == nil {
			d.tables = map[string]*dynamoTable{}
		}
		d.tables[name] = t
		return &dynamodb.CreateTableOutput{TableDescription: &t.desc}, nil
	})
}

func newDynamoTable(in *dynamodb.CreateTableInput) (*dynamoTable, error) {
	schema, err := schemaOf(in.KeySchema, in.AttributeDefinitions)
	if err != nil {
		return nil, err
	}
	if len(in.LocalSecondaryIndexes) > 0 {
		return nil, validation("awstest: local secondary indexes are not supported")
	}
	t := &dynamoTable{schema: schema, items: collection{}, indexes: map[string]*dynamoIndex{}}
	for _, g := range in.GlobalSecondaryIndexes {
		s, err := schemaOf(g.KeySchema, in.AttributeDefinitions)
		if err != nil {
			return nil, err
		}
		t.indexes[deref(g.IndexName)] = &dynamoIndex{schema: s, projection: deref(g.Projection), items: collection{}}
	}
	t.desc = types.TableDescription{
		TableName: in.TableName, TableStatus: types.TableStatusActive, KeySchema: in.KeySchema,
		AttributeDefinitions:      in.AttributeDefinitions,
		BillingModeSummary:        &types.BillingModeSummary{BillingMode: in.BillingMode},
		DeletionProtectionEnabled: in.DeletionProtectionEnabled,
	}
	if s := in.SSESpecification; s != nil && deref(s.Enabled) {
		t.desc.SSEDescription = &types.SSEDescription{Status: types.SSEStatusEnabled, SSEType: s.SSEType, KMSMasterKeyArn: s.KMSMasterKeyId}
	}
	return t, nil
}

// DescribeTable describes a table.
func (d *DynamoDB) DescribeTable(ctx context.Context, in *dynamodb.DescribeTableInput, _ ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	return dynamoInvoke(ctx, d, "DescribeTable", deref(in.TableName), func() (*dynamodb.DescribeTableOutput, error) {
		t, err := d.table(in.TableName)
		if err != nil {
			return nil, err
		}
		desc := t.desc
		return &dynamodb.DescribeTableOutput{Table: &desc}, nil
	})
}

// UpdateContinuousBackups switches point-in-time recovery on or off.
func (d *DynamoDB) UpdateContinuousBackups(ctx context.Context, in *dynamodb.UpdateContinuousBackupsInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateContinuousBackupsOutput, error) {
	return dynamoInvoke(ctx, d, "UpdateContinuousBackups", deref(in.TableName), func() (*dynamodb.UpdateContinuousBackupsOutput, error) {
		t, err := d.table(in.TableName)
		if err != nil {
			return nil, err
		}
		if in.PointInTimeRecoverySpecification == nil {
			return nil, validation("PointInTimeRecoverySpecification is missing")
		}
		t.backups = deref(in.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled)
		return &dynamodb.UpdateContinuousBackupsOutput{}, nil
	})
}

// PointInTimeRecovery reports whether it is switched on for a table.
func (d *DynamoDB) PointInTimeRecovery(table string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.tables[table]
	return t != nil && t.backups
}
