package awsetl

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/etltest"
)

// TestADeathAtAnyPoint: the process dies at any call of any store while it works
// on a batch. SQS, which got no answer, delivers the batch again, and the table
// is what it must be, without the schedule.
func TestADeathAtAnyPoint(t *testing.T) { atAnyPoint(t, etltest.ErrCrash) }

// TestAnErrorAtAnyPoint: a call fails that the process survives.
func TestAnErrorAtAnyPoint(t *testing.T) { atAnyPoint(t, etltest.ErrInjected) }

func atAnyPoint(t *testing.T, fault error) {
	points := workThrough(t, 0, fault)
	require.Greater(t, points, 40)
	const lanes = 8 // most of the time goes into waiting for leases
	for lane := range lanes {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for n := 1 + lane; n <= points; n += lanes {
				workThrough(t, n, fault)
			}
		})
	}
}

func workThrough(t *testing.T, at int, fault error) (points int) {
	inj := etltest.NewInjector()
	w := newWorld(t, func(w *world) {
		w.config.Source, w.config.Control = inj.Source(w.source), inj.Control(w.control)
		w.config.Locker, w.config.Sink = inj.Locker(w.locker), inj.Sink(w.sink)
		w.config.LeaseTTL = 60 * time.Millisecond
	})
	bodies := []string{
		created(w.land("hr/people/20240220-110801000.csv", "U,1,Anna,1\n")),
		created(w.land("hr/people/LOAD00000001.csv", "1,Ann,0\n2,Bob,0\n")),
		created(w.land("hr/people/20240220-110802000.csv", "U,1,Anne,2\nD,2,,2\n")),
		created(w.land("hr/people/20240220-110803000.csv", "I,3,Cy,3\n")),
	}
	inj.Reset()
	if at > 0 {
		inj.FailNth(at, fault)
	}
	for tries := 0; len(bodies) > 0; tries++ {
		require.Less(t, tries, 5, "fault %d", at)
		bodies = w.try(inj, bodies)
	}
	points = inj.Count()
	w.deliver(40)
	require.Equal(t, []string{"1,Anne,2", "3,Cy,3"}, w.rows("hr.people"), "fault %d", at)
	return points
}

// try hands a batch to the function, and returns what comes again.
func (w *world) try(inj *etltest.Injector, bodies []string) (again []string) {
	out, err := w.handler.Handle(context.Background(), json.RawMessage(batch(bodies...)))
	if inj.Crashed() {
		w.sqs.Receive(queueURL) // a dead process sends nothing
		time.Sleep(w.config.LeaseTTL + 10*time.Millisecond)
		inj.Restart()
		w.restart()
		return bodies
	}
	require.NoError(w.t, err)
	for _, f := range out.(events.SQSEventResponse).BatchItemFailures {
		for i, b := range bodies {
			if f.ItemIdentifier == "m"+string(rune('1'+i)) {
				again = append(again, b)
			}
		}
	}
	return again
}
