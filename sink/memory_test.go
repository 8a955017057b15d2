package sink_test

import (
	"testing"

	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/sink"
)

func TestMemoryConformance(t *testing.T) {
	etltest.Sink(t, func(*testing.T) etltest.SinkUnderTest { return sink.NewMemory() })
}
