package awstest

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/emrserverless"
	"github.com/aws/aws-sdk-go-v2/service/emrserverless/types"
	"github.com/aws/smithy-go"
)

// EMRServerless is what Amazon EMR Serverless does with job runs, in memory. Its
// methods have the signatures of the client in aws-sdk-go-v2/service/emrserverless.
// Like the service it answers a client token that it has seen with the run of the
// first call, lets runs wait while too many are running, and cancels those that
// last too long. It is safe for concurrent use; set the exported fields before.
type EMRServerless struct {
	// Now is the clock of the service; nil is [time.Now].
	Now func() time.Time
	// MaxConcurrent is how many runs are not QUEUED at a time; 0 is any number.
	MaxConcurrent int
	// Page is the greatest number of runs in a page; 0 is 50, as in the service.
	Page int
	// Fault is asked before each call, by its name; nil means that nothing goes wrong.
	Fault func(op string) JobFault
	// Run, if not nil, is what a run does with the arguments of its script: it
	// succeeds where Run returns nil, and is cancelled where its context ends.
	// Without Run the states are those of Set.
	Run func(ctx context.Context, arguments []string) error

	jobEngine
	applications map[string]bool
	runs         []*emrRun // the oldest first
}

type emrRun struct {
	types.JobRun
	input *emrserverless.StartJobRunInput
}

// NewEMRServerless returns a service with applications of those IDs.
func NewEMRServerless(applications ...string) *EMRServerless {
	e := &EMRServerless{applications: map[string]bool{}}
	for _, a := range applications {
		e.applications[a] = true
	}
	return e
}

// Runs returns the runs so far, the oldest first.
func (e *EMRServerless) Runs() []types.JobRun {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]types.JobRun, len(e.runs))
	for i, r := range e.runs {
		out[i] = r.JobRun
	}
	return out
}

// Set puts a run into a state, with what is said of it.
func (e *EMRServerless) Set(id string, state types.JobRunState, details string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.find(id); r != nil {
		e.set(r, state, details)
	}
}

func (e *EMRServerless) set(r *emrRun, state types.JobRunState, details string) {
	at := now(e.Now)
	r.State, r.UpdatedAt, r.StateDetails = state, &at, &details
	if state == types.JobRunStateRunning && r.StartedAt == nil {
		r.StartedAt = &at
	}
	if emrEnded(state) && r.EndedAt == nil {
		r.EndedAt = &at
	}
}

func emrEnded(state types.JobRunState) bool {
	return slices.Contains([]types.JobRunState{types.JobRunStateSuccess, types.JobRunStateFailed, types.JobRunStateCancelled}, state)
}

// call answers a call, unless something goes wrong with it.
func (e *EMRServerless) call(ctx context.Context, op, application string, effect func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fault := JobNone
	if e.Fault != nil {
		fault = e.Fault(op)
	}
	failure := fault.err("EMR Serverless", op, "ServiceQuotaExceededException", "InternalServerException")
	if fault.before() {
		return failure
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.passTime()
	var err error
	if !e.applications[application] {
		err = emrNotFound("Application " + application)
	} else {
		err = effect()
	}
	if failure != nil {
		return failure
	}
	if err != nil {
		return &smithy.OperationError{ServiceID: "EMR Serverless", OperationName: op, Err: err}
	}
	return nil
}

func emrNotFound(what string) error {
	return &types.ResourceNotFoundException{Message: ptr(what + " does not exist.")}
}

// passTime cancels the runs whose time is over.
func (e *EMRServerless) passTime() {
	for _, r := range e.runs {
		limit := time.Duration(deref(r.ExecutionTimeoutMinutes)) * time.Minute
		if r.State == types.JobRunStateRunning && limit > 0 && now(e.Now).Sub(*r.StartedAt) >= limit {
			e.set(r, types.JobRunStateCancelled, "Job run exceeded its time limit")
			e.stop(*r.JobRunId)
		}
	}
}

func (e *EMRServerless) find(id string) *emrRun {
	for _, r := range e.runs {
		if *r.JobRunId == id {
			return r
		}
	}
	return nil
}

// StartJobRun is that of the SDK's client.
func (e *EMRServerless) StartJobRun(ctx context.Context, in *emrserverless.StartJobRunInput, _ ...func(*emrserverless.Options)) (out *emrserverless.StartJobRunOutput, err error) {
	err = e.call(ctx, "StartJobRun", deref(in.ApplicationId), func() error {
		if t := in.ExecutionTimeoutMinutes; t != nil && *t != 0 && *t < 5 {
			return &types.ValidationException{Message: ptr("RunTimeout must be at least 5 minutes.")}
		}
		for _, r := range e.runs {
			if deref(r.input.ClientToken) != deref(in.ClientToken) {
				continue
			}
			if !reflect.DeepEqual(r.input, in) {
				return &types.ConflictException{Message: ptr("The client token was used with other parameters.")}
			}
			out = &emrserverless.StartJobRunOutput{ApplicationId: in.ApplicationId, JobRunId: r.JobRunId, Arn: r.Arn}
			return nil
		}
		r := e.add(in)
		out = &emrserverless.StartJobRunOutput{ApplicationId: in.ApplicationId, JobRunId: r.JobRunId, Arn: r.Arn}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (e *EMRServerless) add(in *emrserverless.StartJobRunInput) *emrRun {
	live := 0
	for _, r := range e.runs {
		if !emrEnded(r.State) {
			live++
		}
	}
	state := types.JobRunStateSubmitted
	if e.MaxConcurrent > 0 && live >= e.MaxConcurrent {
		state = types.JobRunStateQueued
	}
	id := e.newID("00f")
	at := now(e.Now)
	r := &emrRun{input: in, JobRun: types.JobRun{
		ApplicationId: in.ApplicationId, JobRunId: &id, Name: in.Name, State: state, CreatedAt: &at, UpdatedAt: &at,
		Arn:       ptr("arn:aws:emr-serverless:eu-west-1:111122223333:/applications/" + deref(in.ApplicationId) + "/jobruns/" + id),
		JobDriver: in.JobDriver, ExecutionRole: in.ExecutionRoleArn, ExecutionTimeoutMinutes: in.ExecutionTimeoutMinutes,
	}}
	if r.ExecutionTimeoutMinutes == nil {
		r.ExecutionTimeoutMinutes = ptr(int64(720))
	}
	e.runs = append(e.runs, r)
	if driver, ok := in.JobDriver.(*types.JobDriverMemberSparkSubmit); ok && e.Run != nil {
		e.run(r, slices.Clone(driver.Value.EntryPointArguments))
	}
	return r
}

func (e *EMRServerless) run(r *emrRun, arguments []string) {
	e.set(r, types.JobRunStateRunning, "")
	e.start(*r.JobRunId, func(ctx context.Context) error { return e.Run(ctx, arguments) }, func(err error) {
		switch {
		case emrEnded(r.State): // out of time
		case stopped(err):
			e.set(r, types.JobRunStateCancelled, "")
		case err != nil:
			e.set(r, types.JobRunStateFailed, err.Error())
		default:
			e.set(r, types.JobRunStateSuccess, "")
		}
	})
}

// GetJobRun is that of the SDK's client.
func (e *EMRServerless) GetJobRun(ctx context.Context, in *emrserverless.GetJobRunInput, _ ...func(*emrserverless.Options)) (out *emrserverless.GetJobRunOutput, err error) {
	err = e.call(ctx, "GetJobRun", deref(in.ApplicationId), func() error {
		r := e.find(deref(in.JobRunId))
		if r == nil {
			return emrNotFound("Job run")
		}
		shown := r.JobRun
		out = &emrserverless.GetJobRunOutput{JobRun: &shown}
		return nil
	})
	return out, err
}

// ListJobRuns is that of the SDK's client; the newest come first.
func (e *EMRServerless) ListJobRuns(ctx context.Context, in *emrserverless.ListJobRunsInput, _ ...func(*emrserverless.Options)) (out *emrserverless.ListJobRunsOutput, err error) {
	size := e.Page
	if size <= 0 {
		size = 50
	}
	if in.MaxResults != nil {
		size = min(size, int(*in.MaxResults))
	}
	err = e.call(ctx, "ListJobRuns", deref(in.ApplicationId), func() error {
		from, to, next := pageOf(len(e.runs), size, in.NextToken)
		out = &emrserverless.ListJobRunsOutput{NextToken: next}
		for i := from; i < to; i++ {
			r := e.runs[len(e.runs)-1-i]
			out.JobRuns = append(out.JobRuns, types.JobRunSummary{
				ApplicationId: r.ApplicationId, Id: r.JobRunId, Arn: r.Arn, Name: r.Name, State: r.State,
				StateDetails: r.StateDetails, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
			})
		}
		return nil
	})
	return out, err
}

// CancelJobRun is that of the SDK's client. A run without a program stays
// CANCELLING until it is Set.
func (e *EMRServerless) CancelJobRun(ctx context.Context, in *emrserverless.CancelJobRunInput, _ ...func(*emrserverless.Options)) (out *emrserverless.CancelJobRunOutput, err error) {
	err = e.call(ctx, "CancelJobRun", deref(in.ApplicationId), func() error {
		r := e.find(deref(in.JobRunId))
		switch {
		case r == nil:
			return emrNotFound("Job run")
		case emrEnded(r.State):
			return &types.ValidationException{Message: ptr("Job run is in a terminal state.")}
		}
		e.set(r, types.JobRunStateCancelling, "")
		e.stop(*r.JobRunId)
		out = &emrserverless.CancelJobRunOutput{ApplicationId: in.ApplicationId, JobRunId: in.JobRunId}
		return nil
	})
	return out, err
}
