package etl_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// tended is a sink with maintenance that only tells of it.
type tended struct {
	etl.Sink
	calls []etl.MaintainOptions
	steps []etl.MaintainReport
	err   error
	while func(context.Context) // runs during Maintain
}

func (s *tended) Maintain(ctx context.Context, _ etl.Target, opts etl.MaintainOptions) (etl.MaintainReport, error) {
	s.calls = append(s.calls, opts)
	if s.while != nil {
		s.while(ctx)
	}
	if len(s.steps) < len(s.calls) {
		return etl.MaintainReport{}, s.err
	}
	return s.steps[len(s.calls)-1], s.err
}

func newTended(t *testing.T, m etl.Maintenance) (*pipeline, *tended) {
	table := people()
	table.Maintenance = m
	p := newPipeline(t, table)
	s := &tended{Sink: p.sink}
	p.config.Sink = s
	p.restart()
	return p, s
}

func TestMaintainHoldsTheLease(t *testing.T) {
	p, s := newTended(t, etl.Maintenance{SmallFiles: 3})
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n")
	var during etl.TableReport
	s.while = func(ctx context.Context) {
		_, err := p.config.Locker.Acquire(ctx, "hr.people", time.Minute)
		require.ErrorIs(t, err, etl.ErrLocked)
		rep, err := p.runner.Ingest(ctx)
		require.NoError(t, err)
		during = rep.Tables[0]
	}
	_, err := p.runner.Maintain(t.Context(), "hr.people")
	require.NoError(t, err)
	require.Empty(t, during.Loads)
	require.Equal(t, "locked by another runner", during.Reason)
	require.Len(t, s.calls, 1)
	require.True(t, s.calls[0].Sweep)
	require.False(t, s.calls[0].DryRun)
	require.Positive(t, s.calls[0].Fence)
	require.Equal(t, 3, s.calls[0].SmallFiles)
	require.Equal(t, 5*24*time.Hour, s.calls[0].SnapshotAge, "defaults are filled in")
	require.Len(t, p.ingest().Tables[0].Loads, 1)

	lease, err := p.config.Locker.Acquire(t.Context(), "hr.people", time.Minute)
	require.NoError(t, err)
	_, err = p.runner.Maintain(t.Context(), "hr.people")
	require.ErrorIs(t, err, etl.ErrLocked)
	require.Len(t, s.calls, 1)
	s.while = nil
	_, err = p.runner.PlanMaintenance(t.Context(), "hr.people")
	require.NoError(t, err, "a dry run needs no lease")
	require.True(t, s.calls[1].DryRun)
	require.NoError(t, lease.Release(t.Context()))
}

func TestMaintainTakesSteps(t *testing.T) {
	p, s := newTended(t, etl.Maintenance{})
	s.steps = []etl.MaintainReport{
		{Before: etl.TableShape{DataFiles: 9}, After: etl.TableShape{DataFiles: 6}, Commits: []string{"a"}, RewrittenFiles: 4, More: true},
		{Before: etl.TableShape{DataFiles: 6}, After: etl.TableShape{DataFiles: 2}, Commits: []string{"b"}, RewrittenFiles: 5, Orphans: 1},
	}
	rep, err := p.runner.Maintain(t.Context(), "hr.people")
	require.NoError(t, err)
	require.Equal(t, etl.MaintainReport{
		Before: etl.TableShape{DataFiles: 9}, After: etl.TableShape{DataFiles: 2},
		Commits: []string{"a", "b"}, RewrittenFiles: 9, Orphans: 1,
	}, rep)
	require.Greater(t, s.calls[1].Fence, s.calls[0].Fence, "a lease for each step")

	// A step that says there is more but does nothing is not asked again.
	s.calls, s.steps = nil, []etl.MaintainReport{{More: true}}
	rep, err = p.runner.Maintain(t.Context(), "hr.people")
	require.NoError(t, err)
	require.True(t, rep.More)
	require.Len(t, s.calls, 1)
}

func TestMaintainAfterLoads(t *testing.T) {
	p, s := newTended(t, etl.Maintenance{Auto: true})
	require.Nil(t, p.ingest().Tables[0].Maintained)
	require.Empty(t, s.calls, "no load, no maintenance")
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n")
	s.steps = []etl.MaintainReport{{RewrittenFiles: 7}}
	rep := p.ingest().Tables[0]
	require.Len(t, s.calls, 1)
	require.False(t, s.calls[0].Sweep, "listing is for the verb")
	require.Equal(t, 7, rep.Maintained.RewrittenFiles)

	// Its errors are not those of the loads.
	s.err = errors.New("storage is slow")
	p.land("hr/people/20240220-110825123.csv", "I,2,Bob,\n")
	rep = p.ingest().Tables[0]
	require.Len(t, rep.Loads, 1)
	require.Len(t, s.calls, 2)
	require.Equal(t, "nothing is pending", rep.Reason)

	off, s := newTended(t, etl.Maintenance{})
	off.land("hr/people/LOAD00000001.csv", "1,Ann,\n")
	off.ingest()
	require.Empty(t, s.calls, "it is off unless asked for")
}

func TestMaintainErrors(t *testing.T) {
	p := newPipeline(t, people())
	_, err := p.runner.Maintain(t.Context(), "hr.people")
	require.ErrorContains(t, err, "has no maintenance")
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	_, err = p.runner.Maintain(t.Context(), "hr.nobody")
	require.ErrorIs(t, err, etl.ErrNoTable)

	p, s := newTended(t, etl.Maintenance{})
	s.err = etl.ErrConflict
	s.steps = []etl.MaintainReport{{RewrittenFiles: 1, Commits: []string{"a"}, More: true}}
	rep, err := p.runner.Maintain(t.Context(), "hr.people")
	require.ErrorIs(t, err, etl.ErrConflict)
	require.Equal(t, 1, rep.RewrittenFiles, "what was done is told")
	require.Len(t, s.calls, 1)
}

func TestMaintenanceIsValidated(t *testing.T) {
	for want, m := range map[string]etl.Maintenance{
		"one file cannot be merged": {SmallFiles: 1},
		"share of the rows":         {DeleteRatio: 1.5},
		"at least 1h0m0s":           {OrphanAge: time.Minute},
		"must not be negative":      {TargetFileSize: -1},
	} {
		table := people()
		table.Maintenance = m
		require.ErrorContains(t, table.Validate(), want)
	}
	table := people()
	table.Maintenance = etl.Maintenance{SmallFiles: -1, DeleteRatio: -1, OrphanAge: -1, SnapshotAge: time.Second}
	require.NoError(t, table.Validate())
}
