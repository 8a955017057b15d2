package killtest

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/sqlitecontrol"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/sink/icebergsink"
)

var (
	stageKills = flag.Int("stagekills", 3, "processes to kill while a full load is staged")
	stageFiles = flag.Int("stagefiles", 16, "files of that full load")
)

// landParts lands a full load of many files, whose keys overlap a little.
func (s *shop) landParts(files, rows int) {
	var all []etltest.Change
	for i := range files {
		var b bytes.Buffer
		for range rows {
			id := int64(i*rows) + s.random.Int64N(int64(rows+rows/4))
			name := fmt.Sprintf("part%d-%d", i, s.random.IntN(1000))
			seq := s.random.Int64N(5)
			fmt.Fprintf(&b, "%d,%s,%d\n", id, name, seq)
			all = append(all, etltest.Upsert(id, name, seq))
		}
		s.land(fmt.Sprintf("LOAD%08X.csv", s.landed+1), b.Bytes())
	}
	_, err := s.model.Full(all...)
	require.NoError(s, err)
}

// watcher polls the table all the time. Every reading must be one of the states that
// the table is to go through, and none may come before one that was seen already.
type watcher struct {
	mu     sync.Mutex
	states []etltest.Rows
	reads  int
	at     int
	wrong  string
}

func (w *watcher) look(rows etltest.Rows) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	for i := w.at; i < len(w.states); i++ {
		if w.states[i].Diff(rows) == "" {
			w.at = i
			return
		}
	}
	w.wrong = fmt.Sprintf("reading %d shows %d rows, which is neither the table before the full load nor one after it", w.reads, len(rows))
}

// stands tells which state was seen last, and how many readings there were.
func (w *watcher) stands() (at, reads int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at, w.reads
}

// watch reads until the context ends.
func (s *shop) watch(ctx context.Context, w *watcher) {
	lake, err := icebergsink.Open(ctx, icebergsink.Config{Warehouse: filepath.Join(s.dir, "warehouse")})
	if err != nil {
		w.wrong = err.Error()
		return
	}
	defer lake.Close()
	for ctx.Err() == nil && w.wrong == "" {
		rows, err := etltest.ReadRows(ctx, lake, orders.Name)
		if err == nil {
			w.look(rows)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// staged tells how many files of the load that runs are staged, and whether one runs.
func (s *shop) staged(ctx context.Context) (int, bool) {
	store, err := sqlitecontrol.Open(filepath.Join(s.dir, "control.db"))
	require.NoError(s, err)
	defer store.Close()
	st, err := store.State(ctx, orders.Name)
	require.NoError(s, err)
	return st.Staged, st.Running != nil && st.Running.Staged || st.Open != nil
}

// TestStagedKill kills the processes that stage a full load of many files, two or
// three at a time, again and again; others take it up. Nobody may see a part of it, and
// the changes that land meanwhile are applied after it.
func TestStagedKill(t *testing.T) {
	begun := time.Now()
	s := open(t, "tidemark.write-mode=merge-on-read")
	config, err := os.ReadFile(filepath.Join(s.dir, "tidemark.yaml"))
	require.NoError(t, err)
	config = []byte(strings.Replace(string(config), "completion: {each_file: true} # two full loads may land between two listings",
		"completion: {files: @}\n    staging: {mode: always, workers: 2}", 1))
	write := func(files int) {
		at := fmt.Sprint(files)
		require.NoError(t, os.WriteFile(filepath.Join(s.dir, "tidemark.yaml"), bytes.Replace(config, []byte("@"), []byte(at), 1), 0o600))
	}
	write(1)
	s.landFull(500)
	s.finish()
	s.check()
	states := []etltest.Rows{s.model.Rows()}
	write(*stageFiles)
	s.landParts(*stageFiles, 200)
	states = append(states, s.model.Rows())
	for range 7 { // three to a load
		s.landChanges(100)
		states = append(states, s.model.Rows())
	}

	ctx, stop := context.WithCancel(context.Background())
	w := &watcher{states: states}
	var watching sync.WaitGroup
	watching.Go(func() { s.watch(ctx, w) })
	killed, done, swapped := 0, 0, -1
	for killed < *stageKills {
		k, d := s.killSome(ctx, killed)
		killed, done = killed+k, done+d
		n, open := s.staged(ctx)
		t.Logf("%d killed, %d of %d files staged, open %v", killed, n, *stageFiles, open)
		if !open {
			swapped = killed
			break
		}
	}
	require.Equal(t, -1, swapped, "the load was through after %d kills of %d: make it larger", killed, *stageKills)
	at, before := w.stands()
	require.Zero(t, at, "the old table is there until the swap")
	s.finish()
	s.check()
	time.Sleep(300 * time.Millisecond)
	stop()
	watching.Wait()
	require.Empty(t, w.wrong)
	require.Greater(t, w.reads, before)
	require.Equal(t, len(states)-1, w.at, "the reader has seen the last state")
	s.tidy()
	account = append(account, fmt.Sprintf("staged full load of %d files: %d killed, %d ended by themselves, %d readings, %.1f s, seed %d",
		*stageFiles, killed, done, w.reads, time.Since(begun).Seconds(), s.seed))
}

// killSome starts two or three processes and kills them, one after the other, once
// they have staged as many files as leave enough for the kills to come.
func (s *shop) killSome(ctx context.Context, before int) (killed, done int) {
	var cmds []*exec.Cmd
	for range 2 + s.random.IntN(2) {
		cmd, _ := s.start()
		cmds = append(cmds, cmd)
	}
	goal := (before + len(cmds)) * *stageFiles * 8 / 10 / (*stageKills + len(cmds))
	for wait := time.Now().Add(4*s.spent + time.Duration(s.random.Int64N(int64(s.spent)+1))); time.Now().Before(wait); {
		if n, _ := s.staged(ctx); n >= goal {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	for i, cmd := range cmds {
		if i > 0 {
			time.Sleep(time.Duration(s.random.Int64N(int64(100 * time.Millisecond))))
		}
		if cmd.Process.Kill() == nil && cmd.Wait() != nil && !cmd.ProcessState.Exited() {
			killed++
		} else {
			done++
		}
	}
	time.Sleep(time.Duration(s.random.Int64N(int64(350 * time.Millisecond)))) // some leases of the dead run out
	return killed, done
}

// tidy checks that no staging is left.
func (s *shop) tidy() {
	ctx := context.Background()
	lake, err := icebergsink.Open(ctx, icebergsink.Config{Warehouse: filepath.Join(s.dir, "warehouse")})
	require.NoError(s, err)
	defer lake.Close()
	tbl, err := lake.Table(ctx, orders.Name)
	require.NoError(s, err)
	for name := range tbl.Metadata().Refs() {
		require.Equal(s, "main", name)
	}
	target, err := orders.Target()
	require.NoError(s, err)
	stager := etl.Stager(lake)
	files, err := stager.Staged(ctx, target, etl.Load{ID: "any"})
	require.NoError(s, err)
	require.Empty(s, files)
}
