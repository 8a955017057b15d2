package check_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
	"github.com/tidemark-data/etl/check/hllcheck"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/internal/textconv"
)

var columns = etl.Columns{
	{Name: "id", Type: etl.Long}, {Name: "kind", Type: etl.String}, {Name: "age", Type: etl.Int},
	{Name: "price", Type: etl.Decimal(9, 2)}, {Name: "at", Type: etl.TimestampTZ},
}

func people(checks ...etl.TableCheck) etl.Table {
	return etl.Table{Name: "a.people", Key: []string{"id"}, Columns: columns, Op: etl.OpColumn{Column: "op"}, Checks: checks}
}

// batch makes rows of lines of cells; "-" is null.
func batch(t *testing.T, lines ...string) arrow.RecordBatch {
	cols := make([]arrow.Array, len(columns))
	for i, c := range columns {
		b, err := textconv.New(c)
		require.NoError(t, err)
		for _, line := range lines {
			if cell := strings.Split(line, ",")[i]; cell == "-" {
				b.AppendNull()
			} else {
				require.Empty(t, b.Append([]byte(cell)))
			}
		}
		cols[i] = b.NewArray()
	}
	return array.NewRecordBatch(columns.Schema(), cols, int64(len(lines)))
}

func scope() etl.CheckScope {
	target, _ := people().Target()
	return etl.CheckScope{Target: target, Load: etl.Load{Kind: etl.Full, Files: []etl.File{{Location: "a/1.csv"}, {Location: "a/2.csv"}}},
		Now: time.Date(2024, 2, 20, 12, 0, 0, 0, time.UTC)}
}

// judged runs a check over rows.
func judged(t *testing.T, c etl.Check, s etl.CheckScope, counts etl.Counts, lines ...string) ([]int, etl.Verdict) {
	checker, err := c.Begin(t.Context(), s)
	require.NoError(t, err)
	refused, err := checker.Rows(t.Context(), batch(t, lines...))
	require.NoError(t, err)
	v, err := checker.Verdict(t.Context(), counts)
	require.NoError(t, err)
	return refused, v
}

func TestRowChecks(t *testing.T) {
	lines := []string{
		"1,A,10,1.50,2024-02-20T11:00:00Z", "2,B,20,-0.01,2024-02-20T11:30:00Z", "3,-,-,-,-", "1,A,-5,99.99,2024-02-19T11:00:00Z", "5,ab,130,100,2024-02-20T12:00:00Z",
	}
	for name, c := range map[string]struct {
		check   etl.Check
		refused []int
		finding string
	}{
		"complete":         {check.Complete("kind", 1), []int{2}, "1 of 5 rows have no value"},
		"range":            {check.Range("age", "0", "120"), []int{3, 4}, "2 of 5 rows are outside the range"},
		"range at limits":  {check.Range("age", "-5", "130"), nil, "0 of 5 rows are outside the range"},
		"range of prices":  {check.Range("price", "0", "99.99"), []int{1, 4}, "2 of 5 rows are outside the range"},
		"range of times":   {check.Range("at", "2024-02-20 00:00:00", ""), []int{3}, "1 of 5 rows are outside the range"},
		"allowed":          {check.Allowed("kind", "A", "B"), []int{4}, "1 of 5 rows have a value that is not allowed"},
		"allowed numbers":  {check.Allowed("price", "1.5", "-0.010", "100.00"), []int{3}, "1 of 5 rows have a value that is not allowed"},
		"pattern":          {check.Pattern("kind", "[A-Z]|x"), []int{4}, "1 of 5 rows do not match the pattern"},
		"unique":           {check.Unique("id"), []int{3}, "1 of 5 rows are there already"},
		"unique by two":    {check.Unique("id", "age"), nil, "0 of 5 rows are there already"},
		"unique with null": {check.Unique("kind"), []int{3}, "1 of 5 rows are there already"},
		"own": {check.Func("odd", func(_ context.Context, b arrow.RecordBatch) ([]int, error) { return []int{int(b.NumRows()) - 1}, nil }),
			[]int{4}, "1 of 5 rows are refused"},
	} {
		refused, v := judged(t, c.check, scope(), etl.Counts{}, lines...)
		require.Equal(t, c.refused, refused, name)
		require.Equal(t, c.finding, v.Finding, name)
		require.Equal(t, len(refused) == 0, v.OK, name)
	}
}

func TestLoadChecks(t *testing.T) {
	past := func(reads ...int64) etl.CheckScope {
		s := scope()
		for _, n := range reads {
			s.Past = append(s.Past, etl.PastLoad{Kind: etl.Full, Receipt: etl.Receipt{Counts: etl.Counts{Read: n}}},
				etl.PastLoad{Kind: etl.Incremental, Receipt: etl.Receipt{Counts: etl.Counts{Read: 1}}})
		}
		return s
	}
	read := etl.Counts{Read: 100}
	counts := fstest.MapFS{"a/1.csv.count": {Data: []byte("60\n")}, "a/2.csv.count": {Data: []byte("40")}}
	for name, c := range map[string]struct {
		check   etl.Check
		scope   etl.CheckScope
		ok      bool
		finding string
	}{
		"rows":             {check.Rows(100, 100), scope(), true, "100 rows, at least 100 and at most 100 expected"},
		"too few rows":     {check.Rows(101, -1), scope(), false, "100 rows, at least 101 expected"},
		"too many rows":    {check.Rows(0, 99), scope(), false, "100 rows, at least 0 and at most 99 expected"},
		"counted":          {check.RowsOf(check.CountFiles(counts, ".count")), scope(), true, "100 rows, the source counts 100"},
		"share":            {check.Complete("kind", 0.5), scope(), true, "1 of 2 rows have no value, a share of at least 0.5 must have one"},
		"lower share":      {check.Complete("kind", 0.6), scope(), false, "1 of 2 rows have no value, a share of at least 0.6 must have one"},
		"fresh":            {check.Fresh("at", time.Hour), scope(), true, "the newest is 1h0m0s old, at most 1h0m0s expected"},
		"stale":            {check.Fresh("at", time.Hour-time.Second), scope(), false, "the newest is 1h0m0s old, at most 59m59s expected"},
		"volume":           {check.Volume(0.5, 2, 5), past(100, 200, 150), true, "100 rows, 0.5 to 2 times the median of 150 expected"},
		"low volume":       {check.Volume(0.5, 2, 5), past(300, 200, 250), false, "100 rows, 0.5 to 2 times the median of 250 expected"},
		"volume of few":    {check.Volume(0.5, 2, 5), past(300, 200), true, "100 rows, and only 2 loads to compare with"},
		"volume of last":   {check.Volume(0.9, 1.1, 3), past(100, 100, 100, 5, 5, 5, 5), true, "100 rows, 0.9 to 1.1 times the median of 100 expected"},
		"distinct":         {hllcheck.Distinct("kind", 1, 1), scope(), true, "about 1 distinct values, at least 1 and at most 1 expected"},
		"too few values":   {hllcheck.Distinct("kind", 2, -1), scope(), false, "about 1 distinct values, at least 2 expected"},
		"too many values":  {hllcheck.Distinct("id", 0, 1), scope(), false, "about 2 distinct values, at least 0 and at most 1 expected"},
		"too many counted": {check.RowsOf(func(context.Context, etl.Load) (int64, error) { return 99, nil }), scope(), false, "100 rows, the source counts 99"},
		"volume, half of":  {check.Volume(1, 1, 4), past(90, 110, 0, 500), true, "100 rows, 1 to 1 times the median of 100 expected"},
	} {
		_, v := judged(t, c.check, c.scope, read, "1,A,10,1.50,2024-02-20T11:00:00Z", "2,-,-,-,-")
		require.Equal(t, c.finding, v.Finding, name)
		require.Equal(t, c.ok, v.OK, name)
	}
	_, err := check.RowsOf(check.CountFiles(fstest.MapFS{"a/1.csv.count": {Data: []byte("secret")}}, ".count")).Begin(t.Context(), scope())
	require.EqualError(t, err, "check rows_of: count of a/1.csv: the file is not one number")
}

func TestMistakesAreFoundBeforeAnyLoad(t *testing.T) {
	for want, c := range map[string]etl.Check{
		"check complete(x): the table has no column x":                         check.Complete("x", 1),
		"check complete(kind): the share lies between 0 and 1":                 check.Complete("kind", 1.5),
		`check range(age): "old" is not an int`:                                check.Range("age", "old", ""),
		"check pattern(age): column age is of type int, patterns are for text": check.Pattern("age", "x"),
		"check pattern(kind): error parsing regexp: missing closing )":         check.Pattern("kind", "("),
		"check fresh(age): column age is of type int, not a moment":            check.Fresh("age", time.Hour),
		"check unique(): it names no columns":                                  check.Unique(),
		"check references(kind): it needs as many columns of one table as":     check.References([]string{"kind"}, "a.kinds", nil),
		"check volume: it needs factors":                                       check.Volume(2, 1, 3),
		"check pattern(kind): error parsing regexp: unexpected )":              check.Pattern("kind", "a)|(b"),
		"check range(age): no value lies between its limits":                   check.Range("age", "2", "1"),
		"check range(age): it has neither":                                     check.Range("age", "", ""),
		"check rows: no number lies between its limits":                        check.Rows(2, 1),
		"check distinct(kind): no number lies between":                         hllcheck.Distinct("kind", 2, 1),
		"check allowed(kind): it allows no value":                              check.Allowed("kind"),
		"check rows_of: it needs a function":                                   check.RowsOf(nil),
	} {
		err := people(etl.TableCheck{Check: c}).Validate()
		require.ErrorContains(t, err, want)
	}
	require.ErrorContains(t, people(etl.TableCheck{Check: check.Rows(1, 2), Action: "stop"}).Validate(), `action "stop" is not pause, warn or quarantine`)
	require.ErrorContains(t, people(etl.TableCheck{}).Validate(), "check 1 is missing")
}

func TestWhatFollows(t *testing.T) {
	good := "1,A,10,1.50,2024-02-20T11:00:00Z\n2,B,20,1,2024-02-20T11:00:00Z\n"
	bad := "U,2,B,21,1,2024-02-20T11:00:00Z\nU,3,C,200,1,2024-02-20T11:00:00Z\n"
	for _, action := range []etl.CheckAction{etl.CheckPause, etl.CheckWarn} {
		lake := etltest.New(t, people(etl.TableCheck{Check: check.Range("age", "0", "120"), Action: action}))
		lake.Land("a/people/LOAD00000001.csv", good)
		lake.Ingest()
		lake.Land("a/people/20240220-110825123.csv", bad)
		if action == etl.CheckWarn {
			rep := lake.Ingest()
			last := rep.Tables[0].Loads[0].Receipt.Checks
			require.Len(t, last, 1)
			require.False(t, last[0].OK)
			require.Equal(t, "1 of 2 rows are outside the range", last[0].Finding)
			continue
		}
		err := lake.IngestError()
		require.EqualError(t, err, "table a.people: row 2 of a/people/20240220-110825123.csv: column age: refused: check range(age): 1 of 2 rows are outside the range")
		var ce *etl.CheckError
		require.True(t, errors.As(err, &ce))
		lake.Want("a.people", etltest.Rows{{1, "A", 10, "1.5", "2024-02-20 11:00:00"}, {2, "B", 20, "1", "2024-02-20 11:00:00"}})
	}
}

func TestReferences(t *testing.T) {
	kinds := etl.Table{Name: "a.kinds", Key: []string{"code"}, Columns: etl.Columns{{Name: "code", Type: etl.String}, {Name: "text", Type: etl.String}}}
	lake := etltest.New(t, kinds, people(etl.TableCheck{Check: check.References([]string{"kind"}, "a.kinds", []string{"code"})}))
	lake.Land("a/kinds/LOAD00000001.csv", "A,apple\nB,pear\n")
	lake.Ingest()
	lake.Land("a/people/LOAD00000001.csv", "1,A,1,1,\n2,,1,1,\n3,C,1,1,\n")
	err := lake.IngestError()
	require.ErrorContains(t, err, "check references(kind): 1 of 3 rows refer to no row of a.kinds")
}
