package check_test

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
	"github.com/tidemark-data/etl/check/hllcheck"
)

// benchBatch has n rows.
func benchBatch(n int) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, etl.Columns{{Name: "id", Type: etl.Long}, {Name: "kind", Type: etl.String}}.Schema())
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.StringBuilder).Append([]string{"THEFT", "ARSON", "BURGLARY", "ASSAULT"}[i%4])
	}
	return b.NewRecordBatch()
}

func BenchmarkRows(b *testing.B) {
	const n = 8192
	columns := etl.Columns{{Name: "id", Type: etl.Long}, {Name: "kind", Type: etl.String}}
	rows := benchBatch(n)
	for name, c := range map[string]etl.Check{
		"complete": check.Complete("kind", 1), "range": check.Range("id", "0", ""), "allowed": check.Allowed("kind", "THEFT", "ARSON", "BURGLARY", "ASSAULT"),
		"pattern": check.Pattern("kind", "[A-Z]+"), "unique": check.Unique("id"), "distinct": hllcheck.Distinct("id", 0, -1),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				checker, err := c.Begin(b.Context(), etl.CheckScope{Target: etl.Target{Columns: columns, Schema: columns.Schema()}})
				require.NoError(b, err)
				if _, err := checker.Rows(b.Context(), rows); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds()/1e6, "Mrows/s")
		})
	}
}
