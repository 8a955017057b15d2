package check_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
	"github.com/tidemark-data/etl/check/hllcheck"
)

func declaration(t *testing.T, c etl.Check) (etl.Declaration, error) {
	table := people(etl.TableCheck{Check: c})
	target, err := table.Target()
	require.NoError(t, err)
	scope := etl.CheckScope{
		Target: target, Load: etl.Load{Kind: etl.Incremental}, Now: time.Date(2024, 2, 20, 12, 0, 0, 1500, time.UTC),
		Past: []etl.PastLoad{
			{Kind: etl.Incremental, Receipt: etl.Receipt{Counts: etl.Counts{Read: 7}}}, {Kind: etl.Full, Receipt: etl.Receipt{Counts: etl.Counts{Read: 1000}}},
			{Kind: etl.Incremental, Receipt: etl.Receipt{Counts: etl.Counts{Read: 5}}},
		},
	}
	return etl.TableCheck{Check: c}.Declare(t.Context(), scope)
}

// TestDeclarations are what other engines get.
func TestDeclarations(t *testing.T) {
	counted := func(context.Context, etl.Load) (int64, error) { return 1 << 60, nil }
	for want, c := range map[string]etl.Check{
		`{"kind":"rows","options":{"least":1,"most":-1}}`:                                                                                check.Rows(1, -1),
		`{"kind":"rows_of","options":{"expected":1152921504606846976}}`:                                                                  check.RowsOf(counted),
		`{"kind":"volume","options":{"high":2,"low":0.5,"past":[5,7]}}`:                                                                  check.Volume(0.5, 2, 3),
		`{"kind":"complete","options":{"column":"age","share":0.5}}`:                                                                     check.Complete("age", 0.5),
		`{"kind":"unique","options":{"columns":["kind","age"]}}`:                                                                         check.Unique("kind", "age"),
		`{"kind":"range","options":{"column":"id","least":"gAAAAAAAAAE="}}`:                                                              check.Range("id", "1", ""),
		`{"kind":"allowed","options":{"column":"kind","values":["QQAB","AAE="]}}`:                                                        check.Allowed("kind", "A", ""),
		`{"kind":"pattern","options":{"column":"kind","pattern":"[A-Z]|x"}}`:                                                             check.Pattern("kind", "[A-Z]|x"),
		`{"kind":"references","options":{"columns":["age"],"others":["n"],"table":"a.b"}}`:                                               check.References([]string{"age"}, "a.b", []string{"n"}),
		`{"kind":"distinct","options":{"column":"kind","counter":{"kind":"hyperloglog","options":{"precision":14}},"least":1,"most":2}}`: hllcheck.Distinct("kind", 1, 2),
	} {
		d, err := declaration(t, c)
		require.NoError(t, err)
		got, err := json.Marshal(d)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

// TestGoOnly: what other engines cannot make is refused by name.
func TestGoOnly(t *testing.T) {
	for want, c := range map[string]etl.Check{
		"check mine has no declared form and runs in Go only": check.Func("mine", func(context.Context, arrow.RecordBatch) ([]int, error) { return nil, nil }),
		"check distinct(age) has no declared form":            check.DistinctBy("age", 0, 1, func() check.DistinctCounter { return exact{} }),
		"check pattern(kind) has no declared form":            check.Pattern("kind", `\pL+`),
		"check range(nosuch): the table has no column nosuch": check.Range("nosuch", "1", ""),
	} {
		_, err := declaration(t, c)
		require.ErrorContains(t, err, want)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	}
	_, err := declaration(t, check.RowsOf(func(context.Context, etl.Load) (int64, error) { return 0, errors.New("not yet") }))
	require.EqualError(t, err, "check rows_of: not yet")
	require.NotEqual(t, etl.Terminal, etl.OutcomeOf(err))
	_, err = declaration(t, check.RowsOf(func(context.Context, etl.Load) (int64, error) { panic("secret") }))
	require.ErrorContains(t, err, "check panicked in ")
	require.NotContains(t, err.Error(), "secret")
}
