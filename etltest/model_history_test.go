package etltest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// sec is a time of these tests.
func sec(n int) time.Time { return time.Date(2024, 2, 20, 10, 0, n, 0, time.UTC) }

// versioned is a history table ordered by time, by number, or not at all.
func versioned(by string) etl.Table {
	t := etl.Table{
		Name: "shop.orders", Mode: etl.ModeHistory, Key: []string{"id"}, OldKey: []string{"was"}, FullLoads: etl.FullReplace,
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "at", Type: etl.Timestamp}, {Name: "name", Type: etl.String}},
	}
	switch by {
	case "time":
		t.OrderBy = []string{"at"}
	case "number":
		t.Columns[1], t.OrderBy = etl.Column{Name: "at", Type: etl.Long}, []string{"at"}
	}
	return t
}

// told is a change of order n whose file landed at 50.
func told(op etl.Op, id, n, name any) etltest.Change {
	if s, ok := n.(int); ok {
		n = sec(s)
	}
	return etltest.Change{Op: op, Values: []any{id, n, name}, Landed: sec(50)}
}

func u(id, n, name any) etltest.Change { return told(etl.Upsert, id, n, name) }
func d(id, n any) etltest.Change       { return told(etl.Delete, id, n, nil) }

// numbered is a change of a table ordered by number.
func numbered(c etltest.Change, order any, landed int) etltest.Change {
	c.Values = slices.Clone(c.Values)
	c.Values[1], c.Landed = order, sec(landed)
	return c
}

// is is a version, open if to is negative; was is a deleted one.
func is(id, n, name any, from, to int) []any {
	if s, ok := n.(int); ok {
		n = sec(s)
	}
	if to < 0 {
		return []any{id, n, name, sec(from), nil, true, false}
	}
	return []any{id, n, name, sec(from), sec(to), false, false}
}

func was(id, n, name any, from, to int) []any {
	v := is(id, n, name, from, to)
	v[6] = true
	return v
}

const now = -1 // the end of the current version

// adds reports whether the rows add up as they do in a history table.
func adds(t *testing.T, n etl.Counts) {
	t.Helper()
	require.Equal(t, n.Read, n.Inserted+n.Updated+n.Unchanged+n.Superseded+n.Filtered)
	require.Equal(t, n.RowsAfter, n.RowsBefore+n.Inserted+n.RemovedAsOldKey+n.RemovedAsAbsent-n.RemovedByFilter)
	require.Zero(t, n.Deleted)
}

func TestHistoryRules(t *testing.T) {
	keep := etltest.Unsupplied{}
	type changes = []etltest.Change
	for name, c := range map[string]struct {
		full, changes changes
		want          etltest.Rows
	}{
		"an upsert closes what was":     {changes{u(1, 2, "a")}, changes{u(1, 5, "b")}, etltest.Rows{is(1, 2, "a", 2, 5), is(1, 5, "b", 5, now)}},
		"several in their order":        {nil, changes{u(1, 5, "b"), u(1, 7, "c"), u(1, 9, "e")}, etltest.Rows{is(1, 5, "b", 5, 7), is(1, 7, "c", 7, 9), is(1, 9, "e", 9, now)}},
		"late: between":                 {nil, changes{u(1, 5, "b"), u(1, 9, "e"), u(1, 7, "c")}, etltest.Rows{is(1, 5, "b", 5, 7), is(1, 7, "c", 7, 9), is(1, 9, "e", 9, now)}},
		"late: before all":              {nil, changes{u(1, 5, "b"), u(1, 2, "z")}, etltest.Rows{is(1, 2, "z", 2, 5), is(1, 5, "b", 5, now)}},
		"the same order replaces":       {nil, changes{u(1, 5, "b"), u(1, 9, "c"), u(1, 5, "B")}, etltest.Rows{is(1, 5, "B", 5, 9), is(1, 9, "c", 9, now)}},
		"a base of the same order":      {changes{u(1, 5, "a")}, changes{u(1, 5, "b")}, etltest.Rows{is(1, 5, "a", 5, 5), is(1, 5, "b", 5, now)}},
		"a base is below every order":   {changes{u(1, 9, "a")}, changes{u(1, 5, "b"), u(1, 7, "c")}, etltest.Rows{is(1, 9, "a", 5, 5), is(1, 5, "b", 5, 7), is(1, 7, "c", 7, now)}},
		"a base without an order":       {changes{u(1, nil, "a")}, changes{u(1, 5, "b")}, etltest.Rows{is(1, nil, "a", 5, 5), is(1, 5, "b", 5, now)}},
		"a delete":                      {changes{u(1, 2, "a")}, changes{d(1, 5)}, etltest.Rows{is(1, 2, "a", 2, 5), was(1, 5, "a", 5, now)}},
		"a delete of the same order":    {nil, changes{u(1, 5, "a"), d(1, 5)}, etltest.Rows{is(1, 5, "a", 5, 5), was(1, 5, "a", 5, now)}},
		"deleted twice":                 {nil, changes{u(1, 2, "a"), d(1, 5), d(1, 5), d(1, nil)}, etltest.Rows{is(1, 2, "a", 2, 5), was(1, 5, "a", 5, now)}},
		"deleted again later":           {nil, changes{u(1, 2, "a"), d(1, 5), d(1, 7)}, etltest.Rows{is(1, 2, "a", 2, 5), was(1, 5, "a", 5, 7), was(1, 7, "a", 7, now)}},
		"a delete without an order":     {nil, changes{u(1, 2, "a"), d(1, nil)}, etltest.Rows{is(1, 2, "a", 2, 50), was(1, 2, "a", 50, now)}},
		"which has that below":          {nil, changes{u(1, 2, "a"), d(1, nil), u(1, 2, "b")}, etltest.Rows{is(1, 2, "a", 2, 50), is(1, 2, "b", 50, now)}},
		"and is above what is older":    {nil, changes{u(1, 4, "a"), d(1, nil), u(1, 3, "b")}, etltest.Rows{is(1, 3, "b", 3, 4), is(1, 4, "a", 4, 50), was(1, 4, "a", 50, now)}},
		"what came after is clamped":    {nil, changes{u(1, 4, "a"), d(1, nil), u(1, 5, "b")}, etltest.Rows{is(1, 4, "a", 4, 50), was(1, 4, "a", 50, 50), is(1, 5, "b", 50, now)}},
		"late delete":                   {nil, changes{u(1, 2, "a"), u(1, 9, "b"), d(1, 5)}, etltest.Rows{is(1, 2, "a", 2, 5), was(1, 5, "a", 5, 9), is(1, 9, "b", 9, now)}},
		"delete before all":             {nil, changes{u(1, 5, "a"), d(1, 3)}, etltest.Rows{is(1, 5, "a", 5, now)}},
		"delete of a deleted base":      {changes{u(1, 5, "a")}, changes{d(1, nil), d(1, 60)}, etltest.Rows{is(1, 5, "a", 5, 50), was(1, 5, "a", 50, 60), was(1, 60, "a", 60, now)}},
		"deleted and back":              {nil, changes{u(1, 2, "a"), d(1, 5), u(1, 7, "b")}, etltest.Rows{is(1, 2, "a", 2, 5), was(1, 5, "a", 5, 7), is(1, 7, "b", 7, now)}},
		"back in the same moment":       {nil, changes{u(1, 2, "a"), d(1, 5), u(1, 5, "b")}, etltest.Rows{is(1, 2, "a", 2, 5), is(1, 5, "b", 5, now)}},
		"a tombstone":                   {nil, changes{d(1, 5), u(1, 4, "a"), u(1, 5, "b")}, etltest.Rows{is(1, 5, "b", 5, now)}},
		"the greatest of tombstones":    {nil, changes{d(1, 5), d(1, 3), u(1, 4, "a")}, nil},
		"a tombstone is for no version": {nil, changes{d(1, 5), u(1, 7, "a"), u(1, 3, "b")}, etltest.Rows{is(1, 3, "b", 3, 7), is(1, 7, "a", 7, now)}},
		"no tombstone without an order": {nil, changes{d(1, nil), u(1, 4, "a")}, etltest.Rows{is(1, 4, "a", 4, now)}},
		"unsupplied":                    {nil, changes{u(1, 2, "a"), u(1, 5, keep), u(1, 3, "late")}, etltest.Rows{is(1, 2, "a", 2, 3), is(1, 3, "late", 3, 5), is(1, 5, "a", 5, now)}},
		"unsupplied and late":           {nil, changes{u(1, 2, "a"), u(1, 9, "b"), u(1, 5, keep)}, etltest.Rows{is(1, 2, "a", 2, 5), is(1, 5, "a", 5, 9), is(1, 9, "b", 9, now)}},
		"unsupplied after a delete":     {nil, changes{u(1, 2, "a"), d(1, 5), u(1, 7, keep)}, etltest.Rows{is(1, 2, "a", 2, 5), was(1, 5, "a", 5, 7), is(1, 7, nil, 7, now)}},
		"unsupplied of the same order":  {nil, changes{u(1, 2, "a"), u(1, 5, "b"), u(1, 5, keep)}, etltest.Rows{is(1, 2, "a", 2, 5), is(1, 5, "b", 5, now)}},
		"unsupplied without any":        {nil, changes{u(1, 5, keep)}, etltest.Rows{is(1, 5, nil, 5, now)}},
		"another key":                   {changes{u(1, 2, "a")}, changes{from(1, u(2, 5, keep))}, etltest.Rows{is(1, 2, "a", 2, 5), was(1, 5, "a", 5, now), is(2, 5, "a", 5, now)}},
		"late: another key":             {nil, changes{u(1, 2, "a"), u(1, 9, "b"), from(1, u(2, 5, keep))}, etltest.Rows{is(1, 2, "a", 2, 5), was(1, 5, "a", 5, 9), is(1, 9, "b", 9, now), is(2, 5, "a", 5, now)}},
		"a key that was none":           {nil, changes{from(1, u(2, 5, "a")), u(1, 4, "z")}, etltest.Rows{is(2, 5, "a", 5, now)}},
		"keys change places": {changes{u(1, 1, "a"), u(2, 1, "b")}, changes{from(1, u(3, 2, keep)), from(2, u(1, 3, keep)), from(3, u(2, 4, keep))}, etltest.Rows{
			is(1, 1, "a", 1, 2), was(1, 2, "a", 2, 3), is(1, 3, "b", 3, now), is(2, 1, "b", 1, 3), was(2, 3, "b", 3, 4), is(2, 4, "a", 4, now),
			is(3, 2, "a", 2, 4), was(3, 4, "a", 4, now),
		}},
		"filtered: a gap":             {changes{u(1, 2, "a")}, changes{u(1, 5, "drop"), u(1, 7, "b")}, etltest.Rows{is(1, 2, "a", 2, 5), is(1, 7, "b", 7, now)}},
		"filtered: nothing is open":   {changes{u(1, 2, "a")}, changes{u(1, 5, "drop")}, etltest.Rows{is(1, 2, "a", 2, 5)}},
		"filtered: late into the gap": {nil, changes{u(1, 2, "a"), u(1, 5, "drop"), u(1, 9, "c"), u(1, 7, "b")}, etltest.Rows{is(1, 2, "a", 2, 5), is(1, 7, "b", 7, 9), is(1, 9, "c", 9, now)}},
		"filtered: late before it":    {nil, changes{u(1, 2, "a"), u(1, 5, "drop"), u(1, 3, "b")}, etltest.Rows{is(1, 2, "a", 2, 3), is(1, 3, "b", 3, 5)}},
		"filtered: late inside":       {nil, changes{u(1, 2, "a"), u(1, 9, "c"), u(1, 5, "drop")}, etltest.Rows{is(1, 2, "a", 2, 5), is(1, 9, "c", 9, now)}},
		"filtered: the same order":    {nil, changes{u(1, 2, "a"), u(1, 5, "b"), u(1, 5, "drop")}, etltest.Rows{is(1, 2, "a", 2, 5)}},
		"filtered: alone":             {nil, changes{u(1, 2, "drop"), u(1, 1, "a")}, etltest.Rows{is(1, 1, "a", 1, now)}},
		"filtered: then deleted":      {nil, changes{u(1, 2, "a"), u(1, 5, "drop"), d(1, 7)}, etltest.Rows{is(1, 2, "a", 2, 5), was(1, 7, "a", 7, now)}},
		"filtered: a base gives way":  {changes{u(1, 9, "a")}, changes{u(1, 5, "drop")}, etltest.Rows{is(1, 9, "a", 5, 5)}},
		"filtered: full":              {changes{u(1, 2, "drop")}, changes{u(1, 1, "a")}, etltest.Rows{is(1, 1, "a", 1, now)}},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			for size := 1; size <= max(1, len(c.changes)); size++ {
				m := etltest.NewModel(versioned("time"))
				m.Filter = func(row []any) bool { return row[2] != "drop" }
				_, err := m.Full(c.full...)
				require.NoError(t, err)
				for load := range slices.Chunk(c.changes, size) {
					n, err := m.Apply(load...)
					require.NoError(t, err)
					adds(t, n)
				}
				require.Empty(t, c.want.Diff(m.Rows()), "%d changes to a load", size)
			}
		})
	}
}

// from says that a change is of a key that was another.
func from(old any, c etltest.Change) etltest.Change {
	c.OldKey = []any{old}
	return c
}

// Where the order is no time, changes have that of their files, and late ones are
// squeezed in between.
func TestHistoryTimesOfFiles(t *testing.T) {
	m := etltest.NewModel(versioned("number"))
	_, err := m.Full(numbered(u(1, 0, "a"), 100, 10))
	require.NoError(t, err)
	for _, c := range []etltest.Change{
		numbered(u(1, 0, "b"), 5, 20), numbered(u(1, 0, "d"), 9, 30), numbered(u(1, 0, "c"), 7, 40), numbered(u(1, 0, "z"), 1, 8),
	} {
		n, err := m.Apply(c)
		require.NoError(t, err)
		require.Equal(t, etl.Counts{Read: 1, Inserted: 1, RowsBefore: n.RowsBefore, RowsAfter: n.RowsBefore + 1}, n)
	}
	version := func(order int, name string, from, to int) []any {
		v := is(1, nil, name, from, to)
		v[1] = order
		return v
	}
	require.Empty(t, etltest.Rows{
		version(100, "a", 8, 8), version(1, "z", 8, 20), version(5, "b", 20, 30), version(7, "c", 30, 30), version(9, "d", 30, now),
	}.Diff(m.Rows()))
	_, err = m.Apply(numbered(u(1, 0, "e"), nil, 60))
	require.ErrorContains(t, err, "needs an order")
}

func TestHistoryWithoutOrder(t *testing.T) {
	m := etltest.NewModel(versioned(""))
	_, err := m.Full(u(1, 1, "a"))
	require.NoError(t, err)
	landed := func(c etltest.Change, at int) etltest.Change {
		c.Landed = sec(at)
		return c
	}
	n, err := m.Apply(landed(u(1, 2, "b"), 60), landed(u(1, 3, "c"), 60), landed(d(1, 4), 60), landed(d(1, 5), 70), landed(d(2, 5), 70), landed(u(1, 6, "e"), 30))
	require.NoError(t, err)
	require.Equal(t, etl.Counts{Read: 6, Inserted: 4, Unchanged: 2, RowsBefore: 1, RowsAfter: 5}, n)
	require.Empty(t, etltest.Rows{
		is(1, 1, "a", 50, 60), is(1, 2, "b", 60, 60), is(1, 3, "c", 60, 60), was(1, 3, "c", 60, 60), is(1, 6, "e", 60, now),
	}.Diff(m.Rows()))
}

func TestHistoryCounts(t *testing.T) {
	m := etltest.NewModel(versioned("time"))
	m.Filter = func(row []any) bool { return row[2] != "drop" }
	n, err := m.Full(u(1, 1, "a"), u(1, 2, "b"), u(2, 1, "c"), u(3, 1, "drop"))
	require.NoError(t, err)
	require.Equal(t, etl.Counts{Read: 4, Inserted: 2, Superseded: 1, Filtered: 1, RowsAfter: 2}, n)
	_, err = m.Apply(u(1, 5, "five"), u(2, 5, "five"), d(9, 5))
	require.NoError(t, err)
	n, err = m.Apply(u(1, 5, "V"), u(1, 5, "VI"), u(2, 5, "drop"), u(9, 4, "late"), d(9, 3), u(4, 6, "d"), d(4, 7),
		u(5, 6, "e"), u(5, 6, "E"), u(6, 6, "f"), u(6, 6, "drop"), from(1, u(7, 8, "g")))
	require.NoError(t, err)
	require.Equal(t, etl.Counts{
		Read: 12, Inserted: 4, Updated: 1, Superseded: 4, Unchanged: 1, Filtered: 2,
		RemovedByFilter: 1, RemovedAsOldKey: 1, RowsBefore: 4, RowsAfter: 8,
	}, n)
	adds(t, n)
	before := m.Rows()
	for _, bad := range []etltest.Change{u(nil, 8, "x"), u(1, nil, "x"), {Values: []any{1}}} {
		_, err := m.Apply(u(1, 9, "lost with the load"), bad)
		require.Error(t, err)
	}
	require.Empty(t, before.Diff(m.Rows()))
}

func TestHistoryFullLoads(t *testing.T) {
	story := func(mode etl.FullLoadMode, full ...etltest.Change) (*etltest.Model, etl.Counts) {
		table := versioned("time")
		table.FullLoads = mode
		m := etltest.NewModel(table)
		m.Filter = func(row []any) bool { return row[2] != "drop" }
		_, err := m.Full(u(1, 1, "a"), u(2, 1, "b"), u(3, 1, "c"), u(4, 1, "d"), u(5, 1, "e"), u(7, 1, "g"))
		require.NoError(t, err)
		_, err = m.Apply(u(1, 5, "A"), d(3, 5), d(4, 5), u(5, 5, "drop"), d(6, 9))
		require.NoError(t, err)
		n, err := m.Full(full...)
		require.NoError(t, err)
		return m, n
	}
	m, n := story(etl.FullReplace, u(1, 7, "x"), u(6, 2, "y"))
	require.Equal(t, etl.Counts{Read: 2, Inserted: 2, RowsBefore: 9, RowsAfter: 2}, n)
	require.Empty(t, etltest.Rows{is(1, 7, "x", 7, now), is(6, 2, "y", 2, now)}.Diff(m.Rows()))

	m, n = story(etl.FullDifference, u(1, 5, "A"), u(2, 0, "B"), u(4, 7, "D"), u(5, 1, "e"), u(6, 2, "y"), u(8, 2, "drop"), u(6, 1, "older"))
	require.Equal(t, etl.Counts{
		Read: 7, Inserted: 4, Unchanged: 1, Superseded: 1, Filtered: 1, RemovedAsAbsent: 1, RowsBefore: 9, RowsAfter: 14,
	}, n)
	adds(t, n)
	want := etltest.Rows{
		is(1, 1, "a", 1, 5), is(1, 5, "A", 5, now), // equal
		is(2, 1, "b", 1, 1), is(2, 0, "B", 1, now), // not below what there is
		is(3, 1, "c", 1, 5), was(3, 5, "c", 5, now), // absent and deleted
		is(4, 1, "d", 1, 5), was(4, 5, "d", 5, 7), is(4, 7, "D", 7, now),
		is(5, 1, "e", 1, 5), is(5, 1, "e", 5, now), // was cut by the filter
		is(6, 2, "y", 2, now), // no tombstone outlives a full load
		is(7, 1, "g", 1, 50), was(7, 1, "g", 50, now),
	}
	require.Empty(t, want.Diff(m.Rows()))

	_, err := m.Apply(u(1, 2, "changes are above"), u(4, 6, "and base gives way"))
	require.NoError(t, err)
	rows := m.Rows()
	require.Empty(t, etltest.Rows{
		is(1, 1, "a", 1, 2), is(1, 5, "A", 2, 2), is(1, 2, "changes are above", 2, now),
		is(4, 1, "d", 1, 5), was(4, 5, "d", 5, 6), is(4, 7, "D", 6, 6), is(4, 6, "and base gives way", 6, now),
	}.Diff(only(rows, "1", "4")))
}

// A full load as a difference may lack the rows of which a file without rows tells.
func TestHistoryEmptyDifference(t *testing.T) {
	table := versioned("time")
	table.FullLoads = etl.FullDifference
	m := etltest.NewModel(table)
	_, err := m.Apply(u(1, 1, "a"), u(2, 1, "b"))
	require.NoError(t, err)
	m.Landed = sec(9)
	n, err := m.Full()
	require.NoError(t, err)
	require.Equal(t, etl.Counts{RemovedAsAbsent: 2, RowsBefore: 2, RowsAfter: 4}, n)
	require.Empty(t, etltest.Rows{is(1, 1, "a", 1, 9), was(1, 1, "a", 9, now), is(2, 1, "b", 1, 9), was(2, 1, "b", 9, now)}.Diff(m.Rows()))
}

// only are the rows of some keys.
func only(rows etltest.Rows, ids ...string) etltest.Rows {
	return slices.DeleteFunc(slices.Clone(rows), func(r []any) bool { return !slices.Contains(ids, etltest.Text(r[0])) })
}
