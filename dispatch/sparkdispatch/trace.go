package sparkdispatch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
)

// Names in the folder of a job.
const (
	lockName   = "lock"
	pidName    = "pid"
	exitName   = "exit"
	logName    = "log.txt"
	cancelMark = "cancel"
)

// trace is what a job has left in its folder.
type trace struct {
	folder   string
	alive    bool
	began    time.Time // zero if it never did
	ended    time.Time
	pid      int  // 0 if it is not known
	exited   bool // its exit code is known
	exit     int
	canceled bool
	result   *etl.JobResult
	broken   error // the result cannot be read
}

// started reports whether the job was ever begun. Between start and the process's
// own first word the lock tells.
func (t trace) started() bool { return t.alive || !t.began.IsZero() || t.exited || t.result != nil }

// look reads the folder of a job, the lock first: a job that is gone then has
// written all it will.
func (d *Dispatcher) look(ctx context.Context, jobID string) (trace, error) {
	t := trace{folder: d.folder(jobID)}
	var err error
	if t.alive, err = locked(filepath.Join(t.folder, lockName)); err != nil {
		return t, fmt.Errorf("spark-submit: job %s: %w", jobID, err)
	}
	t.pid, t.began, _ = number(filepath.Join(t.folder, pidName))
	t.exit, t.ended, t.exited = number(filepath.Join(t.folder, exitName))
	_, err = os.Lstat(filepath.Join(t.folder, cancelMark))
	t.canceled = err == nil
	docs, err := dispatch.Locate(d.store, jobID)
	if err != nil {
		return t, err
	}
	t.result, err = dispatch.ReadResult(ctx, d.store, jobID, docs.Result)
	if etl.OutcomeOf(err) == etl.Terminal {
		t.broken, err = err, nil
	}
	if info, serr := os.Lstat(docs.Result); serr == nil && t.result != nil {
		t.ended = info.ModTime()
	}
	return t, err
}

// number reads a file that holds one number, and when it was written.
func number(path string) (n int, at time.Time, ok bool) {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > 20 {
		return 0, at, false
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, at, false
	}
	n, err = strconv.Atoi(strings.TrimSpace(string(text)))
	return n, info.ModTime(), err == nil && n >= 0
}

func (t trace) status() etl.JobStatus {
	s := etl.JobStatus{Phase: etl.JobRunning, Started: t.began, Ended: t.ended, Result: t.result}
	switch {
	case t.result != nil && t.result.Receipt != nil:
		s.Phase = etl.JobSucceeded
	case t.result != nil:
		s.Phase, s.Reason = etl.JobFailed, t.result.Failure.Cause
	case t.alive:
		s.Ended = time.Time{}
	case t.canceled:
		s.Phase, s.Reason = etl.JobCanceled, "canceled"
	default:
		s.Phase, s.Reason = etl.JobFailed, t.failure()
	}
	return s
}

// failure says why a job that left no result failed.
func (t trace) failure() string {
	what := "its process is gone without an exit code: it was killed, or the machine was restarted"
	if t.exited {
		what = fmt.Sprintf("spark-submit ended with exit code %d before there was a result", t.exit)
	}
	if t.broken != nil {
		what = t.broken.Error()
	}
	log := filepath.Join(t.folder, logName)
	if hint := classify(log); hint != "" {
		what += "; " + hint
	}
	return what + "; its log is " + log
}

// hints are what the end of a log says, in words of our own, because the log may
// quote data.
var hints = []struct{ sign, hint string }{
	{"java.lang.OutOfMemoryError", "it ran out of memory (spark.driver.memory)"},
	{"Cannot run program", "the Python interpreter could not be started"},
	{"No space left on device", "the disk is full"},
	{"JAVA_HOME is not set", "no Java was found (JAVA_HOME)"},
	{"Unable to locate a Java Runtime", "no Java was found (JAVA_HOME)"},
	{"UnsupportedClassVersionError", "the Java is too old for Spark"},
	{"unresolved dependency", "packages could not be fetched"},
	{"ModuleNotFoundError", "a Python module is missing"},
	{"ClassNotFoundException", "a Java class is missing (packages, jars)"},
	{"NoClassDefFoundError", "a Java class is missing (packages, jars)"},
	{"Could not parse Master URL", "Spark does not know the master"},
	{"All masters are unresponsive", "the master does not answer"},
}

// tail is how much of the end of a log is looked at.
const tail = 256 << 10

func classify(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	buf := make([]byte, min(info.Size(), tail))
	n, _ := f.ReadAt(buf, info.Size()-int64(len(buf)))
	for _, h := range hints {
		if strings.Contains(string(buf[:n]), h.sign) {
			return h.hint
		}
	}
	return ""
}

// running counts the jobs that live and have not left a result yet: after that they
// only end.
func (d *Dispatcher) running() (n int, err error) {
	entries, err := os.ReadDir(d.jobs())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	for _, e := range entries {
		alive, err := locked(filepath.Join(d.jobs(), e.Name(), lockName))
		if err != nil {
			return n, err
		}
		if _, err := os.Lstat(filepath.Join(d.jobs(), e.Name(), "result.json")); alive && err != nil {
			n++
		}
	}
	return n, nil
}

// clean removes the folders of jobs that ended long ago. What cannot be removed
// stays for the next time.
func (d *Dispatcher) clean() {
	type old struct {
		path string
		at   time.Time
	}
	var ended []old
	entries, _ := os.ReadDir(d.jobs())
	for _, e := range entries {
		path := filepath.Join(d.jobs(), e.Name())
		info, err := e.Info()
		if err != nil || !e.IsDir() || dispatch.CheckJobID(e.Name()) != nil {
			continue
		}
		if alive, err := locked(filepath.Join(path, lockName)); err == nil && !alive {
			ended = append(ended, old{path, info.ModTime()})
		}
	}
	slices.SortFunc(ended, func(a, b old) int { return b.at.Compare(a.at) })
	for i, job := range ended {
		if i >= d.cfg.KeepLast && time.Since(job.at) > d.cfg.KeepFor {
			_ = os.RemoveAll(job.path)
		}
	}
}
