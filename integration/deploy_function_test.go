//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// runningFunction is the program of examples/lambda under a runtime API (AWS
// Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes").
type runningFunction struct {
	t       *testing.T
	events  chan string
	answers chan string
	log     *tail
}

// startFunction builds and starts the program, in the environment of a function.
func startFunction(t *testing.T, endpoint string, environment map[string]string) *runningFunction {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", binary, "../examples/lambda")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	f := &runningFunction{t: t, events: make(chan string), answers: make(chan string, 1), log: &tail{}}
	api := httptest.NewServer(f)
	cmd := exec.Command(binary)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(api.URL, "http://"), "AWS_LAMBDA_FUNCTION_NAME=tidemark",
		"AWS_REGION=" + s3Region, "AWS_ACCESS_KEY_ID=" + s3Access, "AWS_SECRET_ACCESS_KEY=" + s3Secret,
		"AWS_ENDPOINT_URL=" + endpoint, "TMPDIR=" + cmd.Dir,
	}
	for k, v := range environment {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Stdout, cmd.Stderr = f.log, f.log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		api.CloseClientConnections()
		api.Close()
		if t.Failed() {
			t.Logf("the function wrote:\n%s", f.log)
		}
	})
	return f
}

// ServeHTTP implements the runtime API.
func (f *runningFunction) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		select {
		case event := <-f.events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "1")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(15*time.Minute).UnixMilli(), 10))
			fmt.Fprint(w, event)
		case <-r.Context().Done():
		}
		return
	}
	body, err := io.ReadAll(r.Body)
	if err == nil && !strings.HasSuffix(r.URL.Path, "/response") {
		body = append([]byte(filepath.Base(r.URL.Path)+": "), body...)
	}
	w.WriteHeader(http.StatusAccepted)
	f.answers <- string(body)
}

// invoke returns the function's answer to an event.
func (f *runningFunction) invoke(event any) string {
	f.t.Helper()
	text, err := json.Marshal(event)
	require.NoError(f.t, err)
	select {
	case f.events <- string(text):
	case answer := <-f.answers:
		require.Fail(f.t, "the function did not start", answer)
	case <-time.After(30 * time.Second):
		require.Fail(f.t, "the function takes no event")
	}
	select {
	case answer := <-f.answers:
		return answer
	case <-time.After(time.Minute):
		require.Fail(f.t, "the function does not answer")
	}
	return ""
}

func (f *runningFunction) verb(name string) string {
	f.t.Helper()
	return f.invoke(map[string]any{"tidemark": map[string]string{"verb": name, "table": "hr.people"}})
}

var _ http.Handler = (*runningFunction)(nil)
