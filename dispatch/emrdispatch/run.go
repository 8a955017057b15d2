package emrdispatch

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/emrserverless"
	"github.com/aws/aws-sdk-go-v2/service/emrserverless/types"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/dispatch/internal/awsjob"
)

// maxPages bounds Find, at 50 runs a page.
const maxPages = 200

// Find implements [etl.Dispatcher]: it looks for runs that have the job's ID as
// their name. A run that goes on is preferred to one that has ended.
func (d *Dispatcher) Find(ctx context.Context, job etl.Job) (etl.JobRef, bool, error) {
	docs, err := dispatch.Locate(d.cfg.Store, job.ID)
	if err != nil {
		return etl.JobRef{}, false, err
	}
	var found *types.JobRunSummary
	in := &emrserverless.ListJobRunsInput{ApplicationId: &d.cfg.Application, MaxResults: aws.Int32(50)}
	for range maxPages {
		out, err := d.cfg.Client.ListJobRuns(ctx, in)
		if awsjob.CodeOf(err) == "ResourceNotFoundException" {
			return etl.JobRef{}, false, nil
		}
		if err != nil {
			return etl.JobRef{}, false, awsjob.Failed("list the job runs on EMR Serverless", err, false)
		}
		for i := range out.JobRuns {
			run := &out.JobRuns[i]
			if aws.ToString(run.Name) == job.ID && (found == nil || !phaseOf(run.State).Ended()) {
				found = run
			}
		}
		if in.NextToken = out.NextToken; found != nil || aws.ToString(in.NextToken) == "" {
			break
		}
	}
	if found == nil {
		return etl.JobRef{}, false, nil
	}
	return ref(aws.ToString(found.Id), job.ID, aws.ToString(found.Arn), docs.Result), true, nil
}

// Status implements [etl.Dispatcher].
func (d *Dispatcher) Status(ctx context.Context, ref etl.JobRef) (etl.JobStatus, error) {
	run, err := d.run(ctx, ref)
	if err != nil {
		return etl.JobStatus{}, err
	}
	s := etl.JobStatus{
		Phase: phaseOf(run.State), Reason: awsjob.Say(string(run.State), aws.ToString(run.StateDetails)),
		Started: aws.ToTime(run.StartedAt),
	}
	if !s.Phase.Ended() {
		return s, nil
	}
	if s.Ended = aws.ToTime(run.EndedAt); s.Ended.IsZero() {
		s.Ended = aws.ToTime(run.UpdatedAt)
	}
	if s.Phase == etl.JobCanceled && outOfTime(run, s.Ended) {
		s.Phase, s.Reason = etl.JobTimedOut, s.Reason+": out of time"
	}
	return awsjob.WithResult(ctx, d.cfg.Store, ref, s)
}

// outOfTime tells a run that the service has cancelled for its time from one that
// somebody has cancelled: it has no state of its own for that ("Job run states").
func outOfTime(run *types.JobRun, ended time.Time) bool {
	limit := time.Duration(aws.ToInt64(run.ExecutionTimeoutMinutes)) * time.Minute
	return limit > 0 && run.StartedAt != nil && ended.Sub(*run.StartedAt) >= limit
}

func (d *Dispatcher) run(ctx context.Context, ref etl.JobRef) (*types.JobRun, error) {
	if ref.Engine != Engine || ref.ID == "" {
		return nil, awsjob.NotFound("the job is not one of EMR Serverless", nil)
	}
	out, err := d.cfg.Client.GetJobRun(ctx, &emrserverless.GetJobRunInput{ApplicationId: &d.cfg.Application, JobRunId: &ref.ID})
	switch {
	case awsjob.CodeOf(err) == "ResourceNotFoundException":
		return nil, awsjob.NotFound("EMR Serverless does not know the job run", err)
	case err != nil:
		return nil, awsjob.Failed("ask for the job run on EMR Serverless", err, false)
	case out.JobRun == nil:
		return nil, awsjob.NotFound("EMR Serverless does not know the job run", nil)
	}
	return out.JobRun, nil
}

// phaseOf maps the states of "Job run states". A state that is not known yet is
// taken for one of a job that goes on.
func phaseOf(state types.JobRunState) etl.JobPhase {
	switch state {
	case types.JobRunStateSubmitted, types.JobRunStateQueued, types.JobRunStatePending, types.JobRunStateScheduled:
		return etl.JobWaiting
	case types.JobRunStateSuccess:
		return etl.JobSucceeded
	case types.JobRunStateFailed:
		return etl.JobFailed
	case types.JobRunStateCancelled:
		return etl.JobCanceled
	}
	return etl.JobRunning // CANCELLING too: it still runs
}

// Cancel implements [etl.Dispatcher].
func (d *Dispatcher) Cancel(ctx context.Context, ref etl.JobRef) error {
	if ref.Engine != Engine || ref.ID == "" {
		return awsjob.NotFound("the job is not one of EMR Serverless", nil)
	}
	_, err := d.cfg.Client.CancelJobRun(ctx, &emrserverless.CancelJobRunInput{ApplicationId: &d.cfg.Application, JobRunId: &ref.ID})
	if err == nil {
		return nil
	}
	switch awsjob.CodeOf(err) {
	case "ResourceNotFoundException":
		return awsjob.NotFound("EMR Serverless does not know the job run", err)
	case "ConflictException", "ValidationException": // as of a run that has ended
		run, serr := d.run(ctx, ref)
		if serr != nil {
			return serr
		}
		if phaseOf(run.State).Ended() || run.State == types.JobRunStateCancelling {
			return nil
		}
	}
	return awsjob.Failed("cancel the job run on EMR Serverless", err, false)
}
