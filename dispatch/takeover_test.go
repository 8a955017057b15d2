package dispatch_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/quarantine"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

// keeper is a dispatcher of which a test says what becomes of what jobs hand over.
type keeper struct {
	*dispatch.InProcess
	change func(*etl.HandedOver) error
	forgot []string
}

func (k *keeper) HandedOver(ctx context.Context, jobID string) (etl.HandedOver, error) {
	handed, err := k.InProcess.HandedOver(ctx, jobID)
	if err == nil && k.change != nil {
		err = k.change(&handed)
	}
	return handed, err
}

func (k *keeper) Forget(ctx context.Context, jobID string) error {
	k.forgot = append(k.forgot, jobID)
	return k.InProcess.Forget(ctx, jobID)
}

// badWorld is a table whose only file has two bad rows, and a job that has loaded it.
type badWorld struct {
	t       *testing.T
	cfg     etl.Config
	keeper  *keeper
	kept    *quarantine.Memory
	told    int
	history []etl.Entry
}

func newBadWorld(t *testing.T) *badWorld {
	landing, lake := source.NewMemory(), sink.NewMemory()
	w := &badWorld{t: t, kept: quarantine.NewMemory()}
	w.keeper = &keeper{InProcess: dispatch.NewInProcess(dispatch.InProcessConfig{Source: landing, Sink: lake, Store: newFolder(t)})}
	t.Cleanup(func() { require.NoError(t, w.keeper.Close()) })
	w.cfg = etl.Config{
		Source: landing, Sink: lake, Control: control.NewMemory(), Locker: lock.NewMemory(), Quarantine: w.kept, Dispatcher: w.keeper,
		AwaitJobs: true, JobPoll: time.Millisecond, Retry: etl.RetryPolicy{Attempts: 2, Base: time.Microsecond, Max: time.Microsecond},
		Observer: etl.Observer{Quarantined: func(_ etl.Load, rows []etl.BadRow) { w.told += len(rows) }},
		Layout: etl.LayoutFunc(func(string) (etl.Placement, bool) {
			return etl.Placement{Table: "shop.t", Kind: etl.Incremental, Order: "1"}, true
		}),
		Tables: []etl.Table{{
			Name: "shop.t", Flag: etl.FlagDistributed, Key: []string{"id"}, Columns: etl.Columns{{Name: "id", Type: etl.Long}},
			Format: format.CSV{Header: true}, BadRows: etl.ErrorBudget{Rows: 2},
		}},
	}
	landing.Put("file", []byte("id\n1\nx\n2\ny\n"))
	return w
}

func (w *badWorld) ingest() error {
	runner, err := etl.New(w.cfg)
	require.NoError(w.t, err)
	_, err = runner.Ingest(w.t.Context())
	w.history = nil
	for e, herr := range w.cfg.Control.History(w.t.Context(), "shop.t") {
		require.NoError(w.t, herr)
		w.history = append(w.history, e)
	}
	return err
}

func (w *badWorld) rows() (n int) {
	for row, err := range w.kept.Rows(w.t.Context(), "shop.t") {
		require.NoError(w.t, err)
		require.NotEmpty(w.t, row.Raw)
		n++
	}
	return n
}

func (w *badWorld) entered(kind etl.EntryKind) bool {
	return slices.ContainsFunc(w.history, func(e etl.Entry) bool { return e.Kind == kind })
}

func (w *badWorld) paused() *etl.Diagnosis {
	st, err := w.cfg.Control.State(w.t.Context(), "shop.t")
	require.NoError(w.t, err)
	return st.Paused
}

func TestBadRowsAreTakenOver(t *testing.T) {
	w := newBadWorld(t)
	require.NoError(t, w.ingest())
	require.Equal(t, 2, w.rows())
	require.Equal(t, 2, w.told)
	require.Len(t, w.keeper.forgot, 1)
	require.True(t, w.entered(etl.EntryQuarantined))
	require.NoError(t, w.ingest())
	require.Equal(t, 2, w.rows())
}

// TestBadRowsAreLost: what is in the table is recorded, and somebody has to know.
func TestBadRowsAreLost(t *testing.T) {
	for name, change := range map[string]func(*etl.HandedOver) error{
		"gone":            func(*etl.HandedOver) error { return etl.ErrNotFound },
		"too few":         func(h *etl.HandedOver) error { h.Rows = h.Rows[1:]; return nil },
		"of another load": func(h *etl.HandedOver) error { h.LoadID = "x"; return nil },
		"of no file":      func(h *etl.HandedOver) error { h.Rows[1].File = 1; return nil },
		"of a file below": func(h *etl.HandedOver) error { h.Rows[1].File = -1; return nil },
		"of no row":       func(h *etl.HandedOver) error { h.Rows[1].Row = 0; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newBadWorld(t)
			w.keeper.change = change
			err := w.ingest()
			require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "%v", err)
			require.True(t, w.entered(etl.EntryApplied))
			require.True(t, w.entered(etl.EntryFailed))
			require.NotNil(t, w.paused())
			require.Zero(t, w.rows())
			require.Zero(t, w.told)
		})
	}
}

// TestBadRowsWait for a dispatcher that has them, and for a store that answers.
func TestBadRowsWait(t *testing.T) {
	w := newBadWorld(t)
	w.keeper.change = func(*etl.HandedOver) error { return etl.WithOutcome(etl.Retry, fmt.Errorf("no answer")) }
	require.ErrorContains(t, w.ingest(), "no answer")
	require.False(t, w.entered(etl.EntryApplied))
	require.Nil(t, w.paused())

	w.cfg.Dispatcher = nil
	require.ErrorContains(t, w.ingest(), "no dispatcher")
	require.False(t, w.entered(etl.EntryApplied))
	require.Nil(t, w.paused())

	w.cfg.Dispatcher, w.keeper.change = w.keeper, nil
	require.NoError(t, w.ingest())
	require.True(t, w.entered(etl.EntryApplied))
	require.Equal(t, 2, w.rows())
	require.Equal(t, 2, w.told)
}

// bare is a dispatcher that hands nothing over.
type bare struct{ etl.Dispatcher }

func TestDispatcherThatHandsNothingOver(t *testing.T) {
	w := newBadWorld(t)
	w.cfg.Dispatcher = bare{w.keeper}
	require.Equal(t, etl.Terminal, etl.OutcomeOf(w.ingest()))
	require.Contains(t, w.paused().Cause, "cannot hand over")
	require.False(t, w.entered(etl.EntryApplied))
}

// TestBudgetOfAJob: the diagnosis is that of the engine, and nothing is left.
func TestBudgetOfAJob(t *testing.T) {
	w := newBadWorld(t)
	w.cfg.Tables[0].BadRows.Rows = 1
	require.Equal(t, etl.Terminal, etl.OutcomeOf(w.ingest()))
	d := w.paused()
	require.Equal(t, "row 2 of file: column id: not a long; and 1 more, budget 1", d.Cause)
	require.Equal(t, [4]any{"file", int64(2), "id", "not a long"}, [4]any{d.File, d.Row, d.Column, d.Rule})
	require.Zero(t, w.rows())
	require.NotEmpty(t, w.keeper.forgot)
}
