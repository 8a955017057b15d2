package torture

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
)

// documents is a store in memory, which outlives runners and jobs.
type documents struct {
	mu   sync.Mutex
	data map[string][]byte
	puts int
}

var _ dispatch.Store = (*documents)(nil)

func (d *documents) URI(name string) (string, error) { return name, dispatch.CheckName(name) }

func (d *documents) Put(_ context.Context, name string, data []byte) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.data == nil {
		d.data = map[string][]byte{}
	}
	d.data[name] = data
	d.puts++
	return name, nil
}

func (d *documents) Get(_ context.Context, uri string, _ int64) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if data, ok := d.data[uri]; ok {
		return data, nil
	}
	return nil, etl.ErrNotFound
}

func (d *documents) Remove(_ context.Context, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.data, name)
	return nil
}

// Unwrap implements [etl.Wrapper].
func (h hurried) Unwrap() any { return h.Dispatcher }

// TestBadRowsOfJobs plays histories with bad rows whose table changes between L, G
// and auto, while jobs are killed, lost and forgotten, and the Runner dies at any point:
// what a job has set aside is in the quarantine once, and nothing of it left elsewhere.
func TestBadRowsOfJobs(t *testing.T) {
	t.Parallel()
	before := quarantined.Load()
	alternateAll(t, max(*jobSeeds/4, 1), planting(memoryStores), (*world).step)
	require.Greater(t, quarantined.Load(), before)
}

// TestTakeOverFaultMatrix lets every call fail in turn by which bad rows of a job are
// taken over, before and after its effect: as an error that passes and as the death of
// the Runner. All loads are jobs.
func TestTakeOverFaultMatrix(t *testing.T) {
	t.Parallel()
	begun, runs := time.Now(), 0
	trace, err := runBadJobs(t, "", 0, nil)
	require.NoError(t, err)
	counts := map[string]int{}
	for i, point := range trace {
		takes := strings.HasPrefix(point, "dispatcher.HandedOver") || strings.HasPrefix(point, "dispatcher.Forget") || strings.HasPrefix(point, "quarantine.")
		if !takes && !strings.HasPrefix(point, "control.Update/") && !strings.HasPrefix(point, "dispatcher.") {
			continue
		}
		counts[point]++
		if most := map[bool]int{true: 5, false: 2}[!testing.Short()]; counts[point] > most || !takes && i%3 > 0 {
			continue
		}
		for kind, fault := range map[string]error{"transient": etltest.ErrInjected, "crash": etltest.ErrCrash} {
			runs++
			if _, err := runBadJobs(t, point, counts[point], fault); err != nil {
				t.Errorf("%s at pass %d of %s: %v", kind, counts[point], point, err)
			}
		}
		if t.Failed() {
			return
		}
	}
	require.Greater(t, counts["dispatcher.HandedOver/before"], 5)
	require.Greater(t, counts["dispatcher.Forget/after"], 5)
	require.Greater(t, counts["quarantine.Put/after"], 5)
	enter(t, runs, 0, begun)
}

// runBadJobs plays the scenario with bad rows under flag G with one fault.
func runBadJobs(t *testing.T, point string, nth int, fault error) ([]string, error) {
	ctx := context.Background()
	h := etltest.NewHistory(6, 30, format.DMS{})
	w, err := newWorld(h, planting(memoryStores)(t))
	if err != nil {
		return nil, err
	}
	w.table.BadRows = h.Table.BadRows
	if err := w.playJobs(ctx, h, point, nth, fault); err != nil {
		return nil, err
	}
	if d := w.jobs.documents; d.puts == 0 || len(d.data) > 0 && fault == nil {
		return nil, fmt.Errorf("%d documents were written, and %d are left", d.puts, len(d.data))
	}
	return w.inj.Trace(), nil
}
