package awsetl

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch/emrdispatch"
	"github.com/tidemark-data/etl/dispatch/gluedispatch"
	"github.com/tidemark-data/etl/dispatch/s3store"
)

// JobOptions say which engine takes the loads of tables under flag G, and those
// that are too big for the function. The zero value is none: such tables wait.
type JobOptions struct {
	// Location is where manifests, the job's code and results are,
	// "s3://bucket/prefix". The function and the role of the job read and write
	// there. It should be no folder that files land in.
	Location string
	// Glue has the name or the ARN of the Glue job, and what else is to be set.
	// EMR has application and role of EMR Serverless. Only one of them can be
	// used. New fills in Client and Store.
	Glue gluedispatch.Config
	EMR  emrdispatch.Config
}

func (j JobOptions) glue() bool { return j.Glue.Job != "" }
func (j JobOptions) emr() bool  { return j.EMR.Application != "" || j.EMR.Role != "" }

// dispatcher returns the one that is asked for, or nil.
func (o *Options) dispatcher() (etl.Dispatcher, error) {
	j := o.Jobs
	switch {
	case !j.glue() && !j.emr():
		return nil, nil
	case j.glue() && j.emr():
		return nil, errors.New("jobs: Glue and EMR Serverless are both set")
	}
	store, err := s3store.New(o.Clients.Documents, s3store.Config{Location: j.Location})
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	if j.glue() {
		j.Glue.Client, j.Glue.Store = o.Clients.Glue, store
		return orNil(gluedispatch.New(j.Glue))
	}
	j.EMR.Client, j.EMR.Store = o.Clients.EMRServerless, store
	return orNil(emrdispatch.New(j.EMR))
}

func orNil(d etl.Dispatcher, err error) (etl.Dispatcher, error) {
	if err != nil {
		return nil, fmt.Errorf("jobs: %w", err)
	}
	return d, nil
}

// jobState finds out whom the end of a job concerns. The event only wakes: what
// became of the job its engine is asked.
func (c *call) jobState(ctx context.Context, it *item, j JobState) error {
	find := c.parts.OnJob
	switch {
	case find != nil:
	case !j.Final():
		return nil
	case c.cfg.Dispatcher == nil:
		c.wantAll(it)
		return nil
	default:
		find = c.tablesOfJob
	}
	tables, err := find(ctx, j)
	if err == nil && len(tables) == 0 && c.parts.OnJob == nil {
		c.wantAll(it) // of a job that is not ours: it may have written files
		return nil
	}
	for _, table := range tables {
		if c.hasTable(table) {
			c.want(table, 0)
			it.tables = append(it.tables, table)
		}
	}
	return err
}

// tablesOfJob returns the tables that wait for a run. An event can come before
// the answer to the submission was recorded, so jobs without a name count as well.
func (c *call) tablesOfJob(ctx context.Context, j JobState) (tables []string, err error) {
	for _, t := range c.cfg.Tables {
		st, err := c.cfg.Control.State(ctx, t.Name)
		if err != nil {
			return nil, fmt.Errorf("look for the table of a job: %w", err)
		}
		if st.Job != nil && (st.Job.Ref == nil || st.Job.Ref.ID == j.Run) {
			tables = append(tables, t.Name)
		}
	}
	return tables, nil
}

// hasJob reports whether a table waits for a job. Looking after it again and again
// brings no progress and is right all the same: the job's timeout ends it.
func (c *call) hasJob(ctx context.Context, table string) bool {
	if c.cfg.Dispatcher == nil {
		return false
	}
	st, err := c.cfg.Control.State(ctx, table)
	return err == nil && st.Job != nil
}
