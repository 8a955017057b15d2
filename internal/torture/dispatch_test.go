package torture

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/sink"
)

var jobSeeds = flag.Int("jobseeds", 36, "number of random histories whose loads alternate between this process and jobs")

// jobs is a cluster whose jobs fare as chance has it. It outlives the runners.
type jobs struct {
	engine    *dispatch.InProcess
	faulty    *etltest.FaultyJobs
	rush      time.Duration // what a runner has besides what it keeps back
	documents *documents    // with bad rows of jobs
	handed    atomic.Int64  // loads that did not get done in time
	mu        sync.Mutex
	chance    *rand.Rand
}

// alternate lets the loads of a world go to jobs, now and then.
func (w *world) alternate(seed int64) error {
	j := &jobs{chance: rand.New(rand.NewPCG(uint64(seed), 5)), rush: 5 * time.Millisecond, documents: &documents{}}
	if _, ok := w.sink.(*sink.Memory); !ok {
		j.rush = 150 * time.Millisecond
	}
	j.engine = dispatch.NewInProcess(dispatch.InProcessConfig{Source: w.source, Sink: w.sink, Store: j.documents, Limit: 100})
	j.faulty = &etltest.FaultyJobs{
		Dispatcher: j.engine,
		Fault: func(int) etltest.JobFault {
			if j.draw(2) == 0 {
				return etltest.JobSound
			}
			return etltest.JobFault(j.draw(int(etltest.JobFaults)))
		},
		Delay: func() time.Duration { return time.Duration(j.draw(500)) * time.Microsecond },
	}
	w.jobs = j
	return w.start()
}

func (j *jobs) draw(n int) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.chance.IntN(n)
}

func (j *jobs) configure(w *world, cfg *etl.Config) {
	cfg.Dispatcher = w.inj.Dispatcher(hurried{j.faulty, w})
	cfg.AwaitJobs, cfg.JobPoll, cfg.JobTimeout = true, 100*time.Microsecond, 30*time.Minute
	cfg.JobAttempts, cfg.MaxBegins, cfg.Margin = 1000, 1000, spare
	cfg.Sink = reluctant{cfg.Sink, cfg.Sink.(etl.Fencer), j}
}

// hurried lets the time pass for which a job would wait that never starts, and
// leaves timeouts to the Runner.
type hurried struct {
	etl.Dispatcher
	w *world
}

func (h hurried) Submit(ctx context.Context, job etl.Job) (etl.JobRef, error) {
	job.Timeout = 0
	return h.Dispatcher.Submit(ctx, job)
}

func (h hurried) Status(ctx context.Context, ref etl.JobRef) (etl.JobStatus, error) {
	s, err := h.Dispatcher.Status(ctx, ref)
	if err == nil && s.Phase == etl.JobWaiting {
		h.w.clock.Add(int64(time.Hour))
	}
	return s, err
}

// spare is how much of its time a runner keeps back.
const spare = time.Hour

// rushed calls f until it does not stop for lack of time, where loads may be handed
// over for lack of it.
func (w *world) rushed(ctx context.Context, f func(context.Context) (more bool, err error)) error {
	for {
		c, cancel := ctx, context.CancelFunc(func() {})
		if w.jobs != nil {
			c, cancel = context.WithTimeout(ctx, spare+w.jobs.rush)
		}
		more, err := f(c)
		cancel()
		if !more || err != nil {
			return err
		}
	}
}

// reluctant is a sink that does not get done in time, now and then: before its
// commit, or right after it. Only loads under flag auto have to fear that.
type reluctant struct {
	etl.Sink
	etl.Fencer
	j *jobs
}

func (r reluctant) Apply(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
	chance := 2
	if _, ok := ctx.Deadline(); ok && load.Route != "flag L" && !load.Staged {
		chance = r.j.draw(4)
	}
	switch chance {
	case 0:
		r.j.handed.Add(1)
		<-ctx.Done()
		return etl.Receipt{}, ctx.Err()
	case 1:
		receipt, err := r.Sink.Apply(ctx, target, load, changes)
		if err != nil {
			return receipt, err
		}
		r.j.handed.Add(1)
		<-ctx.Done()
		return etl.Receipt{}, fmt.Errorf("cut off: %w", etl.ErrUnknownCommit)
	}
	return r.Sink.Apply(ctx, target, load, changes)
}

// reflag sets the table's flag as chance has it, whatever runs.
func (w *world) reflag(ctx context.Context) error {
	if w.jobs == nil {
		return nil
	}
	flags := []etl.JobFlag{etl.FlagLocal, etl.FlagDistributed, etl.FlagDistributed, etl.FlagAuto}
	operator, err := etl.New(etl.Config{
		Source: w.source, Control: w.control, Locker: w.locker, Sink: w.sink,
		Layout: format.DMS{}, Tables: []etl.Table{w.table}, Now: w.now, Quarantine: w.bad(),
	})
	if err != nil {
		return err
	}
	return operator.SetFlag(ctx, w.table.Name, flags[w.jobs.draw(len(flags))])
}

// TestAlternation plays histories whose table changes between L, G and auto, while
// jobs are killed, lost and forgotten, and the Runner dies at any point.
func TestAlternation(t *testing.T) {
	t.Parallel()
	alternateAll(t, *jobSeeds, memoryStores, (*world).step)
}

// TestAlternatingLakes does so over Iceberg and SQLite.
func TestAlternatingLakes(t *testing.T) {
	t.Parallel()
	alternateAll(t, *lakes, func(t *testing.T) stores { return lastingStores(t, allModes[0]) }, (*world).step)
}

// TestAlternatingRivals lets three runners, each of which believes that it holds the
// lock, dispatch loads of the same table.
func TestAlternatingRivals(t *testing.T) {
	t.Parallel()
	alternateAll(t, *jobSeeds/3, func(t *testing.T) stores {
		s := memoryStores(t)
		s.locker = &generous{}
		return s
	}, func(w *world, ctx context.Context, s etltest.Step) error {
		s.FaultAt = 0
		return w.contend(ctx, s)
	})
}

func alternateAll(t *testing.T, n int, open func(*testing.T) stores, step func(*world, context.Context, etltest.Step) error) {
	first, last := chosen(n)
	begun, played, failed, submitted, handed := time.Now(), 0, 0, 0, 0
	for s := first; s <= last && failed < *most; s++ {
		stores := open(t)
		played++
		j, err := alternate(s, stores, step)
		if j != nil {
			submitted += j.faulty.Submissions()
			handed += int(j.handed.Load())
		}
		if err != nil {
			failed++
			t.Errorf("go test ./internal/torture -run %s -args -seed %d\n%v", t.Name(), s, err)
		}
		stores.close()
	}
	if n > 1 && submitted < n {
		t.Errorf("%d histories submitted %d jobs only", n, submitted)
	}
	t.Logf("%d jobs submitted, %d loads handed over", submitted, handed)
	enter(t, played, failed, begun)
}

func alternate(seed int64, s stores, step func(*world, context.Context, etltest.Step) error) (*jobs, error) {
	ctx := context.Background()
	h := etltest.NewHistory(seed, 20, format.DMS{})
	w, err := newWorld(h, s)
	if err != nil {
		return nil, err
	}
	if err := w.alternate(seed); err != nil {
		return nil, err
	}
	defer w.jobs.engine.Close()
	m := h.Models(layout)
	for i, st := range h.Steps {
		m.Step(st)
		err := w.reflag(ctx)
		if err == nil {
			err = step(w, ctx, st)
		}
		if err == nil {
			err = w.check(ctx, m)
		}
		if err != nil {
			return w.jobs, fmt.Errorf("step %d of %d: %w\n%s", i+1, len(h.Steps), err, story(h, i))
		}
	}
	return w.jobs, w.audit(ctx, m)
}
