//go:build integration

package integration

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startServer starts a server on a free port of 127.0.0.1, waits until it
// accepts connections, and kills it when the test ends. name is a program in
// integration/.cache/bin, which the scripts in this folder fill, or in the
// PATH. In args "{addr}" stands for host:port, "{port}" for the port.
func startServer(t testing.TB, name string, args ...string) (addr string) {
	t.Helper()
	path := findServer(t, name)
	for try := 1; ; try++ { // somebody else may take the port first
		addr, err := startOn(t, path, freePort(t), args)
		if err == nil {
			return addr
		}
		if try == 3 {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

func findServer(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(".cache", "bin", name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err == nil {
		return path
	}
	if path, err = exec.LookPath(name); err != nil {
		t.Fatalf("%s is not installed: run the script of this folder that installs it", name)
	}
	return path
}

func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func startOn(t testing.TB, path, port string, args []string) (string, error) {
	addr := net.JoinHostPort("127.0.0.1", port)
	fill := strings.NewReplacer("{addr}", addr, "{port}", port)
	filled := make([]string, len(args))
	for i, a := range args {
		filled[i] = fill.Replace(a)
	}
	cmd := exec.Command(path, filled...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its children go with it
	output := &tail{}
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		return "", err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	stop := func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-exited
	}
	if err := awaitServer(addr, exited); err != nil {
		stop()
		return "", errors.Join(err, errors.New(output.String()))
	}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("%s wrote:\n%s", filepath.Base(path), output)
		}
	})
	return addr, nil
}

func awaitServer(addr string, exited <-chan struct{}) error {
	deadline := time.After(60 * time.Second)
	for {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-exited:
			return errors.New("exited before it accepted connections")
		case <-deadline:
			return errors.New("accepts no connections after a minute")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tail keeps the last of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *tail) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf.Len() > 1<<16 {
		o.buf.Next(o.buf.Len() - 1<<15)
	}
	return o.buf.Write(p)
}

func (o *tail) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

var _ io.Writer = (*tail)(nil)
