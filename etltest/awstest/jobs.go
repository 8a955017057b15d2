package awstest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/aws/smithy-go"
)

// JobFault is what goes wrong with a call of [GlueJobs] or [EMRServerless].
type JobFault uint8

const (
	// JobNone lets the call pass.
	JobNone JobFault = iota
	// JobThrottle answers ThrottlingException; the call has no effect.
	JobThrottle
	// JobLimit answers that a quota is exhausted; the call has no effect.
	JobLimit
	// JobDeny answers AccessDeniedException; the call has no effect.
	JobDeny
	// JobFailBefore answers an internal failure (500); the call has no effect.
	JobFailBefore
	// JobFailAfter answers an internal failure (500) after the effect.
	JobFailAfter
	// JobCutBefore breaks the connection; the call has no effect.
	JobCutBefore
	// JobLoseAnswer breaks the connection after the effect.
	JobLoseAnswer
)

// before reports whether the fault keeps the call from its effect.
func (f JobFault) before() bool { return f != JobNone && f != JobFailAfter && f != JobLoseAnswer }

// err is what the client returns; limit and internal are the service's codes.
func (f JobFault) err(service, op, limit, internal string) error {
	var cause error
	switch f {
	case JobNone:
		return nil
	case JobThrottle:
		cause = &apiError{"ThrottlingException", "Rate exceeded"}
	case JobLimit:
		cause = &apiError{limit, "a limit of the account is reached"}
	case JobDeny:
		cause = &apiError{"AccessDeniedException", "not authorized to perform this action"}
	case JobFailBefore, JobFailAfter:
		cause = &smithy.GenericAPIError{Code: internal, Message: "internal failure", Fault: smithy.FaultServer}
	default:
		cause = ErrReset
	}
	return &smithy.OperationError{ServiceID: service, OperationName: op, Err: cause}
}

// jobEngine is what the fakes of engines have in common: what asks whether
// something goes wrong, the clock, and the programs that run.
type jobEngine struct {
	mu      sync.Mutex
	serial  int
	cancels map[string]context.CancelFunc
	done    sync.WaitGroup
}

func (e *jobEngine) newID(prefix string) string {
	e.serial++
	return prefix + strconv.Itoa(e.serial)
}

// start runs a program and hands what it returned to end, which is called with
// the lock held.
func (e *jobEngine) start(id string, program func(context.Context) error, end func(error)) {
	ctx, cancel := context.WithCancel(context.Background())
	if e.cancels == nil {
		e.cancels = map[string]context.CancelFunc{}
	}
	e.cancels[id] = cancel
	e.done.Go(func() {
		err := program(ctx)
		if ctx.Err() != nil && err == nil {
			err = ctx.Err()
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.cancels, id)
		cancel()
		end(err)
	})
}

func (e *jobEngine) stop(id string) (running bool) {
	cancel, running := e.cancels[id]
	if running {
		cancel()
	}
	return running
}

// Wait waits until what runs has ended.
func (e *jobEngine) Wait() { e.done.Wait() }

// Close cancels what runs, and waits for it.
func (e *jobEngine) Close() {
	e.mu.Lock()
	for _, cancel := range e.cancels {
		cancel()
	}
	e.mu.Unlock()
	e.done.Wait()
}

func stopped(err error) bool { return errors.Is(err, context.Canceled) }

func now(clock func() time.Time) time.Time {
	if clock != nil {
		return clock()
	}
	return time.Now()
}

// pageOf cuts a page out of a list of n; the token is where the next one begins.
func pageOf(n, size int, token *string) (from, to int, next *string) {
	from, _ = strconv.Atoi(deref(token))
	from = max(0, min(from, n))
	if to = min(from+size, n); to < n {
		next = ptr(strconv.Itoa(to))
	}
	return from, to, next
}
