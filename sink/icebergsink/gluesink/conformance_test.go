package gluesink_test

import (
	"testing"

	"github.com/tidemark-data/etl/etltest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	etltest.Sink(t, func(t *testing.T) etltest.SinkUnderTest { return newCloud(t).open() })
}
