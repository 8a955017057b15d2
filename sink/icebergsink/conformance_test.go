package icebergsink_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/sink/icebergsink"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	etltest.Sink(t, func(t *testing.T) etltest.SinkUnderTest {
		s, err := icebergsink.Open(context.Background(), icebergsink.Config{Warehouse: t.TempDir()})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	})
}
