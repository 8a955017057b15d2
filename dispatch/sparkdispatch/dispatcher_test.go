//go:build unix && !aix && !solaris

package sparkdispatch_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch/sparkdispatch"
)

func TestJobs(t *testing.T) {
	for what, want := range map[string]struct {
		phase  etl.JobPhase
		reason string
	}{
		"ok":      {etl.JobSucceeded, ""},
		"slow":    {etl.JobSucceeded, ""},
		"fail":    {etl.JobFailed, "row 2 of a.csv: column n: not an int"},
		"dies":    {etl.JobFailed, "exit code 52 before there was a result; it ran out of memory"},
		"foreign": {etl.JobFailed, "is that of another job"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := open(t, fake(t, what))
			_, found, err := d.Find(t.Context(), job("j1"))
			require.NoError(t, err)
			require.False(t, found)
			ref, err := d.Submit(t.Context(), job("j1"))
			require.NoError(t, err)
			s := wait(t, d, ref)
			require.Equal(t, want.phase, s.Phase)
			require.Contains(t, s.Reason, want.reason)
			require.NotContains(t, s.Reason, "secret")
			require.False(t, s.Started.IsZero())
			again, found, err := d.Find(t.Context(), job("j1"))
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, ref, again)
		})
	}
}

func TestResultReachesTheCaller(t *testing.T) {
	d := open(t, fake(t, "ok"))
	ref, err := d.Submit(t.Context(), job("j1"))
	require.NoError(t, err)
	s := wait(t, d, ref)
	require.Equal(t, etl.Counts{Read: 3, Inserted: 3}, s.Result.Receipt.Counts)
	require.Equal(t, "l1", s.Result.Receipt.LoadID)
}

func TestArguments(t *testing.T) {
	cfg := fake(t, "log")
	cfg.Master, cfg.Packages, cfg.Jars = "spark://m:7077", []string{"a:b:1", "c:d:2"}, []string{"/x.jar"}
	cfg.Conf = map[string]string{"spark.b": "2 3", "spark.a": "1"}
	cfg.Env = append(cfg.Env, "TOKEN=hush")
	d := open(t, cfg)
	ref, err := d.Submit(t.Context(), job("j-1"))
	require.NoError(t, err)
	require.Equal(t, etl.JobSucceeded, wait(t, d, ref).Phase)
	folder := filepath.Join(cfg.Folder, "jobs", "j-1")
	text, err := os.ReadFile(filepath.Join(folder, "arguments"))
	require.NoError(t, err)
	args := strings.Split(strings.TrimSpace(string(text)), "\n")
	require.Equal(t, []string{
		"--master", "spark://m:7077", "--deploy-mode", "client", "--name", "tidemark-j-1",
		"--conf", "spark.a=1", "--conf", "spark.b=2 3", "--packages", "a:b:1,c:d:2", "--jars", "/x.jar", "--py-files",
	}, args[:15])
	require.Equal(t, "tidemark_spark.zip", filepath.Base(args[15]))
	require.Equal(t, "tidemark_job.py", filepath.Base(args[16]))
	require.Equal(t, []string{filepath.Join(folder, "manifest.json"), filepath.Join(folder, "result.json")}, args[17:])
	for _, name := range []string{"log.txt", "manifest.json", "lock"} {
		info, err := os.Stat(filepath.Join(folder, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
	// What the environment holds is written nowhere but where the job itself does.
	err = filepath.WalkDir(cfg.Folder, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != "log.txt" {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NotContains(t, string(content), "hush", path)
		}
		return err
	})
	require.NoError(t, err)
}

func TestSubmittedTwiceRunsOnce(t *testing.T) {
	cfg := fake(t, "slow")
	d, other := open(t, cfg), open(t, cfg)
	ref, err := d.Submit(t.Context(), job("j1"))
	require.NoError(t, err)
	again, err := other.Submit(t.Context(), job("j1"))
	require.NoError(t, err)
	require.Equal(t, ref, again)
	wait(t, d, ref)
	again, err = other.Submit(t.Context(), job("j1"))
	require.NoError(t, err)
	require.Equal(t, ref, again)
}

func TestLimit(t *testing.T) {
	cfg := fake(t, "suite")
	cfg.Limit = 2
	d := open(t, cfg)
	one, err := d.Submit(t.Context(), job("hang-1"))
	require.NoError(t, err)
	two, err := d.Submit(t.Context(), job("hang-2"))
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Cancel(context.Background(), two)) }()
	_, err = open(t, cfg).Submit(t.Context(), job("ok-3"))
	require.Equal(t, etl.Retry, etl.OutcomeOf(err))
	require.ErrorContains(t, err, "2 jobs run, which is the limit")
	require.NoDirExists(t, filepath.Join(cfg.Folder, "jobs", "ok-3"))
	_, found, err := d.Find(t.Context(), job("ok-3"))
	require.NoError(t, err)
	require.False(t, found)

	require.NoError(t, d.Cancel(t.Context(), one))
	ref, err := d.Submit(t.Context(), job("ok-3"))
	require.NoError(t, err)
	require.Equal(t, etl.JobSucceeded, wait(t, d, ref).Phase)
}

func TestCancel(t *testing.T) {
	for _, what := range []string{"hang", "stubborn"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := open(t, fake(t, what))
			ref, err := d.Submit(t.Context(), job("j1"))
			require.NoError(t, err)
			time.Sleep(100 * time.Millisecond) // so that traps are set
			s, err := d.Status(t.Context(), ref)
			require.NoError(t, err)
			require.Equal(t, etl.JobRunning, s.Phase)
			require.NoError(t, d.Cancel(t.Context(), ref))
			s, err = d.Status(t.Context(), ref)
			require.NoError(t, err)
			require.Equal(t, etl.JobCanceled, s.Phase)
			require.NoError(t, d.Cancel(t.Context(), ref), "a job that has ended is no error")
		})
	}
}

func TestUnknownJobs(t *testing.T) {
	d := open(t, fake(t, "ok"))
	for _, id := range []string{"nobody", "", "../../etc", strings.Repeat("a", 65)} {
		ref := etl.JobRef{Engine: sparkdispatch.Engine, ID: id, JobID: id}
		_, err := d.Status(t.Context(), ref)
		require.ErrorIs(t, err, etl.ErrNotFound)
		require.ErrorIs(t, d.Cancel(t.Context(), ref), etl.ErrNotFound)
	}
	_, err := d.Submit(t.Context(), job("../x"))
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}

func TestNoSparkSubmit(t *testing.T) {
	cfg := fake(t, "ok")
	cfg.Command = "no-such-spark-submit"
	_, err := open(t, cfg).Submit(t.Context(), job("j1"))
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.ErrorContains(t, err, "spark-submit is not to be found")
}

func TestUndeclaredIsTerminal(t *testing.T) {
	j := job("j1")
	j.Sink = etl.Declaration{}
	_, err := open(t, fake(t, "ok")).Submit(t.Context(), j)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}

func TestBadConfig(t *testing.T) {
	for _, cfg := range []sparkdispatch.Config{
		{}, {Folder: t.TempDir(), Limit: -1}, {Folder: t.TempDir(), Conf: map[string]string{"a b": ""}},
		{Folder: t.TempDir(), Packages: []string{"a,b"}}, {Folder: t.TempDir(), Env: []string{"x"}},
	} {
		_, err := sparkdispatch.New(cfg)
		require.Error(t, err)
	}
}

func TestOldJobsGo(t *testing.T) {
	cfg := fake(t, "ok")
	cfg.KeepFor, cfg.KeepLast = time.Nanosecond, 2
	d := open(t, cfg)
	for _, id := range []string{"j1", "j2", "j3", "j4"} {
		ref, err := d.Submit(t.Context(), job(id))
		require.NoError(t, err)
		wait(t, d, ref)
		require.Eventually(t, func() bool { // the process itself, too
			_, err := os.Stat(filepath.Join(cfg.Folder, "jobs", id, "exit"))
			return err == nil
		}, 5*time.Second, 5*time.Millisecond)
		time.Sleep(20 * time.Millisecond)
	}
	entries, err := os.ReadDir(filepath.Join(cfg.Folder, "jobs"))
	require.NoError(t, err)
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, []string{"j2", "j3", "j4"}, names, "the last two that had ended when the last one was begun, and that")
}

// TestSubmitterDies has another process submit and be killed; the job goes on and
// is found, asked and cancelled from here.
func TestSubmitterDies(t *testing.T) {
	if folder := os.Getenv("SUBMIT_IN"); folder != "" {
		cfg := sparkdispatch.Config{Folder: folder, Command: os.Getenv("SUBMIT_WITH")}
		_, err := open(t, cfg).Submit(t.Context(), job("j1"))
		require.NoError(t, err)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	cfg := fake(t, "hang")
	self := exec.Command(os.Args[0], "-test.run", "^TestSubmitterDies$")
	self.Env = append(os.Environ(), "SUBMIT_IN="+cfg.Folder, "SUBMIT_WITH="+cfg.Command, "FAKE=hang")
	out, err := self.CombinedOutput()
	require.ErrorContains(t, err, "killed", string(out))

	d := open(t, cfg)
	ref, found, err := d.Find(t.Context(), job("j1"))
	require.NoError(t, err)
	require.True(t, found)
	s, err := d.Status(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, etl.JobRunning, s.Phase)
	require.NoError(t, d.Cancel(t.Context(), ref))
	s, err = d.Status(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, etl.JobCanceled, s.Phase)
}

// TestJobIsKilled kills the group of a job as the system does, and has its ID be
// that of a process which is not the job's: nobody is taken for it.
func TestJobIsKilled(t *testing.T) {
	cfg := fake(t, "hang")
	d := open(t, cfg)
	ref, err := d.Submit(t.Context(), job("j1"))
	require.NoError(t, err)
	pidFile := filepath.Join(cfg.Folder, "jobs", "j1", "pid")
	var pid int
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(pidFile)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil && pid > 1
	}, 5*time.Second, 5*time.Millisecond)
	require.NoError(t, syscall.Kill(-pid, syscall.SIGKILL))
	s := wait(t, d, ref)
	require.Equal(t, etl.JobFailed, s.Phase)
	require.Contains(t, s.Reason, "without an exit code")

	bystander := exec.Command("sleep", "30")
	bystander.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, bystander.Start())
	defer func() { _ = bystander.Process.Kill(); _ = bystander.Wait() }()
	require.NoError(t, os.WriteFile(pidFile, []byte(strconv.Itoa(bystander.Process.Pid)), 0o600))
	s, err = d.Status(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, etl.JobFailed, s.Phase)
	require.NoError(t, d.Cancel(t.Context(), ref))
	require.NoError(t, bystander.Process.Signal(syscall.Signal(0)), "it lives on")
}
