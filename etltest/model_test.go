package etltest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

func table(orderBy ...string) etl.Table {
	return etl.Table{
		Name: "shop.orders", Key: []string{"id"}, OrderBy: orderBy, MaxBatchFiles: 1,
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "seq", Type: etl.Long}, {Name: "name", Type: etl.String}},
	}
}

func up(id, seq, name any) etltest.Change { return etltest.Upsert(id, seq, name) }
func del(id, seq any) etltest.Change      { return etltest.Delete(id, seq, nil) }
func moved(from any, c etltest.Change) etltest.Change {
	c.OldKey = []any{from}
	return c
}

func TestModelRules(t *testing.T) {
	keep := etltest.Unsupplied{}
	type changes = []etltest.Change
	for name, c := range map[string]struct {
		full    changes
		changes changes
		want    etltest.Rows
		unorder bool // no ordering columns
	}{
		"greatest order wins":                    {nil, changes{up(1, 2, "b"), up(1, 1, "a")}, etltest.Rows{{1, 2, "b"}}, false},
		"equal orders: later position":           {nil, changes{up(1, 2, "a"), up(1, 2, "b")}, etltest.Rows{{1, 2, "b"}}, false},
		"no ordering columns: position":          {nil, changes{up(1, 2, "b"), up(1, 1, "a")}, etltest.Rows{{1, 1, "a"}}, true},
		"null order wins and leaves W":           {nil, changes{up(1, 5, "a"), up(1, nil, "b"), up(1, 4, "c")}, etltest.Rows{{1, nil, "b"}}, false},
		"null order delete leaves W":             {nil, changes{up(1, 5, "a"), del(1, nil), up(1, 4, "c")}, etltest.Rows{}, false},
		"tombstone gives way to newer":           {nil, changes{del(1, 5), up(1, 5, "c")}, etltest.Rows{{1, 5, "c"}}, false},
		"any change beats the full load":         {changes{up(1, 9, "a")}, changes{up(1, 1, "b"), up(1, 2, "c")}, etltest.Rows{{1, 2, "c"}}, false},
		"full load: duplicates by order":         {changes{up(1, 9, "a"), up(1, 8, "b")}, nil, etltest.Rows{{1, 9, "a"}}, false},
		"old key goes, unsupplied follows":       {changes{up(1, 1, "a")}, changes{moved(1, up(2, 2, keep))}, etltest.Rows{{2, 2, "a"}}, false},
		"old key's W protects it":                {nil, changes{up(1, 5, "a"), moved(1, up(2, 4, keep))}, etltest.Rows{{1, 5, "a"}, {2, 4, "a"}}, false},
		"new key's W, old key goes all the same": {nil, changes{up(1, 1, "a"), up(2, 5, "b"), moved(1, up(2, 3, keep))}, etltest.Rows{{2, 5, "b"}}, false},
		"old key equals the key":                 {nil, changes{up(1, 1, "a"), moved(1, up(1, 2, keep))}, etltest.Rows{{1, 2, "a"}}, false},
		"null old key is none":                   {nil, changes{up(1, 1, "a"), moved(nil, up(2, 2, "b"))}, etltest.Rows{{1, 1, "a"}, {2, 2, "b"}}, false},
		"old key of a delete is ignored":         {nil, changes{up(1, 1, "a"), up(2, 1, "b"), moved(1, del(2, 2))}, etltest.Rows{{1, 1, "a"}}, false},
		"swap of two keys":                       {changes{up(1, 1, "a"), up(2, 1, "b")}, changes{moved(1, up(3, 2, keep)), moved(2, up(1, 3, keep)), moved(3, up(2, 4, keep))}, etltest.Rows{{1, 3, "b"}, {2, 4, "a"}}, false},
		"unsupplied keeps the value":             {changes{up(1, 1, "a")}, changes{up(1, 2, keep)}, etltest.Rows{{1, 2, "a"}}, false},
		"unsupplied stops at a delete":           {changes{up(1, 1, "a")}, changes{del(1, 2), up(1, 3, keep)}, etltest.Rows{{1, 3, nil}}, false},
		"superseded supplies nothing":            {nil, changes{up(1, 5, keep), up(1, 4, "x"), up(1, 6, keep)}, etltest.Rows{{1, 6, nil}}, false},
		"unsupplied order is null":               {nil, changes{up(1, 5, "a"), up(1, keep, "b"), up(1, 4, "c")}, etltest.Rows{{1, 5, "b"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			orderBy := []string{"seq"}
			if c.unorder {
				orderBy = nil
			}
			whole, single := etltest.NewModel(table(orderBy...)), etltest.NewModel(table(orderBy...))
			for _, m := range []*etltest.Model{whole, single} {
				_, err := m.Full(c.full...)
				require.NoError(t, err)
			}
			n, err := whole.Apply(c.changes...)
			require.NoError(t, err)
			require.NoError(t, n.Check(etl.Incremental))
			for _, change := range c.changes {
				n, err := single.Apply(change)
				require.NoError(t, err)
				require.NoError(t, n.Check(etl.Incremental))
			}
			require.Empty(t, c.want.Diff(whole.Rows()))
			require.Empty(t, c.want.Diff(single.Rows()), "one change to a load")
		})
	}
}

func TestModelCounts(t *testing.T) {
	m := etltest.NewModel(table("seq"))
	m.Filter = func(row []any) bool { return row[2] != "drop" }
	n, err := m.Full(up(1, 1, "a"), up(1, 2, "b"), up(2, 1, "c"), up(3, 1, "d"), up(4, 1, "drop"))
	require.NoError(t, err)
	require.NoError(t, n.Check(etl.Full))
	require.Equal(t, etl.Counts{Read: 5, Inserted: 3, Superseded: 1, Filtered: 1, RowsAfter: 3}, n)

	n, err = m.Apply(up(1, 3, "drop"), del(2, 2), del(9, 2), moved(3, up(5, 2, "e")), up(5, 1, "late"), up(6, 1, "f"))
	require.NoError(t, err)
	require.NoError(t, n.Check(etl.Incremental))
	require.Equal(t, etl.Counts{
		Read: 6, Inserted: 2, Deleted: 1, Unchanged: 1, Superseded: 1, Filtered: 1,
		RemovedByFilter: 1, RemovedAsOldKey: 1, RowsBefore: 3, RowsAfter: 2,
	}, n)
	n, err = m.Apply(up(1, 2, "below the filtered row"), up(5, 3, "g"))
	require.NoError(t, err)
	require.Equal(t, etl.Counts{Read: 2, Updated: 1, Superseded: 1, RowsBefore: 2, RowsAfter: 2}, n)
}

func TestModelBadRows(t *testing.T) {
	spec := table("seq")
	spec.Columns[2].Required = true
	m := etltest.NewModel(spec)
	_, err := m.Apply(up(1, 1, "a"))
	require.NoError(t, err)
	for _, bad := range []etltest.Change{up(nil, 1, "a"), up(2, 2, nil), up(2, 2, etltest.Unsupplied{}), up(1, "x", "a"), {Values: []any{1}}} {
		_, err := m.Apply(up(1, 9, "lost with the load"), bad)
		require.Error(t, err)
	}
	require.Empty(t, etltest.Rows{{1, 1, "a"}}.Diff(m.Rows()))
	_, err = m.Apply(up(1, 2, etltest.Unsupplied{}))
	require.NoError(t, err, "the value is there already")
}

func TestRowsDiff(t *testing.T) {
	want := etltest.Rows{{1, "a", nil}, {10, "b", "x"}, {9, "c", "NULL"}}
	require.Empty(t, want.Diff(etltest.Rows{{"9", "c", "NULL"}, {int64(10), "b", "x"}, {"1", "a", nil}}))
	diff := want.Diff(etltest.Rows{{1, "a", "null"}, {9, "c", "NULL"}, {9, "c", "NULL"}, {10, "b", "y"}})
	require.Equal(t, `rows differ (- want 3, + got 4):
  - "1" | "a" | null
  + "1" | "a" | "null"
  + "9" | "c" | "NULL"
  - "10" | "b" | "x"
  + "10" | "b" | "y"
`, diff)
}
