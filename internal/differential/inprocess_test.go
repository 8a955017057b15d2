package differential

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
)

func inProcess(t *testing.T, l *lane) etl.Dispatcher {
	store, err := dispatch.NewFolder(filepath.Join(l.dir, "jobs"))
	require.NoError(t, err)
	d := dispatch.NewInProcess(dispatch.InProcessConfig{Source: l.bucket, Sink: l.sink, Store: store})
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// TestInProcess is the comparison where both sides run the same engine.
func TestInProcess(t *testing.T) {
	t.Parallel()
	playAll(t, *seeds, inProcess)
}

// apply is [etl.Sink.Apply] with what went before.
type apply func(ctx context.Context, l *lane, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error)

// wrong is the sink of a lane that at its second load does something wrong.
type wrong struct {
	etl.Sink
	l     *lane
	n     atomic.Int64
	apply apply
}

func (w *wrong) Apply(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
	if w.n.Add(1) == 2 {
		return w.apply(ctx, w.l, target, load, changes)
	}
	return w.Sink.Apply(ctx, target, load, changes)
}

// mistakes are what an engine may do wrong.
var mistakes = map[string]apply{
	"a value": func(ctx context.Context, l *lane, target etl.Target, load etl.Load, _ *etl.Changes) (etl.Receipt, error) {
		changes, err := etl.NewChanges(etl.ChangesConfig{Table: l.table, Load: load, Source: misread{l.bucket}})
		if err != nil {
			return etl.Receipt{}, err
		}
		return l.sink.Apply(ctx, target, load, changes)
	},
	"the counts": func(ctx context.Context, l *lane, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
		r, err := l.sink.Apply(ctx, target, load, changes)
		r.Counts.Inserted, r.Counts.Updated = r.Counts.Inserted-1, r.Counts.Updated+1
		return r, err
	},
	"an error": func(_ context.Context, _ *lane, _ etl.Target, load etl.Load, _ *etl.Changes) (etl.Receipt, error) {
		return etl.Receipt{}, &etl.RowError{File: load.Files[0].Location, Row: 1, Rule: "bad"}
	},
	"the watermark": func(ctx context.Context, l *lane, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
		load.Watermark += "0"
		return l.sink.Apply(ctx, target, load, changes)
	},
}

// misread is a source that takes one letter for another in texts.
type misread struct{ etl.Source }

func (m misread) Open(ctx context.Context, f etl.File) (etl.Input, error) {
	in, err := m.Source.Open(ctx, f)
	return misreadInput{in}, err
}

type misreadInput struct{ etl.Input }

func (m misreadInput) ReadAt(p []byte, off int64) (int, error) {
	n, err := m.Input.ReadAt(p, off)
	for i, b := range p[:n] {
		if b == 'n' {
			p[i] = 'm'
		}
	}
	return n, err
}

// TestMistakesAreFound plants mistakes into the other engine and expects each of
// them to be found.
func TestMistakesAreFound(t *testing.T) {
	t.Parallel()
	for name, apply := range mistakes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGame(t, 4, nil, func(t *testing.T, l *lane) etl.Dispatcher {
				d := dispatch.NewInProcess(dispatch.InProcessConfig{Source: l.bucket, Sink: &wrong{Sink: l.sink, l: l, apply: apply}})
				t.Cleanup(func() { require.NoError(t, d.Close()) })
				return d
			})
			require.ErrorContains(t, g.play(t.Context(), nil), "differ")
		})
	}
}
