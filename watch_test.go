package etl

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A load is not read to the bitter end where its pace shows that it will not do.
func TestWatch(t *testing.T) {
	for name, test := range map[string]struct {
		after, left time.Duration
		expected    float64
		passes      []int64 // rows read in passes 1 and 2
		why         string
	}{
		"far too slow":           {after: 20 * time.Second, left: 100 * time.Second, expected: 1e6, passes: []int64{1000, 0}, why: `after 2\d\.\d s 1000 of about 2000000 rows are read, so it needs 4\d{4} of the 100 s that it has`},
		"in time":                {after: 20 * time.Second, left: 100 * time.Second, expected: 1e6, passes: []int64{900_000, 0}},
		"in time in one pass":    {after: 20 * time.Second, left: 100 * time.Second, expected: 1e6, passes: []int64{0, 300_000}},
		"too slow in one pass":   {after: 20 * time.Second, left: 100 * time.Second, expected: 1e6, passes: []int64{0, 100_000}, why: `after 2\d\.\d s 100000 of about 1000000 rows are read, so it needs 2\d\d of the 100 s that it has`},
		"too early to tell":      {after: 5 * time.Second, left: 100 * time.Second, expected: 1e6, passes: []int64{1, 0}},
		"no history":             {after: 20 * time.Second, left: 100 * time.Second, passes: []int64{1, 0}},
		"no deadline":            {after: 20 * time.Second, left: -1, expected: 1e6, passes: []int64{1, 0}},
		"more rows than thought": {after: 20 * time.Second, left: 100 * time.Second, expected: 10, passes: []int64{5000, 0}},
		"more rows than fit":     {after: time.Second, left: -1, passes: []int64{10_001, 0}, why: "it has more than 10000 rows, more than the memory budget is for"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, stop := context.WithCancelCause(t.Context())
			defer stop(nil)
			w := &watch{stop: stop, began: time.Now().Add(-test.after), left: test.left, rows: test.expected, limit: 10_000, seen: map[progress]int64{}}
			if test.expected > 0 {
				w.limit = 1e9
			}
			for i, n := range test.passes {
				if n > 0 {
					w.told("a", i+1, n)
				}
			}
			var h *handOver
			require.Equal(t, test.why != "", errors.As(context.Cause(ctx), &h), "%v", context.Cause(ctx))
			if test.why == "" {
				return
			}
			require.Regexp(t, "^handed over from L: "+test.why+": G$", h.why)
		})
	}
}
