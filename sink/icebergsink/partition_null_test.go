package icebergsink_test

import (
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// TestTrapNullIsNotTheTextNull: iceberg-go's partitioned writer tells files
// apart by the partition's path, in which null reads "null". Rows with null and
// rows with that text must not share a file: engines take the value of an
// identity partition from the metadata (seen with Spark, ClickHouse and DuckDB,
// 2026-11-21).
func TestTrapNullIsNotTheTextNull(t *testing.T) {
	t.Parallel()
	for _, f := range []etl.PartitionField{{Column: "name", Transform: "identity"}, {Column: "name", Transform: "truncate", N: 4}} {
		table := people()
		table.Partition = []etl.PartitionField{f}
		l := newLake(t, table)
		none := func(op string, id, at int) row { return row{"op": op, "id": id, "name": nil, "at": at} }
		l.apply(etl.Full, none("I", 1, 1), ins(2, "null", 1), ins(3, "a", 1))
		l.apply(etl.Incremental, none("U", 3, 2), upd(4, "null", 2))
		for _, e := range l.entries(iceberg.EntryContentData) {
			nulls, ok := e.NullValueCounts()[2]
			require.True(t, ok)
			if value := e.Partition()[1000]; value == nil {
				require.Equal(t, e.Count(), nulls, "%v", f)
			} else {
				require.Zero(t, nulls, "%v: rows with null in the partition %v", f, value)
			}
		}
		require.Equal(t, []string{"1|(null)|1", "2|null|1", "3|(null)|2", "4|null|2"}, l.rows())
	}
}
