package differential

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
	"github.com/tidemark-data/etl/check/hllcheck"
)

// newCheckedGame is a game of a table with checks by chance. Loads that they hold back
// are unknown to the models, so the lanes are compared with each other only.
func newCheckedGame(t *testing.T, seed int64, engines ...engine) *game {
	r := rand.New(rand.NewPCG(uint64(seed), 3))
	mode := []etl.Mode{"", "", etl.ModeAppend, etl.ModeSoftDelete, etl.ModeHistory}[r.IntN(5)]
	g := newModeGame(t, mode, seed, func(table *etl.Table) {
		all := []etl.Check{
			check.Rows(int64(r.IntN(3)), 9), check.Complete("note", 1), check.Complete("note", 0.6), check.Range("qty", "1", "97"),
			check.Allowed("name", "ann", "bob, jr", "änn", "0", "line\nbreak"), check.Pattern("note", "n[0-9]{1,3}"), check.Volume(0.3, 3, 4),
			hllcheck.Distinct("name", 1, 6), check.References([]string{"name"}, "shop.orders", []string{"name"}), check.Unique("note"), check.Unique("qty", "name"),
		}
		for range 1 + r.IntN(4) {
			c := etl.TableCheck{Check: all[r.IntN(len(all))], Action: etl.CheckWarn}
			ordered := !strings.HasPrefix(c.Check.Name(), "unique") || !table.Format.Partial(etl.Incremental)
			if r.IntN(3) > 0 && ordered { // which of equal rows comes first
				c.Action = []etl.CheckAction{etl.CheckPause, etl.CheckQuarantine}[r.IntN(2)]
			}
			table.Checks = append(table.Checks, c)
		}
		if r.IntN(2) == 0 && mode != etl.ModeHistory {
			table.BadRows = etl.ErrorBudget{Rows: 4}
		}
	}, engines...)
	g.modeled = false
	return g
}

// playChecked plays n histories of tables with checks, or that of -seed.
func playChecked(t *testing.T, n int, other engine) {
	from, to := *first, *first+int64(n)-1
	if *seed != 0 {
		from, to = *seed, *seed
	}
	told, paused := 0, 0
	for s := from; s <= to; s++ {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			g := newCheckedGame(t, s, nil, other)
			same := func(int) error { return sameVerdicts(t.Context(), g.lanes[0], g.lanes[1]) }
			err := g.play(t.Context(), same)
			if err == nil {
				err = same(0)
			}
			require.NoError(t, err, "-run %s -seed %d: %v", strings.Split(t.Name(), "/")[0], s, causes(t, g))
			lines, err := verdicts(t.Context(), g.lanes[1])
			require.NoError(t, err)
			told += len(lines)
			for _, l := range lines {
				if strings.HasPrefix(l, "because") {
					paused++
				}
			}
		})
	}
	require.NotZero(t, told)
	t.Logf("%d histories, %d verdicts, %d loads held back", to-from+1, told, paused)
}

// TestChecksInProcess plays histories of tables with checks where both sides run the
// same engine.
func TestChecksInProcess(t *testing.T) {
	t.Parallel()
	playChecked(t, *seeds, inProcess)
}
