package check_test

import (
	"context"
	"fmt"
	"iter"
	"testing/fstest"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
	"github.com/tidemark-data/etl/check/hllcheck"
	"github.com/tidemark-data/etl/transform"
)

var incidents = etl.Table{Name: "mpd.incidents", Key: []string{"ccn"}, Columns: etl.Columns{
	{Name: "ccn", Type: etl.Long}, {Name: "offense", Type: etl.String}, {Name: "age", Type: etl.Int}, {Name: "at", Type: etl.TimestampTZ},
}}

// judge shows three rows to a check and prints what it says. A Runner does so with the
// rows of each load of a table that has the check in its Checks.
func judge(c etl.Check) {
	target, _ := incidents.Target()
	scope := etl.CheckScope{
		Load: etl.Load{Kind: etl.Full, Files: []etl.File{{Location: "mpd/incidents/LOAD00000001.csv"}}}, Target: target,
		Now: time.Date(2024, 2, 20, 12, 0, 0, 0, time.UTC), Tables: offenses{},
	}
	for range 3 { // loads of before
		scope.Past = append(scope.Past, etl.PastLoad{Kind: etl.Full, Receipt: etl.Receipt{Counts: etl.Counts{Read: 10}}})
	}
	ctx := context.Background()
	rows, err := transform.LookupRows{Cols: incidents.Columns, Rows: [][]string{
		{"1", "THEFT", "31", "2024-02-19 23:15:00"}, {"2", "ARSON", "130", "2024-02-20 08:00:00"}, {"2", "BURGLARY", "", "2024-02-20 09:30:00"},
	}}.Load(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	checker, err := c.Begin(ctx, scope)
	if err != nil {
		fmt.Println(err)
		return
	}
	refused, err := checker.Rows(ctx, rows)
	if err != nil {
		fmt.Println(err)
		return
	}
	v, err := checker.Verdict(ctx, etl.Counts{Read: rows.NumRows()})
	fmt.Println(c.Name(), v.OK, refused, err)
	fmt.Println(v.Finding)
}

// offenses is a sink with one table.
type offenses struct{}

func (offenses) Scan(ctx context.Context, _ string, _ ...string) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		yield(transform.LookupRows{Cols: etl.Columns{{Name: "code", Type: etl.String}}, Rows: [][]string{{"THEFT"}, {"ARSON"}}}.Load(ctx))
	}
}

func ExampleRows() {
	judge(check.Rows(5, 100))
	// Output:
	// rows false [] <nil>
	// 3 rows, at least 5 and at most 100 expected
}

func ExampleRowsOf() {
	judge(check.RowsOf(func(_ context.Context, load etl.Load) (int64, error) {
		return 3, nil // what the source says, as by a query
	}))
	// Output:
	// rows_of true [] <nil>
	// 3 rows, the source counts 3
}

func ExampleCountFiles() {
	landing := fstest.MapFS{"mpd/incidents/LOAD00000001.csv.count": {Data: []byte("4\n")}} // or os.DirFS(...)
	judge(check.RowsOf(check.CountFiles(landing, ".count")))
	// Output:
	// rows_of false [] <nil>
	// 3 rows, the source counts 4
}

func ExampleComplete() {
	judge(check.Complete("age", 0.5))
	judge(check.Complete("age", 1))
	// Output:
	// complete(age) true [] <nil>
	// 1 of 3 rows have no value, a share of at least 0.5 must have one
	// complete(age) false [2] <nil>
	// 1 of 3 rows have no value
}

func ExampleUnique() {
	judge(check.Unique("ccn"))
	judge(check.Unique("ccn", "offense"))
	// Output:
	// unique(ccn) false [2] <nil>
	// 1 of 3 rows are there already
	// unique(ccn, offense) true [] <nil>
	// 0 of 3 rows are there already
}

func ExampleRange() {
	judge(check.Range("age", "0", "120"))
	judge(check.Range("at", "2024-01-01", ""))
	// Output:
	// range(age) false [1] <nil>
	// 1 of 3 rows are outside the range
	// check range(at): "2024-01-01" is not a timestamptz
}

func ExampleAllowed() {
	judge(check.Allowed("offense", "THEFT", "ARSON"))
	// Output:
	// allowed(offense) false [2] <nil>
	// 1 of 3 rows have a value that is not allowed
}

func ExamplePattern() {
	judge(check.Pattern("offense", "[A-Z ]{3,30}"))
	// Output:
	// pattern(offense) true [] <nil>
	// 0 of 3 rows do not match the pattern
}

func ExampleFresh() {
	judge(check.Fresh("at", 24*time.Hour))
	// Output:
	// fresh(at) true [] <nil>
	// the newest is 2h30m0s old, at most 24h0m0s expected
}

func ExampleVolume() {
	judge(check.Volume(0.5, 2, 5))
	// Output:
	// volume false [] <nil>
	// 3 rows, 0.5 to 2 times the median of 10 expected
}

func ExampleReferences() {
	judge(check.References([]string{"offense"}, "mpd.offenses", []string{"code"}))
	// Output:
	// references(offense) false [2] <nil>
	// 1 of 3 rows refer to no row of mpd.offenses
}

func ExampleFunc() {
	judge(check.Func("theft has an age", func(_ context.Context, rows arrow.RecordBatch) ([]int, error) {
		offense, age := rows.Column(1).(*array.String), rows.Column(2)
		var refused []int
		for i := range offense.Len() {
			if offense.Value(i) == "THEFT" && age.IsNull(i) {
				refused = append(refused, i)
			}
		}
		return refused, nil
	}))
	// Output:
	// theft has an age true [] <nil>
	// 0 of 3 rows are refused
}

// exact counts distinct values by keeping them.
type exact map[string]bool

func (e exact) Insert(value []byte) { e[string(value)] = true }
func (e exact) Estimate() uint64    { return uint64(len(e)) }

func ExampleDistinctBy() {
	judge(check.DistinctBy("offense", 1, 2, func() check.DistinctCounter { return exact{} }))
	judge(hllcheck.Distinct("ccn", 2, -1))
	// Output:
	// distinct(offense) false [] <nil>
	// about 3 distinct values, at least 1 and at most 2 expected
	// distinct(ccn) true [] <nil>
	// about 2 distinct values, at least 2 expected
}

// A table with checks: what follows if one does not hold stands beside it.
func Example() {
	table := incidents
	table.Checks = []etl.TableCheck{
		{Check: check.Rows(1, -1)}, // pauses the table
		{Check: check.Range("age", "0", "120"), Action: etl.CheckQuarantine},
		{Check: hllcheck.Distinct("offense", 2, 50), Action: etl.CheckWarn},
	}
	fmt.Println(table.Validate())
	// Output: <nil>
}
