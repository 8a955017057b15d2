package awsetl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest/awstest"
)

// slowSink takes a load apart: the first cuts attempts last until their time is over.
type slowSink struct {
	etl.Sink
	cuts  atomic.Int64
	takes time.Duration
}

func (s *slowSink) Apply(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
	if s.cuts.Add(-1) >= 0 {
		<-ctx.Done()
		return etl.Receipt{}, ctx.Err()
	}
	if err := sleep(ctx, s.takes); err != nil {
		return etl.Receipt{}, err
	}
	return s.Sink.Apply(ctx, target, load, changes)
}

// short handles an event as a function that has so much time.
func (w *world) short(d time.Duration, doc string) Answer {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	out, err := w.handler.Handle(ctx, json.RawMessage(doc))
	require.NoError(w.t, err)
	return out.(Answer)
}

func TestALoadCutByTheDeadlineGoesOn(t *testing.T) {
	w := newWorld(t, func(w *world) {
		s := &slowSink{Sink: w.sink}
		s.cuts.Store(2)
		w.config.Sink = s
	})
	w.land(landed, "1,Ann,1\n")
	a := w.short(200*time.Millisecond, created(landed))
	require.True(t, a.Tables[0].Woken)
	sent := w.sqs.Messages(queueURL)
	require.Len(t, sent, 1)
	require.JSONEq(t, `{"tidemark":{"wake":"hr.people","hops":1}}`, sent[0].Body)
	lease, err := w.locker.Acquire(t.Context(), "hr.people", time.Second)
	require.NoError(t, err, "the lock was given back in time")
	require.NoError(t, lease.Release(t.Context()))

	a = w.short(200*time.Millisecond, w.sqs.Receive(queueURL)[0].Body)
	require.True(t, a.Tables[0].Woken)
	w.deliver(1)
	require.Equal(t, []string{"1,Ann,1"}, w.rows("hr.people"))
	require.Zero(t, w.state("hr.people").Begun)
}

func TestALoadThatOutlastsEveryInvocationPausesTheTable(t *testing.T) {
	w := newWorld(t, func(w *world) {
		s := &slowSink{Sink: w.sink}
		s.cuts.Store(1000)
		w.config.Sink = s
	})
	w.land(landed, "1,Ann,1\n")
	w.short(100*time.Millisecond, created(landed))
	n := 1
	for ; len(w.sqs.Messages(queueURL)) > 0; n++ {
		require.Less(t, n, 10)
		w.short(100*time.Millisecond, w.sqs.Receive(queueURL)[0].Body)
	}
	require.Equal(t, defaultMaxBegins+1, n)
	require.Contains(t, w.sns.Published()[0].Message, "begun 4 times")
}

func TestAChainOfWakeUpsWorksOffWhatOneInvocationCannot(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.config.Sink = &slowSink{Sink: w.sink, takes: 20 * time.Millisecond}
		w.config.Margin = 30 * time.Millisecond
		w.config.Tables[0].MaxBatchFiles = 1
	})
	for i := range 12 {
		w.land(fmt.Sprintf("hr/people/20240220-1108%02d000.csv", i), fmt.Sprintf("I,%d,v,1\n", i))
	}
	a := w.short(200*time.Millisecond, schedule)
	require.Less(t, len(a.Tables[0].Loads), 12)
	n := 0
	for ; len(w.sqs.Messages(queueURL)) > 0; n++ {
		require.Less(t, n, 20)
		m := w.sqs.Receive(queueURL)
		require.Len(t, m, 1)
		require.JSONEq(t, `{"tidemark":{"wake":"hr.people","hops":1}}`, m[0].Body, "progress resets the count")
		w.short(200*time.Millisecond, m[0].Body)
	}
	require.Positive(t, n)
	require.Len(t, w.rows("hr.people"), 12)
}

// TestNoWakeUpIsLost: a file whose event finds the table locked is worked off
// even if the holder of the lock has looked at the ledger for the last time.
func TestNoWakeUpIsLost(t *testing.T) {
	w := newWorld(t, nil)
	w.handle(created(w.land(landed, "1,Ann,1\n")))
	lease, err := w.locker.Acquire(t.Context(), "hr.people", time.Minute) // the other invocation, at its end
	require.NoError(t, err)
	for i := range 50 {
		a := w.answer(created(w.land(fmt.Sprintf("hr/people/20240220-1108%02d000.csv", i), fmt.Sprintf("I,%d,v,2\n", i))))
		require.Equal(t, "locked by another runner", a.Tables[0].Reason)
		require.True(t, a.Tables[0].Woken)
	}
	sent := w.sqs.Messages(queueURL)
	require.Len(t, sent, 1, "one wake-up for all of them")
	require.InDelta(t, firstLockedDelay.Seconds(), time.Until(sent[0].Visible).Seconds(), 1)
	require.NoError(t, lease.Release(t.Context()))
	require.Equal(t, 1, w.deliver(1))
	require.Len(t, w.rows("hr.people"), 50)
}

func TestWakeUpsWithoutProgressEnd(t *testing.T) {
	w := newWorld(t, func(w *world) { w.parts.MaxHops = 7 })
	lease, err := w.locker.Acquire(t.Context(), "hr.people", time.Hour)
	require.NoError(t, err)
	w.handle(created(w.land(landed, "1,Ann,1\n")))
	require.Equal(t, 7, w.deliver(20))
	require.Len(t, w.sns.Published(), 1)
	require.Contains(t, w.sns.Published()[0].Subject, "table not woken: hr.people")
	require.NoError(t, lease.Release(t.Context()))
	w.handle(schedule)
	require.Len(t, w.rows("hr.people"), 1)
}

// busyMaintainer is a sink whose maintenance is interrupted by a file.
type busyMaintainer struct {
	etl.Sink
	during func()
}

func (s *busyMaintainer) Maintain(context.Context, etl.Target, etl.MaintainOptions) (etl.MaintainReport, error) {
	s.during()
	return etl.MaintainReport{}, nil
}

func TestFilesThatLandDuringMaintenance(t *testing.T) {
	var w *world
	rounds := 0
	w = newWorld(t, func(w *world) {
		w.config.Tables[0].Maintenance.Auto = true
		w.config.Sink = &busyMaintainer{w.sink, func() {
			if rounds++; rounds < 3 {
				f := w.source.Put(fmt.Sprintf("hr/people/20240220-11080%d000.csv", rounds), fmt.Appendf(nil, "I,%d,v,2\n", 10+rounds))
				_, err := w.handler.Runner().Register(t.Context(), f)
				require.NoError(t, err)
			}
		}}
	})
	a := w.answer(created(w.land(landed, "1,Ann,1\n")))
	require.Len(t, a.Tables[0].Loads, 3)
	require.Equal(t, []string{"1,Ann,1", "11,v,2", "12,v,2"}, w.rows("hr.people"))
}

func TestSettlingFilesAreWokenForWhenTheyHave(t *testing.T) {
	w := newWorld(t, func(w *world) { w.config.Tables[0].Settle = 300 * time.Millisecond })
	key := w.land("hr/people/20240220-110825123.csv", "I,2,Bob,2\n")
	a := w.answer(created(key))
	require.True(t, a.Tables[0].Woken)
	require.Empty(t, w.rows("hr.people"))

	calls := &awstest.Lambda{}
	w.parts.Waker = &LambdaWaker{Client: calls, Function: "tidemark"}
	w.restart()
	w.handle(created(key))
	require.Equal(t, []string{"2,Bob,2"}, w.rows("hr.people"), "without delays the invocation waits a little")
	require.Empty(t, calls.Take("tidemark"))
}

func TestSelfInvocation(t *testing.T) {
	calls := &awstest.Lambda{}
	w := newWorld(t, func(w *world) {
		s := &slowSink{Sink: w.sink}
		s.cuts.Store(1)
		w.config.Sink = s
		w.parts.Waker = &LambdaWaker{Client: calls, Function: "tidemark"}
		w.parts.Linger = time.Millisecond
	})
	w.land(landed, "1,Ann,1\n")
	require.True(t, w.short(200*time.Millisecond, created(landed)).Tables[0].Woken)
	payloads := calls.Take("tidemark")
	require.Len(t, payloads, 1)
	w.handle(string(payloads[0]))
	require.Len(t, w.rows("hr.people"), 1)

	lease, err := w.locker.Acquire(t.Context(), "hr.people", time.Minute)
	require.NoError(t, err)
	a := w.answer(created(w.land("hr/people/20240220-110825123.csv", "I,2,Bob,2\n")))
	require.False(t, a.Tables[0].Woken, "what cannot be delayed would go round in circles")
	require.Empty(t, calls.Take("tidemark"))
	require.NoError(t, lease.Release(t.Context()))
}

func TestAWakeUpThatCannotBeSentIsSentNextTime(t *testing.T) {
	w := newWorld(t, nil)
	lease, err := w.locker.Acquire(t.Context(), "hr.people", time.Minute)
	require.NoError(t, err)
	defer lease.Release(t.Context())
	w.sqs.Fail = func() error { return errors.New("throttled") }
	a := w.answer(created(w.land(landed, "1,Ann,1\n")))
	require.False(t, a.Tables[0].Woken)
	w.sqs.Fail = nil
	a = w.answer(created(landed))
	require.True(t, a.Tables[0].Woken)
	require.Len(t, w.sqs.Messages(queueURL), 1)
}

func TestAFunctionWithTooShortATimeout(t *testing.T) {
	w := newWorld(t, func(w *world) { w.config.Margin = time.Minute })
	w.land(landed, "1,Ann,1\n")
	a := w.short(time.Second, created(landed))
	require.Equal(t, 1, a.Registered)
	require.False(t, a.Tables[0].Woken, "no other invocation has more time")
	require.Empty(t, w.sqs.Messages(queueURL))
	require.Contains(t, w.sns.Published()[0].Message, "timeout")
}

// TestEventsComeOneByOne: a table that declares nothing must not be replaced by
// one file of its full load, nor pause since events overtook each other.
func TestEventsComeOneByOne(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.parts.Quiet, w.parts.Settle = 150*time.Millisecond, 150*time.Millisecond
		w.config.Tables[0].OrderBy = nil
	})
	one, two := w.land("hr/people/LOAD00000001.csv", "1,Ann,1\n"), w.land("hr/people/LOAD00000002.csv", "2,Bob,1\n")
	later, earlier := w.land("hr/people/20240220-110802000.csv", "U,1,Anna,1\n"), w.land("hr/people/20240220-110801000.csv", "U,1,Anne,1\n")
	for _, pair := range [][]string{{two, one}, {later, earlier}} {
		for _, key := range pair {
			require.Empty(t, w.answer(created(key)).Tables[0].Loads)
		}
		time.Sleep(200 * time.Millisecond)
		w.deliver(2)
	}
	require.Equal(t, []string{"1,Anna,1", "2,Bob,1"}, w.rows("hr.people"))
	require.EqualValues(t, 1, w.state("hr.people").Epoch)
}

func TestFIFOQueueWakes(t *testing.T) {
	q := &awstest.SQS{}
	waker := &SQSWaker{Client: q, QueueURL: queueURL + ".fifo"}
	require.Zero(t, waker.MaxDelay())
	for range 2 {
		require.NoError(t, waker.Wake(t.Context(), Wake{Tables: []string{"hr.pe ople"}}, time.Minute))
	}
	sent := q.Messages(queueURL + ".fifo")
	require.Len(t, sent, 2, "equal wake-ups are not swallowed")
	require.Equal(t, "hr.pe_ople", sent[0].Group)
	standard := &SQSWaker{Client: q, QueueURL: queueURL}
	require.NoError(t, standard.Wake(t.Context(), Wake{Tables: []string{"a"}}, time.Hour), "cut to what SQS takes")
	require.NoError(t, standard.Wake(t.Context(), Wake{Tables: []string{"a"}}, time.Millisecond))
	require.WithinDuration(t, time.Now().Add(time.Second), q.Messages(queueURL)[1].Visible, 500*time.Millisecond, "rounded up")
}

func TestNext(t *testing.T) {
	loads := []etl.AppliedLoad{{}}
	paused := etl.WithOutcome(etl.Terminal, errors.New("bad row"))
	for name, c := range map[string]struct {
		rep  etl.TableReport
		hops int
		cut  bool
		want left
		more bool
	}{
		"done":                 {rep: etl.TableReport{Reason: "nothing is pending"}, want: left{hops: 1}},
		"no time":              {rep: etl.TableReport{More: true}, hops: 3, want: left{hops: 4}, more: true},
		"no time, progress":    {rep: etl.TableReport{More: true, Loads: loads}, hops: 3, want: left{hops: 1}, more: true},
		"cut":                  {rep: etl.TableReport{Err: context.DeadlineExceeded}, cut: true, want: left{hops: 1}, more: true},
		"paused":               {rep: etl.TableReport{Err: paused}, want: left{hops: 1}},
		"transient":            {rep: etl.TableReport{Err: errors.New("reset")}, want: left{firstErrorDelay, 1}, more: true},
		"transient for long":   {rep: etl.TableReport{Err: errors.New("reset")}, hops: 90, want: left{maxErrorDelay, 91}, more: true},
		"fenced off":           {rep: etl.TableReport{Err: etl.ErrStaleFence}, want: left{firstErrorDelay, 1}, more: true},
		"locked":               {rep: etl.TableReport{Locked: true, Wait: time.Minute}, want: left{firstLockedDelay, 1}, more: true},
		"locked again":         {rep: etl.TableReport{Locked: true, Wait: time.Minute}, hops: 2, want: left{4 * firstLockedDelay, 3}, more: true},
		"locked for long":      {rep: etl.TableReport{Locked: true, Wait: time.Minute}, hops: 50, want: left{time.Minute, 51}, more: true},
		"a full load collects": {rep: etl.TableReport{Reason: "quiet", Wait: time.Hour}, want: left{time.Hour, 1}, more: true},
	} {
		got, more := next(c.rep, c.hops, c.cut)
		require.Equal(t, c.want, got, name)
		require.Equal(t, c.more, more, name)
	}
}
