package torture

import (
	"context"
	"fmt"
	"testing"
	"time"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest"
)

// TestRebuild loses the control store at the end of histories that have come to
// rest: rebuilt from the table, it must not apply anything again.
func TestRebuild(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	rebuilt := 0
	first, last := chosen(*seeds)
	for s := first; s <= last; s++ {
		done, err := lose(s, memoryStores(t))
		if err != nil {
			t.Fatalf("seed %d: %v", s, err)
		}
		if done {
			rebuilt++
		}
	}
	enter(t, rebuilt, 0, begun)
	if *seed == 0 && rebuilt < *seeds/5 {
		t.Errorf("only %d of %d histories were fit for it", rebuilt, *seeds)
	}
}

func lose(seed int64, s stores) (bool, error) {
	ctx := context.Background()
	if seed%3 == 2 {
		s.mode.rows, s.mode.difference = etl.ModeHistory, seed%2 == 0
	}
	h := s.mode.history(seed, 12)
	w, err := newWorld(h, s)
	if err != nil {
		return false, err
	}
	m := h.Models(layout)
	for _, step := range h.Steps {
		m.Step(step)
		if err := w.step(ctx, step); err != nil {
			return false, err
		}
	}
	if !atRest(m) {
		return false, nil
	}
	w.inj.Reset()
	w.control = control.NewMemory()
	if err := w.start(); err != nil {
		return false, err
	}
	if err := w.runner.Rebuild(ctx, w.table.Name); err != nil {
		return false, fmt.Errorf("rebuild: %w\n%s", err, story(h, len(h.Steps)-1))
	}
	if err := w.runner.Resume(ctx, w.table.Name); err != nil {
		return false, err
	}
	report, err := w.runner.Ingest(ctx)
	if err != nil {
		return false, err
	}
	if n := len(report.Tables[0].Loads); n > 0 {
		return false, fmt.Errorf("%d loads after the rebuild, the first of %s\n%s",
			n, report.Tables[0].Loads[0].Load.Files[0].Location, story(h, len(h.Steps)-1))
	}
	got, err := etltest.ReadRows(ctx, w.sink, w.table.Name)
	if err != nil {
		return false, err
	}
	if diff := m.Table.Rows().Diff(got); diff != "" {
		return false, fmt.Errorf("%s\n%s", diff, story(h, len(h.Steps)-1))
	}
	return true, nil
}

// atRest reports whether the table itself can tell what became of every file
// that is still there: nobody passed over one, none waits, and no full load
// was given up for one that had landed before it.
func atRest(m *etltest.Models) bool {
	var landed int64
	for _, f := range m.Ledger.Files() {
		if f.Kind == etl.Full && f.InTable && (landed == 0 || f.ModTime.Unix() < landed) {
			landed = f.ModTime.Unix()
		}
	}
	for _, f := range m.Ledger.Files() {
		now, there := m.Present[f.Location]
		switch {
		case !there || now.ID() != f.ID():
		case f.Status == etl.Superseded && now.ModTime.Unix() < landed:
		case f.Status != etl.Applied:
			return false
		}
	}
	return !m.Ledger.Paused()
}
