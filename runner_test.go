package etl_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

// pipeline is a Runner over memory adapters with a clock of its own.
type pipeline struct {
	t      *testing.T
	source *source.Memory
	sink   *sink.Memory
	config etl.Config
	runner *etl.Runner
	now    time.Time
}

func people() etl.Table {
	return etl.Table{
		Name: "hr.people", Key: []string{"id"},
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "name", Type: etl.String}, {Name: "seq", Type: etl.Long}},
		Op:      etl.OpColumn{Column: "op"},
		Format: format.CSV{
			FullColumns: []string{"id", "name", "seq"}, ChangeColumns: []string{"op", "id", "name", "seq"},
		},
	}
}

func newPipeline(t *testing.T, tables ...etl.Table) *pipeline {
	p := &pipeline{t: t, source: source.NewMemory(), sink: sink.NewMemory(), now: time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC)}
	p.config = etl.Config{
		Source: p.source, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: p.sink,
		Layout: format.DMS{}, Tables: tables,
		Retry: etl.RetryPolicy{Attempts: 3, Base: time.Millisecond, Max: time.Millisecond},
		Now:   func() time.Time { return p.now },
	}
	p.restart()
	return p
}

func (p *pipeline) restart() {
	var err error
	p.runner, err = etl.New(p.config)
	require.NoError(p.t, err)
}

// land puts a file there one minute after the last one.
func (p *pipeline) land(location, content string) {
	p.now = p.now.Add(time.Minute)
	p.source.Put(location, []byte(content), p.now)
}

func (p *pipeline) ingest() etl.Report {
	rep, err := p.runner.Ingest(context.Background())
	require.NoError(p.t, err)
	return rep
}

// rows returns the table as sorted lines of text.
func (p *pipeline) rows(table string) []string {
	var out []string
	for rec, err := range p.sink.Scan(context.Background(), table) {
		require.NoError(p.t, err)
		for i := range int(rec.NumRows()) {
			out = append(out, line(rec, i))
		}
	}
	slices.Sort(out)
	return out
}

func line(rec arrow.RecordBatch, row int) string {
	cells := make([]string, rec.NumCols())
	for c := range cells {
		cells[c] = "-"
		if a := rec.Column(c); !a.IsNull(row) {
			cells[c] = a.ValueStr(row)
		}
	}
	return strings.Join(cells, ",")
}

func TestFullLoadAndChanges(t *testing.T) {
	p := newPipeline(t, people())
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n2,Bob,\n1,Anna,\n")
	p.land("hr/people/20240220-110825123.csv", "U,1,Anne,\nD,2,,\nI,3,Cy,\nD,9,,\n")
	rep := p.ingest()
	require.Equal(t, []string{"1,Anne,-", "3,Cy,-"}, p.rows("hr.people"))
	loads := rep.Tables[0].Loads
	require.Len(t, loads, 2)
	require.Equal(t, etl.Counts{Read: 3, Inserted: 2, Superseded: 1, RowsAfter: 2}, loads[0].Receipt.Counts)
	require.Equal(t, etl.Counts{Read: 4, Inserted: 1, Updated: 1, Deleted: 1, Unchanged: 1, RowsBefore: 2, RowsAfter: 2}, loads[1].Receipt.Counts)
	require.Equal(t, "nothing is pending", rep.Tables[0].Reason)

	again := p.ingest()
	require.Zero(t, again.Registered)
	require.Empty(t, again.Tables[0].Loads)
}

func TestFullLoadReplacesTheTable(t *testing.T) {
	p := newPipeline(t, people())
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n")
	p.land("hr/people/20240220-110825123.csv", "I,2,Bob,\n")
	p.ingest()
	p.land("hr/people/20240220-110826000.csv", "I,3,Cy,\n")
	p.land("hr/people/LOAD00000002.csv", "7,Gil,\n")
	p.land("hr/people/20240220-110827000.csv", "I,8,Hal,\n")
	p.ingest()
	require.Equal(t, []string{"7,Gil,-", "8,Hal,-"}, p.rows("hr.people"))
	st, err := p.runner.Status(context.Background(), "hr.people")
	require.NoError(t, err)
	require.EqualValues(t, 2, st.State.Epoch)
	require.Equal(t, map[etl.FileStatus]int{etl.Applied: 4, etl.Superseded: 1}, st.Files)
}

func TestLateDataWithOrderingColumns(t *testing.T) {
	tbl := people()
	tbl.OrderBy = []string{"seq"}
	p := newPipeline(t, tbl)
	p.land("hr/people/LOAD00000001.csv", "1,Ann,900\n2,Bob,900\n")
	p.land("hr/people/20240220-110825000.csv", "U,1,new,10\nU,2,two,10\nD,2,,\n")
	p.ingest()
	require.Equal(t, []string{"1,new,10"}, p.rows("hr.people"), "any change beats the full load, a delete without order wins")
	p.land("hr/people/20240220-110824000.csv", "U,1,old,9\nI,2,zombie,9\n")
	rep := p.ingest()
	require.Equal(t, []string{"1,new,10"}, p.rows("hr.people"))
	require.EqualValues(t, 2, rep.Tables[0].Loads[0].Receipt.Counts.Superseded)
}

func TestLateFilePausesWithoutOrderingColumns(t *testing.T) {
	p := newPipeline(t, people())
	p.land("hr/people/20240220-110825000.csv", "I,1,Ann,\n")
	p.ingest()
	p.land("hr/people/20240220-110824000.csv", "I,1,older,\n")
	_, err := p.runner.Ingest(context.Background())
	require.ErrorContains(t, err, "comes late")
	st, _ := p.runner.Status(context.Background(), "hr.people")
	require.Equal(t, etl.FlagPaused, st.State.Flag)
	require.Contains(t, st.Why, "20240220-110824000.csv")
	require.NoError(t, p.runner.Skip(context.Background(), "hr.people"))
	p.ingest()
	require.Equal(t, []string{"1,Ann,-"}, p.rows("hr.people"))
}

func TestBadRowPausesAndNothingIsLost(t *testing.T) {
	tbl := people()
	tbl.MaxBatchFiles = 1
	p := newPipeline(t, tbl)
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n")
	p.land("hr/people/20240220-110825000.csv", "U,1,Anne,\nI,secret,x,\n")
	p.land("hr/people/20240220-110826000.csv", "I,2,Bob,\n")
	_, err := p.runner.Ingest(context.Background())
	require.ErrorContains(t, err, "row 2 of hr/people/20240220-110825000.csv: column id: not a")
	require.NotContains(t, err.Error(), "secret")
	require.Equal(t, []string{"1,Ann,-"}, p.rows("hr.people"))

	p.ingest()
	require.Equal(t, []string{"1,Ann,-"}, p.rows("hr.people"), "P plans nothing")
	require.NoError(t, p.runner.Skip(context.Background(), "hr.people"))
	p.ingest()
	require.Equal(t, []string{"1,Ann,-", "2,Bob,-"}, p.rows("hr.people"))
}

func TestOldKeyAndUnsuppliedColumns(t *testing.T) {
	tbl := people()
	tbl.OldKey = []string{"BI_id"}
	none := "<none>"
	tbl.Format = format.CSV{FullColumns: []string{"id", "name", "seq"}, ChangeColumns: []string{"op", "BI_id", "id", "name", "seq"}, NotSupplied: &none}
	p := newPipeline(t, tbl)
	p.land("hr/people/LOAD00000001.csv", "1,Ann,1\n2,Bob,2\n")
	p.land("hr/people/20240220-110825000.csv", "U,1,5,<none>,50\nU,2,2,<none>,20\nI,,6,Fay,<none>\nU,5,7,<none>,<none>\n")
	rep := p.ingest()
	require.Equal(t, []string{"2,Bob,20", "6,Fay,-", "7,Ann,50"}, p.rows("hr.people"))
	c := rep.Tables[0].Loads[1].Receipt.Counts
	require.Equal(t, etl.Counts{Read: 4, Inserted: 2, Updated: 1, Superseded: 1, RemovedAsOldKey: 1, RowsBefore: 2, RowsAfter: 3}, c)
}

func TestReloadReplaysTheChanges(t *testing.T) {
	p := newPipeline(t, people())
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n")
	p.land("hr/people/20240220-110825000.csv", "I,2,Bob,\n")
	p.ingest()
	require.NoError(t, p.runner.Reload(context.Background(), "hr.people"))
	rep := p.ingest()
	require.Len(t, rep.Tables[0].Loads, 2)
	require.Equal(t, []string{"1,Ann,-", "2,Bob,-"}, p.rows("hr.people"))
	st, _ := p.runner.Status(context.Background(), "hr.people")
	require.EqualValues(t, 2, st.State.Epoch)
}

func TestTinyBudgetGivesTheSameTable(t *testing.T) {
	var full, changes strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&full, "%d,n%d,\n", i, i)
		fmt.Fprintf(&changes, "U,%d,m%d,\n", i*2, i)
	}
	var want []string
	for _, budget := range []int64{0, 4 * 10_000} {
		p := newPipeline(t, people())
		p.config.MemoryBudget = budget
		p.restart()
		p.land("hr/people/LOAD00000001.csv", full.String())
		p.land("hr/people/20240220-110825000.csv", changes.String())
		p.ingest()
		if want == nil {
			want = p.rows("hr.people")
			require.Len(t, want, 3000)
			continue
		}
		require.Equal(t, want, p.rows("hr.people"))
	}
}

func TestRebuildOfALostControlStore(t *testing.T) {
	p := newPipeline(t, people())
	ctx := context.Background()
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n")
	p.land("hr/people/20240220-110825000.csv", "I,2,Bob,\n")
	p.land("hr/people/20240220-110826000.csv", "I,3,Cy,\n")
	p.ingest()
	want, err := p.runner.Status(ctx, "hr.people")
	require.NoError(t, err)
	require.ErrorContains(t, p.runner.Rebuild(ctx, "hr.people"), "nothing to rebuild")

	p.config.Control, p.config.Locker = control.NewMemory(), lock.NewMemory()
	p.restart()
	p.land("hr/people/20240220-110827000.csv", "D,3,,\n")
	require.NoError(t, p.runner.Rebuild(ctx, "hr.people"))
	got, err := p.runner.Status(ctx, "hr.people")
	require.NoError(t, err)
	require.Equal(t, map[etl.FileStatus]int{etl.Applied: 3, etl.Pending: 1}, got.Files)
	require.Equal(t, want.State.Epoch, got.State.Epoch)
	require.Equal(t, want.State.Watermark, got.State.Watermark)
	require.Equal(t, want.State.EpochLanded, got.State.EpochLanded)
	require.Equal(t, etl.FlagPaused, got.State.Flag)

	require.NoError(t, p.runner.Resume(ctx, "hr.people"))
	rep := p.ingest()
	require.Len(t, rep.Tables[0].Loads, 1)
	require.Equal(t, []string{"1,Ann,-", "2,Bob,-"}, p.rows("hr.people"))
}
