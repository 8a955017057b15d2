package etl_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// lingering is a sink whose Apply in this process outlasts its time: the commit
// is not there, is there, or comes when somebody else has gone on.
type lingering struct {
	etl.Sink
	etl.Fencer
	commit bool
	late   func() error // the commit, afterwards
	calls  int
}

func (s *lingering) Apply(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
	s.calls++
	if s.commit {
		if _, err := s.Sink.Apply(ctx, target, load, changes); err != nil {
			return etl.Receipt{}, err
		}
	}
	s.late = func() error {
		_, err := s.Sink.Apply(context.Background(), target, load, changes)
		return err
	}
	<-ctx.Done()
	return etl.Receipt{}, fmt.Errorf("%w: %w", ctx.Err(), etl.ErrUnknownCommit)
}

func TestALoadThatWillNotMakeItIsHandedOver(t *testing.T) {
	for name, commit := range map[string]bool{"before its commit": false, "after its commit": true} {
		t.Run(name, func(t *testing.T) {
			p, c := distributed(t, etl.FlagAuto)
			s := &lingering{Sink: p.sink, Fencer: p.sink, commit: commit}
			p.config.Sink, p.config.Margin = s, time.Hour
			p.restart()
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour+50*time.Millisecond)
			defer cancel()
			rep, err := p.runner.Ingest(ctx)
			require.NoError(t, err)
			require.Equal(t, 1, s.calls, "in this process once")
			if commit {
				require.Empty(t, c.jobs, "the load was in the table")
				require.Equal(t, []string{"1,Ann,-", "2,Bob,-"}, p.rows("hr.people"))
				require.Nil(t, p.state().Running)
				return
			}
			require.Len(t, c.jobs, 1, "in the same drain")
			require.Contains(t, rep.Tables[0].Reason, "runs on glue")
			require.Contains(t, c.last().Load.Route, "handed over from L: it was not done after the 0.")
			require.ErrorIs(t, s.late(), etl.ErrStaleFence, "nothing comes after it")
			p.succeed(c)
			require.Len(t, p.drain().Loads, 1)
			require.Equal(t, etl.FlagAuto, p.state().Flag)
			applied := p.entries(etl.EntryApplied)[0]
			require.Equal(t, etl.FlagDistributed, applied.Engine)
			require.Contains(t, applied.Route, "handed over")
			require.Contains(t, p.entries(etl.EntryJob)[1].Text, "load handed over")
		})
	}
}

func TestAutoRoutesByEstimate(t *testing.T) {
	p, c := distributed(t, etl.FlagAuto)
	p.config.Margin = time.Minute
	p.restart()
	rep := p.ingest().Tables[0]
	require.Len(t, rep.Loads, 1)
	require.Equal(t, etl.FlagLocal, rep.Loads[0].Load.Engine)
	require.Contains(t, rep.Loads[0].Load.Route, "fits: L")
	require.Contains(t, p.entries(etl.EntryApplied)[0].Route, "fits: L")
	require.Empty(t, c.jobs)

	st := p.state()
	st.Pace = &etl.Pace{BytesPerSecond: 1, BytesPerRow: 10, Loads: 1}
	require.NoError(t, p.config.Control.Update(t.Context(), etl.Update{State: st}))
	p.land("hr/people/20240220-100000000.csv", "U,1,Anna,\n"+strings.Repeat("U,1,Anne,\n", 10_000))
	_, err := p.runner.Register(t.Context(), p.listed()...)
	require.NoError(t, err)
	d, err := p.runner.Plan(t.Context(), "hr.people")
	require.NoError(t, err)
	require.Equal(t, etl.FlagDistributed, d.Load.Engine)
	require.Equal(t, "100 kB at 1 B/s needs 100010 s and may take 3600 s, too long: G", d.Load.Route)
	require.Contains(t, p.drain().Reason, "runs on glue")
	require.Equal(t, d.Load.ID, c.last().Load.ID)
}

func (p *pipeline) listed() (files []etl.File) {
	for f, err := range p.source.List(context.Background()) {
		require.NoError(p.t, err)
		files = append(files, f)
	}
	return files
}

func TestPaceIsKept(t *testing.T) {
	p := newPipeline(t, people())
	var clock time.Duration
	p.config.Now = func() time.Time {
		clock += time.Second
		return p.now.Add(clock)
	}
	p.restart()
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n2,Bob,\n")
	p.ingest()
	pace := p.state().Pace
	require.NotNil(t, pace)
	require.Equal(t, 1, pace.Loads)
	require.Equal(t, int64(7), pace.BytesPerRow)
}

// brokenSink fails in a way that might pass.
type brokenSink struct{ etl.Sink }

func (brokenSink) Apply(context.Context, etl.Target, etl.Load, *etl.Changes) (etl.Receipt, error) {
	return etl.Receipt{}, errors.New("catalog: 503")
}

// What fails again and again, and might have passed each time, is told.
func TestRepeatedTroublePausesTheTable(t *testing.T) {
	p := newPipeline(t, people())
	p.config.Sink, p.config.MaxBegins = brokenSink{p.sink}, 3
	p.restart()
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n")
	for n := 1; n <= 3; n++ {
		_, err := p.runner.Ingest(t.Context())
		require.Equal(t, etl.Retry, etl.OutcomeOf(err))
		require.Equal(t, n, p.state().Trouble.Count)
	}
	_, err := p.runner.Ingest(t.Context())
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.Equal(t, "the load was begun 3 times without an end; 3 times something failed that might have passed, the last time: catalog: 503",
		p.state().Paused.Cause)
	require.Nil(t, p.state().Trouble)
	p.config.Sink = p.sink
	p.restart()
	require.NoError(t, p.runner.Retry(t.Context(), "hr.people"))
	require.Len(t, p.drain().Loads, 1)
}
