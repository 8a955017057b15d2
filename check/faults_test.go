package check_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
	"github.com/tidemark-data/etl/etltest"
)

// TestEveryFault lets the process die at each point in turn while a full load is
// worked on that a check holds back, or warns of. The one is never seen; the other is,
// and its verdict is in the history.
func TestEveryFault(t *testing.T) {
	for _, staging := range []etl.StageMode{etl.StageNever, etl.StageAlways} {
		for _, action := range []etl.CheckAction{etl.CheckPause, etl.CheckWarn} {
			t.Run(fmt.Sprintf("%s, %s", staging, action), func(t *testing.T) {
				points := 0
				for crashes := true; crashes; {
					points++
					crashes = dies(t, points, staging, action)
				}
				require.Greater(t, points, 15)
			})
		}
	}
}

// dies reports whether the load passed so many points.
func dies(t *testing.T, point int, staging etl.StageMode, action etl.CheckAction) bool {
	table := people(etl.TableCheck{Check: check.Range("age", "0", "120"), Action: action}, etl.TableCheck{Check: check.Rows(0, -1)})
	table.Staging.Mode = staging
	lake, _ := watched(t, table)
	before := etltest.Rows{{1, "A", 10, 1, "2024-02-20 11:00:00"}}
	lake.Land("a/people/LOAD00000001.csv", line(1, "10"))
	lake.Ingest()
	lake.Land("a/people/LOAD00000001.csv", line(2, "30")+line(3, "999"))
	lake.Injector.FailNth(lake.Injector.Count()+point, etltest.ErrCrash)
	crashed := false
	for range 5 {
		_, err := lake.Runner().Ingest(t.Context())
		if action == etl.CheckPause {
			lake.Want("a.people", before)
		}
		if errors.Is(err, etltest.ErrCrash) || lake.Injector.Crashed() {
			crashed = true
		}
		lake.Restart()
	}
	lake.Injector.Reset()
	if action == etl.CheckPause {
		failed := entries(t, lake, etl.EntryFailed)
		require.Len(t, failed, 1, "point %d", point)
		require.False(t, failed[0].Checks[0].OK)
		return crashed
	}
	lake.Want("a.people", etltest.Rows{{2, "A", 30, 1, "2024-02-20 11:00:00"}, {3, "A", 999, 1, "2024-02-20 11:00:00"}})
	applied := entries(t, lake, etl.EntryApplied)
	require.Len(t, applied, 2, "point %d", point)
	if staging == etl.StageNever {
		require.False(t, applied[0].Receipt.Checks[0].OK, "point %d", point)
	}
	return crashed
}
