package evolution

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/sink/icebergsink"
)

var (
	histories = flag.Int("histories", 3, "how many random histories to play in each mode")
	firstSeed = flag.Int64("seed", 1, "the seed of the first one")
)

// scanned is a sink that can be read.
type scanned interface {
	etl.Sink
	etl.Scanner
}

// world is a table through a history.
type world struct {
	*Story
	t *testing.T

	control etl.ControlStore
	locker  *lock.Memory
	sink    scanned
	inj     *etltest.Injector
	runner  *etl.Runner
	evolved []string // as the observer was told
	staged  int
	jobs    etl.Dispatcher // nil where loads run in the Runner
}

func (w *world) compare() { w.Compare(context.Background(), w.sink) }

func (w *world) restart() {
	w.inj.Restart()
	w.now = w.now.Add(time.Hour)
	cfg := etl.Config{
		Source: w.inj.Source(w.bucket), Control: w.inj.Control(w.control), Locker: w.inj.Locker(w.locker), Sink: w.inj.Sink(w.sink),
		Layout: format.DMS{}, Tables: []etl.Table{w.Declared()}, Now: func() time.Time { return w.now },
		Retry: etl.RetryPolicy{Attempts: 3, Base: time.Microsecond, Max: time.Microsecond},
		Observer: etl.Observer{
			Evolved: func(_ etl.Load, c etl.SchemaChange) { w.evolved = append(w.evolved, c.String()) },
			Staged:  func(etl.Load, etl.StagedFile, int, int) { w.staged++ },
		},
	}
	if w.jobs != nil {
		cfg.Tables[0].Flag = etl.FlagDistributed
		cfg.Dispatcher, cfg.AwaitJobs, cfg.JobPoll, cfg.MaxBegins = w.inj.Dispatcher(w.jobs), true, 100*time.Microsecond, 100
	}
	var err error
	w.runner, err = etl.New(cfg)
	require.NoError(w.t, err)
}

// ingest works off what landed, through faults and deaths.
func (w *world) ingest() {
	w.inj.Reset()
	if w.r.IntN(2) == 0 {
		point := []string{"sink.Apply/before", "sink.Apply/after", "control.Update/before", "control.Update/after", "source.Open/after",
			"sink.Stage/after", "sink.Publish/before", "sink.Publish/after", "sink.Prepare/after"}[w.r.IntN(9)]
		err := []error{etltest.ErrCrash, etl.ErrUnknownCommit, nil}[w.r.IntN(3)]
		if errors.Is(err, etl.ErrUnknownCommit) && point != "sink.Apply/after" && point != "sink.Publish/after" {
			err = etltest.ErrCrash
		}
		w.inj.FailAt(point, 1+w.r.IntN(2), err)
	}
	w.heal()
}

// heal ingests until all is well.
func (w *world) heal() {
	for attempt := range 6 {
		_, err := w.runner.Ingest(w.t.Context())
		if w.inj.Crashed() {
			w.restart()
			continue
		}
		if err == nil {
			return
		}
		require.NotEqual(w.t, etl.Terminal, etl.OutcomeOf(err), "attempt %d: %v", attempt, err)
	}
	w.t.Fatal("the history does not heal")
}

// rebuild loses the control store.
func (w *world) rebuild() {
	before, err := w.control.State(w.t.Context(), "shop.items")
	require.NoError(w.t, err)
	w.control = control.NewMemory()
	w.restart()
	require.NoError(w.t, w.runner.Rebuild(w.t.Context(), "shop.items"))
	after, err := w.control.State(w.t.Context(), "shop.items")
	require.NoError(w.t, err)
	require.Equal(w.t, before.Evolved, after.Evolved, "evolved columns were lost with the control store")
	require.NoError(w.t, w.runner.Resume(w.t.Context(), "shop.items"))
}

func play(t *testing.T, seed int64, props map[string]string, parquet bool, open func(*testing.T) scanned) {
	w := &world{
		Story: NewStory(t, seed, props, parquet), t: t, control: control.NewMemory(), locker: lock.NewMemory(), sink: open(t), inj: etltest.NewInjector(),
	}
	w.locker.Now = func() time.Time { return w.now }
	if seed%3 == 1 {
		w.staging.Mode, w.full = etl.StageAlways, etl.FullReplace
	}
	w.restart()
	w.Land(etl.Full)
	w.ingest()
	w.compare()
	for w.More() {
		if w.Grow() {
			w.restart() // with a declaration that may have changed
		}
		w.Land(w.Next())
		w.ingest()
		w.compare()
		if _, ok := w.sink.(etl.Maintainer); ok && w.r.IntN(4) == 0 {
			w.inj.Reset()
			_, err := w.runner.Maintain(t.Context(), "shop.items")
			require.NoError(t, err)
			w.compare()
		}
		if w.r.IntN(8) == 0 {
			w.rebuild()
		}
	}
	require.NotEmpty(t, w.evolved)
	require.Equal(t, w.staging.Mode == etl.StageAlways, w.staged > 0)
}

var modes = map[string]map[string]string{
	"version 2": nil, "copy-on-write": {"tidemark.write-mode": "copy-on-write"},
	"version 3": {"format-version": "3"}, "version 3 copy-on-write": {"format-version": "3", "tidemark.write-mode": "copy-on-write"},
}

func TestMemory(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+2*int64(*histories); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			play(t, seed, nil, seed%2 == 0, func(*testing.T) scanned { return sink.NewMemory() })
		})
	}
}

func TestIceberg(t *testing.T) {
	for name, props := range modes {
		t.Run(name, func(t *testing.T) {
			for seed := *firstSeed; seed < *firstSeed+int64(*histories)/3; seed++ {
				t.Run(fmt.Sprint(seed), func(t *testing.T) {
					play(t, seed, props, seed%2 == 0, func(t *testing.T) scanned {
						lake, err := icebergsink.Open(t.Context(), icebergsink.Config{Warehouse: filepath.Join(t.TempDir(), "lake")})
						require.NoError(t, err)
						t.Cleanup(func() { require.NoError(t, lake.Close()) })
						return lake
					})
				})
			}
		})
	}
}
