package etl_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

func TestNoLoadIsBegunWithTooLittleTimeLeft(t *testing.T) {
	p := newPipeline(t, people())
	p.config.Margin = time.Hour
	p.restart()
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	rep, err := p.runner.Ingest(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, rep.Registered, "files are registered all the same")
	require.True(t, rep.Tables[0].More)
	require.Empty(t, rep.Tables[0].Loads)
	require.Contains(t, rep.Tables[0].Reason, "the next load needs 1h0m0s")

	rest := p.ingest()
	require.False(t, rest.Tables[0].More)
	require.Len(t, rest.Tables[0].Loads, 1)
}

// cutSink runs out of time in the middle of every load: before its commit, or
// after it.
type cutSink struct {
	etl.Sink
	cut    context.CancelFunc
	commit bool
}

func (s *cutSink) Apply(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
	if s.cut == nil {
		return s.Sink.Apply(ctx, target, load, changes)
	}
	if s.commit {
		if _, err := s.Sink.Apply(ctx, target, load, changes); err != nil {
			return etl.Receipt{}, err
		}
	}
	s.cut()
	return etl.Receipt{}, ctx.Err()
}

func TestALoadThatNeverEndsPausesTheTable(t *testing.T) {
	for name, commit := range map[string]bool{"before the commit": false, "after the commit": true} {
		t.Run(name, func(t *testing.T) {
			p := newPipeline(t, people())
			s := &cutSink{Sink: p.sink, commit: commit}
			p.config.Sink, p.config.MaxBegins = s, 3
			p.restart()
			p.land("hr/people/LOAD00000001.csv", "1,Ann,\n")
			for i := range 3 {
				var ctx context.Context
				ctx, s.cut = context.WithCancel(context.Background())
				s.commit = commit && i == 2
				_, err := p.runner.Ingest(ctx)
				require.ErrorIs(t, err, context.Canceled)
				st, err := p.config.Control.State(context.Background(), "hr.people")
				require.NoError(t, err)
				require.Equal(t, i+1, st.Begun)
			}
			s.cut = nil
			rep, err := p.runner.Ingest(context.Background())
			st, serr := p.runner.Status(context.Background(), "hr.people")
			require.NoError(t, serr)
			require.Zero(t, st.State.Begun)
			if commit {
				require.NoError(t, err, "the load was in the table")
				require.Equal(t, map[etl.FileStatus]int{etl.Applied: 1}, st.Files)
				require.Empty(t, rep.Tables[0].Loads)
				return
			}
			require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
			require.Equal(t, etl.FlagPaused, st.State.Flag)
			require.Contains(t, st.Why, "begun 3 times")
			require.NoError(t, p.runner.Retry(context.Background(), "hr.people"))
			p.ingest()
			require.Equal(t, []string{"1,Ann,-"}, p.rows("hr.people"))
		})
	}
}
