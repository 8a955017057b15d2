package sqlitecontrol_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/sqlitecontrol"
)

const increments = 40

// child starts this test binary to run one test with a path.
func child(t *testing.T, test, path string) *exec.Cmd {
	c := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	c.Env = append(os.Environ(), "SQLITECONTROL_PATH="+path)
	c.Stderr = os.Stderr
	return c
}

// TestProcesses lets processes open the store at the same time, make it, and
// count in it by compare-and-swap: no count may get lost.
func TestProcesses(t *testing.T) {
	if path := os.Getenv("SQLITECONTROL_PATH"); path != "" {
		count(t, open(t, path))
		return
	}
	path := filepath.Join(t.TempDir(), "new folder", "control.db")
	var children []*exec.Cmd
	for range 4 {
		c := child(t, "TestProcesses", path)
		require.NoError(t, c.Start())
		children = append(children, c)
	}
	for _, c := range children {
		require.NoError(t, c.Wait())
	}
	s := open(t, path)
	st, err := s.State(t.Context(), "a.b")
	require.NoError(t, err)
	require.Equal(t, etl.State{Table: "a.b", Version: 4 * increments, Epoch: 4 * increments}, st)
	next := st.Epoch
	for e, err := range s.History(t.Context(), "a.b") {
		require.NoError(t, err)
		require.Equal(t, next, e.Epoch)
		next--
	}
	require.Zero(t, next)
}

func count(t *testing.T, s *sqlitecontrol.Store) {
	for done := 0; done < increments; {
		st, err := s.State(t.Context(), "a.b")
		require.NoError(t, err)
		st.Epoch++
		err = s.Update(t.Context(), etl.Update{State: st, Entries: []etl.Entry{{Epoch: st.Epoch}}})
		if errors.Is(err, etl.ErrConflict) {
			continue
		}
		require.NoError(t, err)
		done++
	}
}

// TestKill kills a process in the middle of its writes: what it has reported
// is there, what is there is whole.
func TestKill(t *testing.T) {
	if path := os.Getenv("SQLITECONTROL_PATH"); path != "" {
		s := open(t, path)
		for v := int64(0); ; v++ {
			u := etl.Update{State: etl.State{Table: "a.b", Version: v}, Entries: []etl.Entry{{Epoch: v}}}
			for i := range 20 {
				u.Insert = append(u.Insert, etl.FileRecord{File: etl.File{Location: fmt.Sprintf("%d-%d", v, i)}, Table: "a.b"})
			}
			require.NoError(t, s.Update(t.Context(), u))
			fmt.Println(v + 1)
		}
	}
	path := filepath.Join(t.TempDir(), "control.db")
	c := child(t, "TestKill", path)
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	lines := bufio.NewScanner(out)
	reported := int64(0)
	for lines.Scan() {
		if reported, err = strconv.ParseInt(lines.Text(), 10, 64); err == nil && reported == 30 {
			require.NoError(t, c.Process.Kill())
		}
	}
	require.Error(t, c.Wait())
	require.GreaterOrEqual(t, reported, int64(30))

	s := open(t, path)
	st, err := s.State(t.Context(), "a.b")
	require.NoError(t, err)
	require.GreaterOrEqual(t, st.Version, reported)
	files, entries := int64(0), int64(0)
	for _, err := range s.Files(t.Context(), etl.FileQuery{Table: "a.b"}) {
		require.NoError(t, err)
		files++
	}
	for _, err := range s.History(t.Context(), "a.b") {
		require.NoError(t, err)
		entries++
	}
	require.Equal(t, []int64{20 * st.Version, st.Version}, []int64{files, entries})
}
