package evolution

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/format/parquetformat"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
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
	t       *testing.T
	r       *rand.Rand
	p       *producer
	props   map[string]string
	remove  bool // note is removed in the end, else kept
	version int  // the newest that there is
	n       int
	now     time.Time

	bucket  *source.Memory
	control etl.ControlStore
	locker  *lock.Memory
	sink    scanned
	inj     *etltest.Injector
	runner  *etl.Runner
	model   *etltest.Model
	evolved []string // as the observer was told
}

// declared is the table as its operator declares it when the producer has reached a
// version.
func (w *world) declared() etl.Table {
	t := etl.Table{
		Name: "shop.items", Key: []string{"id"}, OrderBy: []string{"at"}, Op: etl.OpColumn{Column: "Op"}, Properties: w.props,
		Contract:    etl.Contract{New: etl.Evolve, Missing: etl.Evolve, Type: etl.Evolve, Null: etl.Evolve},
		Format:      format.JSONLines{},
		Maintenance: etl.Maintenance{SmallFiles: 2, DeleteRatio: 0.1, DeleteFiles: 2, Manifests: 4},
	}
	if w.p.parquet {
		t.Format = parquetformat.Format{}
	}
	for _, f := range w.p.fields {
		switch {
		case f.from > 0: // never declared
			continue
		case f.to > 0 && w.version >= f.to && w.remove:
			t.Dropped = map[string]etl.DropRule{f.name: etl.DropRemove}
			continue
		case f.to > 0 && w.version >= f.to:
			t.Dropped = map[string]etl.DropRule{f.name: etl.DropKeep}
		}
		name := f.called(w.version)
		if name != f.name || f.former != "" && w.version >= f.renamedAt {
			if name == f.name {
				t.Renamed = map[string]string{f.former: f.name}
			}
		}
		t.Columns = append(t.Columns, etl.Column{Name: name, Type: f.narrow, Required: f.name == "code"})
	}
	return t
}

func (w *world) restart() {
	w.inj.Restart()
	w.now = w.now.Add(time.Hour)
	var err error
	w.runner, err = etl.New(etl.Config{
		Source: w.inj.Source(w.bucket), Control: w.inj.Control(w.control), Locker: w.inj.Locker(w.locker), Sink: w.inj.Sink(w.sink),
		Layout: format.DMS{}, Tables: []etl.Table{w.declared()}, Now: func() time.Time { return w.now },
		Retry:    etl.RetryPolicy{Attempts: 3, Base: time.Microsecond, Max: time.Microsecond},
		Observer: etl.Observer{Evolved: func(_ etl.Load, c etl.SchemaChange) { w.evolved = append(w.evolved, c.String()) }},
	})
	require.NoError(w.t, err)
}

// land puts files of one kind and of several versions there.
func (w *world) land(kind etl.LoadKind) {
	var all []etltest.Change
	files := 1 + w.r.IntN(3)
	for range files {
		w.n++
		version := w.version
		if w.r.IntN(3) == 0 {
			version = w.r.IntN(w.version + 1)
		}
		rows := w.p.rows(kind, version)
		ext := map[bool]string{true: "parquet", false: "json"}[w.p.parquet]
		w.now = w.now.Add(time.Second)
		w.bucket.Put(location(kind, w.n, ext), w.p.file(kind, version, rows), w.now)
		for _, c := range rows {
			for i, f := range w.p.fields {
				if f.to > 0 && w.version >= f.to && kind != etl.Full { // dropped by declaration, whatever old files say
					c.Values[i] = etltest.Unsupplied{}
				} else if f.to > 0 && w.version >= f.to {
					c.Values[i] = nil
				}
			}
			all = append(all, c)
		}
	}
	_, err := w.model.Load(kind, all...)
	require.NoError(w.t, err)
}

// ingest works off what landed, through faults and deaths.
func (w *world) ingest() {
	w.inj.Reset()
	if w.r.IntN(2) == 0 {
		point := []string{"sink.Apply/before", "sink.Apply/after", "control.Update/before", "control.Update/after", "source.Open/after"}[w.r.IntN(5)]
		err := []error{etltest.ErrCrash, etl.ErrUnknownCommit, nil}[w.r.IntN(3)]
		if errors.Is(err, etl.ErrUnknownCommit) && point != "sink.Apply/after" {
			err = etltest.ErrCrash
		}
		w.inj.FailAt(point, 1+w.r.IntN(2), err)
	}
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

// compare compares the table with the model.
func (w *world) compare() {
	var want, got etltest.Rows
	cols := map[string]int{}
	ctx := context.Background()
	for rec, err := range w.sink.Scan(ctx, "shop.items") {
		require.NoError(w.t, err)
		for i := range rec.Schema().Fields() {
			cols[rec.Schema().Field(i).Name] = i
		}
		for i := range int(rec.NumRows()) {
			row := make([]any, 0, len(w.p.fields))
			for _, f := range w.p.fields {
				at, ok := cols[f.called(w.version)]
				if !ok || w.gone(f) {
					require.False(w.t, ok && w.gone(f), "%s was to be removed", f.name)
					row = append(row, nil)
					continue
				}
				row = append(row, etltest.Cell(rec.Column(at), i))
			}
			got = append(got, row)
		}
	}
	for _, row := range w.model.Rows() {
		for i, f := range w.p.fields {
			if w.gone(f) {
				row[i] = nil
			}
		}
		want = append(want, row)
	}
	require.Empty(w.t, want.Diff(got))
}

func (w *world) gone(f field) bool { return f.to > 0 && w.version >= f.to && w.remove }

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
	r := rand.New(rand.NewPCG(uint64(seed), 7))
	w := &world{
		t: t, r: r, props: props, remove: r.IntN(2) == 0, now: time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC),
		bucket: source.NewMemory(), control: control.NewMemory(), locker: lock.NewMemory(), sink: open(t), inj: etltest.NewInjector(),
		p: &producer{t: t, r: r, fields: fields(parquet), parquet: parquet, seq: 100},
	}
	w.locker.Now = func() time.Time { return w.now }
	universe := etl.Table{Name: "shop.items", Key: []string{"id"}, OrderBy: []string{"at"}}
	for _, f := range w.p.fields {
		universe.Columns = append(universe.Columns, etl.Column{Name: f.name, Type: f.wide})
	}
	w.model = etltest.NewModel(universe)
	w.restart()
	w.land(etl.Full)
	w.ingest()
	w.compare()
	for w.version < lastVersion || r.IntN(4) > 0 {
		if w.version < lastVersion && r.IntN(2) == 0 {
			w.version++
			w.restart() // with a declaration that may have changed
		}
		kind := etl.Incremental
		if r.IntN(7) == 0 {
			kind = etl.Full
		}
		w.land(kind)
		w.ingest()
		w.compare()
		if _, ok := w.sink.(etl.Maintainer); ok && r.IntN(4) == 0 {
			w.inj.Reset()
			_, err := w.runner.Maintain(t.Context(), "shop.items")
			require.NoError(t, err)
			w.compare()
		}
		if r.IntN(8) == 0 {
			w.rebuild()
		}
	}
	require.NotEmpty(t, w.evolved)
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
