package differential

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/transform/celtransform"
)

// modes are those of tables besides upsert that other engines run.
var modes = []etl.Mode{etl.ModeAppend, etl.ModeSoftDelete, etl.ModeHistory}

// newModesGame is a game of a table of a mode. Some of the tables have a filter that the
// model knows too.
func newModesGame(t *testing.T, mode etl.Mode, seed int64, engines ...engine) *game {
	filtered := false
	g := newModeGame(t, mode, seed, func(table *etl.Table) {
		// Of a history table without orders rows do not show which of two versions of a
		// moment is the last, if a filter has ended both.
		filtered = seed%2 == 1 && !table.Format.Partial(etl.Incremental) && (mode != etl.ModeHistory || len(table.OrderBy) > 0)
		if filtered {
			table.Transforms = []etl.Transformer{celtransform.Where("qty == null || qty % 4 != 0")}
		}
	}, engines...)
	if qty := g.h.Table.Columns.Index("qty"); filtered {
		g.models.Table.Filter = func(row []any) bool { q, ok := row[qty].(int64); return !ok || q%4 != 0 }
	}
	return g
}

// TestModesInProcess plays histories of tables in other modes where both sides run the
// same engine.
func TestModesInProcess(t *testing.T) {
	t.Parallel()
	playModes(t, int64((*seeds+1)/2), inProcess, nil)
}

// playModes plays n histories of history tables and half as many of others, or those of
// -seed. before, if not nil, is called ahead of each step.
func playModes(t *testing.T, n int64, other engine, before func(g *game, seed int64) func(step int) error) {
	from, to := *first, *first+n-1
	if *seed != 0 {
		from, to = *seed, *seed
	}
	for _, mode := range modes {
		last := to
		if mode != etl.ModeHistory && *seed == 0 {
			last = from + (n-1)/2 // there is less to go wrong
		}
		for s := from; s <= last; s++ {
			t.Run(fmt.Sprint(mode, "/", s), func(t *testing.T) {
				g := newModesGame(t, mode, s, nil, other)
				var ahead func(int) error
				if before != nil {
					ahead = before(g, s)
				}
				err := g.play(t.Context(), ahead)
				require.NoError(t, err, "-run %s -seed %d", t.Name(), s)
			})
		}
	}
}
