package dispatch_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

func units() etl.Table {
	t := etl.Table{
		Name: "fire.units", Key: []string{"id"}, Op: etl.OpColumn{Column: "op"},
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "name", Type: etl.String}},
	}
	t.Format = format.CSV{}.ForTable(t)
	return t
}

// slow holds up whoever opens a file of the ETag "long" until its context ends.
type slow struct{ *source.Memory }

func (s slow) Open(ctx context.Context, f etl.File) (etl.Input, error) {
	if f.ETag == `"long"` {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Memory.Open(ctx, f)
}

// bench makes jobs for an InProcess.
type bench struct {
	source *source.Memory
	sink   *sink.Memory
	n      atomic.Int64
}

func (b *bench) job(t *testing.T, content string, tweak func(*etl.File)) etl.Job {
	n := b.n.Add(1)
	f := b.source.Put(fmt.Sprintf("fire/units/LOAD%08d.csv", n), []byte(content), time.Unix(n, 0))
	if tweak != nil {
		tweak(&f)
	}
	table := units()
	table.Name = fmt.Sprintf("fire.units%d", n)
	target, err := table.Target()
	require.NoError(t, err)
	load := etl.Load{ID: fmt.Sprintf("%032d", n), Table: table.Name, Kind: etl.Full, Epoch: 1, Files: []etl.File{f}, Fence: 7}
	return etl.Job{ID: load.ID + "-7", Table: table, Target: target, Load: load}
}

func engine(t *testing.T) etltest.Engine {
	b := &bench{source: source.NewMemory(), sink: sink.NewMemory()}
	d := dispatch.NewInProcess(dispatch.InProcessConfig{Source: slow{b.source}, Sink: b.sink})
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	e := etltest.Engine{Dispatcher: d}
	e.Job = func(t *testing.T) etl.Job { return b.job(t, "1,a\n2,b\n", nil) }
	e.Bad = func(t *testing.T) etl.Job { return b.job(t, "1,a\nx,b\n", nil) }
	e.Long = func(t *testing.T) etl.Job { return b.job(t, "1,a\n", func(f *etl.File) { f.ETag = `"long"` }) }
	e.Full = func(t *testing.T) etl.Job {
		for range 2 {
			_, err := d.Submit(t.Context(), e.Long(t))
			require.NoError(t, err)
		}
		return e.Job(t)
	}
	e.Applied = func(t *testing.T, job etl.Job) bool {
		_, found, err := b.sink.Applied(t.Context(), job.Target, job.Load.ID)
		require.NoError(t, err)
		return found
	}
	return e
}

func TestInProcess(t *testing.T) { etltest.Dispatcher(t, engine) }

// TestFaultyJobs: a job without a fault goes through the faulty dispatcher as through any.
func TestFaultyJobs(t *testing.T) {
	etltest.Dispatcher(t, func(t *testing.T) etltest.Engine {
		e := engine(t)
		e.Dispatcher = etltest.NewInjector().Dispatcher(&etltest.FaultyJobs{
			Dispatcher: e.Dispatcher, Fault: func(int) etltest.JobFault { return etltest.JobSound },
		})
		return e
	})
}

func TestInProcessTimesOut(t *testing.T) {
	e := engine(t)
	job := e.Long(t)
	job.Timeout = time.Millisecond
	ref, err := e.Dispatcher.Submit(t.Context(), job)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		s, err := e.Dispatcher.Status(t.Context(), ref)
		return err == nil && s.Phase == etl.JobTimedOut
	}, 5*time.Second, time.Millisecond)
}

func TestInProcessForgetsTheOldest(t *testing.T) {
	b := &bench{source: source.NewMemory(), sink: sink.NewMemory()}
	d := dispatch.NewInProcess(dispatch.InProcessConfig{Source: b.source, Sink: b.sink, Keep: 1})
	var refs []etl.JobRef
	for range 2 {
		ref, err := d.Submit(t.Context(), b.job(t, "1,a\n", nil))
		require.NoError(t, err)
		refs = append(refs, ref)
		require.Eventually(t, func() bool {
			s, err := d.Status(t.Context(), ref)
			return err == nil && s.Phase == etl.JobSucceeded
		}, 5*time.Second, time.Millisecond)
	}
	_, err := d.Status(t.Context(), refs[0])
	require.ErrorIs(t, err, etl.ErrNotFound)
	_, err = d.Status(t.Context(), refs[1])
	require.NoError(t, err)
	require.NoError(t, d.Close())
	_, err = d.Submit(t.Context(), b.job(t, "1,a\n", nil))
	require.Equal(t, etl.Retry, etl.OutcomeOf(err))
}

// A table under flag G whose loads run in this process, beside the Runner.
func ExampleInProcess() {
	ctx := context.Background()
	landing, lake := source.NewMemory(), sink.NewMemory()
	jobs := dispatch.NewInProcess(dispatch.InProcessConfig{Source: landing, Sink: lake})
	defer jobs.Close()
	table := units()
	table.Flag = etl.FlagDistributed
	runner, err := etl.New(etl.Config{
		Source: landing, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: lake,
		Layout: format.DMS{}, Tables: []etl.Table{table},
		Dispatcher: jobs, AwaitJobs: true, JobPoll: time.Millisecond,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	landing.Put("fire/units/LOAD00000001.csv", []byte("1,engine\n2,ladder\n"))
	report, err := runner.Ingest(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, l := range report.Tables[0].Loads {
		fmt.Println(l.Load.Engine, l.Load.Route, l.Receipt.Counts.Inserted, "rows")
	}
	for e, err := range runner.History(ctx, "fire.units") {
		fmt.Println(e.Kind, e.Job != nil, err)
	}
	// Output:
	// G flag G 2 rows
	// applied true <nil>
	// job true <nil>
	// opened false <nil>
}
