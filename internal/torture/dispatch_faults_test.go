package torture

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// TestDispatchFaultMatrix lets every call that has to do with a job fail in turn,
// before and after its effect: as an error that passes and as the death of the
// Runner. All loads are jobs.
func TestDispatchFaultMatrix(t *testing.T) {
	t.Parallel()
	begun, runs := time.Now(), 0
	trace, err := runDispatched(t, "", 0, nil)
	require.NoError(t, err)
	counts, most := map[string]int{}, 20
	if *every > 1 {
		most = 5
	}
	for i, point := range trace {
		if !strings.HasPrefix(point, "dispatcher.") && !strings.HasPrefix(point, "control.Update/") &&
			!strings.HasPrefix(point, "sink.") && !strings.HasPrefix(point, "lease.") {
			continue
		}
		counts[point]++
		sampled := strings.HasPrefix(point, "control.") || strings.HasPrefix(point, "lease.") || testing.Short()
		if sampled && i%4 > 0 || counts[point] > most {
			continue
		}
		for kind, fault := range map[string]error{"transient": etltest.ErrInjected, "crash": etltest.ErrCrash, "unknown": etl.ErrUnknownCommit} {
			if kind == "unknown" && point != "dispatcher.Submit/before" && point != "dispatcher.Submit/after" {
				continue
			}
			runs++
			if _, err := runDispatched(t, point, counts[point], fault); err != nil {
				t.Errorf("%s at pass %d of %s: %v", kind, counts[point], point, err)
			}
		}
		if t.Failed() {
			return
		}
	}
	require.Greater(t, counts["dispatcher.Submit/before"], 5)
	require.Greater(t, counts["dispatcher.Status/after"], 5)
	enter(t, runs, 0, begun)
}

// passes counts how often a point was passed.
func (w *world) passes(point string) (n int) {
	for _, p := range w.inj.Trace() {
		if p == point {
			n++
		}
	}
	return n
}

// runDispatched plays the scenario under flag G with one fault, and compares.
func runDispatched(t *testing.T, point string, nth int, fault error) ([]string, error) {
	ctx := context.Background()
	h := scenario()
	w, err := newWorld(h, memoryStores(t))
	if err != nil {
		return nil, err
	}
	if err := w.playJobs(ctx, h, point, nth, fault); err != nil {
		return nil, err
	}
	if w.jobs.faulty.Submissions() < 8 {
		return nil, errors.New("too few jobs: " + fmt.Sprint(w.jobs.faulty.Submissions()))
	}
	return w.inj.Trace(), nil
}

// playJobs plays a history under flag G with one fault, and compares after each step.
func (w *world) playJobs(ctx context.Context, h *etltest.History, point string, nth int, fault error) error {
	w.table.Flag = etl.FlagDistributed
	if err := w.alternate(1); err != nil {
		return err
	}
	defer w.jobs.engine.Close()
	w.jobs.faulty.Fault = func(int) etltest.JobFault { return etltest.JobSound }
	if point != "" {
		w.inj.FailAt(point, nth, fault)
	}
	m := h.Models(layout)
	for i, step := range h.Steps {
		step.FaultAt = 0
		m.Step(step)
		before := w.passes(point)
		err := w.step(ctx, step)
		if before < nth && nth <= w.passes(point) {
			w.inj.Restart()
			if err := w.start(); err != nil {
				return err
			}
			err = w.persist(ctx, step.Kind, w.files(step.Events))
		}
		if err == nil {
			err = w.check(ctx, m)
		}
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return w.audit(ctx, m)
}
