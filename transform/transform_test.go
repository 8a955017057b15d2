package transform_test

import (
	"context"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
	"github.com/tidemark-data/etl/transform"
)

func crimes(ts ...etl.Transformer) etl.Table {
	return etl.Table{
		Name: "city.crimes", Key: []string{"id"},
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "arrest", Type: etl.Bool}, {Name: "block", Type: etl.String}},
		Op:      etl.OpColumn{Column: "op"},
		Format: format.CSV{
			FullColumns: []string{"id", "arrest", "block"}, ChangeColumns: []string{"op", "id", "arrest", "block"},
		},
		Transforms: ts,
	}
}

func noArrest(rec arrow.RecordBatch, row int) bool { return !rec.Column(1).(*array.Boolean).Value(row) }

func TestFilteredWinnerLeavesTheTable(t *testing.T) {
	src, lake := source.NewMemory(), sink.NewMemory()
	r, err := etl.New(etl.Config{
		Source: src, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: lake, Layout: format.DMS{},
		Tables: []etl.Table{crimes(transform.Filter(noArrest), transform.Rename(map[string]string{"block": "place"}), transform.Drop("arrest"))},
	})
	require.NoError(t, err)
	land := time.Unix(1_700_000_000, 0)
	src.Put("city/crimes/LOAD00000001.csv", []byte("1,false,A\n2,true,B\n3,false,C\n"), land)
	src.Put("city/crimes/20240101-000000000.csv", []byte("U,1,true,A\nU,2,false,B\nI,4,true,D\n"), land.Add(time.Hour))
	rep, err := r.Ingest(context.Background())
	require.NoError(t, err)
	require.Equal(t, etl.Counts{Read: 3, Inserted: 1, Filtered: 2, RemovedByFilter: 1, RowsBefore: 2, RowsAfter: 2}, rep.Tables[0].Loads[1].Receipt.Counts)
	got, err := etltest.ReadRows(context.Background(), lake, "city.crimes")
	require.NoError(t, err)
	require.Empty(t, etltest.Rows{{2, "B"}, {3, "C"}}.Diff(got))
}

func TestChainIsCheckedBeforeAnyRow(t *testing.T) {
	for text, ts := range map[string][]etl.Transformer{
		"drop: no column x":                   {transform.Drop("x")},
		"rename: no column y":                 {transform.Rename(map[string]string{"y": "z"})},
		"select: no column q":                 {transform.Select("id", "q")},
		"two columns are named id":            {transform.Rename(map[string]string{"block": "id"})},
		"key column id does not come through": {transform.Drop("id")},
		"transform 2: drop: no column block":  {transform.Drop("block"), transform.Drop("block")},
	} {
		require.ErrorContains(t, crimes(ts...).Validate(), text)
	}
}

func TestSelectOrdersColumns(t *testing.T) {
	target, err := crimes(transform.Select("block", "id")).Target()
	require.NoError(t, err)
	require.Equal(t, []string{"block", "id"}, []string{target.Columns[0].Name, target.Columns[1].Name})
}
