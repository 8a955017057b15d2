// Package gluedispatch hands loads to Spark on AWS Glue, as runs of a Glue job that
// exists, for instance that of examples/lambda/deploy/spark.yaml.
//
// The job must be of type glueetl, on Glue 5.0 or later, without retries of its
// own (MaxRetries 0): the Runner repeats what is worth it, under a new fence. Its
// role reads the store and the landed files, and writes results, tables and their
// catalog. A run brings its own script, so any script will do in the definition.
package gluedispatch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/dispatch/internal/awsjob"
)

// Engine is the name of this engine in an [etl.JobRef].
const Engine = "glue"

// Client is what of the client of aws-sdk-go-v2/service/glue a [Dispatcher] needs.
type Client interface {
	StartJobRun(context.Context, *glue.StartJobRunInput, ...func(*glue.Options)) (*glue.StartJobRunOutput, error)
	GetJobRun(context.Context, *glue.GetJobRunInput, ...func(*glue.Options)) (*glue.GetJobRunOutput, error)
	GetJobRuns(context.Context, *glue.GetJobRunsInput, ...func(*glue.Options)) (*glue.GetJobRunsOutput, error)
	BatchStopJobRun(context.Context, *glue.BatchStopJobRunInput, ...func(*glue.Options)) (*glue.BatchStopJobRunOutput, error)
}

// Config configures a [Dispatcher]. Client, Store and Job are required. What is
// zero is as the definition of the job has it.
type Config struct {
	Client Client
	// Store has manifests, code and results, where the role of the job reads and
	// writes them.
	Store dispatch.Store
	// Job is the name or the ARN of the job. Only with the ARN references to runs
	// have one.
	Job string
	// WorkerType and Workers are the size of a run, as G.1X and 10.
	WorkerType string
	Workers    int
	// Timeout is how long a run takes at most where the [etl.Job] does not say.
	Timeout time.Duration
	// SecurityConfiguration is the name of one of Glue's.
	SecurityConfiguration string
	// Arguments are further ones, as "--conf" or "--additional-python-modules".
	// Glue logs them: no secrets.
	Arguments map[string]string
}

// Dispatcher is an [etl.Dispatcher] on AWS Glue. It is safe for concurrent use.
type Dispatcher struct {
	cfg  Config
	name string
	arn  string
	code awsjob.Code
}

var (
	_ etl.Dispatcher = (*Dispatcher)(nil)
	_ Client         = (*glue.Client)(nil)
)

// Arguments of a run ("AWS Glue job parameters").
const (
	argManifest = "--manifest"
	argResult   = "--result"
	argJob      = "--tidemark-job"
	argScript   = "--scriptLocation"
	argPyFiles  = "--extra-py-files"
	argFormats  = "--datalake-formats"
)

// Limits of a run's timeout in minutes (StartJobRun, Timeout).
const (
	minTimeout = 1
	maxTimeout = 7 * 24 * 60
)

// New returns a dispatcher. It asks nothing of AWS.
func New(cfg Config) (*Dispatcher, error) {
	var problems []error
	problem := func(bad bool, text string) {
		if bad {
			problems = append(problems, errors.New("gluedispatch: "+text))
		}
	}
	d := &Dispatcher{cfg: cfg, name: cfg.Job}
	if parsed, err := arn.Parse(cfg.Job); err == nil {
		name, ok := strings.CutPrefix(parsed.Resource, "job/")
		problem(parsed.Service != "glue" || !ok, "the ARN is not that of a Glue job")
		d.name, d.arn = name, cfg.Job
	}
	problem(cfg.Client == nil, "no client")
	problem(cfg.Store == nil, "no store")
	problem(d.name == "" || len(d.name) > 255, "no name of a job, or one of more than 255 bytes")
	problem(cfg.Workers < 0 || cfg.Timeout < 0, "the number of workers and the timeout must not be negative")
	problem((cfg.Workers > 0) != (cfg.WorkerType != ""), "type and number of workers go together")
	for _, own := range []string{argManifest, argResult, argJob, argScript} {
		_, taken := cfg.Arguments[own]
		problem(taken, "the argument "+own+" is set for each run")
	}
	for name := range cfg.Arguments {
		problem(!strings.HasPrefix(name, "--"), "arguments begin with two hyphens")
	}
	return d, errors.Join(problems...)
}

// Submit implements [etl.Dispatcher]. Glue has no client token: if an answer is
// lost, Find tells whether the run was started.
func (d *Dispatcher) Submit(ctx context.Context, job etl.Job) (etl.JobRef, error) {
	docs, err := dispatch.PutManifest(ctx, d.cfg.Store, job)
	if err != nil {
		return etl.JobRef{}, fmt.Errorf("submit to Glue: %w", err)
	}
	script, archive, err := d.code.Put(ctx, d.cfg.Store)
	if err != nil {
		return etl.JobRef{}, fmt.Errorf("submit to Glue: %w", err)
	}
	in := &glue.StartJobRunInput{JobName: &d.name, Timeout: d.minutes(job.Timeout), WorkerType: types.WorkerType(d.cfg.WorkerType)}
	if d.cfg.Workers > 0 {
		in.NumberOfWorkers = aws.Int32(int32(min(d.cfg.Workers, 1<<20)))
	}
	if d.cfg.SecurityConfiguration != "" {
		in.SecurityConfiguration = &d.cfg.SecurityConfiguration
	}
	in.Arguments = d.arguments(job.ID, docs, script, archive)
	out, err := d.cfg.Client.StartJobRun(ctx, in, once)
	if err != nil {
		return etl.JobRef{}, awsjob.Failed("start a run of the Glue job", err, true)
	}
	return d.ref(aws.ToString(out.JobRunId), job.ID, docs.Result), nil
}

// once keeps the SDK from trying again by itself: an attempt whose answer was lost
// would start a second run.
func once(o *glue.Options) { o.Retryer = aws.NopRetryer{} }

func (d *Dispatcher) ref(run, jobID, result string) etl.JobRef {
	return etl.JobRef{Engine: Engine, ID: run, JobID: jobID, ARN: d.arn, Result: result}
}

// arguments are those of a run. They are whole: the API reference says that they
// replace those of the definition.
func (d *Dispatcher) arguments(jobID string, docs dispatch.Documents, script, archive string) map[string]string {
	args := map[string]string{argFormats: "iceberg"}
	maps.Copy(args, d.cfg.Arguments)
	if more := args[argPyFiles]; more != "" {
		archive += "," + more
	}
	args[argManifest], args[argResult], args[argJob] = docs.Manifest, docs.Result, jobID
	args[argScript], args[argPyFiles] = script, archive
	return args
}

func (d *Dispatcher) minutes(timeout time.Duration) *int32 {
	if timeout <= 0 {
		timeout = d.cfg.Timeout
	}
	if timeout <= 0 {
		return nil
	}
	up := (timeout + time.Minute - 1) / time.Minute
	return aws.Int32(int32(min(max(up, minTimeout), maxTimeout)))
}

// maxPages bounds Find. Glue lists the newest runs first, and keeps them for 90 days.
const maxPages = 100

// Find implements [etl.Dispatcher]: it looks for the job's ID among the arguments
// of the runs. A run that goes on is preferred to one that has ended.
func (d *Dispatcher) Find(ctx context.Context, job etl.Job) (etl.JobRef, bool, error) {
	var found *types.JobRun
	in := &glue.GetJobRunsInput{JobName: &d.name, MaxResults: aws.Int32(200)}
	for range maxPages {
		out, err := d.cfg.Client.GetJobRuns(ctx, in)
		if awsjob.CodeOf(err) == "EntityNotFoundException" {
			return etl.JobRef{}, false, nil
		}
		if err != nil {
			return etl.JobRef{}, false, awsjob.Failed("list the runs of the Glue job", err, false)
		}
		for i := range out.JobRuns {
			run := &out.JobRuns[i]
			if run.Arguments[argJob] == job.ID && (found == nil || !phaseOf(run.JobRunState).Ended()) {
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
	return d.ref(aws.ToString(found.Id), job.ID, found.Arguments[argResult]), true, nil
}

// Status implements [etl.Dispatcher].
func (d *Dispatcher) Status(ctx context.Context, ref etl.JobRef) (etl.JobStatus, error) {
	run, err := d.run(ctx, ref)
	if err != nil {
		return etl.JobStatus{}, err
	}
	s := etl.JobStatus{
		Phase: phaseOf(run.JobRunState), Reason: awsjob.Say(string(run.JobRunState), aws.ToString(run.ErrorMessage)),
		Started: aws.ToTime(run.StartedOn),
	}
	if !s.Phase.Ended() {
		return s, nil
	}
	s.Ended = aws.ToTime(run.CompletedOn)
	return awsjob.WithResult(ctx, d.cfg.Store, ref, s)
}

func (d *Dispatcher) run(ctx context.Context, ref etl.JobRef) (*types.JobRun, error) {
	if ref.Engine != Engine || ref.ID == "" {
		return nil, awsjob.NotFound("the job is not one of Glue", nil)
	}
	out, err := d.cfg.Client.GetJobRun(ctx, &glue.GetJobRunInput{JobName: &d.name, RunId: &ref.ID})
	switch {
	case awsjob.CodeOf(err) == "EntityNotFoundException":
		return nil, awsjob.NotFound("Glue does not know the run", err)
	case err != nil:
		return nil, awsjob.Failed("ask for the run of the Glue job", err, false)
	case out.JobRun == nil:
		return nil, awsjob.NotFound("Glue does not know the run", nil)
	}
	return out.JobRun, nil
}

// phaseOf maps the states of "AWS Glue job run statuses". A state that is not
// known yet is taken for one of a job that goes on.
func phaseOf(state types.JobRunState) etl.JobPhase {
	switch state {
	case types.JobRunStateStarting, types.JobRunStateWaiting:
		return etl.JobWaiting
	case types.JobRunStateSucceeded:
		return etl.JobSucceeded
	case types.JobRunStateStopped:
		return etl.JobCanceled
	case types.JobRunStateTimeout:
		return etl.JobTimedOut
	case types.JobRunStateFailed, types.JobRunStateError, types.JobRunStateExpired:
		return etl.JobFailed
	}
	return etl.JobRunning // STOPPING too: it still runs
}

// Cancel implements [etl.Dispatcher].
func (d *Dispatcher) Cancel(ctx context.Context, ref etl.JobRef) error {
	if ref.Engine != Engine || ref.ID == "" {
		return awsjob.NotFound("the job is not one of Glue", nil)
	}
	out, err := d.cfg.Client.BatchStopJobRun(ctx, &glue.BatchStopJobRunInput{JobName: &d.name, JobRunIds: []string{ref.ID}})
	if err != nil && awsjob.CodeOf(err) != "EntityNotFoundException" {
		return awsjob.Failed("stop the run of the Glue job", err, false)
	}
	if err == nil && len(out.Errors) == 0 {
		return nil
	}
	// Refused: it has ended, it stops already, or it is not known.
	run, serr := d.run(ctx, ref)
	switch {
	case serr != nil:
		return serr
	case phaseOf(run.JobRunState).Ended(), run.JobRunState == types.JobRunStateStopping:
		return nil
	}
	if err != nil {
		return awsjob.Failed("stop the run of the Glue job", err, false)
	}
	code := "no code"
	if e := out.Errors[0].ErrorDetail; e != nil {
		code = aws.ToString(e.ErrorCode)
	}
	return etl.WithOutcome(etl.Retry, fmt.Errorf("stop the run of the Glue job: refused: %s", code))
}
