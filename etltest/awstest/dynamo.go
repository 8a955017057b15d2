package awstest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// DynamoDB is an in-memory Amazon DynamoDB. Its methods are those of the SDK's
// client of the same names, and it holds to the service's documented limits and
// semantics: conditions, transactions with cancellation reasons and idempotency
// tokens, pages of 1 MB, sizes of items, keys and requests, secondary indexes
// that lag. Expressions are parsed; what is not supported of their grammar is
// refused. In one way it is stricter than the service: every attribute name in
// an expression must be a placeholder (#name), which keeps reserved words out.
//
// The exported fields must not be changed while calls are under way. It is safe
// for concurrent use.
type DynamoDB struct {
	// Hook, if not nil, is asked at each call what is to go wrong with it.
	Hook func(DynamoCall) DynamoFault
	// Now is the clock by which idempotency tokens expire; nil is [time.Now].
	Now func() time.Time
	// StaleReads lets reads that are not consistent miss the last write of each
	// item, as the service's may.
	StaleReads bool
	// IndexLag is by how many writes global secondary indexes lag behind.
	IndexLag int

	mu     sync.Mutex
	tables map[string]*dynamoTable
	tokens map[string]dynamoToken
	calls  int
}

// DynamoCall is a call as [DynamoDB.Hook] sees it.
type DynamoCall struct {
	// N counts the calls, from 1.
	N int
	// Op is the operation, as "TransactWriteItems".
	Op string
	// Table is that of the call, or of its first item.
	Table string
}

// DynamoFault is what goes wrong with a call; nothing where it is zero.
type DynamoFault struct {
	// Latency passes before the call has its effect.
	Latency time.Duration
	// Before is the error of a call that has no effect, After that of one whose
	// effect stays: [ErrReset] is the honest one.
	Before, After error
}

// DynamoThrottled returns the error of a call that was throttled.
func DynamoThrottled() error {
	return &types.ThrottlingException{Message: ptr("Rate exceeded")}
}

// DynamoConflict returns the error of a transaction of n items, all of which
// are in another transaction.
func DynamoConflict(n int) error {
	reasons := make([]types.CancellationReason, n)
	for i := range reasons {
		reasons[i] = types.CancellationReason{Code: ptr("TransactionConflict"), Message: ptr("Transaction is ongoing for the item")}
	}
	return canceledTransaction(reasons)
}

// DynamoLoseAnswers returns a hook that loses every nth answer, after the effect.
func DynamoLoseAnswers(n int) func(DynamoCall) DynamoFault {
	return func(c DynamoCall) DynamoFault {
		if c.N%n == 0 {
			return DynamoFault{After: ErrReset}
		}
		return DynamoFault{}
	}
}

// Calls returns how many calls there were.
func (d *DynamoDB) Calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

func (d *DynamoDB) now() time.Time {
	if d.Now != nil {
		return d.Now()
	}
	return time.Now()
}

// dynamoInvoke runs f with the fault that the hook gives the call. f runs alone.
func dynamoInvoke[T any](ctx context.Context, d *DynamoDB, op, table string, f func() (*T, error)) (*T, error) {
	d.mu.Lock()
	d.calls++
	call := DynamoCall{N: d.calls, Op: op, Table: table}
	d.mu.Unlock()
	var fault DynamoFault
	if d.Hook != nil {
		fault = d.Hook(call)
	}
	if err := dynamoWait(ctx, fault.Latency); err != nil {
		return nil, err
	}
	if fault.Before != nil {
		return nil, fault.Before
	}
	d.mu.Lock()
	out, err := f()
	d.mu.Unlock()
	if fault.After != nil {
		return nil, fault.After
	}
	return out, err
}

func dynamoWait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func (d *DynamoDB) table(name *string) (*dynamoTable, error) {
	if t := d.tables[deref(name)]; t != nil {
		return t, nil
	}
	return nil, &types.ResourceNotFoundException{Message: ptr("Requested resource not found")}
}

// validation returns the error that the service gives for malformed requests.
func validation(format string, args ...any) error {
	return &dynamoError{code: "ValidationException", message: fmt.Sprintf(format, args...)}
}

func ptr[T any](v T) *T { return &v }

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
