package etl

import (
	"fmt"
	"strings"
	"time"
)

// The transitions of a table's job. Its load is State.Running all the while, under
// the fence that the job was submitted with.

// asked reports whether an engine, or an operator's wish, is to be looked after
// although the table is paused.
func (j *JobState) asked() bool { return j.Cancel || !j.Phase.Ended() }

// describe says in a line how the job is.
func (j *JobState) describe() string {
	engine, id := "another engine", j.ID
	if j.Ref != nil {
		engine, id = printable(j.Ref.Engine), printable(j.Ref.ID)
	}
	var text string
	switch j.Phase {
	case JobIntended:
		text = fmt.Sprintf("job %s is about to be submitted", id)
	case JobWaiting:
		text = fmt.Sprintf("job %s waits on %s since %s", id, engine, j.Submitted.UTC().Format(time.RFC3339))
	case JobRunning:
		text = fmt.Sprintf("job %s runs on %s since %s", id, engine, j.Submitted.UTC().Format(time.RFC3339))
	default:
		text = fmt.Sprintf("job %s on %s ended (%s) without its load, and another will be submitted", id, engine, j.Phase)
	}
	if j.Cancel {
		text += "; it is to be cancelled"
	}
	if j.Reason != "" {
		text += ": " + printable(j.Reason)
	}
	return text
}

// textLimit bounds what is kept of texts that come from other engines.
const textLimit = 2000

// clipped returns the begin of a text.
func clipped(s string) string {
	if len(s) <= textLimit {
		return s
	}
	return strings.ToValidUTF8(s[:textLimit], "") + " ..."
}

// jobID names a submission of a load: 32 hexadecimal digits and the fence.
func jobID(l Load) string { return fmt.Sprintf("%s-%d", l.ID, l.Fence) }

// intend records that a load is about to be submitted.
func (v *view) intend(l Load, job JobState) {
	if run := v.state.Running; run != nil && run.Engine != FlagDistributed {
		v.state.Begun = 0 // those in this process say nothing of the engine
	}
	v.begin(l)
	v.state.Job = &job
}

// job returns a copy of the table's job to change, if it still is that one.
func (v *view) job(id string) (*JobState, bool) {
	if v.state.Running == nil || v.state.Job == nil || v.state.Job.ID != id {
		return nil, false
	}
	job := *v.state.Job
	v.state.Job = &job
	return &job, true
}

// submitted records the engine's answer to a submission.
func (v *view) submitted(job *JobState, ref JobRef) {
	job.Ref, job.Phase, job.Reason = &ref, JobWaiting, ""
	job.Submitted, job.Polled = v.now, v.now
	v.logJob("job %s submitted to %s as %s", job.ID, printable(ref.Engine), printable(ref.ID))
}

// postponed records that a job was not submitted, as far as is known.
func (v *view) postponed(job *JobState, err error) {
	job.Reason = clipped(err.Error())
	v.state.Begun--
	v.trouble(job.Reason)
}

// polled records how a job is that has not ended.
func (v *view) polled(job *JobState, s JobStatus) {
	job.Phase, job.Reason, job.Polled = s.Phase, clipped(s.Reason), v.now
}

// jobEnded records that a job ended without its load.
func (v *view) jobEnded(job *JobState, phase JobPhase, reason string) {
	job.Phase, job.Reason = phase, reason
	v.trouble(fmt.Sprintf("job %s: %s: %s", job.ID, phase, printable(reason)))
	v.logJob("job %s ended without its load: %s: %s", job.ID, phase, printable(reason))
}

// jobDropped lets the load be taken by whoever the flag says.
func (v *view) jobDropped() {
	v.logJob("load of job %s goes to flag %s", v.state.Job.ID, v.state.Flag)
	v.state.Job, v.state.Begun = nil, 0
}

// jobCanceled gives up a load whose job an operator wanted to end.
func (v *view) jobCanceled() {
	d := Diagnosis{Cause: "cancelled by an operator", LoadID: v.state.Running.ID}
	e := v.logJob("job %s cancelled by an operator", v.state.Job.ID)
	e.Diagnosis = &d
	v.abandon()
	v.pause(d)
}

// handOver records that a load of this process goes to another engine.
func (v *view) handOver(why string) {
	run := *v.state.Running
	run.Engine, run.Route, run.Staged = FlagDistributed, why, false
	v.state.Running, v.state.Begun = &run, 0
	v.logJob("load handed over: %s", why)
}

// trouble counts an error that the next attempt may not meet.
func (v *view) trouble(cause string) {
	n := 1
	if t := v.state.Trouble; t != nil {
		n += t.Count
	}
	v.state.Trouble = &Trouble{Cause: cause, Count: n, At: v.now}
}

// logJob adds an entry on the load that runs and its job.
func (v *view) logJob(format string, args ...any) *Entry {
	e := v.log(EntryJob, format, args...)
	v.names(e, *v.state.Running)
	return e
}

// names fills in which load an entry is about, and where it ran.
func (v *view) names(e *Entry, l Load) {
	e.LoadID, e.LoadKind, e.Epoch, e.Files = l.ID, l.Kind, l.Epoch, len(l.Files)
	e.Engine, e.Route = l.Engine, l.Route
	if j := v.state.Job; j != nil && j.Ref != nil {
		ref := *j.Ref
		e.Job = &ref
	}
}

// ended forgets what only mattered to the load that ran.
func (v *view) ended() {
	v.state.Running, v.state.Begun, v.state.Staged, v.state.Job, v.state.Trouble = nil, 0, 0, nil, nil
	v.state.Evolving = nil
}
