package etl_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/transform"
)

func calls() etl.Table {
	return etl.Table{
		Name: "mpd.calls", Mode: etl.ModeAppend,
		Columns: etl.Columns{{Name: "unit", Type: etl.String}, {Name: "n", Type: etl.Long}},
	}
}

func units() etl.Table {
	return etl.Table{
		Name: "mpd.units", Mode: etl.ModeSoftDelete, Key: []string{"unit"}, OrderBy: []string{"at"},
		Columns: etl.Columns{{Name: "unit", Type: etl.Long}, {Name: "name", Type: etl.String}, {Name: "at", Type: etl.Timestamp}},
	}
}

func TestModesAreValidated(t *testing.T) {
	for name, x := range map[string]struct {
		table  etl.Table
		change func(*etl.Table)
		err    string
	}{
		"append":               {calls(), func(*etl.Table) {}, ""},
		"append with a key":    {calls(), func(t *etl.Table) { t.Key = []string{"unit"} }, "an append table has no key"},
		"append with an order": {calls(), func(t *etl.Table) { t.OrderBy = []string{"n"} }, "an append table has no ordering columns"},
		"append with tombstones": {calls(), func(t *etl.Table) { t.TombstoneRetention = time.Hour },
			"an append table has no tombstones"},
		"append as difference": {calls(), func(t *etl.Table) { t.FullLoads = etl.FullDifference }, "an append table has no full loads as differences"},
		"append late":          {calls(), func(t *etl.Table) { t.Late = etl.LatePause }, "an append table has no policy for late files"},
		"append with columns":  {calls(), func(t *etl.Table) { t.ModeColumns.Deleted = "x" }, "mode column x goes with mode soft_delete and history only"},
		"soft delete":          {units(), func(*etl.Table) {}, ""},
		"soft without key":     {units(), func(t *etl.Table) { t.Key = nil }, "no key"},
		"names clash": {units(), func(t *etl.Table) { t.ModeColumns.DeletedAt = "AT" },
			"mode column AT has the name of column at"},
		"names clash after transforms": {units(), func(t *etl.Table) {
			t.Transforms = []etl.Transformer{transform.Rename(map[string]string{"name": "is_deleted"})}
		}, "mode column is_deleted has the name of column is_deleted"},
		"Iceberg's name":              {units(), func(t *etl.Table) { t.ModeColumns.Deleted = "_deleted" }, "one of Iceberg's metadata columns"},
		"unknown":                     {units(), func(t *etl.Table) { t.Mode = "diary" }, `mode "diary" is not upsert, append, soft_delete or history`},
		"history":                     {posts(), func(*etl.Table) {}, ""},
		"names of history":            {posts(), func(t *etl.Table) { t.ModeColumns = etl.ModeColumns{ValidFrom: "since", Current: "now"} }, ""},
		"history's columns elsewhere": {units(), func(t *etl.Table) { t.ModeColumns.ValidTo = "until" }, "mode column until goes with mode history only"},
		"history without key":         {posts(), func(t *etl.Table) { t.Key = nil }, "no key"},
		"history without its order": {posts(), func(t *etl.Table) {
			t.Transforms = []etl.Transformer{transform.Drop("at")}
		}, "the ordering columns of a history table must be columns of the table"},
		"history with a contract": {posts(), func(t *etl.Table) { t.Contract.New = etl.Evolve }, "set full loads to replace"},
	} {
		t.Run(name, func(t *testing.T) {
			x.change(&x.table)
			err := x.table.Validate()
			if x.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, x.err)
		})
	}
}

// Rows of several files and chunks, some of which a filter drops; the row of a mistake
// is counted from the start of its file.
func TestAppendFindsTheRowOfAMistake(t *testing.T) {
	table := calls()
	table.Transforms = []etl.Transformer{oddIn("n"), transform.RowFunc(etl.Columns{{Name: "more", Type: etl.Bool}}, func(r transform.Row) ([]any, error) {
		if r.Value("unit") == "bad" {
			return nil, errors.New("refused")
		}
		return []any{true}, nil
	})}
	const n = 70_000
	text := func(bad int) string {
		var b strings.Builder
		for i := 1; i <= n; i++ {
			unit := strings.Repeat("u", 20)
			if i == bad {
				unit = "bad"
			}
			fmt.Fprintf(&b, "I,%s,%d\n", unit, i)
		}
		return b.String()
	}
	lake := etltest.New(t, table)
	lake.Land("mpd/calls/20240220-110000000.csv", text(0))
	lake.Ingest()
	lake.Land("mpd/calls/20240220-110000001.csv", text(n-1))
	err := lake.IngestError()
	var re *etl.RowError
	require.ErrorAs(t, err, &re)
	require.EqualValues(t, n-1, re.Row)
	require.Equal(t, "mpd/calls/20240220-110000001.csv", re.File)
	rows, err := etltest.ReadRows(t.Context(), lake.Sink, "mpd.calls")
	require.NoError(t, err)
	require.Len(t, rows, n/2)
}

func TestAppendSetsBadRowsAside(t *testing.T) {
	table := calls()
	table.BadRows = etl.ErrorBudget{Rows: 3}
	table.Columns[1].Required = true
	lake := etltest.New(t, table)
	lake.Land("mpd/calls/20240220-110000000.csv", "I,a,1\nI,b,x\nD,a,1\nI,c,\nI,d,4\n")
	rep := lake.Ingest()
	require.Equal(t, etl.Counts{Read: 5, Inserted: 2, Quarantined: 3, RowsAfter: 2}, rep.Tables[0].Loads[0].Receipt.Counts)
	lake.Want("mpd.calls", etltest.Rows{{"a", 1}, {"d", 4}})
	var aside []string
	for row, err := range lake.Quarantine.Rows(t.Context(), "mpd.calls") {
		require.NoError(t, err)
		aside = append(aside, fmt.Sprint(row.Row, " ", row.Column))
	}
	require.Equal(t, []string{"2 n", "3 Op", "4 n"}, aside)
	lake.Land("mpd/calls/20240220-110000001.csv", "I,a,x\nI,b,x\nD,a,1\nI,c,\nI,d,4\n")
	require.Error(t, lake.IngestError(), "one more than the budget")
	lake.Want("mpd.calls", etltest.Rows{{"a", 1}, {"d", 4}})
}

func TestAppendTakesLateFiles(t *testing.T) {
	lake := etltest.New(t, calls())
	lake.Land("mpd/calls/20240220-110000002.csv", "I,b,2\n")
	lake.Ingest()
	lake.Land("mpd/calls/20240220-110000001.csv", "I,a,1\n")
	lake.Ingest()
	lake.Ingest()
	lake.Want("mpd.calls", etltest.Rows{{"a", 1}, {"b", 2}})
	lake.Land("mpd/calls/LOAD00000001.csv", "c,3\nc,3\n")
	lake.Ingest()
	lake.Want("mpd.calls", etltest.Rows{{"c", 3}, {"c", 3}})
}

// A committed row that is marked was transformed when it was written, and is not
// transformed again; a marked row of the load is.
func TestSoftDeleteTransformsRowsOnce(t *testing.T) {
	table := units()
	table.Transforms = []etl.Transformer{suffix{}}
	lake := etltest.New(t, table)
	lake.Land("mpd/units/LOAD00000001.csv", "1,a,2024-02-20 09:00:00\n2,b,2024-02-20 09:00:00\n")
	lake.Ingest()
	lake.Land("mpd/units/20240220-110000000.csv", "D,1,,2024-02-20 10:00:00\nU,2,c,2024-02-20 10:00:00\nD,2,,2024-02-20 11:00:00\n")
	lake.Ingest()
	lake.Want("mpd.units", etltest.Rows{
		{1, "a+", "2024-02-20 09:00:00", true, "2024-02-20 10:00:00"},
		{2, "c+", "2024-02-20 10:00:00", true, "2024-02-20 11:00:00"},
	})
}

// A winner that a filter drops takes its row with it, marked or not.
func TestSoftDeleteOfFilteredRows(t *testing.T) {
	table := units()
	table.Transforms = []etl.Transformer{oddIn("name")}
	table.Columns[1].Type = etl.Long
	lake := etltest.New(t, table)
	lake.Land("mpd/units/LOAD00000001.csv", "1,1,2024-02-20 09:00:00\n2,1,2024-02-20 09:00:00\n")
	lake.Ingest()
	lake.Land("mpd/units/20240220-110000000.csv", "U,1,2,2024-02-20 10:00:00\nD,1,,\nD,2,,2024-02-20 10:00:00\n")
	rep := lake.Ingest()
	require.Equal(t, etl.Counts{Read: 3, Updated: 1, Filtered: 1, Superseded: 1, RemovedByFilter: 1, RowsBefore: 2, RowsAfter: 1},
		rep.Tables[0].Loads[0].Receipt.Counts)
	lake.Want("mpd.units", etltest.Rows{{2, 1, "2024-02-20 09:00:00", true, "2024-02-20 10:00:00"}})
}

// oddIn drops rows with an even number in a column.
func oddIn(column string) etl.Transformer {
	return transform.Filter(func(rec arrow.RecordBatch, row int) bool {
		return rec.Column(rec.Schema().FieldIndices(column)[0]).(*array.Int64).Value(row)%2 != 0
	})
}

// suffix appends "+" to names, each time it runs.
type suffix struct{}

func (suffix) Schema(in *arrow.Schema) (*arrow.Schema, error) { return in, nil }

func (suffix) Transform(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	names := array.NewStringBuilder(memory.DefaultAllocator)
	defer names.Release()
	for i := range int(in.NumRows()) {
		names.Append(in.Column(1).(*array.String).Value(i) + "+")
	}
	return array.NewRecordBatch(in.Schema(), []arrow.Array{in.Column(0), names.NewArray(), in.Column(2)}, in.NumRows()), nil
}
