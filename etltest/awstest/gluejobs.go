package awstest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/aws/smithy-go"
)

// GlueJobs is what AWS Glue does with runs of jobs, in memory. Its methods have
// the signatures of the client in aws-sdk-go-v2/service/glue. Like Glue it has no
// client tokens, lists the newest runs first, and refuses more runs at a time
// than a job allows. It is safe for concurrent use; set the exported fields before.
type GlueJobs struct {
	// Now is the clock of the service; nil is [time.Now].
	Now func() time.Time
	// MaxConcurrent is how many runs a job allows at a time; 0 is 1, as in a
	// new job.
	MaxConcurrent int
	// Page is the greatest number of runs in a page; 0 is 200, as in the service.
	Page int
	// Fault is asked before each call, by its name; nil means that nothing goes wrong.
	Fault func(op string) JobFault
	// Run, if not nil, is what a run does: it succeeds where Run returns nil, and
	// is stopped where its context ends. Without Run the states are those of Set.
	Run func(ctx context.Context, arguments map[string]string) error

	jobEngine
	jobs map[string]bool
	runs []*types.JobRun // the oldest first
}

// NewGlueJobs returns a service with jobs of those names.
func NewGlueJobs(names ...string) *GlueJobs {
	g := &GlueJobs{jobs: map[string]bool{}}
	for _, n := range names {
		g.jobs[n] = true
	}
	return g
}

// Runs returns the runs so far, the oldest first.
func (g *GlueJobs) Runs() []types.JobRun {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]types.JobRun, len(g.runs))
	for i, r := range g.runs {
		out[i] = *r
	}
	return out
}

// Set puts a run into a state, with what is said of it.
func (g *GlueJobs) Set(id string, state types.JobRunState, message string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.find(id); r != nil {
		g.set(r, state, message)
	}
}

func (g *GlueJobs) set(r *types.JobRun, state types.JobRunState, message string) {
	r.JobRunState = state
	if message != "" {
		r.ErrorMessage = &message
	}
	if glueEnded(state) && r.CompletedOn == nil {
		r.CompletedOn = ptr(now(g.Now))
	}
}

func glueEnded(state types.JobRunState) bool {
	return slices.Contains([]types.JobRunState{
		types.JobRunStateStopped, types.JobRunStateSucceeded, types.JobRunStateFailed,
		types.JobRunStateTimeout, types.JobRunStateError, types.JobRunStateExpired,
	}, state)
}

// call answers a call, unless something goes wrong with it.
func (g *GlueJobs) call(ctx context.Context, op, job string, effect func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fault := JobNone
	if g.Fault != nil {
		fault = g.Fault(op)
	}
	failure := fault.err("Glue", op, "ResourceNumberLimitExceededException", "InternalServiceException")
	if fault.before() {
		return failure
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passTime()
	var err error
	if !g.jobs[job] {
		err = glueNoEntity("Job " + job)
	} else {
		err = effect()
	}
	if failure != nil {
		return failure
	}
	if err != nil {
		return &smithy.OperationError{ServiceID: "Glue", OperationName: op, Err: err}
	}
	return nil
}

func glueNoEntity(what string) error {
	return &types.EntityNotFoundException{Message: ptr(what + " not found.")}
}

// passTime ends the runs whose time is over.
func (g *GlueJobs) passTime() {
	for _, r := range g.runs {
		limit := time.Duration(deref(r.Timeout)) * time.Minute
		if !glueEnded(r.JobRunState) && limit > 0 && now(g.Now).Sub(*r.StartedOn) >= limit {
			g.set(r, types.JobRunStateTimeout, "Job Run timed out")
			g.stop(*r.Id)
		}
	}
}

func (g *GlueJobs) find(id string) *types.JobRun {
	for _, r := range g.runs {
		if *r.Id == id {
			return r
		}
	}
	return nil
}

// StartJobRun is that of the SDK's client.
func (g *GlueJobs) StartJobRun(ctx context.Context, in *glue.StartJobRunInput, _ ...func(*glue.Options)) (out *glue.StartJobRunOutput, err error) {
	job := deref(in.JobName)
	err = g.call(ctx, "StartJobRun", job, func() error {
		live := 0
		for _, r := range g.runs {
			if *r.JobName == job && !glueEnded(r.JobRunState) {
				live++
			}
		}
		if live >= max(g.MaxConcurrent, 1) {
			return &types.ConcurrentRunsExceededException{Message: ptr("Concurrent runs exceeded for " + job)}
		}
		if t := in.Timeout; t != nil && (*t < 1 || *t > 7*24*60) {
			return &types.InvalidInputException{Message: ptr("Timeout is out of range")}
		}
		r := &types.JobRun{
			Id: ptr(g.newID("jr_")), JobName: &job, Arguments: maps.Clone(in.Arguments), JobRunState: types.JobRunStateStarting,
			StartedOn: ptr(now(g.Now)), Timeout: in.Timeout, WorkerType: in.WorkerType, NumberOfWorkers: in.NumberOfWorkers,
			SecurityConfiguration: in.SecurityConfiguration,
		}
		g.runs = append(g.runs, r)
		if g.Run != nil {
			g.run(r)
		}
		out = &glue.StartJobRunOutput{JobRunId: r.Id}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (g *GlueJobs) run(r *types.JobRun) {
	r.JobRunState = types.JobRunStateRunning
	arguments := maps.Clone(r.Arguments)
	g.start(*r.Id, func(ctx context.Context) error { return g.Run(ctx, arguments) }, func(err error) {
		switch {
		case glueEnded(r.JobRunState): // out of time
		case stopped(err):
			g.set(r, types.JobRunStateStopped, "")
		case err != nil:
			g.set(r, types.JobRunStateFailed, err.Error())
		default:
			g.set(r, types.JobRunStateSucceeded, "")
		}
	})
}

// GetJobRun is that of the SDK's client.
func (g *GlueJobs) GetJobRun(ctx context.Context, in *glue.GetJobRunInput, _ ...func(*glue.Options)) (out *glue.GetJobRunOutput, err error) {
	err = g.call(ctx, "GetJobRun", deref(in.JobName), func() error {
		r := g.find(deref(in.RunId))
		if r == nil || *r.JobName != deref(in.JobName) {
			return glueNoEntity("Job run")
		}
		shown := *r
		out = &glue.GetJobRunOutput{JobRun: &shown}
		return nil
	})
	return out, err
}

// GetJobRuns is that of the SDK's client.
func (g *GlueJobs) GetJobRuns(ctx context.Context, in *glue.GetJobRunsInput, _ ...func(*glue.Options)) (out *glue.GetJobRunsOutput, err error) {
	size := g.Page
	if size <= 0 {
		size = 200
	}
	if in.MaxResults != nil {
		size = min(size, int(*in.MaxResults))
	}
	err = g.call(ctx, "GetJobRuns", deref(in.JobName), func() error {
		var runs []types.JobRun
		for _, r := range slices.Backward(g.runs) {
			if *r.JobName == deref(in.JobName) {
				runs = append(runs, *r)
			}
		}
		from, to, next := pageOf(len(runs), size, in.NextToken)
		out = &glue.GetJobRunsOutput{JobRuns: runs[from:to], NextToken: next}
		return nil
	})
	return out, err
}

// BatchStopJobRun is that of the SDK's client. A run without a program stays
// STOPPING until it is Set.
func (g *GlueJobs) BatchStopJobRun(ctx context.Context, in *glue.BatchStopJobRunInput, _ ...func(*glue.Options)) (out *glue.BatchStopJobRunOutput, err error) {
	out = &glue.BatchStopJobRunOutput{}
	err = g.call(ctx, "BatchStopJobRun", deref(in.JobName), func() error {
		for _, id := range in.JobRunIds {
			r := g.find(id)
			code := ""
			switch {
			case r == nil:
				code = "EntityNotFoundException"
			case glueEnded(r.JobRunState), r.JobRunState == types.JobRunStateStopping:
				code = "JobRunCannotBeStoppedException"
			}
			if code != "" {
				out.Errors = append(out.Errors, types.BatchStopJobRunError{
					JobName: in.JobName, JobRunId: &id, ErrorDetail: &types.ErrorDetail{ErrorCode: &code},
				})
				continue
			}
			r.JobRunState = types.JobRunStateStopping
			g.stop(id)
			out.SuccessfulSubmissions = append(out.SuccessfulSubmissions, types.BatchStopJobRunSuccessfulSubmission{JobName: in.JobName, JobRunId: &id})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
