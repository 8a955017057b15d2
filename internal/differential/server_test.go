//go:build spark

package differential

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
)

const root = "../.."

// python is the interpreter with pyspark that interop/setup.sh makes.
func python(t testing.TB) string {
	path, err := filepath.Abs(root + "/interop/.cache/venv/bin/python")
	require.NoError(t, err)
	if _, err := os.Stat(path); err != nil {
		t.Skip("no Spark: run interop/setup.sh")
	}
	return path
}

// jars are those that Spark needs on top of pyspark's.
func jars(t testing.TB) []string {
	home, err := os.UserHomeDir()
	require.NoError(t, err)
	var found []string
	for _, places := range [][]string{
		{root + "/interop/.cache/iceberg-spark-runtime.jar"},
		{root + "/dispatch/sparkjob/.cache/sqlite-jdbc*.jar", root + "/interop/.cache/sqlite-jdbc*.jar", home + "/.m2/repository/org/xerial/sqlite-jdbc/*/*.jar"},
	} {
		var hits []string
		for _, pattern := range places {
			more, err := filepath.Glob(pattern)
			require.NoError(t, err)
			hits = append(hits, more...)
		}
		if len(hits) == 0 {
			t.Skipf("no jar at %v: run interop/setup.sh and dispatch/sparkjob/setup.sh", places)
		}
		path, err := filepath.Abs(hits[0])
		require.NoError(t, err)
		found = append(found, path)
	}
	return found
}

// server is a long-lived Spark session that runs jobs one after the other.
type server struct {
	mu    sync.Mutex
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Reader
	log   string
	jobs  int
	took  time.Duration
}

var (
	theServer  *server
	serverOnce sync.Mutex
)

// spark returns the session that all tests share; it is started for the first.
func spark(t *testing.T) *server {
	serverOnce.Lock()
	defer serverOnce.Unlock()
	if theServer == nil {
		theServer = startServer(t)
	}
	return theServer
}

// TestMain ends the session after all tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if theServer != nil {
		_ = theServer.in.Close()
		_ = theServer.cmd.Wait()
		if code == 0 {
			_ = os.RemoveAll(filepath.Dir(theServer.log))
		}
	}
	os.Exit(code)
}

func startServer(t *testing.T) *server {
	dir, err := os.MkdirTemp("", "tidemark-spark-")
	require.NoError(t, err)
	s := &server{log: filepath.Join(dir, "log.txt")}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	defer log.Close()
	s.cmd = exec.Command(python(t), "testdata/serve.py", strings.Join(jars(t), ","), dir)
	code, err := filepath.Abs(root + "/dispatch/sparkjob")
	require.NoError(t, err)
	s.cmd.Env = append(os.Environ(), "PYTHONPATH="+code, "PYTHONDONTWRITEBYTECODE=1", "PYSPARK_PYTHON="+python(t))
	s.cmd.Stderr = log
	s.in, err = s.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	s.lines = bufio.NewReader(out)
	begun := time.Now()
	require.NoError(t, s.cmd.Start())
	line, err := s.lines.ReadString('\n')
	require.NoError(t, err, "Spark did not start; its log is %s", s.log)
	require.Equal(t, "ready\n", line)
	t.Logf("Spark started in %v; its log is %s", time.Since(begun).Round(time.Millisecond), s.log)
	return s
}

// run runs the job of a manifest.
func (s *server) run(docs dispatch.Documents) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	begun := time.Now()
	defer func() { s.jobs, s.took = s.jobs+1, s.took+time.Since(begun) }()
	if _, err := fmt.Fprintf(s.in, "%s\t%s\n", docs.Manifest, docs.Result); err != nil {
		return fmt.Errorf("the Spark session has ended, see %s: %w", s.log, err)
	}
	if _, err := s.lines.ReadString('\n'); err != nil {
		return fmt.Errorf("the Spark session has ended, see %s: %w", s.log, err)
	}
	return nil
}

// served is a dispatcher to a server. Jobs have ended when Submit returns.
type served struct {
	*server
	store *dispatch.Folder
	// after, if not nil, may take the result of a job away.
	after func(job etl.Job, docs dispatch.Documents) error
}

var _ etl.Dispatcher = (*served)(nil)

// onSpark is the engine of lanes whose loads run in the shared session.
func onSpark(t *testing.T, l *lane) etl.Dispatcher {
	store, err := dispatch.NewFolder(filepath.Join(l.dir, "jobs"))
	require.NoError(t, err)
	return &served{server: spark(t), store: store}
}

func (d *served) Submit(ctx context.Context, job etl.Job) (etl.JobRef, error) {
	docs, err := dispatch.PutManifest(ctx, d.store, job)
	if err != nil {
		return etl.JobRef{}, err
	}
	if err := d.run(docs); err != nil {
		return etl.JobRef{}, err
	}
	if d.after != nil {
		if err := d.after(job, docs); err != nil {
			return etl.JobRef{}, err
		}
	}
	return etl.JobRef{Engine: "served", ID: job.ID, JobID: job.ID, Result: docs.Result}, nil
}

func (d *served) Find(ctx context.Context, job etl.Job) (etl.JobRef, bool, error) {
	docs, err := dispatch.Locate(d.store, job.ID)
	if err != nil {
		return etl.JobRef{}, false, err
	}
	_, err = os.Stat(docs.Manifest)
	return etl.JobRef{Engine: "served", ID: job.ID, JobID: job.ID, Result: docs.Result}, err == nil, ctx.Err()
}

func (d *served) Status(ctx context.Context, ref etl.JobRef) (etl.JobStatus, error) {
	r, err := dispatch.ReadResult(ctx, d.store, ref.JobID, ref.Result)
	switch {
	case err != nil:
		return etl.JobStatus{}, err
	case r == nil:
		return etl.JobStatus{Phase: etl.JobFailed, Reason: "no result"}, nil
	case r.Failure != nil:
		return etl.JobStatus{Phase: etl.JobFailed, Reason: r.Failure.Cause, Result: r}, nil
	}
	return etl.JobStatus{Phase: etl.JobSucceeded, Result: r}, nil
}

func (d *served) HandedOver(ctx context.Context, jobID string) (etl.HandedOver, error) {
	return dispatch.ReadHandedOver(ctx, d.store, jobID)
}

func (d *served) Forget(ctx context.Context, jobID string) error {
	return dispatch.Forget(ctx, d.store, jobID)
}

func (d *served) Cancel(context.Context, etl.JobRef) error { return nil }
