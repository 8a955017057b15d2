package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/awsetl"
	"github.com/tidemark-data/etl/control/dynamocontrol"
	"github.com/tidemark-data/etl/etltest/awstest"
	"github.com/tidemark-data/etl/lock/dynamolock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/sink/icebergsink/gluesink"
)

const (
	controlTable = "tidemark"
	wakeURL      = "https://sqs.us-east-1.amazonaws.com/111122223333/tidemark"
	workers      = 4
	lease        = 300 * time.Millisecond
)

// fakes are an account of AWS in memory, in which a number of processes work.
type fakes struct {
	t      testing.TB
	shop   *shop
	mail   *mail
	s3     *awstest.S3
	dynamo *awstest.DynamoDB
	sqs    *awstest.SQS
	memory *sink.Memory
	lake   tables // that keeps every 20th table
	// What tests on servers replace.
	open   func(p *process) (*awsetl.Handler, error)
	put    func(key string, content []byte) error
	ledger etl.ControlStore
	// wholeSeconds says that S3 is a server, which tells when an object landed in
	// whole seconds of the real clock.
	wholeSeconds bool

	landing atomic.Bool
	kills   atomic.Int64 // processes that may still be killed
	killed  atomic.Int64
	handled atomic.Int64
}

func newFakes(t *testing.T, seed uint64, tables int) *fakes {
	f := &fakes{
		t: t, shop: newShop(t, seed, tables), mail: &mail{random: rand.New(rand.NewPCG(seed, 2)), shapes: map[string]int{}},
		dynamo: &awstest.DynamoDB{StaleReads: true, IndexLag: 3}, sqs: &awstest.SQS{}, memory: sink.NewMemory(),
	}
	var ticks atomic.Int64
	f.s3 = awstest.NewS3(awstest.S3Options{Now: func() time.Time { return time.Unix(1_700_000_000+ticks.Add(1), 0) }}, landingBucket)
	require.NoError(t, dynamocontrol.CreateTable(t.Context(), f.dynamo, controlTable))
	f.lake = fakeLake(t)
	f.open, f.put = f.compose, f.putObject
	ledger, err := dynamocontrol.New(f.dynamo, dynamocontrol.Options{Table: controlTable})
	require.NoError(t, err)
	f.ledger = ledger
	return f
}

// fakeLake is a sink over the catalog of Glue and a store in memory.
func fakeLake(t testing.TB) tables {
	back := s3mem.New()
	require.NoError(t, back.CreateBucket("lake"))
	store, catalog := httptest.NewServer(gofakes3.New(back).Server()), httptest.NewServer(awstest.NewGlue())
	t.Cleanup(store.Close)
	t.Cleanup(catalog.Close)
	cfg := gluesink.Config{AWS: s3Config(), Warehouse: "s3://lake/warehouse", S3Endpoint: store.URL, PathStyle: true}
	cfg.AWS.BaseEndpoint = aws.String(catalog.URL)
	s, err := gluesink.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// sink is the one that keeps a table.
func (f *fakes) sink(table string) tables {
	for i, t := range f.shop.tables {
		if t.Name == table && i%20 == 0 {
			return f.lake
		}
	}
	return f.memory
}

func (f *fakes) putObject(key string, content []byte) error {
	_, err := f.s3.PutObject(f.t.Context(), &s3.PutObjectInput{Bucket: aws.String(landingBucket), Key: &key, Body: bytes.NewReader(content)})
	return err
}

// compose composes the function of a process.
func (f *fakes) compose(p *process) (*awsetl.Handler, error) {
	dynamo := mortalDynamo{p, f.dynamo}
	locker, err := dynamolock.New(dynamo, dynamolock.Options{Table: controlTable, Margin: 50 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	return awsetl.New(context.Background(), s3Config(), awsetl.Options{
		Landing: "s3://" + landingBucket, ControlTable: controlTable, Tables: f.shop.declared(), WakeQueue: wakeURL,
		Clients: awsetl.Clients{S3: mortalS3{p, f.s3}, DynamoDB: dynamo, SQS: mortalSQS{p, f.sqs}},
		Config: etl.Config{
			Sink: mortalSink{p, f.sink}, Locker: locker, LeaseTTL: lease, Margin: time.Millisecond, MaxBegins: 100,
			Retry: etl.RetryPolicy{Attempts: 3, Base: time.Millisecond, Max: 5 * time.Millisecond},
		},
		Parts: awsetl.Parts{Grace: 2 * time.Second, Settle: -1, Quiet: -1},
	})
}

// start starts the function in a process.
func (f *fakes) start(p *process) *awsetl.Handler {
	h, err := f.open(p)
	require.NoError(f.t, err)
	return h
}

// land lets all files land, and never lets the workers fall far behind.
func (f *fakes) land(files int) {
	defer f.landing.Store(false)
	each := max(files/len(f.shop.tables), 4)
	for table := f.shop.next(each); table != nil; table = f.shop.next(each) {
		if f.wholeSeconds && table.kind == "reloads" && table.files == each/2 {
			time.Sleep(1100 * time.Millisecond) // what landed before must lie in another second
		}
		f.mail.tell(f.shop.land(table, each, f.put), table.Name)
		for f.mail.waiting() > 10+len(f.shop.tables) && !f.t.Failed() {
			time.Sleep(time.Millisecond)
		}
	}
}

// run lands files while the workers work.
func (f *fakes) run(seed uint64, files int) {
	f.landing.Store(true)
	var group sync.WaitGroup
	for i := range workers {
		group.Go(func() { f.work(seed + uint64(i)) })
	}
	f.land(files)
	group.Wait()
}

// work is one worker: a process after the other, each until it is killed.
func (f *fakes) work(seed uint64) {
	random := rand.New(rand.NewPCG(seed, 3))
	for f.pending() && !f.t.Failed() {
		fuse := int64(0)
		if f.kills.Add(-1) >= 0 {
			fuse = 30 + random.Int64N(600)
		}
		p := newProcess(fuse)
		h := f.start(p)
		for !p.dead.Load() && f.pending() && !f.t.Failed() {
			f.deliver(p, h)
		}
		if p.dead.Load() {
			f.killed.Add(1)
		} else if fuse > 0 {
			f.kills.Add(1)
		}
		p.kill()
	}
}

func (f *fakes) pending() bool { return f.landing.Load() || f.mail.waiting() > 0 }

// deliver hands one parcel to the function, or wake-ups that are due.
func (f *fakes) deliver(p *process, h *awsetl.Handler) {
	parcel, ok := f.mail.take()
	if !ok || f.handled.Load()%7 == 0 {
		f.wake(p, h)
	}
	if !ok {
		time.Sleep(time.Millisecond)
		return
	}
	f.handled.Add(1)
	out, err := h.Handle(p, parcel.event())
	if p.dead.Load() || err != nil {
		f.mail.again(parcel)
		time.Sleep(time.Millisecond)
		return
	}
	if answer, ok := out.(events.SQSEventResponse); ok && len(answer.BatchItemFailures) > 0 {
		failed := map[string]bool{}
		for _, m := range answer.BatchItemFailures {
			failed[m.ItemIdentifier] = true
		}
		rest := parcel
		rest.messages = nil
		for _, m := range parcel.messages {
			if failed[m.MessageId] {
				rest.messages = append(rest.messages, m)
			}
		}
		f.mail.again(rest)
	}
}

// wake delivers what the function has sent to itself.
func (f *fakes) wake(p *process, h *awsetl.Handler) {
	due := f.sqs.Receive(wakeURL)
	for len(due) > 0 {
		n := min(len(due), 10)
		var batch events.SQSEvent
		for _, m := range due[:n] {
			batch.Records = append(batch.Records, events.SQSMessage{
				MessageId: m.ID, Body: m.Body, EventSource: "aws:sqs", EventSourceARN: "arn:aws:sqs:us-east-1:111122223333:tidemark",
			})
		}
		raw := json.RawMessage(document(batch))
		if _, err := h.Handle(p, raw); err != nil || p.dead.Load() {
			f.sqs.Return(wakeURL, due...)
			return
		}
		due = due[n:]
	}
}

// heal lets the schedule find what events did not tell, and locks of the dead
// run out.
func (f *fakes) heal() {
	p := newProcess(0)
	defer p.kill()
	h := f.start(p)
	eventually(f.t, time.Minute, func() string {
		_, err := h.Handle(p, json.RawMessage(schedule))
		require.NoError(f.t, err)
		return f.shop.rested(p, f.ledger)
	})
}

// TestPipeline lands files for a number of tables in S3, while four workers are
// told of them by events of all shapes, shuffled, doubled and partly lost, and
// are killed at any of their calls. In the end every table is that of the model.
func TestPipeline(t *testing.T) {
	seed := seedOf(t)
	f := newFakes(t, seed, *shopTables)
	f.kills.Store(int64(max(*shopFiles/15, 4)))
	begun := time.Now()
	f.run(seed, *shopFiles)
	worked := time.Since(begun)
	missing := f.shop.rested(t.Context(), f.ledger)
	f.heal()
	f.shop.check(t.Context(), f.ledger, func(table string) etl.Sink { return f.sink(table) })
	require.Positive(t, f.killed.Load())
	require.NotEmpty(t, missing, "no event was lost: the schedule had nothing to heal")
	t.Logf("%d files, %d tables; %d events lost, %d doubled; %d parcels handled, %d processes killed, %d calls of DynamoDB; worked %.1f s, healed after %.1f s",
		f.mail.sent, len(f.shop.tables), f.mail.lost, f.mail.doubled, f.handled.Load(), f.killed.Load(), f.dynamo.Calls(),
		worked.Seconds(), time.Since(begun).Seconds())
	t.Log(f.mail.shapes)
}
