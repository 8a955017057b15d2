package etltest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

const racers, rounds = 8, 100

// race runs f in all racers at once and returns their errors.
func race(f func(racer int) error) []error {
	errs := make([]error, racers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// winner returns the only racer without an error; the others must have lost by
// a conflict.
func winner(t *testing.T, errs []error) int {
	t.Helper()
	won := -1
	for i, err := range errs {
		if err != nil {
			require.ErrorIs(t, err, etl.ErrConflict)
			continue
		}
		require.Equal(t, -1, won, "racers %d and %d both won", won, i)
		won = i
	}
	require.NotEqual(t, -1, won, "nobody won")
	return won
}

// raceForVersion lets all racers write over the same version, round by round.
func raceForVersion(t *testing.T, s etl.ControlStore) {
	for round := range int64(rounds) {
		errs := race(func(i int) error {
			st, err := s.State(t.Context(), "a.b")
			if err != nil {
				return err
			}
			if st.Version != round && st.Version != round+1 {
				return fmt.Errorf("version %d in round %d", st.Version, round)
			}
			return s.Update(t.Context(), etl.Update{
				State:   etl.State{Table: "a.b", Version: round, Epoch: int64(i)},
				Insert:  []etl.FileRecord{record("a.b", fmt.Sprintf("%d-%d", round, i))},
				Entries: []etl.Entry{entry("a.b", int64(i))},
			})
		})
		won := int64(winner(t, errs))
		require.Equal(t, etl.State{Table: "a.b", Version: round + 1, Epoch: won}, state(t, s, "a.b"))
		for e, err := range s.History(t.Context(), "a.b") {
			require.NoError(t, err)
			require.Equal(t, entry("a.b", won), e)
			break
		}
	}
	require.Len(t, allFiles(t, s, etl.FileQuery{Table: "a.b"}), rounds)
	require.Len(t, allHistory(t, s, "a.b"), rounds)
}

// raceForInsert lets all racers insert the same record under tables of their own.
func raceForInsert(t *testing.T, s etl.ControlStore) {
	wins := make([]int64, racers)
	for round := range 30 {
		name := fmt.Sprint("file ", round)
		won := winner(t, race(func(i int) error {
			table := fmt.Sprint("t.", i)
			return s.Update(t.Context(), etl.Update{
				State: etl.State{Table: table, Version: wins[i]}, Insert: []etl.FileRecord{record(table, name)},
			})
		}))
		wins[won]++
	}
	for i, n := range wins {
		table := fmt.Sprint("t.", i)
		require.Len(t, allFiles(t, s, etl.FileQuery{Table: table}), int(n))
		require.Equal(t, n, state(t, s, table).Version)
	}
}

// raceOfFences lets racers with different fences write as often as they can:
// once a fence is in, no lower one may follow.
func raceOfFences(t *testing.T, s etl.ControlStore) {
	errs := race(func(i int) error {
		fence := int64(i + 1)
		for range 20 {
			st, err := s.State(t.Context(), "a.b")
			if err != nil {
				return err
			}
			if st.Fence > int64(racers) {
				return fmt.Errorf("fence %d", st.Fence)
			}
			// Fences of the entries tell who wrote when.
			err = s.Update(t.Context(), etl.Update{State: st, Fence: fence, Entries: []etl.Entry{entry("a.b", fence)}})
			switch {
			case errors.Is(err, etl.ErrStaleFence):
				return nil
			case err != nil && !errors.Is(err, etl.ErrConflict):
				return err
			case err == nil && st.Fence > fence:
				return fmt.Errorf("fence %d was accepted after %d", fence, st.Fence)
			}
		}
		return nil
	})
	require.NoError(t, errors.Join(errs...))
	last := int64(racers)
	for _, e := range allHistory(t, s, "a.b") {
		require.LessOrEqual(t, e.Epoch, last, "newest first, fences must not rise")
		last = e.Epoch
	}
}

func historyOrder(t *testing.T, s etl.ControlStore) {
	var want []etl.Entry
	for v := range int64(4) {
		u := etl.Update{State: etl.State{Table: "a.b", Version: v}}
		for i := range int64(300) {
			e := entry("a.b", v*300+i)
			e.At = someTime // the clock does not order them
			u.Entries = append(u.Entries, e)
			want = append(want, e)
		}
		require.NoError(t, s.Update(t.Context(), u))
		require.NoError(t, s.Update(t.Context(), etl.Update{
			State: etl.State{Table: "c.d", Version: v}, Entries: []etl.Entry{entry("c.d", v)},
		}))
	}
	for i, e := range allHistory(t, s, "a.b") {
		require.Equal(t, want[len(want)-1-i], e)
	}
	require.Len(t, allHistory(t, s, "a.b"), len(want))
	require.Equal(t, []etl.Entry{entry("c.d", 3), entry("c.d", 2), entry("c.d", 1), entry("c.d", 0)}, allHistory(t, s, "c.d"))
}
