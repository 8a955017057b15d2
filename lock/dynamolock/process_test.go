package dynamolock_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/lock/dynamolock"
)

const (
	processDir   = "TIDEMARK_TEST_DYNAMODB_DIR"
	processTable = "TIDEMARK_TEST_DYNAMODB_TABLE"
)

// TestServiceProcesses lets processes take turns. Each adds a line to a file
// under the lock, without any other care: none may get lost, and fences rise.
func TestServiceProcesses(t *testing.T) {
	c := service(t)
	if dir := os.Getenv(processDir); dir != "" {
		turns(t, locker(t, c, dynamolock.Options{Table: os.Getenv(processTable)}), filepath.Join(dir, "log"))
		return
	}
	dir, table := t.TempDir(), newTable(t, c)
	var children []*exec.Cmd
	for range 3 {
		child := exec.Command(os.Args[0], "-test.run=^TestServiceProcesses$")
		child.Env = append(os.Environ(), processDir+"="+dir, processTable+"="+table)
		child.Stderr = os.Stderr
		require.NoError(t, child.Start())
		children = append(children, child)
	}
	for _, child := range children {
		require.NoError(t, child.Wait())
	}
	data, err := os.ReadFile(filepath.Join(dir, "log"))
	require.NoError(t, err)
	lines := strings.Fields(string(data))
	require.Len(t, lines, 3*15)
	last := 0
	for _, line := range lines {
		fence, err := strconv.Atoi(line)
		require.NoError(t, err)
		require.Greater(t, fence, last)
		last = fence
	}
}

func turns(t *testing.T, l etl.Locker, log string) {
	for got := 0; got < 15; {
		le, err := l.Acquire(t.Context(), "log", time.Hour)
		if errors.Is(err, etl.ErrLocked) {
			time.Sleep(time.Millisecond)
			continue
		}
		require.NoError(t, err)
		data, err := os.ReadFile(log)
		if !errors.Is(err, os.ErrNotExist) {
			require.NoError(t, err)
		}
		require.NoError(t, os.WriteFile(log, fmt.Appendf(data, "%d\n", le.Fence()), 0o600))
		require.NoError(t, le.Release(t.Context()))
		got++
	}
}
