package evolution

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
)

// TestJobsOutliveFaults plays histories whose loads are jobs, and lets a process fail, or
// die, at any point of most steps.
func TestJobsOutliveFaults(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+2*int64(*histories); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			lake := sink.NewMemory()
			w := &world{
				Story: NewStory(t, seed, nil, seed%2 == 0), t: t, control: control.NewMemory(), locker: lock.NewMemory(),
				sink: lake, inj: etltest.NewInjector(),
			}
			w.locker.Now = func() time.Time { return w.now }
			jobs := dispatch.NewInProcess(dispatch.InProcessConfig{Source: w.bucket, Sink: lake})
			t.Cleanup(func() { require.NoError(t, jobs.Close()) })
			w.jobs = jobs
			w.restart()
			step := func(kind etl.LoadKind) {
				w.Land(kind)
				w.inj.Reset()
				w.inj.FailNth(1+w.r.IntN(60), []error{etltest.ErrCrash, nil}[w.r.IntN(2)])
				w.heal()
				w.inj.Reset()
				w.restart() // leases that were not given back run out
				w.heal()
				w.compare()
			}
			for step(etl.Full); w.More(); step(w.Next()) {
				if w.Grow() {
					w.restart()
				}
			}
			require.NotEmpty(t, w.evolved)
		})
	}
}
