//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

func batchOf(url string, messages []sqstypes.Message) (e events.SQSEvent) {
	for _, m := range messages {
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body, Attributes: m.Attributes, EventSource: "aws:sqs",
			EventSourceARN: "arn:aws:sqs:" + s3Region + ":000000000000:" + url[strings.LastIndexByte(url, '/')+1:], AWSRegion: s3Region,
		})
	}
	return e
}

func failures(answer any) (ids []string) {
	if out, ok := answer.(events.SQSEventResponse); ok {
		for _, f := range out.BatchItemFailures {
			ids = append(ids, f.ItemIdentifier)
		}
	}
	return ids
}

const workerCloud = "TIDEMARK_TEST_WORKER"

// TestWorker is a process that polls the queues until it is killed; other tests
// start it.
func TestWorker(t *testing.T) {
	text := os.Getenv(workerCloud)
	if text == "" {
		t.Skip("it is started by TestWorkersAreKilled")
	}
	var c cloud
	require.NoError(t, json.Unmarshal([]byte(text), &c))
	h, err := c.open(t.Context(), newShop(t, c.Seed, c.Tables).declared())
	require.NoError(t, err)
	for parent := os.Getppid(); os.Getppid() == parent; {
		n := 0
		for _, url := range []string{c.Queue, c.FIFO} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			bodies, _, err := c.poll(ctx, url, h)
			cancel()
			require.NoError(t, err)
			n += len(bodies)
		}
		if n == 0 {
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// fleet is a number of worker processes.
type fleet struct {
	t     *testing.T
	cloud string
	all   []*exec.Cmd
	log   *tail
}

func (f *fleet) start(i int) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestWorker$", "-test.v")
	cmd.Env = append(os.Environ(), workerCloud+"="+f.cloud)
	cmd.Stdout, cmd.Stderr = f.log, f.log
	require.NoError(f.t, cmd.Start())
	f.all[i] = cmd
}

// kill kills a worker, which must not have ended by itself.
func (f *fleet) kill(i int) {
	require.NoError(f.t, f.all[i].Process.Kill())
	var exit *exec.ExitError
	require.True(f.t, errors.As(f.all[i].Wait(), &exit) && !exit.Exited(), "a worker ended by itself: %s", f.log)
}

// TestWorkersAreKilled is TestPipeline with processes and servers: four workers
// poll a queue and a FIFO queue, and are killed while files land.
func TestWorkersAreKilled(t *testing.T) {
	const each, shopTables, kills = 12, 5, 12
	seed := seedOf(t)
	c := startCloud(t, seed, shopTables)
	c.startSQS(t, 3, 1000)
	s := newShop(t, seed, shopTables)
	random := rand.New(rand.NewPCG(seed, 4))
	f := &fleet{t: t, cloud: document(c), all: make([]*exec.Cmd, workers), log: &tail{}}
	for i := range workers {
		f.start(i)
	}
	t.Cleanup(func() {
		for _, cmd := range f.all {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		if t.Failed() {
			t.Log(f.log)
		}
	})
	begun, files := time.Now(), 0
	for table := s.next(each); table != nil; table = s.next(each) {
		if table.kind == "reloads" && table.files == each/2 {
			time.Sleep(1100 * time.Millisecond) // S3 tells when an object landed in whole seconds
		}
		key := s.land(table, each, c.put)
		if files++; random.IntN(20) > 0 {
			c.tell(t, random, key, table.Name)
		}
		if files%(each*shopTables/kills) == 0 {
			time.Sleep(time.Duration(random.IntN(900)) * time.Millisecond)
			i := random.IntN(workers)
			f.kill(i)
			f.start(i)
		}
	}
	landed := time.Since(begun)
	ledger, next := c.ledger(t), time.Now()
	eventually(t, 90*time.Second, func() string {
		if time.Now().After(next) {
			require.NoError(t, c.send(t.Context(), c.Queue, schedule, "", ""))
			next = time.Now().Add(2 * time.Second)
		}
		return s.rested(t.Context(), ledger)
	})
	c.check(t, s)
	t.Logf("%d files, %d tables, %d workers killed; landed in %.1f s, at rest after %.1f s", files, shopTables, kills, landed.Seconds(), time.Since(begun).Seconds())
}

// tell sends the event of an object to one of the queues, three in ten twice.
func (c cloud) tell(t *testing.T, random *rand.Rand, key, table string) {
	for range 1 + random.IntN(10)/7 {
		switch random.IntN(5) {
		case 0:
			require.NoError(t, c.send(t.Context(), c.Queue, notification(key), "", ""))
		case 1:
			require.NoError(t, c.send(t.Context(), c.Queue, bridged(key), "", ""))
		case 2:
			require.NoError(t, c.send(t.Context(), c.Queue, toQueue(notification(key)), "", ""))
		case 3:
			require.NoError(t, c.send(t.Context(), c.Queue, toQueue(bridged(key)), "", ""))
		default:
			require.NoError(t, c.send(t.Context(), c.FIFO, bridged(key), table, fmt.Sprint(random.Uint64())))
		}
	}
}
