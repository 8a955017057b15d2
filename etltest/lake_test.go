package etltest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

func incidents() etl.Table {
	return etl.Table{
		Name: "mpd.incidents", Key: []string{"ccn"},
		Columns: etl.Columns{{Name: "ccn", Type: etl.Long}, {Name: "offense", Type: etl.String}},
	}
}

const (
	full   = "mpd/incidents/LOAD00000001.csv"
	change = "mpd/incidents/20240220-110825123.csv"
)

func TestLake(t *testing.T) {
	lake := etltest.New(t, incidents())
	lake.Land(full, "1,THEFT\n2,ARSON\n")
	lake.Land(change, "U,1,ROBBERY\nD,2,\n")
	report := lake.Ingest()
	require.Equal(t, 2, report.Registered)
	lake.Want("mpd.incidents", etltest.Rows{{1, "ROBBERY"}})
	lake.WantStatus(change, etl.Applied)
}

func TestLakeHealsAfterFaults(t *testing.T) {
	for _, point := range []string{
		etltest.BeforeCommit, etltest.AfterCommit, etltest.BeforeRecord, etltest.AfterRecord, etltest.OnRead,
	} {
		t.Run(point, func(t *testing.T) {
			lake := etltest.New(t, incidents())
			lake.Land(full, "1,THEFT\n2,ARSON\n")
			lake.Ingest()
			lake.Land(change, "U,1,ROBBERY\nD,2,\n")
			lake.Fail(point, 1)
			lake.Ingest()
			require.True(t, lake.Injector.Crashed())
			lake.Ingest()
			lake.Want("mpd.incidents", etltest.Rows{{1, "ROBBERY"}})
		})
	}
}

func TestLakeEventsAndClock(t *testing.T) {
	lake := etltest.New(t, incidents())
	start := lake.Now()
	lake.LandAt(start.Add(time.Minute), full, "1,THEFT\n")
	lake.LandAt(start, change, "I,9,OLD\n")
	lake.Ingest(change)
	lake.Want("mpd.incidents", etltest.Rows{{9, "OLD"}})
	lake.Ingest(full, change, full)
	lake.Want("mpd.incidents", etltest.Rows{{1, "THEFT"}})
	lake.Remove(full)
	lake.Ingest()
	lake.Wait(time.Hour)
	require.Equal(t, start.Add(time.Hour), lake.Now())
}

func TestLakeBadRowPauses(t *testing.T) {
	lake := etltest.New(t, incidents())
	lake.Land(change, "U,not a number,ROBBERY\n")
	require.ErrorContains(t, lake.IngestError(), "ccn")
	lake.WantStatus(change, etl.Failed)
	require.NoError(t, lake.Runner().Skip(t.Context(), "mpd.incidents"))
	lake.WantStatus(change, etl.Skipped)
}

// spy stands in for a test that is expected to fail.
type spy struct {
	testing.TB
	errors   int
	cleanups []func()
}

func (s *spy) Errorf(string, ...any) { s.errors++ }
func (s *spy) Helper()               {}
func (s *spy) Cleanup(f func())      { s.cleanups = append(s.cleanups, f) }

func TestLakeFindsFault(t *testing.T) {
	s := &spy{TB: t}
	lake := etltest.New(s, incidents())
	lake.Land(full, "1,THEFT\n")
	lake.Ingest()
	lake.Want("mpd.incidents", etltest.Rows{{1, "THEFT"}, {2, "ARSON"}})
	require.Equal(t, 1, s.errors, "a missing row")
	lake.WantStatus(full, etl.Pending)
	require.Equal(t, 2, s.errors, "a status")
	lake.Fail(etltest.AfterCommit, 1)
	for _, f := range s.cleanups {
		f()
	}
	require.Equal(t, 3, s.errors, "a fault that never struck")
}
