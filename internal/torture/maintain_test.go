package torture

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/sink/icebergsink"
)

// eager is what rewrites files as early as can be. Snapshots stay, for the audit.
var eager = etl.Maintenance{SmallFiles: 2, DeleteRatio: 0.2, DeleteFiles: 2, Manifests: 4, SnapshotAge: -1}

// tended maintains a table after every load, as eagerly as can be.
type tended struct{ *icebergsink.Sink }

func (s tended) Apply(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
	receipt, err := s.Sink.Apply(ctx, target, load, changes)
	if err != nil {
		return receipt, err
	}
	_, err = s.Maintain(ctx, target, etl.MaintainOptions{Fence: load.Fence, Sweep: true, Maintenance: eager})
	return receipt, err
}

// TestRandomMaintainedLakes plays histories in which every load meets a table
// whose files were just rewritten: that must make no difference to what it does.
// Snapshots do not expire, since the audit reads all of them.
func TestRandomMaintainedLakes(t *testing.T) {
	for i, m := range modes(t) {
		if m.tiny || *every > 1 && *modeNames == "" && i%2 == 0 {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			n := (*lakes + 1) / 2
			playAll(t, int64(i*n), n, func(t *testing.T) stores {
				s := lastingStores(t, m)
				s.sink = tended{s.sink.(*icebergsink.Sink)}
				return s
			})
		})
	}
}

// TestMaintenanceFaults lets the process die at every point of a maintenance in
// turn: the table stays as it is, and the next process goes on.
func TestMaintenanceFaults(t *testing.T) {
	for i, m := range modes(t) {
		if m.difference || m.staged {
			continue // there is no full load here
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			s := lastingStores(t, m)
			defer s.close()
			w, err := newWorld(scenario(), s)
			require.NoError(t, err)
			w.table.Maintenance, w.table.Mode = eager, m.rows
			if m.rows == etl.ModeAppend {
				w.table.Key, w.table.OrderBy, w.table.OldKey = nil, nil, nil
			}
			require.NoError(t, w.start())
			last := 0
			change := func() {
				last++
				require.NoError(t, w.step(t.Context(), m.landing(etltest.Landing{
					Location: at(fmt.Sprintf("20240220-%09d", last)), At: time.Unix(int64(last), 0),
					Content: fmt.Appendf(nil, "U,,%d,%d,v\nU,,0,%d,v\n", last, last, last),
				})))
				_, err := w.runner.Ingest(t.Context())
				require.NoError(t, err)
			}
			change()
			n := 1 + i%*every
			for ; ; n += *every {
				change()
				change()
				w.inj.Reset()
				w.inj.FailNth(n, etltest.ErrCrash)
				_, err := w.runner.Maintain(t.Context(), w.table.Name)
				struck := w.inj.Crashed()
				if !struck {
					require.NoError(t, err)
					require.Contains(t, w.inj.Trace(), "sink.Maintain/after")
					break
				}
				if trace := w.inj.Trace(); !strings.HasPrefix(trace[len(trace)-1], "lease.Release/") { // which is nobody's concern
					require.ErrorIs(t, err, etltest.ErrCrash)
				}
				w.inj.Restart()
				require.NoError(t, w.start())
				rep, err := w.runner.Maintain(t.Context(), w.table.Name)
				require.NoError(t, err)
				require.LessOrEqual(t, rep.After.DataFiles, 2, "one of base rows, one of changes")
				rows, err := etltest.ReadRows(t.Context(), w.sink, w.table.Name)
				require.NoError(t, err)
				want := m.upserted(last)
				require.Empty(t, want.Diff(rows))
			}
			require.Greater(t, n, 10, "several points")
		})
	}
}

// upserted is what the table holds after so many changes, each of which is a new row and
// one of key 0.
func (m mode) upserted(changes int) (out etltest.Rows) {
	if m.rows == etl.ModeHistory {
		return upsertedVersions(changes)
	}
	for n := 1; n <= changes; n++ {
		out = append(out, []any{n, n, "v"})
		if m.rows == etl.ModeAppend || n == changes {
			out = append(out, []any{0, n, "v"})
		}
	}
	for i := range out {
		if m.rows == etl.ModeSoftDelete {
			out[i] = append(out[i], false, nil)
		}
	}
	return out
}

func upsertedVersions(changes int) (out etltest.Rows) {
	for n := 1; n <= changes; n++ {
		from, to := time.Unix(int64(n), 0), any(time.Unix(int64(n+1), 0))
		if n == changes {
			to = nil
		}
		out = append(out, []any{n, n, "v", from, nil, true, false}, []any{0, n, "v", from, to, to == nil, false})
	}
	return out
}
