package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/control/sqlitecontrol"
)

var binary = flag.String("binary", "", "the built function, as a `path`; default is this test, which becomes the function")

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		main()
	}
	os.Exit(m.Run())
}

const yaml = `
source: {dir: landing}
state: control.db
warehouse: warehouse
lease: 600ms
layout: {dms: {}}
csv:
  full_columns: [id, name, seq]
  change_columns: [op, id, name, seq]
tables:
  - name: shop.orders
    key: id
    order_by: seq
    op: op
    batch: {files: 1}
    columns: {id: long, name: string, seq: long}
`

// invocation is what the runtime hands to the function, and what came of it.
type invocation struct {
	event  string
	left   time.Duration // until the deadline
	answer chan outcome
}

type outcome struct {
	failed bool // it went to the error path
	body   string
}

// service is the runtime API of Lambda ("Using the Lambda runtime API for custom
// runtimes") around one function.
type service struct {
	t       *testing.T
	dir     string
	binary  string
	api     *httptest.Server
	next    chan invocation
	current invocation
	n       int
	process *exec.Cmd
}

func newService(t *testing.T) *service {
	s := &service{t: t, dir: t.TempDir(), next: make(chan invocation), binary: *binary}
	if s.binary == "" {
		var err error
		s.binary, err = os.Executable()
		require.NoError(t, err)
	}
	require.NoError(t, os.Mkdir(filepath.Join(s.dir, "landing"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "tidemark.yaml"), []byte(yaml), 0o644))
	s.api = httptest.NewServer(s)
	t.Cleanup(func() {
		s.kill()
		s.api.CloseClientConnections()
		s.api.Close()
	})
	return s
}

const runtimePath = "/2018-06-01/runtime/invocation/"

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest := strings.TrimPrefix(r.URL.Path, runtimePath)
	if r.Method == http.MethodGet && rest == "next" {
		select {
		case s.current = <-s.next:
		case <-r.Context().Done():
			return
		}
		s.n++
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", strconv.Itoa(s.n))
		w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(s.current.left).UnixMilli(), 10))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:111122223333:function:tidemark")
		fmt.Fprint(w, s.current.event)
		return
	}
	id, kind, _ := strings.Cut(rest, "/")
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost || id != strconv.Itoa(s.n) || kind != "response" && kind != "error" {
		http.Error(w, "unknown", http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	s.current.answer <- outcome{kind == "error", string(body)}
}

// start starts an execution environment.
func (s *service) start() {
	s.process = exec.Command(s.binary)
	s.process.Dir = s.dir
	s.process.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(s.api.URL, "http://"),
		"AWS_LAMBDA_FUNCTION_NAME=tidemark", "TIDEMARK_GRACE=200ms", "TIDEMARK_MARGIN=100ms", "TMPDIR=" + s.dir,
		"TIDEMARK_METRICS=Tidemark",
	}
	s.process.Stderr, s.process.Stdout = os.Stderr, io.Discard
	if !testing.Verbose() {
		s.process.Stderr = io.Discard
	}
	require.NoError(s.t, s.process.Start())
}

// kill ends the environment as Lambda does at the deadline.
func (s *service) kill() {
	if s.process != nil {
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
		s.process = nil
	}
}

func (s *service) send(event string, left time.Duration) chan outcome {
	answer := make(chan outcome, 1)
	select {
	case s.next <- invocation{event, left, answer}:
	case <-time.After(10 * time.Second):
		s.t.Fatal("the function asks for no event")
	}
	return answer
}

type tableAnswer struct {
	Reason, Error string
	Loads         []struct {
		Counts struct {
			Inserted  int64 `json:"inserted"`
			RowsAfter int64 `json:"rows_after"`
		} `json:"counts"`
	} `json:"loads"`
}

// invoke returns what the function says of the table.
func (s *service) invoke(event string, left time.Duration) tableAnswer {
	s.t.Helper()
	select {
	case out := <-s.send(event, left):
		require.False(s.t, out.failed, out.body)
		var doc struct {
			Tables []tableAnswer `json:"tables"`
		}
		require.NoError(s.t, json.Unmarshal([]byte(out.body), &doc))
		require.Len(s.t, doc.Tables, 1, out.body)
		return doc.Tables[0]
	case <-time.After(time.Minute):
		s.t.Fatal("no answer")
	}
	return tableAnswer{}
}

// land writes a file of changes to so many orders.
func (s *service) land(name string, rows int) string {
	var b strings.Builder
	for i := range rows {
		fmt.Fprintf(&b, "I,%d,order number %d,1\n", i, i)
	}
	path := filepath.Join(s.dir, "landing", "shop", "orders", name)
	require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(s.t, os.WriteFile(path, []byte(b.String()), 0o644))
	return fmt.Sprintf(`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"raw"},"object":{"key":"shop/orders/%s"}}}]}`, name)
}

// running waits until a load was begun.
func (s *service) running() {
	control, err := sqlitecontrol.Open(filepath.Join(s.dir, "control.db"))
	require.NoError(s.t, err)
	defer control.Close()
	require.Eventually(s.t, func() bool {
		st, err := control.State(context.Background(), "shop.orders")
		return err == nil && st.Running != nil
	}, 20*time.Second, 2*time.Millisecond)
}

const (
	schedule = `{"detail-type":"Scheduled Event","source":"aws.events","detail":{}}`
	big      = 1_500_000 // more than a second's work
)

// TestTheFunction runs the program as Lambda does: events, a failure, an
// invocation that is short of time, and one that is killed in the middle of a load.
func TestTheFunction(t *testing.T) {
	s := newService(t)
	s.start()
	got := s.invoke(s.land("20240220-110801000.csv", 10), time.Minute)
	require.EqualValues(t, 10, got.Loads[0].Counts.RowsAfter)

	out := <-s.send(`{"a":1}`, time.Minute)
	require.True(t, out.failed)
	require.Contains(t, out.body, "malformed event")

	s.land("20240220-110802000.csv", big)
	cut := s.invoke(schedule, 350*time.Millisecond) // 150 ms of work
	require.Empty(t, cut.Loads, "it stopped by itself, before the deadline")
	require.NotContains(t, cut.Reason, "nothing is pending")

	s.send(schedule, time.Minute)
	s.running()
	s.kill()
	s.start()
	healed := s.invoke(schedule, time.Minute)
	require.Empty(t, healed.Error)
	require.Len(t, healed.Loads, 1)
	require.EqualValues(t, big, healed.Loads[0].Counts.RowsAfter)
	require.Empty(t, s.invoke(schedule, time.Minute).Loads)
}
