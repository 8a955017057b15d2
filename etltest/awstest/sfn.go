package awstest

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// SFN is an in-memory AWS Step Functions, as far as task tokens go. The exported
// fields must not be changed while calls are under way. It is safe for
// concurrent use.
type SFN struct {
	// Fail, if not nil, may fail a call before its effect.
	Fail func() error

	mu    sync.Mutex
	tasks map[string]*SFNTask
}

// SFNTask is a task that waits, or has waited, for a token.
type SFNTask struct {
	Heartbeats int
	// Done is set by success or failure, TimedOut by TimeOut.
	Done, TimedOut bool
	// Output is that of success, Error and Cause are those of failure.
	Output, Error, Cause string
}

// Start begins a task that waits for a token.
func (s *SFN) Start(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tasks == nil {
		s.tasks = map[string]*SFNTask{}
	}
	s.tasks[token] = &SFNTask{}
}

// TimeOut ends the wait for a token.
func (s *SFN) TimeOut(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tasks[token].TimedOut = true
}

// Task returns what a token has come to.
func (s *SFN) Task(token string) SFNTask {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tasks[token]; t != nil {
		return *t
	}
	return SFNTask{}
}

// SendTaskSuccess is that of the SDK's client.
func (s *SFN) SendTaskSuccess(ctx context.Context, in *sfn.SendTaskSuccessInput, _ ...func(*sfn.Options)) (*sfn.SendTaskSuccessOutput, error) {
	if !json.Valid([]byte(deref(in.Output))) || len(deref(in.Output)) > 262_144 {
		return nil, &types.InvalidOutput{Message: ptr("Invalid output")}
	}
	return &sfn.SendTaskSuccessOutput{}, s.change(ctx, deref(in.TaskToken), func(t *SFNTask) {
		t.Done, t.Output = true, deref(in.Output)
	})
}

// SendTaskFailure is that of the SDK's client.
func (s *SFN) SendTaskFailure(ctx context.Context, in *sfn.SendTaskFailureInput, _ ...func(*sfn.Options)) (*sfn.SendTaskFailureOutput, error) {
	if len(deref(in.Error)) > 256 || len(deref(in.Cause)) > 32_768 {
		return nil, &types.ValidationException{Message: ptr("error or cause is too long")}
	}
	return &sfn.SendTaskFailureOutput{}, s.change(ctx, deref(in.TaskToken), func(t *SFNTask) {
		t.Done, t.Error, t.Cause = true, deref(in.Error), deref(in.Cause)
	})
}

// SendTaskHeartbeat is that of the SDK's client.
func (s *SFN) SendTaskHeartbeat(ctx context.Context, in *sfn.SendTaskHeartbeatInput, _ ...func(*sfn.Options)) (*sfn.SendTaskHeartbeatOutput, error) {
	return &sfn.SendTaskHeartbeatOutput{}, s.change(ctx, deref(in.TaskToken), func(t *SFNTask) { t.Heartbeats++ })
}

func (s *SFN) change(ctx context.Context, token string, f func(*SFNTask)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.Fail != nil {
		if err := s.Fail(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch t := s.tasks[token]; {
	case t == nil:
		return &types.InvalidToken{Message: ptr("Invalid Token: 'Invalid token'")}
	case t.Done || t.TimedOut:
		return &types.TaskTimedOut{Message: ptr("Task Timed Out: 'Provided task does not exist anymore'")}
	default:
		f(t)
	}
	return nil
}
