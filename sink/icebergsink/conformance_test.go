package icebergsink_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/sink/icebergsink"
)

// moded is a sink all of whose tables are in one mode.
type moded struct {
	*icebergsink.Sink
	mode mode
}

func (m moded) Prepare(ctx context.Context, target etl.Target, load etl.Load) error {
	target.Properties = m.mode.with(target.Properties)
	return m.Sink.Prepare(ctx, target, load)
}

func (m moded) Stage(ctx context.Context, target etl.Target, load etl.Load, i int, changes *etl.Changes) (etl.StagedFile, error) {
	target.Properties = m.mode.with(target.Properties)
	return m.Sink.Stage(ctx, target, load, i, changes)
}

func (m moded) Publish(ctx context.Context, target etl.Target, load etl.Load) (etl.Receipt, error) {
	target.Properties = m.mode.with(target.Properties)
	return m.Sink.Publish(ctx, target, load)
}

func (m moded) Apply(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
	target.Properties = m.mode.with(target.Properties)
	return m.Sink.Apply(ctx, target, load, changes)
}

func (m moded) Fence(ctx context.Context, target etl.Target, fence int64) error {
	target.Properties = m.mode.with(target.Properties)
	return m.Sink.Fence(ctx, target, fence)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, m := range modes() {
		if testing.Short() && !slices.Contains([]string{"merge-on-read", "copy-on-write on v3"}, m.name) {
			continue // what runs side by side is the same
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			etltest.Sink(t, func(t *testing.T) etltest.SinkUnderTest {
				s, err := icebergsink.Open(context.Background(), icebergsink.Config{Warehouse: t.TempDir()})
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, s.Close()) })
				return moded{s, m}
			})
		})
	}
}
