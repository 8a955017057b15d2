package etltest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/lock"
)

// The wrappers are as good as what they wrap, as long as no fault is placed.
func TestInjectorIsTransparent(t *testing.T) {
	inj := etltest.NewInjector()
	etltest.ControlStore(t, func(*testing.T) etl.ControlStore { return inj.Control(control.NewMemory()) })
	etltest.Locker(t, func(*testing.T) etl.Locker { return inj.Locker(lock.NewMemory()) })
	etltest.Source(t, func(*testing.T) etltest.SourceUnderTest {
		s := newBucket("").underTest()
		s.Source = inj.Source(s.Source)
		return s
	})
	require.Positive(t, inj.Count())
}

func TestFaultsBeforeAndAfter(t *testing.T) {
	inj, s := etltest.NewInjector(), &plainSink{}
	w := inj.Sink(s)
	mine := errors.New("mine")
	inj.FailAt("sink.Apply/before", 2, mine)
	inj.FailAt("sink.Apply/after", 2, nil)
	apply := func(id string) error {
		r, err := w.Apply(t.Context(), etl.Target{}, etl.Load{ID: id}, nil)
		require.Equal(t, err == nil, r.LoadID == id)
		return err
	}
	require.NoError(t, apply("1"))
	require.Equal(t, mine, apply("2"))
	require.Equal(t, []string{"1"}, s.applied, "before: no effect")
	err := apply("3")
	require.ErrorIs(t, err, etltest.ErrInjected)
	require.Equal(t, etl.Retry, etl.OutcomeOf(err))
	require.Equal(t, []string{"1", "3"}, s.applied, "after: effect")
	require.NoError(t, apply("4"), "a fault strikes once")
	require.Equal(t, 7, inj.Count())
	inj.Reset()
	require.Zero(t, inj.Count())
	require.NoError(t, apply("5"))
	require.NoError(t, apply("6"))
	require.NoError(t, apply("7"), "Reset forgets faults")

	inj.Reset()
	inj.FailAt("sink.Applied/after", 1, mine)
	_, found, err := w.Applied(t.Context(), etl.Target{}, "1")
	require.Equal(t, mine, err)
	require.False(t, found)
	_, found, err = w.Applied(t.Context(), etl.Target{}, "1")
	require.NoError(t, err)
	require.True(t, found)
}

// world is one of each, behind an injector.
type world struct {
	inj     *etltest.Injector
	bucket  *bucket
	memory  *control.Memory
	source  etl.Source
	control etl.ControlStore
	locker  etl.Locker
	sink    etl.Sink
	applied *plainSink
	clock   time.Time
}

func newWorld() *world {
	w := &world{inj: etltest.NewInjector(), bucket: newBucket(""), memory: control.NewMemory(), applied: &plainSink{}, clock: time.Unix(1, 0)}
	l := lock.NewMemory()
	l.Now = func() time.Time { return w.clock }
	w.source, w.control = w.inj.Source(w.bucket), w.inj.Control(w.memory)
	w.locker, w.sink = w.inj.Locker(l), w.inj.Sink(w.applied)
	for i := range 3 {
		w.bucket.put(fmt.Sprint("f", i), []byte("content"))
	}
	return w
}

// run makes each call that there is: it registers what is listed and applies
// each file once, as a Runner does.
func (w *world) run(ctx context.Context) error {
	le, err := w.locker.Acquire(ctx, "t", time.Minute)
	if err != nil {
		return err
	}
	defer le.Release(ctx)
	if err := w.register(ctx); err != nil {
		return err
	}
	if err := le.Renew(ctx); err != nil {
		return err
	}
	for rec, err := range w.control.Files(ctx, etl.FileQuery{Table: "t", Statuses: []etl.FileStatus{etl.Pending}}) {
		if err == nil {
			err = w.apply(ctx, le.Fence(), rec)
		}
		if err != nil {
			return err
		}
	}
	for _, err := range w.control.History(ctx, "t") {
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *world) register(ctx context.Context) error {
	known := map[string]bool{}
	for rec, err := range w.control.Files(ctx, etl.FileQuery{Table: "t"}) {
		if err != nil {
			return err
		}
		known[rec.ID()] = true
	}
	st, err := w.control.State(ctx, "t")
	if err != nil {
		return err
	}
	u := etl.Update{State: st}
	for f, err := range w.source.List(ctx) {
		if err != nil {
			return err
		}
		if !known[f.ID()] {
			u.Insert = append(u.Insert, etl.FileRecord{File: f, Table: "t", Order: f.Location, Status: etl.Pending})
		}
	}
	return w.control.Update(ctx, u)
}

func (w *world) apply(ctx context.Context, fence int64, rec etl.FileRecord) error {
	in, err := w.source.Open(ctx, rec.File)
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := in.ReadAt(make([]byte, 7), 0); err != nil {
		return err
	}
	_, found, err := w.sink.Applied(ctx, etl.Target{}, rec.ID())
	if err == nil && !found {
		_, err = w.sink.Apply(ctx, etl.Target{}, etl.Load{ID: rec.ID()}, nil)
	}
	if err != nil {
		return err
	}
	st, err := w.control.State(ctx, "t")
	if err != nil {
		return err
	}
	rec.Status = etl.Applied
	return w.control.Update(ctx, etl.Update{State: st, Fence: fence, Put: []etl.FileRecord{rec}, Entries: []etl.Entry{{}}})
}

func (w *world) healed(t *testing.T) {
	t.Helper()
	require.Len(t, w.applied.applied, 3, "each once")
	n := 0
	for rec, err := range w.memory.Files(t.Context(), etl.FileQuery{Table: "t"}) {
		require.NoError(t, err)
		require.Equal(t, etl.Applied, rec.Status)
		n++
	}
	require.Equal(t, 3, n)
}

// TestCrashEverywhere crashes a small run at each point, and faults it there.
func TestCrashEverywhere(t *testing.T) {
	w := newWorld()
	require.NoError(t, w.run(t.Context()))
	w.healed(t)
	points, trace := w.inj.Count(), w.inj.Trace()
	require.Len(t, trace, points)
	for _, name := range []string{
		"source.List/before", "source.List/mid", "source.List/after", "source.Open/before", "source.Open/after",
		"input.ReadAt/before", "input.ReadAt/after", "input.Close/before", "input.Close/after",
		"control.State/before", "control.State/after", "control.Update/before", "control.Update/after",
		"control.Files/before", "control.Files/mid", "control.Files/after",
		"control.History/before", "control.History/mid", "control.History/after",
		"locker.Acquire/before", "locker.Acquire/after", "lease.Renew/before", "lease.Renew/after",
		"lease.Release/before", "lease.Release/after",
		"sink.Apply/before", "sink.Apply/after", "sink.Applied/before", "sink.Applied/after",
	} {
		require.Contains(t, trace, name)
	}
	for n := 1; n <= points; n++ {
		for _, fault := range []error{nil, etltest.ErrCrash, fmt.Errorf("wrapped: %w", etltest.ErrCrash)} {
			w := newWorld()
			w.inj.FailNth(n, fault)
			err := w.run(t.Context())
			crashed := fault != nil
			require.Equal(t, crashed, w.inj.Crashed(), trace[n-1])
			if err != nil && crashed {
				require.Equal(t, etl.Refused, etl.OutcomeOf(err))
			}
			if crashed {
				require.Equal(t, n, w.inj.Count(), "the dead pass no points")
				require.ErrorIs(t, w.run(t.Context()), etltest.ErrCrash, "the dead do nothing")
				w.inj.Restart()
			}
			w.clock = w.clock.Add(time.Hour) // the lease of the dead
			require.NoError(t, w.run(t.Context()), "%s: a fault strikes once", trace[n-1])
			w.healed(t)
		}
	}
}

// What was handed out before a crash does not come back to life.
func TestDeadHandles(t *testing.T) {
	w := newWorld()
	le, err := w.locker.Acquire(t.Context(), "t", time.Minute)
	require.NoError(t, err)
	var f etl.File
	listed := 0
	for file, err := range w.source.List(t.Context()) {
		if listed++; listed == 1 {
			require.NoError(t, err)
			f = file
			w.inj.Crash()
			w.inj.Restart()
			continue
		}
		require.ErrorIs(t, err, etltest.ErrCrash)
	}
	require.Equal(t, 2, listed, "an iteration of the dead ends")
	require.ErrorIs(t, le.Renew(t.Context()), etltest.ErrCrash)
	require.ErrorIs(t, le.Release(t.Context()), etltest.ErrCrash)
	_, err = w.locker.Acquire(t.Context(), "t", time.Minute)
	require.ErrorIs(t, err, etl.ErrLocked, "its lease runs on")

	in, err := w.source.Open(t.Context(), f)
	require.NoError(t, err)
	w.inj.Crash()
	w.inj.Reset()
	require.False(t, w.inj.Crashed())
	_, err = in.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, etltest.ErrCrash)
	require.ErrorIs(t, in.Close(), etltest.ErrCrash)
	_, err = w.source.Open(t.Context(), f)
	require.NoError(t, err)
}

func TestInjectorIsConcurrent(t *testing.T) {
	inj := etltest.NewInjector()
	c := inj.Control(control.NewMemory())
	inj.FailNth(100, etltest.ErrCrash)
	var wg sync.WaitGroup
	var mu sync.Mutex
	crashes := 0
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if _, err := c.State(t.Context(), "t"); errors.Is(err, etltest.ErrCrash) {
					mu.Lock()
					crashes++
					mu.Unlock()
				}
				inj.Trace()
			}
		})
	}
	wg.Wait()
	require.Equal(t, 100, inj.Count())
	require.Greater(t, crashes, 8*50-100)
}
