package evolution

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

// cluster counts the jobs that it is given.
type cluster struct{ jobs []etl.Job }

func (c *cluster) Submit(_ context.Context, job etl.Job) (etl.JobRef, error) {
	c.jobs = append(c.jobs, job)
	return etl.JobRef{Engine: "test", ID: job.ID, JobID: job.ID}, nil
}

func (c *cluster) Find(context.Context, etl.Job) (etl.JobRef, bool, error) {
	return etl.JobRef{}, false, nil
}

func (c *cluster) Status(context.Context, etl.JobRef) (etl.JobStatus, error) {
	return etl.JobStatus{Phase: etl.JobRunning}, nil
}

func (c *cluster) Cancel(context.Context, etl.JobRef) error { return nil }

func TestJobsDoNotEvolve(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		want    string // the cause of the pause; empty where a job is submitted
	}{
		"as declared": {`{"id":1,"n":1,"code":"a"}`, ""},
		"new column":  {`{"id":1,"n":1,"code":"a","x":1}`, "column x added as long for " + full},
		"missing":     {`{"id":1,"code":"a"}`, full + " differs from the declaration"},
	} {
		t.Run(name, func(t *testing.T) {
			c, bucket, store := &cluster{}, source.NewMemory(), control.NewMemory()
			runner, err := etl.New(etl.Config{
				Source: bucket, Control: store, Locker: lock.NewMemory(), Sink: sink.NewMemory(), Layout: format.DMS{}, Dispatcher: c,
				Tables: []etl.Table{items(etl.Contract{New: etl.Evolve, Missing: etl.Evolve}, func(t *etl.Table) { t.Flag = etl.FlagDistributed })},
			})
			require.NoError(t, err)
			bucket.Put(full, []byte(test.content+"\n"))
			_, err = runner.Ingest(t.Context())
			if test.want == "" {
				require.NoError(t, err)
				require.Len(t, c.jobs, 1)
				return
			}
			require.ErrorIs(t, err, etl.ErrContract)
			require.Empty(t, c.jobs)
			st, err := store.State(t.Context(), "shop.items")
			require.NoError(t, err)
			require.Equal(t, etl.FlagPaused, st.Flag)
			require.Contains(t, st.Paused.Cause, test.want)
		})
	}
}
