//go:build unix && !aix && !solaris

package sparkdispatch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tidemark-data/etl"
)

const supported = true

// supervisor leads the group of a job's processes: it says who it is, waits for
// spark-submit, and leaves its exit code. Signals to the group are met by traps,
// which spark-submit does not inherit, so that it outlives spark-submit.
const supervisor = `trap : TERM INT HUP
echo $$ >pid.new && mv pid.new pid || exit 1
"$@"
code=$?
echo $code >exit.new && mv exit.new exit`

// start begins a job in its folder. The job's processes inherit the lock.
func start(folder string, env []string, command string, args []string) error {
	lock, err := seize(filepath.Join(folder, lockName))
	if err != nil {
		return fmt.Errorf("lock of the job: %w", err)
	}
	defer lock.Close()
	log, err := os.OpenFile(filepath.Join(folder, logName), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("log of the job: %w", err)
	}
	defer log.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", supervisor, "tidemark-job", command}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = folder, env, log, log
	cmd.ExtraFiles = []*os.File{lock}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return etl.WithOutcome(etl.Terminal, fmt.Errorf("start: %w", err))
	}
	go func() { _ = cmd.Wait() }() // so that no dead process stays in the table
	return nil
}

// seize takes a lock that others hold at most for the time of a look.
func seize(path string) (*os.File, error) {
	for try := 0; ; try++ {
		f, err := lockFile(path, false)
		if !errors.Is(err, syscall.EWOULDBLOCK) || try == 50 {
			return f, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// lockFile opens a file and takes its lock, waiting for it or not. The lock goes
// with the last file descriptor.
func lockFile(path string, wait bool) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		if err = syscall.Flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// locked reports whether another process holds the lock of a file.
func locked(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EWOULDBLOCK):
			return true, nil
		default:
			return false, err
		}
	}
}

// end signals the job's group until none of its processes is left. As long as one
// holds the lock, the group's ID is theirs.
func end(ctx context.Context, t trace, grace time.Duration) error {
	lock := filepath.Join(t.folder, lockName)
	kill := time.Now().Add(grace)
	giveUp := kill.Add(grace + 10*time.Second)
	sent := syscall.Signal(0)
	for {
		alive, err := locked(lock)
		if err != nil || !alive {
			return err
		}
		next := syscall.SIGTERM
		if time.Now().After(kill) {
			next = syscall.SIGKILL
		}
		if t.pid == 0 {
			t.pid, _, _ = number(filepath.Join(t.folder, pidName))
		}
		if t.pid > 1 && sent != next {
			if err := syscall.Kill(-t.pid, next); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("spark-submit: signal the job: %w", err)
			}
			sent = next
		}
		if time.Now().After(giveUp) {
			return errors.New("spark-submit: the job's processes do not end")
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
