package awsetl

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

const (
	queueURL = "https://sqs.us-east-1.amazonaws.com/111122223333/tidemark"
	topicARN = "arn:aws:sns:us-east-1:111122223333:operators"
)

// world is a function over stores in memory, and the services around it.
type world struct {
	t       *testing.T
	source  *source.Memory
	control *control.Memory
	locker  *lock.Memory
	sink    *sink.Memory
	sqs     *awstest.SQS
	sns     *awstest.SNS
	bus     *awstest.EventBridge
	sfn     *awstest.SFN
	config  etl.Config
	parts   Parts
	handler *Handler
	ahead   time.Duration // of the queue's clock
	landed  time.Time
}

func table(name string) etl.Table {
	return etl.Table{
		Name: name, Key: []string{"id"}, OrderBy: []string{"seq"},
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "name", Type: etl.String}, {Name: "seq", Type: etl.Long}},
		Op:      etl.OpColumn{Column: "op"},
		Format: format.CSV{
			FullColumns: []string{"id", "name", "seq"}, ChangeColumns: []string{"op", "id", "name", "seq"},
		},
	}
}

// newWorld changes the parts before the function starts, where change is not nil.
func newWorld(t *testing.T, change func(w *world)) *world {
	w := &world{
		t: t, source: source.NewMemory(), control: control.NewMemory(), locker: lock.NewMemory(), sink: sink.NewMemory(),
		sns: &awstest.SNS{}, bus: &awstest.EventBridge{}, sfn: &awstest.SFN{},
		landed: time.Now().Add(-24 * time.Hour).Truncate(time.Second),
	}
	w.sqs = &awstest.SQS{Now: func() time.Time { return time.Now().Add(w.ahead) }}
	w.config = etl.Config{
		Source: w.source, Control: w.control, Locker: w.locker, Sink: w.sink, Layout: format.DMS{},
		Tables: []etl.Table{table("hr.people"), table("hr.teams")},
		Retry:  etl.RetryPolicy{Attempts: 2, Base: time.Millisecond, Max: time.Millisecond},
		Margin: time.Millisecond,
	}
	w.parts = Parts{
		Bucket: "raw", Waker: &SQSWaker{Client: w.sqs, QueueURL: queueURL}, Tasks: w.sfn,
		Notifiers: []Notifier{&SNSNotifier{w.sns, topicARN}, &BridgeNotifier{Client: w.bus, Loads: true}},
		Grace:     50 * time.Millisecond, Settle: -1, Quiet: -1,
	}
	if change != nil {
		change(w)
	}
	w.restart()
	return w
}

// restart starts another process over the same stores.
func (w *world) restart() {
	var err error
	w.handler, err = NewHandler(w.config, w.parts)
	require.NoError(w.t, err)
}

func (w *world) land(key, content string) string {
	w.landed = w.landed.Add(time.Second)
	w.source.Put(key, []byte(content), w.landed)
	return key
}

func (w *world) handle(doc string) any {
	w.t.Helper()
	out, err := w.handler.Handle(w.t.Context(), json.RawMessage(doc))
	require.NoError(w.t, err)
	return out
}

func (w *world) answer(doc string) Answer {
	w.t.Helper()
	return w.handle(doc).(Answer)
}

// failures handles a batch and returns the IDs of the messages that come again.
func (w *world) failures(doc string) []string {
	w.t.Helper()
	ids := []string{}
	for _, f := range w.handle(doc).(events.SQSEventResponse).BatchItemFailures {
		ids = append(ids, f.ItemIdentifier)
	}
	return ids
}

func (w *world) rows(table string) []string {
	out := []string{}
	for rec, err := range w.sink.Scan(context.Background(), table) {
		require.NoError(w.t, err)
		for i := range int(rec.NumRows()) {
			out = append(out, line(rec, i))
		}
	}
	slices.Sort(out)
	return out
}

func line(rec arrow.RecordBatch, row int) string {
	cells := make([]string, rec.NumCols())
	for c := range cells {
		if a := rec.Column(c); !a.IsNull(row) {
			cells[c] = a.ValueStr(row)
		}
	}
	return strings.Join(cells, ",")
}

// deliver hands the queue's messages to the function until none is left, and
// lets delays pass. It returns how many invocations there were.
func (w *world) deliver(limit int) (n int) {
	w.t.Helper()
	for ; len(w.sqs.Messages(queueURL)) > 0; n++ {
		require.Less(w.t, n, limit, "wake-ups never end")
		w.ahead += 15 * time.Minute
		time.Sleep(5 * time.Millisecond) // leases run by the real clock
		w.forget()
		var bodies []string
		for _, m := range w.sqs.Receive(queueURL) {
			bodies = append(bodies, m.Body)
		}
		require.Empty(w.t, w.failures(batch(bodies...)))
	}
	return n
}

// forget makes the function's own clock agree with the queue's, which is ahead.
func (w *world) forget() {
	w.handler.mu.Lock()
	defer w.handler.mu.Unlock()
	clear(w.handler.due)
}

func (w *world) state(table string) etl.State {
	st, err := w.control.State(context.Background(), table)
	require.NoError(w.t, err)
	return st
}

func sample(t *testing.T, name string) string {
	raw, err := os.ReadFile("testdata/" + name + ".json")
	require.NoError(t, err)
	return string(raw)
}

func created(key string) string {
	return fmt.Sprintf(`{"version":"0","detail-type":"Object Created","source":"aws.s3","detail":{"bucket":{"name":"raw"},"object":{"key":%q,"size":1,"sequencer":"01"}}}`, key)
}

func batch(bodies ...string) string { return sqsBatch("tidemark", nil, bodies) }

func fifo(groups []string, bodies ...string) string { return sqsBatch("tidemark.fifo", groups, bodies) }

func sqsBatch(queue string, groups, bodies []string) string {
	var e events.SQSEvent
	for i, b := range bodies {
		m := events.SQSMessage{
			MessageId: fmt.Sprintf("m%d", i+1), Body: b, EventSource: "aws:sqs",
			EventSourceARN: "arn:aws:sqs:us-east-1:111122223333:" + queue, Attributes: map[string]string{},
		}
		if groups != nil {
			m.Attributes["MessageGroupId"] = groups[i]
		}
		e.Records = append(e.Records, m)
	}
	raw, _ := json.Marshal(e)
	return string(raw)
}

func verb(name string, more ...string) string {
	return `{"tidemark":{"verb":"` + name + `"` + strings.Join(append([]string{""}, more...), ",") + `}}`
}

const schedule = `{"detail-type":"Scheduled Event","source":"aws.events","detail":{}}`
