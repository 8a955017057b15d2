package differential

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
	"github.com/tidemark-data/etl/check/hllcheck"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/source"
)

// checkedTable has a column of every type.
func checkedTable(checks ...etl.TableCheck) etl.Table {
	columns := etl.Columns{
		{Name: "id", Type: etl.Long}, {Name: "name", Type: etl.String}, {Name: "age", Type: etl.Int}, {Name: "amount", Type: etl.Decimal(9, 2)},
		{Name: "ratio", Type: etl.Double}, {Name: "single", Type: etl.Float}, {Name: "flag", Type: etl.Bool}, {Name: "day", Type: etl.Date},
		{Name: "seen", Type: etl.Timestamp}, {Name: "heard", Type: etl.TimestampTZ}, {Name: "code", Type: etl.UUID}, {Name: "raw", Type: etl.Binary},
		{Name: "boss", Type: etl.Long},
	}
	var names []string
	for _, c := range columns {
		names = append(names, c.Name)
	}
	t := etl.Table{Name: "a.people", Key: []string{"id"}, Columns: columns, AllowEmpty: true, Checks: checks}
	t.Op.Column = "Op"
	t.Format = format.CSV{FullColumns: names, ChangeColumns: slices.Concat([]string{"Op"}, names), Null: "NULL"}.ForTable(t)
	return t
}

// checkedValues are what the columns after the key have, but for nulls.
var checkedValues = [][]string{
	{"", "ann", "bob", "änn", "Ann", "0", "x\u2028y"}, {"-1", "0", "17", "120", "2147483647"}, {"0.00", "-12.50", "9999999.99"},
	{"0", "-0", "1.5", "NaN", "Inf", "-Inf", "1e300"}, {"0", "0.1", "NaN", "-2.5"}, {"true", "false"}, {"2024-02-20", "1999-12-31", "0001-01-01"},
	{"2024-02-20 11:00:00", "1969-12-31 23:59:59.999999"}, {"2024-02-20T11:00:00Z", "2024-02-20T11:00:00+02:00", "9999-12-31T23:00:00Z"},
	{"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}, {"", "AA==", "AAE=", "/w=="}, {"0", "1", "7", "100"},
}

// checkedRow is a row by chance of which few values are null.
func checkedRow(r *rand.Rand, id int, nulls bool) string {
	row := []string{fmt.Sprint(id)}
	for _, values := range checkedValues {
		v := `"` + values[r.IntN(len(values))] + `"`
		if nulls && r.IntN(5) == 0 {
			v = "NULL"
		}
		row = append(row, v)
	}
	return strings.Join(row, ",") + "\n"
}

// corpus are checks of all kinds, most of which hold for some data and not for others.
func corpus() []etl.Check {
	counted := func(context.Context, etl.Load) (int64, error) { return 41, nil }
	out := []etl.Check{
		check.Rows(0, -1), check.Rows(30, 50), check.Rows(1000, -1), check.RowsOf(counted), check.Volume(0.5, 2, 3), check.Volume(0, 1e9, 3),
		check.Complete("name", 0.9), check.Complete("age", 0.123456789), check.Complete("code", 1e-7),
		check.Unique("name"), check.Unique("ratio"), check.Unique("single", "flag"), check.Unique("id"), check.Unique("code", "raw"),
		check.Range("name", "Ann", "ann"), check.Range("age", "0", "120"), check.Range("amount", "-12.5", ""), check.Range("ratio", "", "1.5"),
		check.Range("single", "0", "NaN"), check.Range("flag", "true", ""), check.Range("day", "2000-01-01", "2024-02-20"),
		check.Range("seen", "1970-01-01 00:00:00", ""), check.Range("heard", "", "2024-02-20T10:00:00Z"), check.Range("code", "", "7fffffff-0000-0000-0000-000000000000"),
		check.Range("raw", "AA==", "AAE="), check.Range("id", "0", "19999"),
		check.Allowed("name", "ann", "", "x\u2028y"), check.Allowed("ratio", "0", "NaN"), check.Allowed("raw", "AA=="), check.Allowed("amount", "0", "-12.5"),
		check.Pattern("name", "[a-zä]*"), check.Pattern("name", "a|an|^.*n$"), check.Pattern("name", `\w\d?`),
		check.Fresh("day", 24*time.Hour), check.Fresh("seen", 90*time.Minute), check.Fresh("heard", -time.Second),
		check.References([]string{"boss"}, "a.people", []string{"id"}), check.References([]string{"name"}, "ref.kinds", []string{"kind"}),
		check.References([]string{"name", "age"}, "ref.kinds", []string{"kind", "n"}), check.References([]string{"age"}, "ref.none", []string{"n"}),
	}
	for _, c := range checkedTable().Columns {
		out = append(out, check.Complete(c.Name, 1), hllcheck.Distinct(c.Name, 3, 5))
	}
	return out
}

// asked are checks with an action.
func asked(action etl.CheckAction, checks ...etl.Check) []etl.TableCheck {
	var out []etl.TableCheck
	for _, c := range checks {
		out = append(out, etl.TableCheck{Check: c, Action: action})
	}
	return out
}

// pair is a lane in this process beside one of another engine, over one bucket.
type pair struct {
	t      *testing.T
	bucket *source.Memory
	lanes  []*lane
	at     time.Time
}

func newPair(t *testing.T, other engine, table etl.Table) *pair {
	p := &pair{t: t, bucket: source.NewMemory(), at: time.Date(2024, 2, 20, 12, 0, 0, 0, time.UTC)}
	shared := located{p.bucket, t.TempDir()}
	for _, e := range []engine{nil, other} {
		l := newLane(t, shared, table, format.DMS{}, e)
		refer(t, l)
		p.lanes = append(p.lanes, l)
	}
	return p
}

// refer makes the table that others refer to.
func refer(t *testing.T, l *lane) {
	bucket := source.NewMemory()
	bucket.Put("ref/kinds/LOAD00000001.csv", []byte("ann,17\nbob,0\n\"\",-1\nbob,120\nNULL,17\n"))
	columns := etl.Columns{{Name: "kind", Type: etl.String}, {Name: "n", Type: etl.Int}}
	table := etl.Table{Name: "ref.kinds", Mode: etl.ModeAppend, Columns: columns, Format: format.CSV{FullColumns: []string{"kind", "n"}, Null: "NULL"}}
	runner, err := etl.New(etl.Config{
		Source: bucket, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: l.sink, Layout: format.DMS{}, Tables: []etl.Table{table},
	})
	require.NoError(t, err)
	_, err = runner.Ingest(t.Context())
	require.NoError(t, err)
}

// load lands a file and lets both lanes take it, at about the same time.
func (p *pair) load(location, content string) {
	p.at = p.at.Add(24 * time.Hour)
	p.bucket.Put(location, []byte(content), p.at)
	for _, l := range p.lanes {
		l.clock.Store(p.at.UnixNano())
		require.NoError(p.t, l.act(p.t.Context(), etltest.StepIngest, nil))
	}
	require.NoError(p.t, compare(p.t.Context(), p.lanes[0], p.lanes[1]))
	require.NoError(p.t, sameVerdicts(p.t.Context(), p.lanes[0], p.lanes[1]))
}

// flag sets the flag of the other lane.
func (p *pair) flag(f etl.JobFlag) {
	l := p.lanes[1]
	require.NoError(p.t, l.runner.SetFlag(p.t.Context(), l.table.Name, f))
}

// gaps are so many nulls.
func gaps(n int) string { return strings.Repeat(",NULL", n) }

// sameVerdicts says in what the verdicts of two lanes differ: in their ledgers, and in
// the snapshots of their tables.
func sameVerdicts(ctx context.Context, a, b *lane) error {
	want, err := verdicts(ctx, a)
	if err != nil {
		return err
	}
	got, err := verdicts(ctx, b)
	if err != nil {
		return err
	}
	if d := diff(want, got); d != "" {
		return fmt.Errorf("verdicts differ:\n%s", d)
	}
	return nil
}

func verdicts(ctx context.Context, l *lane) ([]string, error) {
	var out []string
	tell := func(what, id string, checks []etl.Checked) {
		for i, c := range checks {
			out = append(out, fmt.Sprintf("%s %s %d: %+v", what, id, i, c))
		}
	}
	for e, err := range l.control.History(ctx, l.table.Name) {
		switch {
		case err != nil:
			return nil, err
		case e.Receipt != nil:
			tell("applied", e.LoadID, e.Receipt.Checks)
		case e.Diagnosis != nil && len(e.Checks) > 0:
			tell("failed", e.LoadID, e.Checks)
			out = append(out, "because "+e.Diagnosis.Cause)
		}
	}
	s, err := standing(ctx, l)
	for _, p := range s.Loads {
		tell("summary", p.ID, p.Receipt.Checks)
	}
	return out, err
}

// playCorpus takes data of several kinds through all checks; its largest load has some
// twice as many rows as most.
func playCorpus(t *testing.T, other engine, most int) {
	p := newPair(t, other, checkedTable(asked(etl.CheckWarn, corpus()...)...))
	r := rand.New(rand.NewPCG(7, 7))
	rows := func(prefix string, n, of int, nulls bool) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(prefix + checkedRow(r, i*7919%of, nulls))
		}
		return b.String()
	}
	p.flag(etl.FlagLocal) // to begin with, in both lanes: volumes to compare with
	p.load("a/people/LOAD00000001.csv", rows("", 8, 30, false))
	p.load("a/people/20240221-110825123.csv", rows("U,", 12, 50, true))
	p.load("a/people/20240222-110825123.csv", rows("U,", 7, 50, true))
	p.load("a/people/20240223-110825123.csv", rows("U,", 9, 50, true))
	p.flag(etl.FlagDistributed)
	p.load("a/people/20240224-110825123.csv", rows("U,", 40, 30, true)+"D,3"+gaps(12)+"\n")
	p.load("a/people/20240225-110825123.csv", "D,4"+gaps(12)+"\n")
	p.load("a/people/LOAD00000001.csv", rows("", most, 10_007, false)+rows("", most, 10_007, true))
	s, err := verdicts(t.Context(), p.lanes[0])
	require.NoError(t, err)
	held, failed := map[string]bool{}, map[string]bool{}
	for e, err := range p.lanes[1].control.History(t.Context(), "a.people") {
		require.NoError(t, err)
		if e.Receipt == nil {
			continue
		}
		for _, c := range e.Receipt.Checks {
			kind, _, _ := strings.Cut(c.Check, "(")
			map[bool]map[string]bool{true: held, false: failed}[c.OK][kind] = true
		}
	}
	for _, kind := range []string{"rows", "rows_of", "volume", "complete", "unique", "range", "allowed", "pattern", "fresh", "references", "distinct"} {
		require.True(t, held[kind], "%s never holds", kind)
		require.True(t, failed[kind], "%s always holds", kind)
	}
	t.Logf("%d checks, %d verdicts", len(corpus()), len(s))
}

// heldBack are loads that checks hold back.
var heldBackCases = map[string][]etl.TableCheck{
	"a row": asked(etl.CheckPause, check.Rows(0, -1), check.Range("age", "0", "120"), check.Unique("name")),
	"a later check of two files": {
		{Check: check.Rows(100, -1), Action: etl.CheckWarn}, {Check: check.Unique("name", "age")}, {Check: check.Range("age", "0", "120")},
	},
	"a count":                         asked("", check.Rows(100, -1)),
	"a missing row":                   asked("", check.References([]string{"name"}, "ref.kinds", []string{"kind"})),
	"a table of another type":         asked("", check.References([]string{"id"}, "ref.kinds", []string{"n"})),
	"rows that cannot be set aside":   asked(etl.CheckQuarantine, check.Pattern("name", "[a-z]*")),
	"a count that will never be told": asked("", check.RowsOf(func(context.Context, etl.Load) (int64, error) { return 3, nil })),
}

// playHeldBack has checks hold a load back in both lanes.
func playHeldBack(t *testing.T, other engine, names ...string) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			table := checkedTable(heldBackCases[name]...)
			table.Completion.Files = 2
			p := newPair(t, other, table)
			one := "1,\"ann\",17" + gaps(10) + "\n2,\"bob\",0" + gaps(10) + "\n"
			two := "3,\"bob\",0" + gaps(10) + "\n1,\"Ann\",121" + gaps(10) + "\n"
			p.load("a/people/LOAD00000001.csv", one)
			p.load("a/people/LOAD00000002.csv", two)
			for _, l := range p.lanes {
				st, err := l.control.State(t.Context(), l.table.Name)
				require.NoError(t, err)
				require.NotNil(t, st.Paused)
				t.Log(st.Paused.Cause)
			}
		})
	}
}

// playRefusedRows has checks refuse rows that are set aside, as long as there are not too
// many: the change below wins, and of the rows that are left the checks are asked again.
func playRefusedRows(t *testing.T, other engine) {
	table := checkedTable(asked(etl.CheckQuarantine, check.Range("age", "0", "120"), check.Unique("name"),
		check.References([]string{"name"}, "ref.kinds", []string{"kind"}))...)
	table.BadRows = etl.ErrorBudget{Rows: 4}
	p := newPair(t, other, table)
	line := func(op string, id int, name string, age int) string {
		return fmt.Sprintf("%s%d,%q,%d%s\n", op, id, name, age, gaps(10))
	}
	p.load("a/people/LOAD00000001.csv", line("", 1, "ann", 17)+line("", 2, "bob", 999)+line("", 3, "ann", 5)+
		line("", 4, "zoe", 7)+line("", 5, "bob", 3)+line("", 5, "zoe", 200))
	p.load("a/people/20240221-110825123.csv", line("U,", 1, "ann", 121)+line("U,", 6, "bob", 1))
	for _, l := range p.lanes {
		got, err := rows(t.Context(), l)
		require.NoError(t, err)
		require.Len(t, got, 3)
		set, err := quarantined(t.Context(), l)
		require.NoError(t, err)
		require.Len(t, set, 2*5)
	}
	content := ""
	for i := range 5 {
		content += line("U,", 10+i, "ann", 130)
	}
	p.load("a/people/20240222-110825123.csv", content)
	st, err := p.lanes[1].control.State(t.Context(), table.Name)
	require.NoError(t, err)
	require.NotNil(t, st.Paused)
	require.Contains(t, st.Paused.Cause, "refused by check range(age)")
}

// TestCheckCorpusInProcess is the corpus where both sides run the same engine.
func TestCheckCorpusInProcess(t *testing.T) {
	t.Parallel()
	playCorpus(t, inProcess, 500)
	var names []string
	for name := range heldBackCases {
		names = append(names, name)
	}
	playHeldBack(t, inProcess, names...)
	playRefusedRows(t, inProcess)
}
