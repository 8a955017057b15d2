package torture

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
)

var (
	seeds = flag.Int("seeds", 150, "number of random histories")
	lakes = flag.Int("lakeseeds", 6, "number of random histories over Iceberg and SQLite")
	most  = flag.Int("most", 5, "stop after so many failed histories")
	seed  = flag.Int64("seed", 0, "replay the history of this seed and tell it")
	tiny  = flag.Bool("tiny", false, "run everything with a memory budget of one byte")
)

func TestRandomHistories(t *testing.T) { playAll(t, *seeds, memoryStores) }

// TestRandomSpills plays histories of which nothing fits into memory.
func TestRandomSpills(t *testing.T) {
	was := *tiny
	*tiny = true
	defer func() { *tiny = was }()
	playAll(t, *seeds, memoryStores)
}

// TestRandomLakes plays histories over the stores that last.
func TestRandomLakes(t *testing.T) { playAll(t, *lakes, lastingStores) }

func playAll(t *testing.T, n int, open func(*testing.T) stores) {
	first, last := chosen(n)
	failed := 0
	for s := first; s <= last && failed < *most; s++ {
		if err := play(s, open(t)); err != nil {
			failed++
			t.Errorf("go test ./internal/torture -run %s -seed %d\n%v", t.Name(), s, err)
		}
	}
}

// chosen are the seeds to play: the first n, or that of -seed.
func chosen(n int) (first, last int64) {
	if *seed != 0 {
		return *seed, *seed
	}
	return 1, int64(n)
}

// play runs the history of a seed next to the models.
func play(seed int64, s stores) error {
	ctx := context.Background()
	h := etltest.NewHistory(seed, 20, format.DMS{})
	w, err := newWorld(h, s)
	if err != nil {
		return err
	}
	m := h.Models(format.DMS{})
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
