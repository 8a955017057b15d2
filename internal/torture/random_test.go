package torture

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-data/etl/etltest"
)

var (
	seeds = flag.Int("seeds", 40, "number of random histories in memory")
	lakes = flag.Int("lakeseeds", 1, "number of random histories over Iceberg and SQLite in each mode")
	steps = flag.Int("lakesteps", 12, "length of random histories over Iceberg and SQLite")
	every = flag.Int("every", 11, "fail at every `nth` point of the fault matrices; if not 1, maintain every other mode only")
	most  = flag.Int("most", 5, "stop after so many failed histories")
	seed  = flag.Int64("seed", 0, "replay the history of this seed and tell it")
	tiny  = flag.Bool("tiny", false, "run everything with a memory budget of one byte")
)

func TestRandomHistories(t *testing.T) {
	t.Parallel()
	playAll(t, 0, *seeds, memoryStores)
}

// TestRandomSpills plays histories of which nothing fits into memory.
func TestRandomSpills(t *testing.T) {
	t.Parallel()
	playAll(t, 0, (*seeds+1)/2, func(t *testing.T) stores {
		s := memoryStores(t)
		s.mode.tiny = true
		return s
	})
}

// TestRandomTransactions plays histories whose changes are in files of several tables,
// every other one of them with nothing that fits into memory.
func TestRandomTransactions(t *testing.T) {
	t.Parallel()
	turn := 0
	playAll(t, 0, *seeds, func(t *testing.T) stores {
		s := memoryStores(t)
		s.mode.transactions, s.mode.tiny = true, turn%2 == 1
		turn++
		return s
	})
}

// TestRandomDifferences plays histories whose full loads are committed as
// differences, every other one of them with nothing that fits into memory.
func TestRandomDifferences(t *testing.T) {
	t.Parallel()
	turn := 0
	playAll(t, 0, *seeds, func(t *testing.T) stores {
		s := memoryStores(t)
		s.mode.difference, s.mode.tiny = true, turn%2 == 1
		turn++
		return s
	})
}

// TestRandomStaged plays histories whose full loads are staged file by file, every
// other one of them with nothing that fits into memory.
func TestRandomStaged(t *testing.T) {
	t.Parallel()
	turn := 0
	playAll(t, 0, *seeds, func(t *testing.T) stores {
		s := memoryStores(t)
		s.mode.staged, s.mode.tiny = true, turn%2 == 1
		turn++
		return s
	})
}

// TestRandomLakes plays histories over the stores that last, other ones in
// each mode.
func TestRandomLakes(t *testing.T) {
	for i, m := range modes(t) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			playAll(t, int64(i**lakes), *lakes, func(t *testing.T) stores { return lastingStores(t, m) })
		})
	}
}

// playAll plays n histories, whose seeds come after the first ones.
func playAll(t *testing.T, after int64, n int, open func(*testing.T) stores) {
	first, last := chosen(n)
	if *seed == 0 {
		first, last = first+after, last+after
	}
	begun, played, failed := time.Now(), 0, 0
	for s := first; s <= last && failed < *most; s++ {
		stores := open(t)
		played++
		if err := play(s, stores); err != nil {
			failed++
			t.Errorf("go test ./internal/torture -run %s -args -seed %d -lakesteps %d\n%v", t.Name(), s, *steps, err)
		}
		stores.close()
	}
	enter(t, played, failed, begun)
}

// chosen are the seeds to play: the first n, or that of -seed.
func chosen(n int) (first, last int64) {
	if *seed != 0 {
		return *seed, *seed
	}
	return 1, int64(n)
}

// visited reports whether point n is one of the points at which a fault matrix fails,
// which are other ones in each turn.
func visited(n, turn int) bool { return (n+turn)%*every == 0 }

// play runs the history of a seed next to the models.
func play(seed int64, s stores) error {
	ctx := context.Background()
	h := s.mode.history(seed, s.steps)
	if s.mode.staged && mixed(h) {
		refused.Add(1)
		return nil
	}
	w, err := newWorld(h, s)
	if err != nil {
		return err
	}
	m := h.Models(layout)
	for i, step := range h.Steps {
		m.Step(step)
		err := w.step(ctx, step)
		if err == nil {
			err = w.check(ctx, m)
		}
		if err != nil {
			return fmt.Errorf("step %d of %d: %w\n%s", i+1, len(h.Steps), err, story(h, i))
		}
	}
	if err := w.audit(ctx, m); err != nil {
		return fmt.Errorf("audit: %w\n%s", err, story(h, len(h.Steps)-1))
	}
	return nil
}

// story tells a history up to a step, in the detail asked for by -seed.
func story(h *etltest.History, last int) string {
	if *seed == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "columns %v, key %v, order by %v, old key %v, late %s, completion %+v, batch %d, filter %v\n",
		h.ChangeColumns, h.Table.Key, h.Table.OrderBy, h.Table.OldKey, h.Table.Late, h.Table.Completion,
		h.Table.MaxBatchFiles, h.Keep != nil)
	for i, s := range h.Steps[:last+1] {
		fmt.Fprintf(&b, "%3d %v\n", i+1, s)
	}
	return b.String()
}
