package evolution

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

// cluster keeps the jobs that it is given, and runs them in this process.
type cluster struct {
	*dispatch.InProcess
	jobs []etl.Job
}

func (c *cluster) Submit(ctx context.Context, job etl.Job) (etl.JobRef, error) {
	c.jobs = append(c.jobs, job)
	return c.InProcess.Submit(ctx, job)
}

// clustered is a table of items whose loads are jobs.
func clustered(t *testing.T, c etl.Contract) (*etl.Runner, *cluster, *source.Memory, etl.ControlStore, *sink.Memory) {
	bucket, store, lake := source.NewMemory(), control.NewMemory(), sink.NewMemory()
	jobs := &cluster{InProcess: dispatch.NewInProcess(dispatch.InProcessConfig{Source: bucket, Sink: lake})}
	t.Cleanup(func() { require.NoError(t, jobs.Close()) })
	runner, err := etl.New(etl.Config{
		Source: bucket, Control: store, Locker: lock.NewMemory(), Sink: lake, Layout: format.DMS{}, Dispatcher: jobs,
		AwaitJobs: true, JobPoll: time.Millisecond,
		Tables: []etl.Table{items(c, func(t *etl.Table) { t.Flag = etl.FlagDistributed })},
	})
	require.NoError(t, err)
	return runner, jobs, bucket, store, lake
}

func TestJobsEvolve(t *testing.T) {
	all := etl.Contract{New: etl.Evolve, Missing: etl.Evolve, Type: etl.Evolve, Null: etl.Evolve}
	runner, jobs, bucket, store, lake := clustered(t, all)
	bucket.Put(full, []byte(`{"id":1,"n":1,"code":"a"}`+"\n"))
	change := "shop/items/20240220-110825123.json"
	bucket.Put(change, []byte(`{"Op":"U","id":2,"n":5000000000,"x":true,"code":null}`+"\n"))
	_, err := runner.Ingest(t.Context())
	require.NoError(t, err)
	rows, err := etltest.ReadRows(t.Context(), lake, "shop.items")
	require.NoError(t, err)
	require.Empty(t, etltest.Rows{{int64(1), int64(1), "a", nil}, {int64(2), int64(5000000000), nil, true}}.Diff(rows))

	require.Len(t, jobs.jobs, 3, "the second load is submitted again once its null is known")
	require.Equal(t, []string{"code"}, jobs.jobs[1].Nulls)
	require.Empty(t, jobs.jobs[2].Nulls)
	st, err := store.State(t.Context(), "shop.items")
	require.NoError(t, err)
	require.Equal(t, []etl.EvolvedColumn{
		{Name: "code", Type: etl.String, Optional: true}, {Name: "n", Type: etl.Long}, {Name: "x", Type: etl.Bool, Added: true},
	}, st.Evolved)
	require.Nil(t, st.Trouble)
}

// A contract is broken before a job is submitted, but for nulls, which only a job meets.
func TestJobsKeepTheContract(t *testing.T) {
	for name, test := range map[string]struct {
		contract etl.Contract
		content  string
		jobs     int
		want     etl.Diagnosis // File, Column, Rule
	}{
		"missing": {etl.Contract{New: etl.Evolve}, `{"id":1,"code":"a"}`, 0, etl.Diagnosis{File: full, Column: "n", Rule: "column is missing (missing: freeze)"}},
		"new":     {etl.Contract{New: etl.Freeze}, `{"id":1,"n":1,"code":"a","x":1}`, 0, etl.Diagnosis{File: full, Column: "x", Rule: "column is not declared (new: freeze)"}},
		"guarded": {etl.Contract{New: etl.Quarantined}, `{"id":1,"n":1,"code":"a","x":1}`, 1, etl.Diagnosis{File: full, Column: "x", Rule: "column is not declared (new: quarantine)"}},
		"null":    {etl.Contract{Null: etl.Freeze}, `{"id":1,"n":1,"code":null}`, 1, etl.Diagnosis{File: full}},
		"nulls":   {etl.Contract{New: etl.Evolve}, `{"id":1,"n":1,"code":null}`, 1, etl.Diagnosis{File: full, Column: "code", Rule: "required value is null"}},
	} {
		t.Run(name, func(t *testing.T) {
			runner, jobs, bucket, store, _ := clustered(t, test.contract)
			bucket.Put(full, []byte(test.content+"\n"))
			_, err := runner.Ingest(t.Context())
			require.Error(t, err)
			st, err := store.State(t.Context(), "shop.items")
			require.NoError(t, err)
			require.Equal(t, etl.FlagPaused, st.Flag)
			require.Equal(t, test.want, etl.Diagnosis{File: st.Paused.File, Column: st.Paused.Column, Rule: st.Paused.Rule})
			require.Len(t, jobs.jobs, test.jobs)
		})
	}
}
