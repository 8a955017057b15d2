package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// spent is what one process took, with all of its children.
type spent struct {
	// WallMS and CPUMS are milliseconds, CPU being user and system time;
	// PeakMiB is the greatest resident size.
	WallMS  float64 `json:"wall_ms"`
	CPUMS   float64 `json:"cpu_ms"`
	PeakMiB float64 `json:"peak_mib"`
	// The work alone: without the start of the process and its imports, and
	// without its end. Zero where it is not known.
	WorkMS    float64 `json:"work_ms"`
	WorkCPUMS float64 `json:"work_cpu_ms,omitempty"`
}

var (
	errTimeout = errors.New("stopped at its time limit")
	errFailed  = errors.New("failed")
)

// measure runs a program to its end and decodes what it prints, which is JSON.
// After errTimeout the usage is that up to then.
func measure(ctx context.Context, limit time.Duration, out any, name string, args ...string) (spent, error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, errTimeout)
		defer cancel()
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Env = append(os.Environ(), "GOMAXPROCS=2", "OMP_NUM_THREADS=2", "ARROW_NUM_THREADS=2", "TZ=UTC", "SPARK_LOCAL_IP=127.0.0.1")
	// A group of its own, so that a peer's helpers end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	begun := time.Now()
	err := cmd.Run()
	u := spent{WallMS: ms(time.Since(begun))}
	if cmd.ProcessState == nil {
		return u, err // not even started
	}
	if ru, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.CPUMS = ms(time.Duration(ru.Utime.Nano() + ru.Stime.Nano()))
		u.PeakMiB = float64(ru.Maxrss) / 1024
	}
	switch {
	case errors.Is(context.Cause(ctx), errTimeout):
		return u, errTimeout
	case err != nil:
		text := stderr.Bytes()
		return u, fmt.Errorf("%s %s: %w: %w: %s", name, args[0], errFailed, err, text[max(0, len(text)-2000):])
	}
	if err := json.Unmarshal(lastLine(stdout.Bytes()), out); err != nil {
		return u, fmt.Errorf("%s printed no report: %w: %s", name, err, stdout.Bytes())
	}
	return u, nil
}

func lastLine(b []byte) []byte {
	b = bytes.TrimSpace(b)
	return b[bytes.LastIndexByte(b, '\n')+1:]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func median(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	xs = slices.Sorted(slices.Values(xs))
	n := len(xs)
	return (xs[(n-1)/2] + xs[n/2]) / 2
}

// medians takes the median of each measure.
func medians(us []spent) spent {
	pick := func(f func(spent) float64) float64 {
		var xs []float64
		for _, u := range us {
			xs = append(xs, f(u))
		}
		return median(xs)
	}
	return spent{
		WallMS:  pick(func(u spent) float64 { return u.WallMS }),
		CPUMS:   pick(func(u spent) float64 { return u.CPUMS }),
		PeakMiB: pick(func(u spent) float64 { return u.PeakMiB }),

		WorkMS:    pick(func(u spent) float64 { return u.WorkMS }),
		WorkCPUMS: pick(func(u spent) float64 { return u.WorkCPUMS }),
	}
}

// warm reads files, so that all who come after find them in memory.
func warm(files []string) error {
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
