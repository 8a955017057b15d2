package dynamocontrol_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/dynamocontrol"
)

// count adds n to the epoch of a table by compare-and-swap, each time with its own
// value in a crowd of records that all counters write: enough for stages every
// third time.
func count(t *testing.T, s *dynamocontrol.Store, n, records int) error {
	for done := 0; done < n; {
		st, err := s.State(t.Context(), "a.b")
		if err != nil {
			return err
		}
		st.Epoch++
		u := etl.Update{State: st, Entries: []etl.Entry{{Epoch: st.Epoch}}}
		for i := range records / (1 + int(st.Epoch)%3) {
			u.Put = append(u.Put, etl.FileRecord{
				File: etl.File{Location: fmt.Sprint(i)}, Table: "a.b", Epoch: st.Epoch,
				Status: []etl.FileStatus{etl.Pending, etl.Applied}[st.Epoch%2],
			})
		}
		err = s.Update(t.Context(), u)
		if errors.Is(err, etl.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		done++
	}
	return nil
}

// counted checks that no count got lost and every record is of the last update
// that wrote it.
func counted(t *testing.T, s *dynamocontrol.Store, total int64, records int) {
	t.Helper()
	st, err := s.State(t.Context(), "a.b")
	require.NoError(t, err)
	require.Equal(t, etl.State{Table: "a.b", Version: total, Epoch: total}, st)
	next := total
	for e, err := range s.History(t.Context(), "a.b") {
		require.NoError(t, err)
		require.Equal(t, next, e.Epoch)
		next--
	}
	require.Zero(t, next)
	got := files(t, s, etl.FileQuery{Table: "a.b"})
	require.Len(t, got, records)
	for _, r := range got {
		var i int
		_, err := fmt.Sscan(r.Location, &i)
		require.NoError(t, err)
		want := total
		for i >= records/(1+int(want)%3) {
			want--
		}
		require.Equal(t, want, r.Epoch, "record %d", i)
	}
}

func counters(t *testing.T, c client, stores, n, records int) *dynamocontrol.Store {
	s := open(t, c)
	name := onlyTable(t, c)
	errs := make([]error, stores)
	var wg sync.WaitGroup
	for i := range stores {
		wg.Go(func() { errs[i] = count(t, openTable(t, c, name), n, records) })
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	counted(t, s, int64(stores*n), records)
	return s
}

func TestCounters(t *testing.T) {
	f := fake()
	s := counters(t, f, 5, 12, 130)
	st, err := s.State(t.Context(), "a.b")
	require.NoError(t, err)
	require.NoError(t, s.Update(t.Context(), etl.Update{State: st}))
	clean(t, f, onlyTable(t, f), 130)
}

func TestServiceCounters(t *testing.T) { counters(t, service(t), 4, 6, 130) }

const processTable = "TIDEMARK_TEST_DYNAMODB_TABLE"

// TestServiceProcesses counts in processes of their own.
func TestServiceProcesses(t *testing.T) {
	c := service(t)
	if name := os.Getenv(processTable); name != "" {
		require.NoError(t, count(t, openTable(t, c, name), 6, 130))
		return
	}
	s := open(t, c)
	var children []*exec.Cmd
	for range 3 {
		child := exec.Command(os.Args[0], "-test.run=^TestServiceProcesses$")
		child.Env = append(os.Environ(), processTable+"="+onlyTable(t, c))
		child.Stderr = os.Stderr
		require.NoError(t, child.Start())
		children = append(children, child)
	}
	for _, child := range children {
		require.NoError(t, child.Wait())
	}
	counted(t, s, 18, 130)
}
