package etl

import (
	"context"
	"time"
)

// Dispatcher hands loads to another engine, as Spark on a cluster, on AWS Glue
// or on EMR Serverless. Implementations are safe for concurrent use.
//
// The intent to submit a job is in the control store before Submit is called, and
// a job does nothing that its load's ID and fence do not allow: it looks for the ID
// in the table first and refuses where the table carries a newer fence. So a job
// that was submitted twice, or given up while it still ran, does no harm.
type Dispatcher interface {
	// Submit starts a job. An error of outcome Retry means that the engine takes
	// no more jobs now, Indeterminate that the job may have been started, and
	// Terminal that it cannot be, as where a transform has no declared form.
	Submit(ctx context.Context, job Job) (JobRef, error)
	// Find looks for a job whose submission got no answer, by its ID: the job is as
	// it was submitted, but without URIs.
	Find(ctx context.Context, job Job) (JobRef, bool, error)
	// Status tells how a job is. It returns an error that wraps ErrNotFound
	// where the engine does not know it (any more).
	Status(ctx context.Context, ref JobRef) (JobStatus, error)
	// Cancel asks a job to end. A job that has ended is no error.
	Cancel(ctx context.Context, ref JobRef) error
}

// Job is a load for a [Dispatcher].
type Job struct {
	// ID is that of this submission of the load: letters, digits and hyphens, at
	// most 64 of them. It is derived from the load's ID and its fence, and each
	// submission has a fence of its own.
	ID string
	// Table is the declaration with its defaults, Target what the sink sees of it.
	Table  Table
	Target Target
	// Load is the load, with the fence under which the job works.
	Load Load
	// URIs say where the engine finds the files of the load, in their order; nil
	// where the source is no [Locator].
	URIs []string
	// Aside is what the job has to know of bad rows; nil where none may be set aside
	// and none were.
	Aside *JobAside
	// Sink says where the engine finds the table; zero where the sink is no [Declarer].
	Sink Declaration
	// Shapes say how files are read that differ from Table's columns, which are those
	// that the load leaves, in the order of the files; nil where none does.
	Shapes []*FileShape
	// Schema is how the commit leaves the table's columns, Nulls are required columns in
	// which a null ends the job whatever Table.BadRows allows; zero for tables without
	// a contract.
	Schema *SchemaPlan
	Nulls  []string
	// Scope is what the table's checks may know. Its Tables are for engines in this
	// process.
	Scope CheckScope
	// Timeout is how long the job may take; zero is the engine's default.
	Timeout time.Duration
}

// JobRef names a job in its engine.
type JobRef struct {
	// Engine is the dispatcher's, as "glue", "emr-serverless", "spark-submit".
	Engine string `json:"engine"`
	// ID is the engine's name of the run.
	ID string `json:"id"`
	// JobID is the ID of the [Job].
	JobID string `json:"job_id"`
	// ARN is the run's, or its job's, where there is one.
	ARN string `json:"arn,omitempty"`
	// Result is where the job leaves its result.
	Result string `json:"result,omitempty"`
}

// JobPhase is where a job stands.
type JobPhase string

// The phases of a job.
const (
	JobIntended  JobPhase = "intended"  // about to be submitted
	JobWaiting   JobPhase = "waiting"   // submitted and not begun
	JobRunning   JobPhase = "running"   //
	JobSucceeded JobPhase = "succeeded" // ended; what it did is in its result and in the table
	JobFailed    JobPhase = "failed"    //
	JobCanceled  JobPhase = "canceled"  //
	JobTimedOut  JobPhase = "timed_out" //
)

// Ended reports whether the job does nothing any more.
func (p JobPhase) Ended() bool {
	switch p {
	case JobSucceeded, JobFailed, JobCanceled, JobTimedOut:
		return true
	}
	return false
}

// JobStatus is how a job is.
type JobStatus struct {
	Phase JobPhase `json:"phase"`
	// Reason is what the engine says of it. It holds no cell values.
	Reason string `json:"reason,omitempty"`
	// Started and Ended are by the engine's clock; zero while they are not known.
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	// Result is what the job has written; nil if it has not.
	Result *JobResult `json:"result,omitempty"`
}

// JobResult is the document that a job writes at its end. The table is the judge
// of whether the load went through; the result tells the counts, or why not.
type JobResult struct {
	JobID string `json:"job_id"`
	// Receipt is that of the commit, where there was one.
	Receipt *Receipt `json:"receipt,omitempty"`
	// Failure is why the load did not go through.
	Failure *JobFailure `json:"failure,omitempty"`
}

// JobFailure is an error of a job.
type JobFailure struct {
	Diagnosis
	// Outcome is "retry", "terminal", "refused" or "indeterminate".
	Outcome string `json:"outcome"`
	// Checks are the verdicts of all checks, where one of them held the load back.
	Checks []Checked `json:"checks,omitempty"`
}

// JobState is what the control store keeps of a table's job.
type JobState struct {
	// ID is that of the [Job], Ref its name in the engine once that is known.
	ID  string  `json:"id"`
	Ref *JobRef `json:"ref,omitempty"`
	// Phase is the last one seen, Reason what the engine said.
	Phase  JobPhase `json:"phase"`
	Reason string   `json:"reason,omitempty"`
	// Attempt counts the jobs that this load was submitted as, from 1.
	Attempt int `json:"attempt,omitempty"`
	// Intended, Submitted and Polled are when, by the Runner's clock.
	Intended  time.Time `json:"intended"`
	Submitted time.Time `json:"submitted,omitzero"`
	Polled    time.Time `json:"polled,omitzero"`
	// Timeout is how long after Submitted the job is given up.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Cancel is set once an operator wants the job to end.
	Cancel bool `json:"cancel,omitempty"`
	// Nulls are the required columns in which jobs of the load found nulls, by the file,
	// and which the table's contract makes optional for them.
	Nulls map[string]string `json:"nulls,omitempty"`
}

// Locator is an optional ability of a [Source]: URI says where other engines find
// exactly the content that f identifies, as an absolute path or "s3://bucket/key".
type Locator interface {
	URI(ctx context.Context, f File) (string, error)
}

// Declaration is the declared form of a part: what an engine that does not run Go
// needs to do the same. It holds no secrets.
type Declaration struct {
	// Kind names the part, as "csv" or "rename".
	Kind string `json:"kind"`
	// Options are what JSON can hold.
	Options map[string]any `json:"options,omitempty"`
}

// Declarer is an optional ability of formats, transforms and sinks. Declare returns
// an error where the part has no declared form, as a Go function has not.
type Declarer interface {
	Declare() (Declaration, error)
}
