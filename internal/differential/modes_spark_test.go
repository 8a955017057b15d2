//go:build spark

package differential

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
)

// TestModesSpark plays histories of tables in other modes than upsert, those of odd seeds
// on Spark alone, the others on either engine in turn.
func TestModesSpark(t *testing.T) {
	playModes(t, int64((*seeds+3)/4), onSpark, func(g *game, seed int64) func(int) error {
		if seed%2 == 1 {
			return nil
		}
		return g.lanes[1].alternating(t.Context(), seed)
	})
	s := spark(t)
	t.Logf("%d jobs in %v", s.jobs, s.took)
	require.NotZero(t, s.jobs)
}

// alternating changes the lane's flag between G and L with every load that there is
// between two steps; odd seeds begin with G.
func (l *lane) alternating(ctx context.Context, seed int64) func(int) error {
	return func(int) error {
		st, err := l.control.State(ctx, l.table.Name)
		if err != nil || st.Flag == etl.FlagPaused || st.Version == 0 {
			return err
		}
		loads := int(seed)
		for e, err := range l.control.History(ctx, l.table.Name) {
			if err != nil {
				return err
			}
			if e.Receipt != nil {
				loads++
			}
		}
		return l.runner.SetFlag(ctx, l.table.Name, []etl.JobFlag{etl.FlagLocal, etl.FlagDistributed}[loads%2])
	}
}
