package awsetl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

func TestEveryShapeOfObjectEventLandsTheFile(t *testing.T) {
	for _, name := range []string{"s3-created", "sns-s3", "sqs-s3", "sqs-sns-s3"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.land(landed, "1,Ann,1\n")
			w.land("hr/people/20240220-110825123.csv", "I,2,Bob,2\n")
			w.handle(sample(t, name))
			require.Equal(t, []string{"1,Ann,1"}, w.rows("hr.people"), "the other file has no event yet")
			w.handle(sample(t, name))
			require.Equal(t, []string{"1,Ann,1"}, w.rows("hr.people"))
			w.handle(created("hr/people/20240220-110825123.csv"))
			require.Equal(t, []string{"1,Ann,1", "2,Bob,2"}, w.rows("hr.people"))
		})
	}
	w := newWorld(t, nil)
	require.Equal(t, Answer{}, w.handle(sample(t, "s3-test-event")))
}

// TestOneEventOfAFileOfSeveralTables brings all of them up to date.
func TestOneEventOfAFileOfSeveralTables(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.config.Layout = format.DMS{CdcPath: "cdc"}
		for i := range w.config.Tables {
			w.config.Tables[i].Op, w.config.Tables[i].Format = etl.OpColumn{}, format.DMSTransactions{}
		}
	})
	w.land("cdc/CDC_TXN-20240220110825123.csv", "I,people,hr,1,Ann,1\nI,teams,hr,7,Sales,1\nI,nobody,hr,8\n")
	require.Equal(t, 2, w.answer(created("cdc/CDC_TXN-20240220110825123.csv")).Registered)
	require.Equal(t, []string{"1,Ann,1"}, w.rows("hr.people"))
	require.Equal(t, []string{"7,Sales,1"}, w.rows("hr.teams"))
	require.Zero(t, w.answer(schedule).Registered)
}

func TestTheBucketIsAskedNotTheEvent(t *testing.T) {
	w := newWorld(t, nil)
	require.Equal(t, Answer{}, w.answer(created("hr/people/gone.csv")), "a vanished object is done")
	w.land("hr/people/LOAD00000001.csv", "1,Ann,1\n")
	removed := `{"detail-type":"Object Deleted","source":"aws.s3","detail":{"bucket":{"name":"raw"},"object":{"key":"hr/people/LOAD00000001.csv"}}}`
	require.Equal(t, Answer{}, w.answer(removed))
	w.land("hr/", "")
	w.land("hr/people_$folder$", "")
	require.Equal(t, Answer{}, w.answer(created("hr/")))
	require.Equal(t, Answer{}, w.answer(created("hr/people_$folder$")))

	w.source.Remove("hr/")
	w.source.Remove("hr/people_$folder$")
	a := w.answer(created("hr/people/LOAD00000001.csv"))
	require.Equal(t, 1, a.Registered)
	for rec, err := range w.control.Files(t.Context(), etl.FileQuery{Table: "hr.people"}) {
		require.NoError(t, err)
		require.Equal(t, int64(8), rec.Size, "not the event's")
	}
	require.Zero(t, w.answer(schedule).Registered, "events and listing name the same file")
}

func TestForeignBucketsArePassedOver(t *testing.T) {
	w := newWorld(t, func(w *world) { w.parts.Bucket = "other" })
	w.land("hr/people/LOAD00000001.csv", "1,Ann,1\n")
	for range 3 {
		require.Zero(t, w.answer(created("hr/people/LOAD00000001.csv")).Registered)
	}
	sent := w.sns.Published()
	require.Len(t, sent, 1, "one warning, not one for each event")
	require.Contains(t, sent[0].Message, "bucket raw")
}

// TestAnyOrderOfEvents: whatever comes of events twice, late or not at all, the
// schedule makes the table whole.
func TestAnyOrderOfEvents(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t, nil)
			keys := []string{w.land("hr/people/LOAD00000001.csv", "0,base,0\n1,base,0\n")}
			for i := range 20 {
				keys = append(keys, w.land(fmt.Sprintf("hr/people/20240220-1108%02d000.csv", i), fmt.Sprintf("U,%d,v%d,%d\n", i%5, i, i+1)))
			}
			var bodies []string
			for _, k := range keys {
				for range r.IntN(3) { // lost, once, twice
					bodies = append(bodies, created(k))
				}
			}
			r.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
			for len(bodies) > 0 {
				n := 1 + r.IntN(len(bodies))
				require.Empty(t, w.failures(batch(bodies[:n]...)))
				bodies = bodies[n:]
			}
			w.handle(schedule)
			require.Equal(t, []string{"0,v15,16", "1,v16,17", "2,v17,18", "3,v18,19", "4,v19,20"}, w.rows("hr.people"))
			require.Zero(t, w.answer(schedule).Registered)
			require.Empty(t, w.sqs.Messages(queueURL), "nothing is left to wake for")
		})
	}
}

func TestManyInvocationsAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	other := *w
	other.restart() // another instance of the function
	w.land("hr/people/LOAD00000001.csv", "0,base,0\n")
	w.handle(created("hr/people/LOAD00000001.csv"))
	var g sync.WaitGroup
	for i := range 16 {
		key := w.land(fmt.Sprintf("hr/people/20240220-1108%02d000.csv", i), fmt.Sprintf("U,%d,v,%d\n", i, i+1))
		h := []*Handler{w.handler, other.handler}[i%2]
		g.Go(func() {
			_, err := h.Handle(t.Context(), json.RawMessage(created(key)))
			require.NoError(t, err)
		})
	}
	g.Wait()
	w.deliver(40)
	require.Len(t, w.rows("hr.people"), 16)
}

func TestAFailedLoadIsNotTheMessagesFault(t *testing.T) {
	w := newWorld(t, nil)
	w.land("hr/people/LOAD00000001.csv", "one,Ann,1\n")
	require.Empty(t, w.failures(batch(created("hr/people/LOAD00000001.csv"))), "the ledger holds the work")
	require.Equal(t, etl.FlagPaused, w.state("hr.people").Flag)
	w.land("hr/people/20240220-110825123.csv", "I,2,Bob,2\n")
	require.Empty(t, w.failures(batch(created("hr/people/20240220-110825123.csv"))))
	require.Empty(t, w.sqs.Messages(queueURL), "a paused table is not woken")
	require.Len(t, w.sns.Published(), 1)
}

func TestMalformedEvents(t *testing.T) {
	w := newWorld(t, nil)
	_, err := w.handler.Handle(t.Context(), json.RawMessage(`{"a":1}`))
	require.ErrorIs(t, err, ErrMalformed)
	w.land(landed, "1,Ann,1\n")
	require.Equal(t, []string{"m1", "m3"}, w.failures(sample(t, "sqs-poisoned")))
	require.Equal(t, []string{"m1"}, w.failures(batch("poison", created(landed))))
	require.Equal(t, []string{"1,Ann,1"}, w.rows("hr.people"), "the others of the batch go on")

	w.parts.DropMalformed = true
	w.restart()
	require.Empty(t, w.failures(sample(t, "sqs-poisoned")))
	require.Contains(t, w.answer(`{"a":1}`).Error, "malformed")
}

// brokenStore fails updates that insert a file at one of its locations.
type brokenStore struct {
	etl.ControlStore
	locations map[string]bool
}

func (s *brokenStore) Update(ctx context.Context, u etl.Update) error {
	for _, rec := range u.Insert {
		if s.locations[rec.Location] {
			return errors.New("throttled")
		}
	}
	return s.ControlStore.Update(ctx, u)
}

func TestPartialBatches(t *testing.T) {
	broken := map[string]bool{"hr/people/20240220-110802000.csv": true}
	w := newWorld(t, func(w *world) { w.config.Control = &brokenStore{w.control, broken} })
	var bodies []string
	for i := range 5 {
		bodies = append(bodies, created(w.land(fmt.Sprintf("hr/people/20240220-11080%d000.csv", i), fmt.Sprintf("I,%d,v,%d\n", i, i))))
	}
	bodies[3] = created(w.land("hr/teams/20240220-110803000.csv", "I,3,v,3\n"))
	require.Equal(t, []string{"m3"}, w.failures(batch(bodies...)))
	require.Equal(t, []string{"0,v,0", "1,v,1", "4,v,4"}, w.rows("hr.people"))
	require.Equal(t, []string{"3,v,3"}, w.rows("hr.teams"))

	groups := []string{"hr.people", "hr.people", "hr.people", "hr.teams", "hr.people"}
	require.Equal(t, []string{"m3", "m5"}, w.failures(fifo(groups, bodies...)), "the first failure of a group and all after it in the group")
	groups[3] = "hr.people"
	require.Equal(t, []string{"m3", "m4", "m5"}, w.failures(fifo(groups, bodies...)))
	clear(broken)
	require.Empty(t, w.failures(fifo(groups, bodies...)))
	require.Len(t, w.rows("hr.people"), 4)
}

func TestAPoisonedMessageBlocksItsGroupOnly(t *testing.T) {
	w := newWorld(t, nil)
	a, b := created(w.land("hr/people/20240220-110801000.csv", "I,1,v,1\n")), created(w.land("hr/teams/20240220-110801000.csv", "I,1,v,1\n"))
	require.Equal(t, []string{"m1", "m2"}, w.failures(fifo([]string{"p", "p", "t"}, "poison", a, b)))
	require.Empty(t, w.rows("hr.people"))
	require.Len(t, w.rows("hr.teams"), 1)
}

func TestAnEventThatCannotBeRecordedComesAgain(t *testing.T) {
	broken := map[string]bool{landed: true}
	w := newWorld(t, func(w *world) { w.config.Control = &brokenStore{w.control, broken} })
	w.land(landed, "1,Ann,1\n")
	_, err := w.handler.Handle(t.Context(), json.RawMessage(created(landed)))
	require.ErrorContains(t, err, "throttled")
	clear(broken)
	w.handle(created(landed))
	require.Len(t, w.rows("hr.people"), 1)
}

func TestDMSTaskCompletesItsFullLoad(t *testing.T) {
	arn := "arn:aws:dms:us-east-1:111122223333:task:AAAABBBB0CCCCDDDDEEEEE1FFFF2GGG3FFFFFF3"
	w := newWorld(t, func(w *world) {
		w.config.Tables[0].Completion.Explicit = true
		w.parts.TaskTables = TaskMap(map[string][]string{arn: {"hr.people", "hr.teams", "hr.gone"}})
	})
	w.handle(created(w.land("hr/people/LOAD00000001.csv", "1,Ann,1\n")))
	w.land("hr/people/LOAD00000002.csv", "2,Bob,1\n") // its event is lost
	require.Empty(t, w.rows("hr.people"))
	w.handle(sample(t, "eventbridge-dms"))
	require.Equal(t, []string{"1,Ann,1", "2,Bob,1"}, w.rows("hr.people"))
	require.Empty(t, w.answer(sample(t, "eventbridge-dms")).Error, "nothing is open any more")

	require.True(t, FullLoadFinished(TaskState{Message: "Stop Reason STOPPED_AFTER_FULL_LOAD"}))
	require.False(t, FullLoadFinished(TaskState{Message: "Replication task has started."}))
	require.False(t, FullLoadFinished(TaskState{Message: "Stop Reason NORMAL"}))
}

func TestJobStates(t *testing.T) {
	w := newWorld(t, nil)
	require.Empty(t, w.answer(sample(t, "eventbridge-emr-serverless")).Tables, "it still runs")
	require.Len(t, w.answer(sample(t, "eventbridge-glue")).Tables, 2)
	var got JobState
	w.parts.OnJob = func(_ context.Context, j JobState) ([]string, error) {
		got = j
		return []string{"hr.teams", "hr.gone"}, nil
	}
	w.restart()
	a := w.answer(sample(t, "eventbridge-emr-step"))
	require.Equal(t, "emr", got.Service)
	require.Len(t, a.Tables, 1)
	w.parts.OnJob = func(context.Context, JobState) ([]string, error) { return nil, errors.New("later") }
	w.restart()
	_, err := w.handler.Handle(t.Context(), json.RawMessage(sample(t, "eventbridge-glue")))
	require.ErrorContains(t, err, "later")
}

func TestConfigurationIsChecked(t *testing.T) {
	w := newWorld(t, nil)
	_, err := NewHandler(w.config, Parts{Grace: -time.Second})
	require.ErrorContains(t, err, "negative")
	_, err = NewHandler(etl.Config{}, Parts{})
	require.ErrorContains(t, err, "Source is missing")
}
