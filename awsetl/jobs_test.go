package awsetl

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/dispatch/gluedispatch"
	"github.com/tidemark-data/etl/dispatch/s3store"
	"github.com/tidemark-data/etl/etltest/awstest"
)

// What the parts in memory lack for another engine to find its way.
type (
	declaredSink struct{ etl.Sink }
	located      struct{ etl.Source }
)

func (declaredSink) Declare() (etl.Declaration, error) { return etl.Declaration{Kind: "iceberg"}, nil }
func (located) URI(_ context.Context, f etl.File) (string, error) {
	return "s3://raw/" + f.Location, nil
}

// spark works off manifests as the Spark job does.
type spark struct {
	store  dispatch.Store
	source etl.Source
	sink   etl.Sink
	tables []etl.Table
	// hold, if not nil, keeps jobs at work until it is closed.
	hold chan struct{}
}

func (s *spark) run(ctx context.Context, manifest, _ string) error {
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	data, err := s.store.Get(ctx, manifest, 1<<20)
	if err != nil {
		return err
	}
	var m dispatch.Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	out := etl.JobResult{JobID: m.JobID}
	receipt, aerr := s.apply(ctx, m.Load)
	if aerr == nil {
		out.Receipt = &receipt
	} else {
		out.Failure = &etl.JobFailure{Diagnosis: etl.Diagnose(aerr, m.Load.ID), Outcome: dispatch.Outcome(aerr)}
	}
	left, err := json.Marshal(out)
	if err == nil {
		_, err = s.store.Put(ctx, "jobs/"+m.JobID+"/result.json", left)
	}
	return cmp.Or(err, aerr)
}

func (s *spark) apply(ctx context.Context, load etl.Load) (r etl.Receipt, err error) {
	for _, t := range s.tables {
		if t.Name != load.Table {
			continue
		}
		target, err := t.Target()
		if err != nil {
			return r, err
		}
		changes, err := etl.NewChanges(etl.ChangesConfig{Table: t, Load: load, Source: s.source})
		if err != nil {
			return r, err
		}
		return s.sink.Apply(ctx, target, load, changes)
	}
	return r, errors.New("no such table")
}

// farm is a world whose tables are under flag G, with Glue beside it.
type farm struct {
	*world
	glue  *awstest.GlueJobs
	spark *spark
	fault map[string]awstest.JobFault
}

func newFarm(t *testing.T, change func(*world)) *farm {
	f := &farm{glue: awstest.NewGlueJobs("tidemark"), fault: map[string]awstest.JobFault{}}
	t.Cleanup(f.glue.Close)
	f.glue.MaxConcurrent = 2
	var mu sync.Mutex // tables are drained side by side
	f.glue.Fault = func(op string) awstest.JobFault {
		mu.Lock()
		defer mu.Unlock()
		fault := f.fault[op]
		delete(f.fault, op)
		return fault
	}
	f.world = newWorld(t, func(w *world) {
		store, err := s3store.New(awstest.NewS3(awstest.S3Options{}, "lake"), s3store.Config{Location: "s3://lake/tidemark"})
		require.NoError(t, err)
		w.config.Tables = []etl.Table{table("hr.people"), table("hr.teams")}
		f.spark = &spark{store: store, source: w.source, sink: w.sink, tables: w.config.Tables, hold: make(chan struct{})}
		f.glue.Run = func(ctx context.Context, args map[string]string) error {
			return f.spark.run(ctx, args["--manifest"], args["--result"])
		}
		w.config.Source, w.config.Sink = located{w.source}, declaredSink{w.sink}
		w.config.Dispatcher, err = gluedispatch.New(gluedispatch.Config{Client: f.glue, Store: store, Job: "tidemark"})
		require.NoError(t, err)
		if change != nil {
			change(w)
		}
	})
	for _, table := range f.config.Tables {
		require.NoError(t, f.handler.Runner().SetFlag(t.Context(), table.Name, etl.FlagDistributed))
	}
	return f
}

// ends lets jobs work, and waits until those started so far have ended.
func (f *farm) ends() {
	f.t.Helper()
	close(f.spark.hold)
	require.Eventually(f.t, func() bool {
		for _, r := range f.glue.Runs() {
			if r.CompletedOn == nil {
				return false
			}
		}
		return true
	}, 5*time.Second, time.Millisecond)
}

func glueEvent(run, state string) string {
	return fmt.Sprintf(`{"detail-type":"Glue Job State Change","source":"aws.glue","detail":{"jobName":"tidemark","jobRunId":%q,"state":%q}}`, run, state)
}

func TestAJobsEndWakesItsTable(t *testing.T) {
	f := newFarm(t, nil)
	a := f.answer(created(f.land(landed, "1,Ann,1\n2,Bob,1\n")))
	require.Empty(t, a.Tables[0].Error)
	require.Empty(t, a.Tables[0].Loads)
	require.Contains(t, a.Tables[0].Reason, "job")
	require.True(t, a.Tables[0].Woken)
	require.InDelta(t, 60, a.Tables[0].WaitSeconds, 1, "nobody waits for a job in a function")
	run := f.state("hr.people").Job.Ref.ID

	require.Empty(t, f.answer(glueEvent(run, "RUNNING")).Tables, "nothing to see yet")
	f.ends()
	a = f.answer(glueEvent(run, "SUCCEEDED"))
	require.Len(t, a.Tables, 1, "the other table is none of its business")
	require.EqualValues(t, 2, a.Tables[0].Loads[0].Counts.Inserted)
	require.Equal(t, []string{"1,Ann,1", "2,Bob,1"}, f.rows("hr.people"))
	require.Nil(t, f.state("hr.people").Job)

	require.Len(t, f.answer(glueEvent(run, "SUCCEEDED")).Tables, 2, "an event twice, or of another job: all look")
	require.Len(t, f.glue.Runs(), 1)
}

// TestAJobIsLookedAfterForAsLongAsItRuns: events of the job may be lost.
func TestAJobIsLookedAfterForAsLongAsItRuns(t *testing.T) {
	f := newFarm(t, func(w *world) { w.parts.MaxHops = 3 })
	f.handle(created(f.land(landed, "1,Ann,1\n")))
	for range 10 {
		f.ahead += 15 * time.Minute
		f.forget()
		m := f.sqs.Receive(queueURL)
		require.Len(t, m, 1)
		require.Empty(t, f.failures(batch(m[0].Body)))
	}
	require.Empty(t, f.sns.Published(), "nobody gives up")
	f.ends()
	require.Equal(t, 1, f.deliver(2))
	require.Equal(t, []string{"1,Ann,1"}, f.rows("hr.people"))
}

func TestAnAnswerIsLost(t *testing.T) {
	f := newFarm(t, nil)
	f.fault["StartJobRun"] = awstest.JobLoseAnswer
	f.handle(created(f.land(landed, "1,Ann,1\n")))
	require.Len(t, f.glue.Runs(), 1)
	require.Equal(t, "jr_1", f.state("hr.people").Job.Ref.ID, "it was found")
	f.ends()
	require.Len(t, f.answer(glueEvent("jr_1", "SUCCEEDED")).Tables[0].Loads, 1)
	require.Len(t, f.glue.Runs(), 1)
}

// TestAnEventOvertakesTheAnswer: the run is not in the state yet.
func TestAnEventOvertakesTheAnswer(t *testing.T) {
	f := newFarm(t, nil)
	f.fault["StartJobRun"] = awstest.JobCutBefore
	f.handle(created(f.land(landed, "1,Ann,1\n")))
	require.Nil(t, f.state("hr.people").Job.Ref)
	a := f.answer(glueEvent("jr_1", "FAILED"))
	require.Len(t, a.Tables, 1)
	require.Equal(t, "hr.people", a.Tables[0].Table)
	require.NotNil(t, f.state("hr.people").Job.Ref, "it was submitted again")
}

func TestAJobFailsOnABadRow(t *testing.T) {
	f := newFarm(t, nil)
	f.handle(created(f.land(landed, "1,Ann,1\nsecret-id,Bob,1\n")))
	f.ends()
	f.handle(glueEvent("jr_1", "FAILED"))
	require.Equal(t, etl.FlagPaused, f.state("hr.people").Flag)
	notice := f.sns.Published()[0].Message
	require.Contains(t, notice, "column id")
	require.NotContains(t, notice, "secret")
	require.Len(t, f.glue.Runs(), 1, "another run would fail too")
}

func TestMoreTablesThanRuns(t *testing.T) {
	f := newFarm(t, func(*world) {})
	f.glue.MaxConcurrent = 1
	people, teams := f.land(landed, "1,Ann,1\n"), f.land("hr/teams/LOAD00000001.csv", "1,A,1\n")
	f.handle(created(people))
	a := f.answer(created(teams))
	require.Empty(t, a.Tables[0].Error, "that there is no room is no failure")
	require.Contains(t, a.Tables[0].Reason, "ConcurrentRunsExceededException")
	require.True(t, a.Tables[0].Woken)
	require.Equal(t, etl.FlagDistributed, f.state("hr.teams").Flag)
	f.ends()
	f.handle(glueEvent("jr_1", "SUCCEEDED"))
	require.Len(t, f.glue.Runs(), 2, "the event wakes the table that waits for room as well")
	f.deliverUntil(func() bool { return len(f.rows("hr.teams")) == 1 })
}

// deliverUntil hands out wake-ups until something is so.
func (f *farm) deliverUntil(done func() bool) {
	f.t.Helper()
	require.Eventually(f.t, func() bool {
		f.ahead += 15 * time.Minute
		f.forget()
		for _, m := range f.sqs.Receive(queueURL) {
			require.Empty(f.t, f.failures(batch(m.Body)))
		}
		return done()
	}, 5*time.Second, 5*time.Millisecond)
}

func TestCancelAJob(t *testing.T) {
	f := newFarm(t, nil)
	f.handle(created(f.land(landed, "1,Ann,1\n")))
	require.Empty(t, f.answer(verb("cancel", people)).Error)
	f.deliverUntil(func() bool { return f.state("hr.people").Flag == etl.FlagPaused })
	require.Eventually(t, func() bool { return f.glue.Runs()[0].JobRunState == types.JobRunStateStopped }, 5*time.Second, time.Millisecond)
	require.Empty(t, f.rows("hr.people"))
	require.Contains(t, f.state("hr.people").Paused.Cause, "cancel")
	require.NotEmpty(t, f.answer(verb("cancel", people)).Error, "there is none any more")
}

func TestTheStateCannotBeRead(t *testing.T) {
	f := newFarm(t, nil)
	f.handle(created(f.land(landed, "1,Ann,1\n")))
	broken := &brokenControl{ControlStore: f.control}
	f.config.Control = broken
	f.restart()
	broken.err = errors.New("throttled")
	_, err := f.handler.Handle(t.Context(), json.RawMessage(glueEvent("jr_1", "SUCCEEDED")))
	require.ErrorContains(t, err, "throttled", "the event comes again")
}

type brokenControl struct {
	etl.ControlStore
	err error
}

func (b *brokenControl) State(ctx context.Context, table string) (etl.State, error) {
	if b.err != nil {
		return etl.State{}, b.err
	}
	return b.ControlStore.State(ctx, table)
}
