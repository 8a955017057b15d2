package torture

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// generous gives its lock to whoever asks, with growing fences: what is left to
// keep runners apart is compare-and-swap.
type generous struct{ fence atomic.Int64 }

func (g *generous) Acquire(context.Context, string, time.Duration) (etl.Lease, error) {
	return granted(g.fence.Add(1)), nil
}

type granted int64

func (l granted) Fence() int64                  { return int64(l) }
func (l granted) Renew(context.Context) error   { return nil }
func (l granted) Release(context.Context) error { return nil }

// TestRivals lets three runners work on the same stores at the same time, each
// believing that it holds the lock.
func TestRivals(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	first, last := chosen(*seeds)
	for s := first; s <= last; s++ {
		if err := race(t, s); err != nil {
			t.Fatalf("seed %d: %v", s, err)
		}
	}
	enter(t, int(last-first)+1, 0, begun)
}

func race(t *testing.T, seed int64) error {
	ctx := context.Background()
	s := memoryStores(t)
	s.mode.difference, s.mode.staged = seed%3 == 0, seed%3 == 1
	if seed%4 == 3 {
		s.mode.rows = etl.ModeHistory
	}
	h := s.mode.history(seed, 15)
	if s.mode.staged && mixed(h) {
		return nil
	}
	s.locker = &generous{}
	w, err := newWorld(h, s)
	if err != nil {
		return err
	}
	m := h.Models(layout)
	for i, step := range h.Steps {
		step.FaultAt = 0
		m.Step(step)
		err := w.contend(ctx, step)
		if err == nil {
			err = w.check(ctx, m)
		}
		if err != nil {
			return fmt.Errorf("step %d of %d: %w\n%s", i+1, len(h.Steps), err, story(h, i))
		}
	}
	return w.audit(ctx, m)
}

// contend takes a step: what is said once is said once, the rest is done by
// three runners side by side, and looked after by a fourth.
func (w *world) contend(ctx context.Context, s etltest.Step) error {
	switch s.Kind {
	case etltest.StepLand, etltest.StepVanish, etltest.StepRestart, etltest.StepRegister:
		return w.step(ctx, s)
	}
	files := w.files(s.Events)
	if s.Kind != etltest.StepIngest {
		w.acked = false
		if err := w.say(ctx, s.Kind, files); err != nil {
			return err
		}
	}
	var rivals sync.WaitGroup
	for range 3 {
		if err := w.start(); err != nil {
			return err
		}
		one := w.runner
		rivals.Go(func() {
			if s.Kind == etltest.StepIngest {
				_, _ = one.Ingest(ctx) // losing is an error; what counts is what stands in the end
				return
			}
			_, _ = one.Drain(ctx, w.table.Name)
		})
	}
	rivals.Wait()
	if err := w.start(); err != nil {
		return err
	}
	if s.Kind == etltest.StepIngest {
		return w.act(ctx, s.Kind, nil)
	}
	_, err := w.runner.Drain(ctx, w.table.Name)
	return pausing(err)
}
