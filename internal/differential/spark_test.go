//go:build spark

package differential

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
)

// TestSpark plays random histories on Spark.
func TestSpark(t *testing.T) {
	playAll(t, *seeds, onSpark)
	s := spark(t)
	t.Logf("%d jobs in %v", s.jobs, s.took.Round(time.Second))
}

// TestAlternating plays histories in which the second lane's flag changes between
// G and L, load by load.
func TestAlternating(t *testing.T) {
	ran := map[etl.JobFlag]int{}
	for s := *first; s < *first+int64(max(2, (*seeds+2)/3)); s++ {
		if *seed != 0 {
			s = *seed
		}
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			g := newGame(t, s, nil, onSpark)
			err := g.play(t.Context(), g.lanes[1].alternating(t.Context(), s))
			require.NoError(t, err, "go test -tags spark ./internal/differential -run TestAlternating -seed %d", s)
			for e, err := range g.lanes[1].control.History(t.Context(), g.lanes[1].table.Name) {
				require.NoError(t, err)
				if e.Receipt != nil {
					ran[e.Engine]++
				}
			}
		})
	}
	t.Logf("loads by engine: %v", ran)
	require.NotZero(t, ran[etl.FlagDistributed])
	require.Greater(t, len(ran), 1)
}

// TestAnswersAreLost loses the result of some jobs, and the answer to the
// submission of others, after the commit.
func TestAnswersAreLost(t *testing.T) {
	lost := 0
	for s := *first; s < *first+int64((*seeds+4)/5); s++ {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			jobs := 0
			g := newGame(t, s, nil, func(t *testing.T, l *lane) etl.Dispatcher {
				d := onSpark(t, l).(*served)
				d.after = func(_ etl.Job, docs dispatch.Documents) error {
					jobs++
					switch jobs % 3 {
					case 1:
						lost++
						return os.Remove(docs.Result)
					case 2:
						lost++
						return etl.WithOutcome(etl.Indeterminate, errors.New("the answer was lost"))
					}
					return nil
				}
				return d
			})
			require.NoError(t, g.play(t.Context(), nil))
		})
	}
	require.NotZero(t, lost)
	t.Logf("%d answers were lost", lost)
}
