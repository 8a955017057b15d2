//go:build unix && !aix && !solaris

package sparkdispatch_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// TestConformance runs the suite with a script in the place of spark-submit, which
// does what the first word of a job's ID says.
func TestConformance(t *testing.T) {
	t.Parallel()
	etltest.Dispatcher(t, func(t *testing.T) etltest.Engine {
		cfg := fake(t, "suite")
		cfg.Limit = 2
		d := open(t, cfg)
		var n atomic.Int64
		next := func(what string) func(*testing.T) etl.Job {
			return func(*testing.T) etl.Job {
				j := job(fmt.Sprintf("%s-%d", what, n.Add(1)))
				j.Load.ID = fmt.Sprintf("%032x", n.Load())
				return j
			}
		}
		return etltest.Engine{
			Dispatcher: d, Job: next("ok"), Bad: next("fail"), Long: next("hang"),
			Undeclared: func(t *testing.T) etl.Job {
				j := next("ok")(t)
				j.Table.Transforms = []etl.Transformer{nil}
				return j
			},
			Full: func(t *testing.T) etl.Job {
				for range cfg.Limit {
					ref, err := d.Submit(t.Context(), next("hang")(t))
					require.NoError(t, err)
					t.Cleanup(func() { require.NoError(t, d.Cancel(context.Background(), ref)) })
				}
				return next("ok")(t)
			},
		}
	})
}
