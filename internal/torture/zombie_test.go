package torture

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

// gate holds up the first who opens a location, until it is lifted.
type gate struct {
	etl.Source
	location string
	taken    atomic.Bool
	arrived  chan struct{}
	lifted   chan struct{}
}

func (g *gate) Open(ctx context.Context, f etl.File) (etl.Input, error) {
	if f.Location == g.location {
		if g.taken.CompareAndSwap(false, true) {
			close(g.arrived)
			<-g.lifted
		}
	}
	return g.Source.Open(ctx, f)
}

// TestZombie stops a runner in the middle of a load, lets another one take the
// table over, and wakes the first: it must not change what the second has done.
func TestZombie(t *testing.T) {
	const table = "shop.orders"
	change := at("20240220-100000000")
	for name, c := range map[string]struct {
		takeover func(context.Context, *etl.Runner) error
		status   etl.FileStatus
		want     etltest.Rows
		outcome  etl.Outcome
	}{
		"skip": {func(ctx context.Context, r *etl.Runner) error { return r.Skip(ctx, table, change) },
			etl.Skipped, etltest.Rows{{1, 1, "a"}}, etl.Refused},
		"reload": {func(ctx context.Context, r *etl.Runner) error {
			if err := r.Pause(ctx, table, ""); err != nil {
				return err
			}
			if err := r.Reload(ctx, table); err != nil {
				return err
			}
			return r.Pause(ctx, table, "before the reload is begun")
		}, etl.Deferred, etltest.Rows{{1, 1, "a"}}, etl.Refused},
		"drain": {func(ctx context.Context, r *etl.Runner) error {
			_, err := r.Drain(ctx, table)
			return err
		}, etl.Applied, etltest.Rows{{1, 2, "b"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			src, lake, store := source.NewMemory(), sink.NewMemory(), control.NewMemory()
			g := &gate{Source: src, location: change, arrived: make(chan struct{}), lifted: make(chan struct{})}
			cfg := etl.Config{
				Source: g, Control: store, Locker: &generous{}, Sink: lake, Layout: format.DMS{},
				Tables: []etl.Table{orders()},
			}
			zombie, err := etl.New(cfg)
			require.NoError(t, err)
			heir, err := etl.New(cfg)
			require.NoError(t, err)

			src.Put(at("LOAD00000001"), []byte("1,1,a\n"))
			_, err = zombie.Ingest(t.Context())
			require.NoError(t, err)
			src.Put(change, []byte("U,1,2,b\n"))
			fate := make(chan error)
			go func() {
				_, err := zombie.Ingest(t.Context())
				fate <- err
			}()
			<-g.arrived
			require.NoError(t, c.takeover(t.Context(), heir))
			close(g.lifted)
			err = <-fate
			require.Equal(t, c.outcome, etl.OutcomeOf(err), "%v", err)

			rows, err := etltest.ReadRows(t.Context(), lake, table)
			require.NoError(t, err)
			require.Empty(t, c.want.Diff(rows))
			for r, err := range store.Files(t.Context(), etl.FileQuery{Table: table, Kind: etl.Incremental}) {
				require.NoError(t, err)
				require.Equal(t, c.status, r.Status)
			}
		})
	}
}
