//go:build spark

package differential

import (
	"context"
	"math/rand/v2"
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

// alternating changes the lane's flag between L and G at random, step by step.
func (l *lane) alternating(ctx context.Context, seed int64) func(int) error {
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	return func(int) error {
		st, err := l.control.State(ctx, l.table.Name)
		if err != nil || st.Flag == etl.FlagPaused || st.Version == 0 {
			return err
		}
		return l.runner.SetFlag(ctx, l.table.Name, []etl.JobFlag{etl.FlagLocal, etl.FlagDistributed}[r.IntN(2)])
	}
}
