package etl_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/source"
)

// tidySource writes down what it is told, and fails as long as it is told to.
type tidySource struct {
	*source.Memory
	heard []string
	fail  error
}

func (s *tidySource) Disposes(etl.FileStatus) bool { return true }

func (s *tidySource) Dispose(_ context.Context, f etl.File, status etl.FileStatus) error {
	if s.fail == nil {
		s.heard = append(s.heard, string(status)+" "+f.Location)
	}
	return s.fail
}

func TestFilesAreDisposedOf(t *testing.T) {
	p := newPipeline(t, people())
	s := &tidySource{Memory: p.source}
	p.config.Source = s
	p.restart()
	ctx := context.Background()
	disposals := func() int {
		st, err := p.config.Control.State(ctx, "hr.people")
		require.NoError(t, err)
		return len(st.Disposals)
	}

	s.fail = etl.WithOutcome(etl.Terminal, errors.New("no permission"))
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n")
	p.ingest()
	require.Equal(t, []string{"1,Ann,-"}, p.rows("hr.people"), "a file that stays where it is is no failure of its load")
	require.Equal(t, 1, disposals())

	s.fail = nil
	p.ingest() // nothing is pending but this
	require.Equal(t, []string{"applied hr/people/LOAD00000001.csv"}, s.heard)
	require.Zero(t, disposals())

	p.land("hr/people/20240220-110825123.csv", "U,one,Ann,\n")
	_, err := p.runner.Ingest(ctx)
	require.Error(t, err)
	require.NoError(t, p.runner.Skip(ctx, "hr.people", "hr/people/20240220-110825123.csv"))
	require.Equal(t, 1, disposals())
	p.ingest()
	require.Equal(t, []string{
		"applied hr/people/LOAD00000001.csv",
		"failed hr/people/20240220-110825123.csv", "skipped hr/people/20240220-110825123.csv",
	}, s.heard)
	require.Zero(t, disposals())
}
