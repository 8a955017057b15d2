package icebergsink_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
)

var (
	maintainFor   = flag.Duration("maintain.for", 3*time.Second, "how long TestMaintainBesideLoads runs at least")
	maintainLoads = flag.Int("maintain.loads", 20, "how many loads it makes at least")
)

// stream lands change files and keeps what the table must hold after each.
type stream struct {
	source *source.Memory
	runner *etl.Runner
	rng    *rand.Rand
	n      int
	rows   map[int]held
	// states are the tables that a reader may see.
	mu     sync.Mutex
	states map[string]bool
}

// below is less than any order of a change.
const below = -1 << 40

// held is what the model knows of a key: its row, or the order of its deletion.
type held struct {
	name  string
	order int // below for rows of the full load
	gone  bool
}

func (s *stream) full(keys int) {
	s.rows = map[int]held{}
	var b strings.Builder
	for i := range keys {
		fmt.Fprintf(&b, "%d,base-%d,%d\n", i, s.n, 1_000_000)
		s.rows[i] = held{name: fmt.Sprintf("base-%d", s.n), order: below}
	}
	s.land(fmt.Sprintf("mpd/people/LOAD%08X.csv", s.n), b.String())
}

// change lands a file of changes, of which some come late.
func (s *stream) change(keys int) {
	var b strings.Builder
	for range 1 + s.rng.IntN(30) {
		id, order := s.rng.IntN(keys), s.n*10-s.rng.IntN(200)
		was, known := s.rows[id]
		wins := !known || order >= was.order
		if s.rng.IntN(4) == 0 {
			fmt.Fprintf(&b, "D,%d,,%d\n", id, order)
			if wins {
				s.rows[id] = held{order: order, gone: true}
			}
			continue
		}
		name := fmt.Sprintf("v%d-%d", s.n, b.Len())
		fmt.Fprintf(&b, "U,%d,%s,%d\n", id, name, order)
		if wins {
			s.rows[id] = held{name: name, order: order}
		}
	}
	s.land(fmt.Sprintf("mpd/people/20240220-%09d.csv", s.n), b.String())
}

func (s *stream) land(location, content string) {
	s.mu.Lock()
	s.states[strings.Join(s.want(), "\n")] = true
	s.mu.Unlock()
	s.source.Put(location, []byte(content), time.Unix(int64(1_700_000_000+s.n), 0))
	s.n++
}

func (s *stream) want() []string {
	lines := []string{}
	for id, h := range s.rows {
		if !h.gone {
			order := h.order
			if order == below {
				order = 1_000_000
			}
			lines = append(lines, fmt.Sprintf("%d|%s|%d", id, h.name, order))
		}
	}
	slices.Sort(lines)
	return lines
}

// drain works off what landed, waiting for maintenance where it has the lease.
func (s *stream) drain(ctx context.Context) error {
	for {
		rep, err := s.runner.Ingest(ctx)
		if err != nil {
			return err
		}
		if rep.Tables[0].Reason == "nothing is pending" {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}

func kept() etl.Table {
	table := people()
	table.OrderBy = []string{"at"}
	table.Format = format.CSV{FullColumns: []string{"id", "name", "at"}, ChangeColumns: []string{"op", "id", "name", "at"}}
	table.Maintenance = etl.Maintenance{
		SmallFiles: 4, DeleteRatio: 0.2, DeleteFiles: 4, Manifests: 12, SnapshotAge: time.Second, KeepSnapshots: 3,
	}
	return table
}

// runner is another process on the same stores.
func runner(t *testing.T, cfg etl.Config, l *lake) *etl.Runner {
	cfg.Sink = l.open()
	r, err := etl.New(cfg)
	require.NoError(t, err)
	return r
}

// Loads, maintenance and readers side by side: readers never fail, they see
// only tables that a load made, and the table stays small.
func TestMaintainBesideLoads(t *testing.T) {
	t.Parallel()
	const keys = 2000
	l := newLake(t, kept())
	cfg := etl.Config{
		Source: source.NewMemory(), Control: control.NewMemory(), Locker: lock.NewMemory(),
		Layout: format.DMS{}, Tables: []etl.Table{l.table},
	}
	s := &stream{source: cfg.Source.(*source.Memory), runner: runner(t, cfg, l), rng: rand.New(rand.NewPCG(1, 2)), n: 1, states: map[string]bool{"": true}}
	s.full(keys)
	require.NoError(t, s.drain(t.Context()))

	c := &course{began: time.Now()}
	var done atomic.Bool
	var g sync.WaitGroup
	g.Go(func() {
		defer done.Store(true)
		for n := 0; n < *maintainLoads || time.Since(c.began) < *maintainFor; n++ {
			if s.change(keys + 200); s.n%60 == 0 {
				s.full(keys)
			}
			if err := s.drain(t.Context()); err != nil {
				c.failed(err)
				return
			}
			c.load()
		}
	})
	other := runner(t, cfg, l)
	g.Go(func() {
		for ; !done.Load(); time.Sleep(time.Millisecond) {
			switch rep, err := other.Maintain(t.Context(), l.table.Name); {
			case err == nil:
				c.maintained(rep)
			case !errors.Is(err, etl.ErrLocked):
				c.failed(err)
			}
		}
	})
	for range 2 {
		reader := l.open()
		g.Go(func() {
			for !done.Load() {
				s.read(t.Context(), reader, l.table, c)
			}
		})
	}
	g.Wait()

	// The last snapshots may not have expired yet.
	time.Sleep(l.table.Maintenance.SnapshotAge)
	rep, err := other.Maintain(t.Context(), l.table.Name)
	require.NoError(t, err)
	tell(t, fmt.Sprintf("%v%d scans outlived their snapshot; in the end %+v, %d Parquet files on disk\n",
		c, c.outlived, rep.After, len(l.parquets())))
	require.Empty(t, c.failures)
	require.Equal(t, s.want(), sorted(l.rows()))
	require.GreaterOrEqual(t, len(c.loads), *maintainLoads)
	require.NotEmpty(t, c.rounds)
	require.NotEmpty(t, c.scans)
	most := c.most()
	require.LessOrEqual(t, most.DataFiles, 16)
	require.LessOrEqual(t, most.DeleteFiles, 24)
	require.LessOrEqual(t, most.Manifests, 24)
	require.LessOrEqual(t, rep.After.DataFiles, 8)
	require.LessOrEqual(t, rep.After.Snapshots, 8)
	require.LessOrEqual(t, len(l.parquets()), 60+s.n, "side files wait a day")
	require.Empty(t, l.missing())
}

// tell prints what a run was started for; a short one says it in the log.
func tell(t *testing.T, text string) {
	if *maintainFor < 10*time.Second {
		t.Log(text)
		return
	}
	fmt.Print(text)
}

func sorted(lines []string) []string { slices.Sort(lines); return lines }

func widest(a, b etl.TableShape) etl.TableShape {
	return etl.TableShape{
		Snapshots: max(a.Snapshots, b.Snapshots), Manifests: max(a.Manifests, b.Manifests),
		DataFiles: max(a.DataFiles, b.DataFiles), DeleteFiles: max(a.DeleteFiles, b.DeleteFiles), Bytes: max(a.Bytes, b.Bytes),
	}
}

// read scans the table and looks for what it shows among the states.
func (s *stream) read(ctx context.Context, reader *icebergsink.Sink, table etl.Table, c *course) {
	var lines []string
	began := time.Now()
	for rec, err := range reader.Scan(ctx, table.Name) {
		if err != nil {
			if took := time.Since(began); took <= table.Maintenance.SnapshotAge {
				c.failed(fmt.Errorf("scan of %v: %w", took, err))
				return
			}
			c.mu.Lock()
			c.outlived++ // that is what the age says
			c.mu.Unlock()
			return
		}
		for i := range int(rec.NumRows()) {
			lines = append(lines, rec.Column(0).ValueStr(i)+"|"+rec.Column(1).ValueStr(i)+"|"+rec.Column(2).ValueStr(i))
		}
	}
	c.scanned(time.Since(began))
	slices.Sort(lines)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.states[strings.Join(lines, "\n")] {
		c.failed(fmt.Errorf("a reader saw %d rows that no load left so", len(lines)))
	}
}

// missing lists files that a retained snapshot refers to and that are not there.
func (l *lake) missing() (out []string) {
	l.t.Helper()
	tbl := l.iceberg()
	fs, err := tbl.FS(l.t.Context())
	require.NoError(l.t, err)
	for _, snap := range tbl.Metadata().Snapshots() {
		manifests, err := snap.Manifests(fs)
		require.NoError(l.t, err)
		for _, m := range manifests {
			for e, err := range m.Entries(fs, true) {
				require.NoError(l.t, err)
				f, err := fs.Open(e.DataFile().FilePath())
				if err != nil {
					out = append(out, e.DataFile().FilePath())
					continue
				}
				require.NoError(l.t, f.Close())
			}
		}
	}
	return out
}
