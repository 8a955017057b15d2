package etl_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

const stagedPeople = "hr.people"

// staging is a pipeline whose full loads of n files are staged, with hooks: onStaged
// is called for each file staged.
type staging struct {
	*pipeline
	faults   *etltest.Injector
	onStaged func(done int)
	told     []int
}

func newStaging(t *testing.T, files int) *staging {
	table := people()
	table.Staging = etl.Staging{Mode: etl.StageAlways, Workers: 1}
	table.Completion = etl.Completion{Files: files}
	s := &staging{pipeline: newPipeline(t, table), faults: etltest.NewInjector()}
	s.config.Sink = s.faults.Sink(s.sink)
	s.config.Retry.Attempts = 1
	var mu sync.Mutex
	s.config.Observer.Staged = func(_ etl.Load, _ etl.StagedFile, done, total int) {
		mu.Lock()
		s.told = append(s.told, done)
		mu.Unlock()
		if s.onStaged != nil {
			s.onStaged(done)
		}
	}
	s.restart()
	return s
}

func (s *staging) landFull(from, files int, name string) {
	for i := range files {
		s.land(fmt.Sprintf("hr/people/LOAD%08X.csv", from+i), fmt.Sprintf("%d,%s,\n", i, name))
	}
}

func (s *staging) want(rows ...string) {
	s.t.Helper()
	require.Equal(s.t, rows, s.rows(stagedPeople))
}

func (s *staging) status() etl.TableStatus {
	s.t.Helper()
	st, err := s.runner.Status(context.Background(), stagedPeople)
	require.NoError(s.t, err)
	return st
}

// done checks that no staging is left.
func (s *staging) done() {
	s.t.Helper()
	st := s.status().State
	require.Nil(s.t, st.Running)
	require.Zero(s.t, st.Staging)
	require.Zero(s.t, st.Staged)
}

func TestStagedLoadTellsHowFarItIs(t *testing.T) {
	s := newStaging(t, 3)
	s.landFull(1, 3, "a")
	var why []string
	s.onStaged = func(int) { why = append(why, s.status().Why) }
	s.ingest()
	s.want("0,a,-", "1,a,-", "2,a,-")
	require.Equal(t, []int{1, 2, 3}, s.told)
	require.Equal(t, []string{"staged 0 of 3 files", "staged 1 of 3 files", "staged 2 of 3 files"}, why)
	s.done()
}

func TestStagedLoadGoesOnWhereItStopped(t *testing.T) {
	s := newStaging(t, 4)
	s.landFull(1, 4, "a")
	s.faults.FailAt("sink.Stage/before", 3, etltest.ErrCrash)
	_, err := s.runner.Ingest(context.Background())
	require.Error(t, err)
	require.Empty(t, s.rows(stagedPeople))
	s.faults.Restart()
	s.now = s.now.Add(time.Hour)
	s.land("hr/people/20240221-000000000.csv", "U,1,changed,\n")
	s.ingest()
	s.want("0,a,-", "1,changed,-", "2,a,-", "3,a,-")
	require.Equal(t, []int{1, 2, 3, 4}, s.told, "no file is staged twice")
	s.done()
}

func TestKilledStagedLoadIsNotGivenUpWhileItGetsOn(t *testing.T) {
	s := newStaging(t, 12)
	s.config.MaxBegins = 3
	s.restart()
	s.landFull(1, 12, "a")
	for range 12 {
		s.faults.Reset()
		s.faults.FailAt("sink.Stage/before", 2, etltest.ErrCrash)
		_, _ = s.runner.Ingest(context.Background())
		s.faults.Restart()
		s.now = s.now.Add(time.Hour)
		require.NotEqual(t, etl.FlagPaused, s.status().State.Flag)
	}
	s.ingest()
	require.Len(t, s.rows(stagedPeople), 12)

	s.landFull(100, 12, "b")
	for range 6 { // no progress at all
		s.faults.Reset()
		s.faults.FailAt("sink.Stage/before", 1, etltest.ErrCrash)
		_, _ = s.runner.Ingest(context.Background())
		s.faults.Restart()
		s.now = s.now.Add(time.Hour)
	}
	require.Equal(t, etl.FlagPaused, s.status().State.Flag)
	require.Contains(t, s.rows(stagedPeople)[0], "a")
}

func TestNewerFullLoadOvertakesAStagedOne(t *testing.T) {
	s := newStaging(t, 3)
	s.landFull(1, 3, "a")
	s.ingest()
	s.landFull(11, 3, "b")
	s.onStaged = func(done int) {
		if done != 2 {
			return
		}
		s.onStaged = nil
		s.land("hr/people/20240221-000000000.csv", "U,1,lost,\n")
		s.landFull(21, 3, "c")
		s.land("hr/people/20240222-000000000.csv", "U,1,kept,\n")
		var files []etl.File
		for f := range s.source.List(context.Background()) {
			files = append(files, f)
		}
		_, err := s.runner.Register(context.Background(), files...)
		require.NoError(t, err)
	}
	rep := s.ingest()
	s.want("0,c,-", "1,kept,-", "2,c,-")
	require.EqualValues(t, 3, rep.Tables[0].Loads[0].Load.Epoch, "the load of epoch 2 was never published")
	require.Equal(t, map[etl.FileStatus]int{etl.Applied: 7, etl.Superseded: 4}, s.status().Files)
	s.done()
}

func TestPauseHaltsAStagedLoad(t *testing.T) {
	ctx := context.Background()
	s := newStaging(t, 3)
	s.landFull(1, 3, "a")
	s.onStaged = func(done int) {
		if done == 1 {
			require.NoError(t, s.runner.Pause(ctx, stagedPeople, ""))
		}
	}
	rep := s.ingest()
	require.Contains(t, rep.Tables[0].Reason, "paused")
	require.Equal(t, []int{1}, s.told)
	require.Empty(t, s.rows(stagedPeople))
	require.NoError(t, s.runner.Resume(ctx, stagedPeople))
	s.ingest()
	require.Equal(t, []int{1, 2, 3}, s.told)
	s.want("0,a,-", "1,a,-", "2,a,-")
}

func TestSkipRemovesTheStaging(t *testing.T) {
	ctx := context.Background()
	s := newStaging(t, 2)
	s.land("hr/people/LOAD00000001.csv", "1,a,\n")
	s.land("hr/people/LOAD00000002.csv", "2,b,bad\n")
	_, err := s.runner.Ingest(ctx)
	var re *etl.RowError
	require.ErrorAs(t, err, &re)
	require.Equal(t, "hr/people/LOAD00000002.csv", re.File)
	st := s.status().State
	require.Equal(t, etl.FlagPaused, st.Flag)
	require.EqualValues(t, 1, st.Staging, "kept for a retry")
	require.NoError(t, s.runner.Skip(ctx, stagedPeople))
	s.done()
	require.Empty(t, s.rows(stagedPeople))
}

func TestStagedLoadStopsInTime(t *testing.T) {
	s := newStaging(t, 3)
	s.config.Margin = time.Minute
	s.restart()
	s.landFull(1, 3, "a")
	ctx, cancel := context.WithTimeout(context.Background(), 61*time.Second)
	defer cancel()
	s.onStaged = func(done int) {
		if done == 1 {
			time.Sleep(1100 * time.Millisecond)
		}
	}
	rep, err := s.runner.Ingest(ctx)
	require.NoError(t, err)
	require.True(t, rep.Tables[0].More)
	require.NotEmpty(t, s.told)
	require.Less(t, len(s.told), 3)
	s.ingest()
	s.want("0,a,-", "1,a,-", "2,a,-")
}

// A process that finds the table locked stages files that the leader does not work on.
func TestHelpersStageFiles(t *testing.T) {
	s := newStaging(t, 6)
	s.config.Retry.Attempts = 3
	s.restart()
	s.landFull(1, 6, "a")
	config := s.config
	config.Observer = etl.Observer{}
	helper, err := etl.New(config)
	require.NoError(t, err)
	var report etl.TableReport
	s.onStaged = func(int) { // while the leader has the first file only
		report, err = helper.Drain(context.Background(), stagedPeople)
		require.NoError(t, err)
	}
	s.ingest()
	require.True(t, report.Locked)
	require.True(t, strings.HasPrefix(report.Reason, "staged 5 files"), report.Reason)
	require.Equal(t, []int{1}, s.told, "the leader finds the others staged")
	require.Len(t, s.rows(stagedPeople), 6)
}

func TestStagingBySize(t *testing.T) {
	for name, test := range map[string]struct {
		staging etl.Staging
		want    bool
	}{
		"auto, small":      {etl.Staging{}, false},
		"auto, many files": {etl.Staging{MinFiles: 2}, true},
		"auto, few files":  {etl.Staging{MinFiles: 3}, false},
		"auto, bytes":      {etl.Staging{MinBytes: 10}, true},
		"never":            {etl.Staging{Mode: etl.StageNever, MinFiles: 1}, false},
		"always":           {etl.Staging{Mode: etl.StageAlways}, true},
	} {
		table := people()
		table.Staging, table.Completion = test.staging, etl.Completion{Files: 2}
		p := newPipeline(t, table)
		p.land("hr/people/LOAD00000001.csv", "1,a,\n")
		p.land("hr/people/LOAD00000002.csv", "2,b,\n")
		rep := p.ingest()
		require.Equal(t, test.want, rep.Tables[0].Loads[0].Load.Staged, name)
		require.Equal(t, []string{"1,a,-", "2,b,-"}, p.rows(stagedPeople), name)
	}
	table := people()
	table.Staging.Mode = "often"
	require.ErrorContains(t, table.Validate(), "often")
}
