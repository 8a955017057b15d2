package awsetl

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// paused is a world in which a bad row has paused hr.people.
func paused(t *testing.T, change func(*world)) *world {
	w := newWorld(t, change)
	w.handle(created(w.land(landed, "1,Ann,1\n")))
	w.handle(created(w.land("hr/people/20240220-110825123.csv", "U,1,Anna,2\nU,1,secret-name,x4111\n")))
	require.Equal(t, etl.FlagPaused, w.state("hr.people").Flag)
	return w
}

const people = `"table":"hr.people"`

func TestVerbsThatLook(t *testing.T) {
	w := paused(t, nil)
	status := w.answer(verb("status"))
	require.Len(t, status.Status, 3, "two tables, and the files of none")
	require.Equal(t, etl.FlagPaused, status.Status[0].State.Flag)
	require.Contains(t, status.Status[0].Why, "row 2 of hr/people/20240220-110825123.csv: column seq")
	require.Positive(t, status.Status[0].LagSeconds)
	raw, err := json.Marshal(status)
	require.NoError(t, err)
	require.NotContains(t, string(raw), `"lag":`)

	require.Len(t, w.answer(verb("status", people)).Status, 1)
	history := w.answer(verb("history", people))
	require.Len(t, history.Entries, 3)
	raw, err = json.Marshal(history)
	require.NoError(t, err)
	require.NotContains(t, string(raw), `"took":`)
	require.Contains(t, string(raw), `"took_seconds":`)
	require.Len(t, w.answer(verb("history", people, `"limit":1`)).Entries, 1)
	require.Contains(t, w.answer(verb("plan")).Decisions["hr.people"].Reason, "paused")
	require.Empty(t, w.sqs.Messages(queueURL))
}

func TestVerbsThatChange(t *testing.T) {
	w := paused(t, nil)
	require.Empty(t, w.answer(verb("skip", people)).Error)
	require.Equal(t, 1, w.deliver(1), "the next invocation goes on")
	require.Equal(t, etl.FlagLocal, w.state("hr.people").Flag)

	require.Empty(t, w.answer(verb("pause", people, `"reason":"audit"`)).Error)
	require.Contains(t, w.state("hr.people").Paused.Cause, "audit")
	require.Empty(t, w.answer(verb("flag", people, `"flag":"G"`)).Error)
	require.Empty(t, w.answer(verb("flag", people, `"flag":"L"`)).Error)
	require.Empty(t, w.answer(verb("resume", people)).Error)
	w.deliver(1)
	require.Empty(t, w.answer(verb("reload", people)).Error)
	w.deliver(1)
	require.EqualValues(t, 2, w.state("hr.people").Epoch)

	w.land("odd.csv", "I,7,Odd,7\n")
	require.Equal(t, 1, w.answer(verb("ingest")).Registered)
	require.Empty(t, w.answer(verb("classify", people, `"location":"odd.csv","kind":"incremental","order":"202402201109"`)).Error)
	w.deliver(1)
	require.Equal(t, []string{"1,Ann,1", "7,Odd,7"}, w.rows("hr.people"))
	require.Len(t, w.answer(verb("drain")).Tables, 2)
}

func TestVerbsThatFail(t *testing.T) {
	w := newWorld(t, nil)
	for doc, want := range map[string]string{
		verb("explode"):                           "known are [status history plan",
		verb("pause"):                             "no such table",
		verb("status", `"table":"x"`):             "no such table",
		verb("drain", `"table":"x"`):              "no such table",
		verb("classify", people):                  "full or incremental",
		verb("classify", people, `"kind":"full"`): "no location",
		verb("flag", people, `"flag":"P"`):        "not L, G or auto",
		verb("retry", people):                     "not found",
		verb("complete", people):                  "not found",
		verb("maintain", people):                  "has no maintenance",
		verb("rebuild", `"table":"x"`):            "no such table",
	} {
		a := w.answer(doc)
		require.Contains(t, a.Error, want, doc)
		require.Equal(t, "terminal", a.Outcome, doc)
	}
	require.Empty(t, w.failures(batch(verb("retry", people))), "a verb that cannot succeed does not come again")
}

func TestNoticesTellPeopleWhatToDo(t *testing.T) {
	told := 0
	w := paused(t, func(w *world) { w.config.Observer.Paused = func(string, etl.Diagnosis) { told++ } })
	require.Equal(t, 1, told, "the user's own observer")
	sent := w.sns.Published()
	require.Len(t, sent, 1)
	require.Equal(t, "Tidemark: table paused: hr.people", sent[0].Subject)
	for _, want := range []string{
		"File:    hr/people/20240220-110825123.csv", "Row:     2", "Column:  seq", "Rule:    not a long", "Load:",
		"tidemark retry  hr.people", "tidemark skip   hr.people", `{"tidemark":{"table":"hr.people","verb":"retry"}}`,
	} {
		require.Contains(t, sent[0].Message, want)
	}
	put := w.bus.Events()
	require.Len(t, put, 2)
	require.Equal(t, NoticeApplied, *put[0].DetailType)
	require.Equal(t, NoticePaused, *put[1].DetailType)
	require.Equal(t, "tidemark", *put[1].Source)
	var n Notice
	require.NoError(t, json.Unmarshal([]byte(*put[1].Detail), &n))
	require.Equal(t, int64(2), n.Diagnosis.Row)
	for _, text := range []string{sent[0].Message, *put[1].Detail} {
		require.NotContains(t, text, "4111")
		require.NotContains(t, text, "secret-name")
	}
}

func TestNoticesOfHostileNames(t *testing.T) {
	w := newWorld(t, nil)
	key := "hr/people/LOAD00000001.csv"
	n := pausedNotice(strings.Repeat("é", 200), etl.Diagnosis{Cause: strings.Repeat("x", 1<<20), File: key + "\nRow: forged"})
	require.NoError(t, w.parts.Notifiers[0].Notify(t.Context(), n))
	require.NoError(t, w.parts.Notifiers[1].Notify(t.Context(), n))
	require.NotContains(t, w.sns.Published()[0].Message, "\nRow: forged")
	require.Less(t, len(*w.bus.Events()[0].Detail), 64<<10)
}

func TestNoticesThatFailFailNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.sns.Fail = func() error { return errors.New("throttled") }
	w.bus.Refuse = func(types.PutEventsRequestEntry) string { return "ThrottlingException" }
	require.ErrorContains(t, w.parts.Notifiers[1].Notify(t.Context(), Notice{Kind: NoticePaused}), "ThrottlingException")
	require.Empty(t, w.failures(batch(created(w.land(landed, "one,Ann,1\n")))))
	require.Equal(t, etl.FlagPaused, w.state("hr.people").Flag)
}

func token(doc string) string { return strings.TrimSuffix(doc, "}") + `,"taskToken":"T"}` }

func TestTaskTokens(t *testing.T) {
	t.Run("success", func(t *testing.T) {
		w := newWorld(t, nil)
		w.sfn.Start("T")
		w.land(landed, "1,Ann,1\n")
		w.handle(token(verb("ingest")))
		task := w.sfn.Task("T")
		require.True(t, task.Done)
		var a Answer
		require.NoError(t, json.Unmarshal([]byte(task.Output), &a))
		require.Len(t, a.Tables[0].Loads, 1)
	})
	t.Run("paused", func(t *testing.T) {
		w := paused(t, nil)
		w.sfn.Start("T")
		w.handle(token(verb("ingest")))
		require.Equal(t, TaskPaused, w.sfn.Task("T").Error)
		require.Contains(t, w.sfn.Task("T").Cause, "column seq")
	})
	t.Run("a verb that fails", func(t *testing.T) {
		w := newWorld(t, nil)
		w.sfn.Start("T")
		w.handle(token(verb("retry", people)))
		require.Equal(t, TaskFailed, w.sfn.Task("T").Error)
	})
	t.Run("malformed", func(t *testing.T) {
		w := newWorld(t, nil)
		w.sfn.Start("T")
		require.Contains(t, w.answer(token(verb("ingest", `"tabel":"hr.people"`))).Error, "known fields")
		require.Equal(t, TaskFailed, w.sfn.Task("T").Error)
	})
	t.Run("a verb waits for the work", func(t *testing.T) {
		w := paused(t, nil)
		w.sfn.Start("T")
		a := w.answer(token(verb("skip", people)))
		require.Len(t, a.Tables, 1)
		require.NotEmpty(t, w.sfn.Task("T").Output)
	})
	t.Run("nobody waits any more", func(t *testing.T) {
		w := newWorld(t, nil)
		w.sfn.Start("T")
		w.sfn.TimeOut("T")
		w.land(landed, "1,Ann,1\n")
		w.handle(token(verb("ingest")))
		require.Len(t, w.rows("hr.people"), 1)
	})
	t.Run("in a batch", func(t *testing.T) {
		broken := map[string]bool{landed: true}
		w := newWorld(t, func(w *world) { w.config.Control = &brokenStore{w.control, broken} })
		w.sfn.Start("T")
		w.land(landed, "1,Ann,1\n")
		require.Equal(t, []string{"m1"}, w.failures(batch(token(created(landed)))))
		require.False(t, w.sfn.Task("T").Done, "the message comes again")
		clear(broken)
		require.Empty(t, w.failures(batch(token(created(landed)))))
		require.NotEmpty(t, w.sfn.Task("T").Output)
	})
}

func TestATaskTokenTravelsWithTheWork(t *testing.T) {
	w := newWorld(t, func(w *world) {
		s := &slowSink{Sink: w.sink}
		s.cuts.Store(1)
		w.config.Sink = s
		w.parts.Heartbeat = 20 * time.Millisecond
	})
	w.sfn.Start("T")
	w.land(landed, "1,Ann,1\n")
	w.short(300*time.Millisecond, token(verb("ingest")))
	require.False(t, w.sfn.Task("T").Done)
	require.Greater(t, w.sfn.Task("T").Heartbeats, 3)
	sent := w.sqs.Messages(queueURL)
	require.Len(t, sent, 1)
	require.JSONEq(t, `{"tidemark":{"wake":"hr.people","hops":1},"taskToken":"T"}`, sent[0].Body)
	w.deliver(1)
	require.NotEmpty(t, w.sfn.Task("T").Output)
	require.Len(t, w.rows("hr.people"), 1)
}

func TestATaskTokenThatCannotTravel(t *testing.T) {
	w := newWorld(t, func(w *world) { w.parts.Waker = nil; w.parts.Linger = time.Millisecond })
	lease, err := w.locker.Acquire(t.Context(), "hr.people", time.Minute)
	require.NoError(t, err)
	defer lease.Release(context.Background())
	w.sfn.Start("T")
	w.land(landed, "1,Ann,1\n")
	w.handle(token(verb("ingest")))
	require.Equal(t, TaskUnfinished, w.sfn.Task("T").Error)
}
