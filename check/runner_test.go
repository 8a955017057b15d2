package check_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
	"github.com/tidemark-data/etl/etltest"
)

// watched is a lake whose observer keeps what it is told of checks.
func watched(t *testing.T, table etl.Table) (*etltest.Lake, *[]etl.Checked) {
	var told []etl.Checked
	return etltest.NewConfig(t, etl.Config{Tables: []etl.Table{table}, Observer: etl.Observer{
		Checked: func(_ etl.Load, c etl.Checked) { told = append(told, c) },
	}}), &told
}

func line(id int, age string) string { return fmt.Sprintf("%d,A,%s,1,2024-02-20 11:00:00\n", id, age) }

func entries(t *testing.T, lake *etltest.Lake, kind etl.EntryKind) []etl.Entry {
	var out []etl.Entry
	for e, err := range lake.Runner().History(t.Context(), "a.people") {
		require.NoError(t, err)
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

func TestVerdictsAreToldAndKept(t *testing.T) {
	lake, told := watched(t, people(
		etl.TableCheck{Check: check.Rows(2, -1), Action: etl.CheckWarn}, etl.TableCheck{Check: check.Range("age", "0", "120")},
	))
	lake.Land("a/people/LOAD00000001.csv", line(1, "10"))
	lake.Ingest()
	want := []etl.Checked{
		{Check: "rows", Action: etl.CheckWarn, Verdict: etl.Verdict{Finding: "1 rows, at least 2 expected"}},
		{Check: "range(age)", Action: etl.CheckPause, Verdict: etl.Verdict{OK: true, Column: "age", Finding: "0 of 1 rows are outside the range"}},
	}
	require.Equal(t, want, *told)
	require.Equal(t, want, entries(t, lake, etl.EntryApplied)[0].Receipt.Checks)

	*told = nil
	lake.Land("a/people/20240220-110825123.csv", "I,"+line(2, "-1"))
	require.Error(t, lake.IngestError())
	want[1].Verdict = etl.Verdict{Column: "age", Finding: "1 of 1 rows are outside the range"}
	require.Equal(t, want, *told)
	failed := entries(t, lake, etl.EntryFailed)
	require.Equal(t, want, failed[0].Checks)
	require.Equal(t, int64(1), failed[0].Diagnosis.Row)
	require.Equal(t, "age", failed[0].Diagnosis.Column)
	lake.Want("a.people", etltest.Rows{{1, "A", 10, 1, "2024-02-20 11:00:00"}})

	// Mended, the file goes through.
	lake.Land("a/people/20240220-110825123.csv", "I,"+line(2, "1"))
	require.NoError(t, lake.Runner().Skip(t.Context(), "a.people", "a/people/20240220-110825123.csv"))
	lake.Ingest()
	lake.Want("a.people", etltest.Rows{{1, "A", 10, 1, "2024-02-20 11:00:00"}, {2, "A", 1, 1, "2024-02-20 11:00:00"}})
}

// TestVerdictsOutliveACrash: the process dies between commit and record.
func TestVerdictsOutliveACrash(t *testing.T) {
	lake, told := watched(t, people(etl.TableCheck{Check: check.Rows(2, -1), Action: etl.CheckWarn}))
	lake.Land("a/people/LOAD00000001.csv", line(1, "10"))
	lake.Fail(etltest.AfterCommit, 1)
	lake.Ingest()
	lake.Ingest()
	applied := entries(t, lake, etl.EntryApplied)
	require.Len(t, applied, 1)
	require.True(t, applied[0].Receipt.Found)
	require.Equal(t, "1 rows, at least 2 expected", applied[0].Receipt.Checks[0].Finding)
	require.Len(t, *told, 1)
}

// TestPausedLoadsAreNotSeen holds rows back in every way of reading a load.
func TestPausedLoadsAreNotSeen(t *testing.T) {
	rising, falling := line(1, "10")+line(2, "999")+line(3, "30"), line(3, "30")+line(2, "999")+line(1, "10")
	for name, c := range map[string]struct {
		content string
		change  func(*etl.Table)
		budget  int64
	}{
		"one pass":   {content: rising},
		"two passes": {content: falling},
		"spilled":    {content: falling, budget: 1},
		"difference": {content: falling, change: func(t *etl.Table) { t.FullLoads = etl.FullDifference }},
		"staged":     {content: falling, change: func(t *etl.Table) { t.Staging.Mode = etl.StageAlways }},
	} {
		t.Run(name, func(t *testing.T) {
			table := people(etl.TableCheck{Check: check.Range("age", "0", "120")})
			if c.change != nil {
				c.change(&table)
			}
			lake := etltest.NewConfig(t, etl.Config{Tables: []etl.Table{table}, MemoryBudget: c.budget})
			lake.Land("a/people/LOAD00000001.csv", line(7, "70"))
			lake.Ingest()
			lake.Land("a/people/LOAD00000001.csv", c.content)
			err := lake.IngestError()
			require.EqualError(t, err, "table a.people: row 2 of a/people/LOAD00000001.csv: column age: refused: check range(age): 1 of 3 rows are outside the range")
			lake.Want("a.people", etltest.Rows{{7, "A", 70, 1, "2024-02-20 11:00:00"}})
		})
	}
}

// counter is a check of one's own, which counts the keys that it is shown.
type counter struct{ seen map[string]int }

func (c *counter) Name() string { return "counter" }

func (c *counter) Begin(context.Context, etl.CheckScope) (etl.Checker, error) {
	c.seen = map[string]int{}
	return c, nil
}

func (c *counter) Rows(_ context.Context, b arrow.RecordBatch) ([]int, error) {
	for i := range int(b.NumRows()) {
		c.seen[b.Column(0).ValueStr(i)]++
	}
	return nil, nil
}

func (c *counter) Verdict(context.Context, etl.Counts) (etl.Verdict, error) {
	return etl.Verdict{OK: true, Finding: fmt.Sprintf("%d rows", len(c.seen))}, nil
}

// TestEveryWinnerIsSeenOnce counts what checks are shown against what is written.
func TestEveryWinnerIsSeenOnce(t *testing.T) {
	for _, budget := range []int64{0, 1} {
		for _, mode := range []etl.FullLoadMode{etl.FullReplace, etl.FullDifference} {
			counter := &counter{}
			table := people(etl.TableCheck{Check: counter}, etl.TableCheck{Check: check.Rows(0, -1)})
			table.FullLoads = mode
			lake := etltest.NewConfig(t, etl.Config{Tables: []etl.Table{table}, MemoryBudget: budget})
			var content strings.Builder
			for i := range 2000 {
				content.WriteString(line(i*7919%1000, "10")) // each key twice
			}
			for round := range 2 {
				lake.Land(fmt.Sprintf("a/people/LOAD%08d.csv", round+1), content.String())
				rep := lake.Ingest()
				require.Len(t, counter.seen, 1000, "%v %v", budget, mode)
				for id, n := range counter.seen {
					require.Equal(t, 1, n, "row %s", id)
				}
				last := rep.Tables[0].Loads[0].Receipt.Checks
				require.Equal(t, "1000 rows", last[0].Finding)
				require.Equal(t, "2000 rows, at least 0 expected", last[1].Finding)
			}
		}
	}
}

func TestStagedLoads(t *testing.T) {
	table := people(
		etl.TableCheck{Check: check.Range("age", "0", "120"), Action: etl.CheckWarn}, etl.TableCheck{Check: check.Complete("kind", 1)},
		etl.TableCheck{Check: check.Rows(4, 4)},
	)
	table.Staging.Mode, table.Completion.Files = etl.StageAlways, 3
	lake, told := watched(t, table)
	lake.Land("a/people/LOAD00000001.csv", line(1, "10")+line(2, "200"))
	lake.Land("a/people/LOAD00000002.csv", line(3, "10"))
	lake.Land("a/people/LOAD00000003.csv", line(4, "10"))
	rep := lake.Ingest()
	require.Equal(t, []etl.Checked{
		{Check: "range(age)", Action: etl.CheckWarn, Verdict: etl.Verdict{Finding: "holds in 2 of 3 files"}},
		{Check: "complete(kind)", Action: etl.CheckPause, Verdict: etl.Verdict{OK: true, Finding: "holds in 3 of 3 files"}},
		{Check: "rows", Action: etl.CheckPause, Verdict: etl.Verdict{OK: true, Finding: "4 rows, at least 4 and at most 4 expected"}},
	}, rep.Tables[0].Loads[0].Receipt.Checks)
	against := entries(t, lake, etl.EntryChecked)
	require.Len(t, against, 1)
	require.Equal(t, "check range(age): 1 of 2 rows are outside the range", against[0].Text)
	require.Equal(t, "a/people/LOAD00000001.csv", against[0].LastFile)
	require.Len(t, *told, 2*3+3)

	lake.Land("a/people/LOAD00000001.csv", line(1, "11"))
	lake.Land("a/people/LOAD00000002.csv", line(3, "12"))
	lake.Land("a/people/LOAD00000003.csv", line(3, "13"))
	require.EqualError(t, lake.IngestError(), "table a.people: check rows: 3 rows, at least 4 and at most 4 expected")
	rows, err := etltest.ReadRows(t.Context(), lake.Sink, "a.people")
	require.NoError(t, err)
	require.Len(t, rows, 4)
}

func TestStagingNeedsChecksOfRows(t *testing.T) {
	table := people(etl.TableCheck{Check: check.Unique("kind")})
	table.Staging.Mode = etl.StageAlways
	require.ErrorContains(t, table.Validate(), "staging: check unique(kind) must see a load as a whole")
	table.Staging = etl.Staging{MinFiles: 1}
	require.NoError(t, table.Validate())
	lake, _ := watched(t, table)
	lake.Land("a/people/LOAD00000001.csv", line(1, "10"))
	lake.Land("a/people/LOAD00000002.csv", line(2, "10"))
	require.ErrorContains(t, lake.IngestError(), "check unique(kind): 1 of 2 rows are there already")
}

// TestManifestsAreWaitedFor: a count that is not there yet pauses nothing.
func TestManifestsAreWaitedFor(t *testing.T) {
	known := errors.New("not yet")
	lake, _ := watched(t, people(etl.TableCheck{Check: check.RowsOf(func(context.Context, etl.Load) (int64, error) { return 1, known })}))
	lake.Land("a/people/LOAD00000001.csv", line(1, "10"))
	require.ErrorContains(t, lake.IngestError(), "check rows_of: not yet")
	require.Empty(t, entries(t, lake, etl.EntryFailed))
	known = nil
	lake.Ingest()
	require.Len(t, entries(t, lake, etl.EntryApplied), 1)
}

func TestPanicsPauseTheTable(t *testing.T) {
	lake, _ := watched(t, people(etl.TableCheck{Check: check.Func("mine", func(context.Context, arrow.RecordBatch) ([]int, error) { panic("secret") })}))
	lake.Land("a/people/LOAD00000001.csv", line(1, "10"))
	err := lake.IngestError()
	require.ErrorContains(t, err, "check panicked in ")
	require.NotContains(t, err.Error(), "secret")
	require.Len(t, entries(t, lake, etl.EntryFailed), 1)
}

func TestVolumeAgainstTheHistory(t *testing.T) {
	lake, _ := watched(t, people(etl.TableCheck{Check: check.Volume(0.5, 2, 3)}))
	load := func(rows int) { // content of its own each time
		var b strings.Builder
		for i := range rows {
			b.WriteString(line(i, fmt.Sprint(lake.Now().Unix()%1000)))
		}
		lake.Land("a/people/LOAD00000001.csv", b.String())
		lake.Wait(time.Second)
	}
	for _, rows := range []int{10, 12, 8} {
		load(rows)
		lake.Ingest()
	}
	load(20)
	lake.Ingest() // twice the median of 10
	load(5)       // of 12, 8 and 20
	require.EqualError(t, lake.IngestError(), "table a.people: check volume: 5 rows, 0.5 to 2 times the median of 12 expected")
}
