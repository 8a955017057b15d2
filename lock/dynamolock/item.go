package dynamolock

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/dynamocontrol"
	"github.com/tidemark-data/etl/internal/dynamo"
)

type item = map[string]types.AttributeValue

// lockItem is a LOCK item as it was at a time.
type lockItem struct {
	fence   int64
	holder  string // token of the lease; empty if there is none
	version string // empty before the first acquisition
	ttl     time.Duration
	stamp   time.Time // when version was written
	now     time.Time // when the item was read, by the same clock as stamp
}

// Attributes of the item. Times are in microseconds, stamps since 1970.
var names = map[string]string{
	"#fence": "fence", "#holder": "holder", "#version": "version", "#ttl": "ttl_us", "#stamp": "stamp_us",
}

func key(name string) item {
	return item{
		"pk": &types.AttributeValueMemberS{Value: dynamocontrol.PartitionKey(name)},
		"sk": &types.AttributeValueMemberS{Value: "LOCK"},
	}
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func (l *Locker) parse(it item, md middleware.Metadata) (lockItem, error) {
	lock := lockItem{now: l.now()}
	if t, ok := awsmiddleware.GetServerTime(md); ok && l.opts.Now == nil && !t.IsZero() {
		lock.now = t
	}
	var errs []error
	integer := func(name string) int64 {
		v, ok := it[name].(*types.AttributeValueMemberN)
		if !ok {
			return 0
		}
		n, err := strconv.ParseInt(v.Value, 10, 64)
		if err != nil {
			errs = append(errs, fmt.Errorf("attribute %s is no 64-bit integer", name))
		}
		return n
	}
	str := func(name string) string {
		if v, ok := it[name].(*types.AttributeValueMemberS); ok {
			return v.Value
		}
		return ""
	}
	lock.fence, lock.holder, lock.version = integer("fence"), str("holder"), str("version")
	lock.ttl = time.Duration(min(integer("ttl_us"), int64(1<<63-1)/1000)) * time.Microsecond
	lock.stamp = time.UnixMicro(integer("stamp_us"))
	if err := errors.Join(errs...); err != nil {
		return lock, etl.WithOutcome(etl.Terminal, fmt.Errorf("the lock's item is damaged: %w", err))
	}
	return lock, nil
}

func (l *Locker) read(ctx context.Context, name string) (lockItem, error) {
	var out *dynamodb.GetItemOutput
	consistent := true
	v, err := l.attempt(ctx, func() (err error) {
		out, err = l.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &l.opts.Table, Key: key(name), ConsistentRead: &consistent})
		return err
	})
	if err != nil {
		return lockItem{}, dynamo.Outcome(v, err)
	}
	return l.parse(out.Item, out.ResultMetadata)
}

// update changes the item. It returns the item as it is then; verdict unmet is
// no error.
func (l *Locker) update(ctx context.Context, name, change, condition string, values item) (lockItem, dynamo.Verdict, error) {
	var out *dynamodb.UpdateItemOutput
	v, err := l.attempt(ctx, func() (err error) {
		out, err = l.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &l.opts.Table, Key: key(name), UpdateExpression: &change, ConditionExpression: &condition,
			ExpressionAttributeNames: used(change + " " + condition), ExpressionAttributeValues: values,
			ReturnValues: types.ReturnValueAllNew,
		})
		return err
	})
	if v == dynamo.Unmet {
		return lockItem{}, v, nil
	}
	if err != nil {
		return lockItem{}, v, dynamo.Outcome(v, err)
	}
	lock, err := l.parse(out.Attributes, out.ResultMetadata)
	return lock, v, err
}

// take makes the lock le's if it is still as it was read. If it is not, the
// item that it returns has no holder.
func (l *Locker) take(ctx context.Context, le *Lease, was lockItem) (lockItem, error) {
	values := item{
		":one": number(1), ":zero": number(0), ":holder": text(le.token), ":new": text(rand.Text()),
		":ttl": number(microseconds(le.ttl)), ":stamp": number(was.now.UnixMicro()),
	}
	condition := "attribute_not_exists(#version)"
	if was.version != "" {
		condition, values[":old"] = "#version = :old", text(was.version)
	}
	le.renewed = time.Now()
	lock, v, err := l.update(ctx, le.name, "SET #fence = if_not_exists(#fence, :zero) + :one, #holder = :holder, "+
		"#version = :new, #ttl = :ttl, #stamp = :stamp", condition, values)
	if err != nil && v == dynamo.Unanswered {
		l.mu.Lock()
		l.lost[le.token] = true
		l.mu.Unlock()
	}
	return lock, err
}

// microseconds rounds up, so that no lease is shorter than it was asked for.
func microseconds(d time.Duration) int64 {
	return int64(d/time.Microsecond) + 1
}

// renew gives a lease a new version; false if it is not held any more.
func (l *Locker) renew(ctx context.Context, le *Lease) (bool, error) {
	version := rand.Text()
	lock, v, err := l.update(ctx, le.name, "SET #version = :new, #stamp = :stamp", "#holder = :holder",
		item{":holder": text(le.token), ":new": text(version), ":stamp": number(le.stamp().UnixMicro())})
	if err != nil || v == dynamo.Unmet {
		return false, err
	}
	l.saw(le.name, version, l.now())
	le.sync(lock.now)
	return true, nil
}

func (l *Locker) release(ctx context.Context, le *Lease) error {
	_, _, err := l.update(ctx, le.name, "SET #version = :new REMOVE #holder", "#holder = :holder",
		item{":holder": text(le.token), ":new": text(rand.Text())})
	return err
}

func (l *Locker) raise(ctx context.Context, name string, fence int64) error {
	_, _, err := l.update(ctx, name, "SET #fence = :fence", "attribute_not_exists(#fence) OR #fence < :fence",
		item{":fence": number(fence)})
	return err
}

// lowerStamp sets a stamp that lies in the future to now.
func (l *Locker) lowerStamp(ctx context.Context, name string, was lockItem) error {
	_, _, err := l.update(ctx, name, "SET #stamp = :now", "#version = :version AND #stamp > :now",
		item{":version": text(was.version), ":now": number(was.now.UnixMicro())})
	return err
}
