package etl_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// cluster is a dispatcher that does what a test tells it.
type cluster struct {
	submit   error // what Submit answers
	mute     bool  // Submit answers with submit although it has started the job
	onSubmit func(etl.Job)
	jobs     []etl.Job
	status   map[string]etl.JobStatus // by job ID
	canceled []string
}

func newCluster() *cluster { return &cluster{status: map[string]etl.JobStatus{}} }

func (c *cluster) Submit(_ context.Context, job etl.Job) (etl.JobRef, error) {
	if c.onSubmit != nil {
		c.onSubmit(job)
	}
	if c.submit != nil && !c.mute {
		return etl.JobRef{}, c.submit
	}
	c.jobs = append(c.jobs, job)
	c.status[job.ID] = etl.JobStatus{Phase: etl.JobRunning}
	if c.submit != nil {
		return etl.JobRef{}, c.submit
	}
	return c.ref(job), nil
}

func (c *cluster) ref(job etl.Job) etl.JobRef {
	return etl.JobRef{Engine: "glue", ID: "jr_" + job.ID, JobID: job.ID, ARN: "arn:aws:glue:eu-west-1:1:job/tidemark"}
}

func (c *cluster) Find(_ context.Context, job etl.Job) (etl.JobRef, bool, error) {
	_, ok := c.status[job.ID]
	return c.ref(job), ok, nil
}

func (c *cluster) Status(_ context.Context, ref etl.JobRef) (etl.JobStatus, error) {
	s, ok := c.status[ref.JobID]
	if !ok {
		return s, fmt.Errorf("run: %w", etl.ErrNotFound)
	}
	return s, nil
}

func (c *cluster) Cancel(_ context.Context, ref etl.JobRef) error {
	c.canceled = append(c.canceled, ref.JobID)
	return nil
}

func (c *cluster) last() etl.Job { return c.jobs[len(c.jobs)-1] }

func (c *cluster) ends(phase etl.JobPhase, reason string, res *etl.JobResult) {
	c.status[c.last().ID] = etl.JobStatus{Phase: phase, Reason: reason, Result: res}
}

// distributed is a pipeline whose table runs on a cluster, with a full load there to be taken.
func distributed(t *testing.T, flag etl.JobFlag) (*pipeline, *cluster) {
	table := people()
	table.Flag = flag
	p, c := newPipeline(t, table), newCluster()
	p.config.Dispatcher, p.config.JobPoll = c, time.Minute
	p.restart()
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n2,Bob,\n")
	return p, c
}

// work does what a job is there for.
func (p *pipeline) work(job etl.Job) (etl.Receipt, error) {
	changes, err := etl.NewChanges(etl.ChangesConfig{Table: job.Table, Load: job.Load, Source: p.source})
	require.NoError(p.t, err)
	return p.sink.Apply(context.Background(), job.Target, job.Load, changes)
}

func (p *pipeline) succeed(c *cluster) {
	receipt, err := p.work(c.last())
	require.NoError(p.t, err)
	c.ends(etl.JobSucceeded, "", &etl.JobResult{JobID: c.last().ID, Receipt: &receipt})
}

func (p *pipeline) drain() etl.TableReport {
	p.t.Helper()
	rep, err := p.runner.Drain(context.Background(), "hr.people")
	require.NoError(p.t, err)
	return rep
}

func (p *pipeline) state() etl.State {
	st, err := p.config.Control.State(context.Background(), "hr.people")
	require.NoError(p.t, err)
	return st
}

func (p *pipeline) tableFence() int64 {
	target, err := people().Target()
	require.NoError(p.t, err)
	standing, err := p.sink.Standing(context.Background(), target)
	require.NoError(p.t, err)
	return standing.Fence
}

func (p *pipeline) entries(kind etl.EntryKind) (out []etl.Entry) {
	for e, err := range p.runner.History(context.Background(), "hr.people") {
		require.NoError(p.t, err)
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

func TestJobRunsFromIntentToRecord(t *testing.T) {
	p, c := distributed(t, etl.FlagDistributed)
	c.onSubmit = func(job etl.Job) {
		st := p.state()
		require.Equal(t, job.ID, st.Job.ID, "the intent is there before the job")
		require.Equal(t, etl.JobIntended, st.Job.Phase)
		require.Equal(t, job.Load.ID, st.Running.ID)
		require.Equal(t, job.Load.Fence, st.Running.Fence)
	}
	rep := p.ingest().Tables[0]
	require.Len(t, c.jobs, 1)
	require.Regexp(t, `^[0-9a-z-]{1,64}$`, c.jobs[0].ID)
	require.Equal(t, etl.FlagDistributed, c.jobs[0].Load.Engine)
	require.Empty(t, rep.Loads)
	require.Contains(t, rep.Reason, "job jr_"+c.jobs[0].ID+" runs on glue since 2024-02-20T11:")
	require.Equal(t, time.Minute, rep.Wait)
	st := p.state()
	require.Equal(t, "arn:aws:glue:eu-west-1:1:job/tidemark", st.Job.Ref.ARN)

	status, err := p.runner.Status(t.Context(), "hr.people")
	require.NoError(t, err)
	require.Equal(t, rep.Reason, status.Why)

	for range 5 { // nobody else works on the table, and asking does not close it to the job
		require.NoError(t, p.runner.SetFlag(t.Context(), "hr.people", etl.FlagLocal))
		require.Empty(t, p.drain().Loads)
	}
	require.Empty(t, p.rows("hr.people"))
	require.Less(t, p.tableFence(), st.Running.Fence)

	p.now = p.now.Add(time.Minute)
	p.succeed(c)
	rep = p.drain()
	require.Len(t, rep.Loads, 1)
	require.Equal(t, time.Minute, rep.Loads[0].Took)
	require.Equal(t, int64(2), rep.Loads[0].Receipt.Counts.Inserted)
	require.Equal(t, []string{"1,Ann,-", "2,Bob,-"}, p.rows("hr.people"))
	require.Nil(t, p.state().Job)
	require.Nil(t, p.state().Pace, "the cluster's pace says nothing of this process")
	applied := p.entries(etl.EntryApplied)[0]
	require.Equal(t, etl.FlagDistributed, applied.Engine)
	require.Equal(t, "flag G", applied.Route)
	require.Equal(t, "jr_"+c.jobs[0].ID, applied.Job.ID)
	require.Contains(t, p.entries(etl.EntryJob)[0].Text, "submitted to glue")
	require.Len(t, c.jobs, 1)
}

func TestLostAnswersAreResolvedByLooking(t *testing.T) {
	unknown := etl.WithOutcome(etl.Indeterminate, errors.New("connection reset"))
	t.Run("the job runs", func(t *testing.T) {
		p, c := distributed(t, etl.FlagDistributed)
		c.submit, c.mute = unknown, true
		require.Contains(t, p.ingest().Tables[0].Reason, "runs on glue")
		require.Len(t, c.jobs, 1)
	})
	t.Run("the job was not started", func(t *testing.T) {
		p, c := distributed(t, etl.FlagDistributed)
		c.submit = unknown
		rep := p.ingest().Tables[0]
		require.Contains(t, rep.Reason, "connection reset")
		require.Equal(t, time.Minute, rep.Wait)
		first := p.state().Job.ID
		c.submit = nil
		require.Contains(t, p.drain().Reason, "runs on glue")
		require.Len(t, c.jobs, 1)
		require.NotEqual(t, first, c.jobs[0].ID, "each submission has a fence of its own")
		p.succeed(c)
		require.Len(t, p.drain().Loads, 1)
	})
}

// A cluster that is full is no failure.
func TestAFullClusterIsWaitedFor(t *testing.T) {
	p, c := distributed(t, etl.FlagDistributed)
	p.config.MaxBegins = 2
	p.restart()
	c.submit = etl.WithOutcome(etl.Retry, errors.New("too many concurrent runs"))
	for range 5 {
		rep := p.ingest().Tables[0]
		require.Contains(t, rep.Reason, "too many concurrent runs")
		require.Equal(t, time.Minute, rep.Wait)
	}
	require.Equal(t, etl.FlagDistributed, p.state().Flag)
	require.Zero(t, p.state().Begun)
	c.submit = nil
	p.drain()
	p.succeed(c)
	require.Len(t, p.drain().Loads, 1)
	require.Nil(t, p.state().Trouble)
}

// While nothing runs, the table's flag may send the load elsewhere.
func TestAJobThatNeverStartedGivesWayToFlagL(t *testing.T) {
	p, c := distributed(t, etl.FlagDistributed)
	c.submit = etl.WithOutcome(etl.Retry, errors.New("too many concurrent runs"))
	p.ingest()
	require.NoError(t, p.runner.SetFlag(t.Context(), "hr.people", etl.FlagLocal))
	rep := p.drain()
	require.Len(t, rep.Loads, 1)
	require.Equal(t, etl.FlagLocal, rep.Loads[0].Load.Engine)
}

func TestFinalErrorsPauseTheTable(t *testing.T) {
	t.Run("of Submit", func(t *testing.T) {
		p, c := distributed(t, etl.FlagDistributed)
		c.submit = etl.WithOutcome(etl.Terminal, errors.New("transform 1 runs in Go only"))
		_, err := p.runner.Ingest(t.Context())
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
		st := p.state()
		require.Equal(t, etl.FlagPaused, st.Flag)
		require.Contains(t, st.Paused.Cause, "cannot be submitted: transform 1 runs in Go only")
		require.Nil(t, st.Job)
	})
	t.Run("of the job", func(t *testing.T) {
		p, c := distributed(t, etl.FlagDistributed)
		p.ingest()
		why := etl.Diagnosis{Cause: "row 2 of hr/people/LOAD00000001.csv: column id: not an int", File: "hr/people/LOAD00000001.csv", Row: 2, Column: "id", Rule: "not an int"}
		c.ends(etl.JobFailed, "exit code 1", &etl.JobResult{JobID: c.last().ID, Failure: &etl.JobFailure{Diagnosis: why, Outcome: "terminal"}})
		_, err := p.runner.Drain(t.Context(), "hr.people")
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
		st := p.state()
		why.LoadID = c.last().Load.ID
		require.Equal(t, &why, st.Paused)
		require.Equal(t, etl.FlagDistributed, st.ResumeTo)
		require.Equal(t, "hr/people/LOAD00000001.csv", st.LastFailed.Location)
		_, err = p.work(c.last())
		require.ErrorIs(t, err, etl.ErrStaleFence, "what was given up cannot be committed any more")
	})
}

func TestJobsThatEndWithoutTheirLoadAreSubmittedAgain(t *testing.T) {
	p, c := distributed(t, etl.FlagDistributed)
	p.ingest()
	for n := 1; n <= 2; n++ {
		c.ends(etl.JobFailed, "executors lost", nil)
		require.Contains(t, p.drain().Reason, "runs on glue")
		require.Len(t, c.jobs, n+1)
		require.Equal(t, n+1, p.state().Job.Attempt)
		require.Equal(t, n, p.state().Trouble.Count)
	}
	_, err := p.work(c.jobs[0])
	require.ErrorIs(t, err, etl.ErrStaleFence, "a job before it cannot commit any more")
	c.ends(etl.JobFailed, "executors lost", nil)
	_, err = p.runner.Drain(t.Context(), "hr.people")
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.Contains(t, p.state().Paused.Cause, "3 jobs ended without the load, the last one, failed: executors lost")
	require.NoError(t, p.runner.Resume(t.Context(), "hr.people"))
	p.drain()
	p.succeed(c)
	require.Len(t, p.drain().Loads, 1)
}

// The table is the judge: an answer that was lost after the commit is a success.
func TestTheTableJudgesJobs(t *testing.T) {
	for name, lose := range map[string]func(c *cluster){
		"killed after the commit": func(c *cluster) { c.ends(etl.JobFailed, "killed", nil) },
		"timed out":               func(c *cluster) { c.ends(etl.JobTimedOut, "", nil) },
		"forgotten":               func(c *cluster) { delete(c.status, c.last().ID) },
		"a result of another load": func(c *cluster) {
			c.ends(etl.JobSucceeded, "", &etl.JobResult{Receipt: &etl.Receipt{LoadID: "other", Counts: etl.Counts{Read: 99}}})
		},
		"a failure that is none": func(c *cluster) {
			c.ends(etl.JobFailed, "", &etl.JobResult{Failure: &etl.JobFailure{Outcome: "terminal"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, c := distributed(t, etl.FlagDistributed)
			p.ingest()
			_, err := p.work(c.last())
			require.NoError(t, err)
			lose(c)
			rep := p.drain()
			require.Len(t, rep.Loads, 1)
			require.Equal(t, int64(2), rep.Loads[0].Receipt.Counts.Read, "the counts are the table's")
			require.Len(t, c.jobs, 1)
		})
	}
	t.Run("a success that is none", func(t *testing.T) {
		p, c := distributed(t, etl.FlagDistributed)
		p.ingest()
		c.ends(etl.JobSucceeded, "", nil)
		p.drain()
		require.Len(t, c.jobs, 2, "it is not in the table")
		require.Contains(t, p.state().Trouble.Cause, "the table does not carry its load")
	})
}

// What other engines say is kept within limits, since the state must stay small.
func TestLongReasonsAreClipped(t *testing.T) {
	p, c := distributed(t, etl.FlagDistributed)
	p.ingest()
	trace := strings.Repeat("at org.apache.spark é\n", 100_000)
	c.status[c.last().ID] = etl.JobStatus{Phase: etl.JobWaiting, Reason: trace}
	require.Less(t, len(p.drain().Reason), 5000)
	c.ends(etl.JobFailed, "", &etl.JobResult{Failure: &etl.JobFailure{Diagnosis: etl.Diagnosis{Cause: trace}, Outcome: "terminal"}})
	_, err := p.runner.Drain(t.Context(), "hr.people")
	require.Error(t, err)
	require.Less(t, len(err.Error()), 3000)
	require.Less(t, len(p.state().Paused.Cause), 3000)
}

func TestAccountsOfAJobMustAddUp(t *testing.T) {
	p, c := distributed(t, etl.FlagDistributed)
	p.ingest()
	receipt, err := p.work(c.last())
	require.NoError(t, err)
	receipt.Counts.Read++
	c.ends(etl.JobSucceeded, "", &etl.JobResult{JobID: c.last().ID, Receipt: &receipt})
	_, err = p.runner.Drain(t.Context(), "hr.people")
	require.ErrorIs(t, err, etl.ErrAccounting)
	st := p.state()
	require.Equal(t, etl.FlagPaused, st.Flag)
	require.Nil(t, st.Running, "the load is in the table")
}

func TestAJobThatTakesTooLongIsEnded(t *testing.T) {
	p, c := distributed(t, etl.FlagDistributed)
	p.ingest()
	p.now = p.now.Add(2*time.Hour + time.Second)
	p.drain()
	require.Equal(t, []string{c.jobs[0].ID}, c.canceled)
	require.Len(t, c.jobs, 2)
	require.Contains(t, p.state().Trouble.Cause, "it took longer than 2h0m0s")
	_, err := p.work(c.jobs[0])
	require.ErrorIs(t, err, etl.ErrStaleFence)
}

func TestCancel(t *testing.T) {
	p, c := distributed(t, etl.FlagDistributed)
	require.ErrorIs(t, p.runner.Cancel(t.Context(), "hr.people"), etl.ErrNotFound)
	p.ingest()
	require.NoError(t, p.runner.Cancel(t.Context(), "hr.people"))
	require.Empty(t, c.canceled, "the next drain does it")
	p.drain()
	require.Equal(t, []string{c.jobs[0].ID}, c.canceled)
	st := p.state()
	require.Equal(t, etl.FlagPaused, st.Flag)
	require.Equal(t, "cancelled by an operator", st.Paused.Cause)
	require.Nil(t, st.Running)
	_, err := p.work(c.jobs[0])
	require.ErrorIs(t, err, etl.ErrStaleFence)
	require.NoError(t, p.runner.Resume(t.Context(), "hr.people"))
	p.drain()
	p.succeed(c)
	require.Len(t, p.drain().Loads, 1)
}

// A pause lets what runs end, and begins nothing after it.
func TestAPausedTableFinishesItsJob(t *testing.T) {
	p, c := distributed(t, etl.FlagDistributed)
	p.ingest()
	p.land("hr/people/20240220-100000000.csv", "U,1,Anna,\n")
	require.NoError(t, p.runner.Pause(t.Context(), "hr.people", ""))
	require.Contains(t, p.drain().Reason, "runs on glue")
	p.succeed(c)
	rep := p.ingest().Tables[0]
	require.Len(t, rep.Loads, 1)
	require.Contains(t, rep.Reason, "paused")
	require.Len(t, c.jobs, 1)

	t.Run("and submits none again", func(t *testing.T) {
		p, c := distributed(t, etl.FlagDistributed)
		p.ingest()
		require.NoError(t, p.runner.Pause(t.Context(), "hr.people", ""))
		c.ends(etl.JobFailed, "killed", nil)
		require.Contains(t, p.drain().Reason, "paused")
		require.Contains(t, p.drain().Reason, "paused")
		require.Len(t, c.jobs, 1)
		require.NoError(t, p.runner.Resume(t.Context(), "hr.people"))
		p.drain()
		require.Len(t, c.jobs, 2)
	})
}

// Verbs that take files away from a load end its job, and close the table to it.
func TestVerbsEndTheJob(t *testing.T) {
	for name, verb := range map[string]func(*etl.Runner) error{
		"skip": func(r *etl.Runner) error {
			return r.Skip(context.Background(), "hr.people", "hr/people/LOAD00000001.csv")
		},
		"reload": func(r *etl.Runner) error {
			return r.Reload(context.Background(), "hr.people", "hr/people/LOAD00000001.csv")
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, c := distributed(t, etl.FlagDistributed)
			p.ingest()
			require.NoError(t, verb(p.runner))
			require.Equal(t, []string{c.jobs[0].ID}, c.canceled)
			require.Nil(t, p.state().Job)
			_, err := p.work(c.jobs[0])
			require.ErrorIs(t, err, etl.ErrStaleFence)
		})
	}
}

// maintained is a sink that needs maintenance.
type maintained struct {
	etl.Sink
	etl.Fencer
	rounds int
}

func (s *maintained) Maintain(context.Context, etl.Target, etl.MaintainOptions) (etl.MaintainReport, error) {
	s.rounds++
	return etl.MaintainReport{}, nil
}

// Maintenance commits under a newer fence, so it waits for the job.
func TestMaintenanceWaitsForTheJob(t *testing.T) {
	p, c := distributed(t, etl.FlagDistributed)
	s := &maintained{Sink: p.sink, Fencer: p.sink}
	p.config.Sink = s
	p.restart()
	p.ingest()
	_, err := p.runner.Maintain(t.Context(), "hr.people")
	require.ErrorIs(t, err, etl.ErrLocked)
	require.Zero(t, s.rounds)
	_, err = p.runner.PlanMaintenance(t.Context(), "hr.people")
	require.NoError(t, err)
	p.succeed(c)
	p.drain()
	_, err = p.runner.Maintain(t.Context(), "hr.people")
	require.NoError(t, err)
	require.Equal(t, 2, s.rounds)
}

func TestAJobWithoutDispatcherIsLookedForInTheTable(t *testing.T) {
	p, c := distributed(t, etl.FlagDistributed)
	p.ingest()
	p.config.Dispatcher = nil
	p.restart()
	require.Contains(t, p.drain().Reason, "no dispatcher is configured to ask for it")
	_, err := p.work(c.last())
	require.NoError(t, err)
	require.Len(t, p.drain().Loads, 1)
}

// locating is a source and a sink whose parts other engines find.
type locating struct{ etl.Source }

func (locating) URI(_ context.Context, f etl.File) (string, error) {
	return "s3://raw/" + f.Location, nil
}

type declaring struct{ etl.Sink }

func (declaring) Declare() (etl.Declaration, error) {
	return etl.Declaration{Kind: "iceberg", Options: map[string]any{"warehouse": "s3://lake"}}, nil
}

func TestJobsSayWhereThingsAre(t *testing.T) {
	p, c := distributed(t, etl.FlagDistributed)
	p.ingest()
	require.Nil(t, c.last().URIs)
	require.Zero(t, c.last().Sink)
	c.ends(etl.JobFailed, "killed", nil)
	p.config.Source, p.config.Sink = locating{p.source}, declaring{p.sink}
	p.restart()
	p.drain()
	require.Len(t, c.jobs, 2)
	job := c.last()
	require.Equal(t, []string{"s3://raw/hr/people/LOAD00000001.csv"}, job.URIs)
	require.Equal(t, "iceberg", job.Sink.Kind)
	require.Equal(t, 2*time.Hour, job.Timeout)
	require.Equal(t, 64, job.Table.MaxBatchFiles, "the table has its defaults")
	require.True(t, slices.Equal(job.Target.Key, []string{"id"}))
}
