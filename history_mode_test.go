package etl_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
)

// posts is a history of who stands where.
func posts() etl.Table {
	return etl.Table{
		Name: "mpd.posts", Mode: etl.ModeHistory, Key: []string{"id"}, OrderBy: []string{"at"},
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "post", Type: etl.Long}, {Name: "at", Type: etl.Timestamp}},
	}
}

// hour is a moment of the day of these tests.
func hour(n any) any {
	if n == nil {
		return nil
	}
	return fmt.Sprintf("2024-02-20 %02d:00:00", n)
}

// post is a row of the table of posts: key, post, hour of its order, hours from and to,
// and whether it is current (c) or deleted (d).
func post(id, at, order, from, to any, marks string) []any {
	return []any{id, at, hour(order), hour(from), hour(to), strings.Contains(marks, "c"), strings.Contains(marks, "d")}
}

// postFile makes a file of changes: "U 1 5 9" is an upsert of key 1, post 5, of nine
// o'clock; "-" is nothing.
func postFile(changes ...string) string {
	var b strings.Builder
	for _, c := range changes {
		f := strings.Fields(strings.ReplaceAll(c, "-", "~"))
		for i := range f {
			f[i] = strings.ReplaceAll(f[i], "~", "")
		}
		if f[3] != "" {
			f[3] = fmt.Sprintf("2024-02-20 %02s:00:00", f[3])
		}
		if f[0] == "F" { // of a full load
			f = f[1:]
		}
		b.WriteString(strings.Join(f, ",") + "\n")
	}
	return b.String()
}

// TestHistory: stories of one key or two, each told in one load for every step, and in
// one for all its changes.
func TestHistory(t *testing.T) {
	for name, x := range map[string]struct {
		table func(*etl.Table)
		full  []string
		steps []string
		want  etltest.Rows
	}{
		"versions follow each other": {
			full: []string{"F 1 5 8"}, steps: []string{"U 1 6 9", "U 1 7 11"},
			want: etltest.Rows{post(1, 5, 8, 8, 9, ""), post(1, 6, 9, 9, 11, ""), post(1, 7, 11, 11, nil, "c")},
		},
		"late data takes its place": {
			steps: []string{"U 1 5 8", "U 1 7 12", "U 1 6 10", "U 1 4 7"},
			want:  etltest.Rows{post(1, 4, 7, 7, 8, ""), post(1, 5, 8, 8, 10, ""), post(1, 6, 10, 10, 12, ""), post(1, 7, 12, 12, nil, "c")},
		},
		"the same order replaces": {
			steps: []string{"U 1 5 8", "U 1 7 12", "U 1 6 8", "U 1 8 12"},
			want:  etltest.Rows{post(1, 6, 8, 8, 12, ""), post(1, 8, 12, 12, nil, "c")},
		},
		"deletes are versions": {
			steps: []string{"U 1 5 8", "D 1 - 9", "D 1 - 9", "U 1 6 11", "D 2 - 9"},
			want:  etltest.Rows{post(1, 5, 8, 8, 9, ""), post(1, 5, 9, 9, 11, "d"), post(1, 6, 11, 11, nil, "c")},
		},
		"a later delete of what is deleted": {
			steps: []string{"U 1 5 8", "D 1 - 9", "D 1 - 10"},
			want:  etltest.Rows{post(1, 5, 8, 8, 9, ""), post(1, 5, 9, 9, 10, "d"), post(1, 5, 10, 10, nil, "cd")},
		},
		"a late delete": {
			steps: []string{"U 1 5 8", "U 1 6 12", "D 1 - 10"},
			want:  etltest.Rows{post(1, 5, 8, 8, 10, ""), post(1, 5, 10, 10, 12, "d"), post(1, 6, 12, 12, nil, "c")},
		},
		"a delete before all": {
			steps: []string{"U 1 5 8", "D 1 - 7"}, want: etltest.Rows{post(1, 5, 8, 8, nil, "c")},
		},
		"a tombstone": {
			steps: []string{"D 1 - 9", "U 1 5 8", "D 1 - 7", "U 1 6 10"}, want: etltest.Rows{post(1, 6, 10, 10, nil, "c")},
		},
		"an upsert undoes a delete of its order": {
			steps: []string{"U 1 5 8", "D 1 - 9", "U 1 6 9"}, want: etltest.Rows{post(1, 5, 8, 8, 9, ""), post(1, 6, 9, 9, nil, "c")},
		},
		"a delete of the order of a version": {
			steps: []string{"U 1 5 8", "D 1 - 8"}, want: etltest.Rows{post(1, 5, 8, 8, 8, ""), post(1, 5, 8, 8, nil, "cd")},
		},
		"the full load is below all": {
			full: []string{"F 1 5 10", "F 2 5 10"}, steps: []string{"U 1 6 8", "U 1 7 7", "U 2 6 12", "U 2 7 9"},
			want: etltest.Rows{
				post(1, 5, 10, 7, 7, ""), post(1, 7, 7, 7, 8, ""), post(1, 6, 8, 8, nil, "c"),
				post(2, 5, 10, 9, 9, ""), post(2, 7, 9, 9, 12, ""), post(2, 6, 12, 12, nil, "c"),
			},
		},
		"filtered rows leave gaps": {
			table: func(t *etl.Table) { t.Transforms = []etl.Transformer{oddIn("post")} },
			steps: []string{"U 1 5 8", "U 1 2 10", "U 1 7 12", "U 1 9 11", "U 1 1 9"},
			want: etltest.Rows{
				post(1, 5, 8, 8, 9, ""), post(1, 1, 9, 9, 10, ""), post(1, 9, 11, 11, 12, ""), post(1, 7, 12, 12, nil, "c"),
			},
		},
		"filtered rows and deletes": {
			table: func(t *etl.Table) { t.Transforms = []etl.Transformer{oddIn("post")} },
			steps: []string{"U 1 5 8", "U 1 2 10", "D 1 - 11", "U 2 4 8", "D 2 - 9", "U 2 5 8", "U 3 5 8", "U 3 4 8", "U 3 4 9"},
			want:  etltest.Rows{post(1, 5, 8, 8, 10, ""), post(1, 5, 11, 11, nil, "cd")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, split := range []bool{false, true} {
				table := posts()
				if x.table != nil {
					x.table(&table)
				}
				lake := etltest.New(t, table)
				if len(x.full) > 0 {
					lake.Land("mpd/posts/LOAD00000001.csv", postFile(x.full...))
					lake.Ingest()
				}
				for i, step := range x.steps {
					lake.Land(fmt.Sprintf("mpd/posts/20240220-1100000%02d.csv", i), postFile(step))
					if split {
						lake.Ingest()
					}
				}
				lake.Ingest()
				lake.Want("mpd.posts", x.want)
			}
		})
	}
}

func TestHistoryAccounts(t *testing.T) {
	lake := etltest.New(t, posts())
	lake.Land("mpd/posts/LOAD00000001.csv", postFile("F 1 5 8", "F 1 6 9", "F 2 5 8"))
	rep := lake.Ingest()
	require.Equal(t, etl.Counts{Read: 3, Inserted: 2, Superseded: 1, RowsAfter: 2}, rep.Tables[0].Loads[0].Receipt.Counts)
	lake.Land("mpd/posts/20240220-110000000.csv", postFile("U 1 7 10", "U 1 8 10", "D 2 - 9", "D 3 - 9", "U 3 1 8"))
	rep = lake.Ingest()
	require.Equal(t, etl.Counts{Read: 5, Inserted: 2, Superseded: 2, Unchanged: 1, RowsBefore: 2, RowsAfter: 4}, rep.Tables[0].Loads[0].Receipt.Counts)
	lake.Land("mpd/posts/20240220-110000001.csv", postFile("U 1 9 10", "U 3 1 8"))
	rep = lake.Ingest()
	require.Equal(t, etl.Counts{Read: 2, Updated: 1, Superseded: 1, RowsBefore: 4, RowsAfter: 4}, rep.Tables[0].Loads[0].Receipt.Counts)
}

func TestHistoryNeedsOrders(t *testing.T) {
	lake := etltest.New(t, posts())
	lake.Land("mpd/posts/LOAD00000001.csv", postFile("F 1 5 -"))
	lake.Ingest()
	lake.Land("mpd/posts/20240220-110000000.csv", postFile("D 1 - -", "U 1 5 -"))
	var bad *etl.RowError
	require.ErrorAs(t, lake.IngestError(), &bad)
	require.Equal(t, "at", bad.Column)
	require.EqualValues(t, 2, bad.Row)
	require.Equal(t, "a change of a history table needs an order", bad.Rule)
}

// Without ordering columns versions follow the files, and begin when those landed, but
// never before the one below.
func TestHistoryWithoutOrder(t *testing.T) {
	table := posts()
	table.OrderBy = nil
	lake := etltest.New(t, table)
	at := func(n int) time.Time { return time.Date(2024, 2, 20, n, 0, 0, 0, time.UTC) }
	lake.LandAt(at(8), "mpd/posts/20240220-110000000.csv", postFile("U 1 5 1"))
	lake.LandAt(at(12), "mpd/posts/20240220-110000001.csv", postFile("U 1 6 2"))
	lake.LandAt(at(10), "mpd/posts/20240220-110000002.csv", postFile("D 1 - -"))
	lake.Ingest()
	lake.Want("mpd.posts", etltest.Rows{post(1, 5, 1, 8, 12, ""), post(1, 6, 2, 12, 12, ""), post(1, 6, 2, 12, nil, "cd")})
}

// A row that gives up another key is one row read, and leaves two versions.
func TestHistoryOfChangedKeys(t *testing.T) {
	table := posts()
	table.OldKey, table.Format = []string{"was"}, format.CSV{Header: true}
	lake := etltest.New(t, table)
	lake.Land("mpd/posts/20240220-110000000.csv", "Op,id,post,at,was\nU,1,5,2024-02-20 08:00:00,\nU,2,6,2024-02-20 09:00:00,1\n")
	rep := lake.Ingest()
	require.Equal(t, etl.Counts{Read: 2, Inserted: 2, RemovedAsOldKey: 1, RowsAfter: 3}, rep.Tables[0].Loads[0].Receipt.Counts)
	lake.Want("mpd.posts", etltest.Rows{post(1, 5, 8, 8, 9, ""), post(1, 5, 9, 9, nil, "cd"), post(2, 6, 9, 9, nil, "c")})
}

// A full load ends what it lacks, leaves what it has unchanged, and puts versions on
// top of the others; a replacing one begins the history anew, staged or not.
func TestHistoryOfFullLoads(t *testing.T) {
	for name, x := range map[string]struct {
		table  func(*etl.Table)
		budget int64
		count  etl.Counts
		want   etltest.Rows
	}{
		"difference": {
			table: func(*etl.Table) {},
			count: etl.Counts{Read: 4, Inserted: 2, Unchanged: 1, Superseded: 1, RemovedAsAbsent: 1, RowsBefore: 4, RowsAfter: 7},
			want: etltest.Rows{
				post(1, 5, 8, 8, nil, "c"), post(2, 5, 8, 8, 23, ""), post(2, 5, 8, 23, nil, "cd"),
				post(3, 5, 8, 8, 9, ""), post(3, 6, 9, 9, 10, ""), post(3, 7, 10, 10, nil, "c"), post(4, 8, 9, 9, nil, "c"),
			},
		},
		"spilled difference": {
			table: func(*etl.Table) {}, budget: 1,
			count: etl.Counts{Read: 4, Inserted: 2, Unchanged: 1, Superseded: 1, RemovedAsAbsent: 1, RowsBefore: 4, RowsAfter: 7},
			want: etltest.Rows{
				post(1, 5, 8, 8, nil, "c"), post(2, 5, 8, 8, 23, ""), post(2, 5, 8, 23, nil, "cd"),
				post(3, 5, 8, 8, 9, ""), post(3, 6, 9, 9, 10, ""), post(3, 7, 10, 10, nil, "c"), post(4, 8, 9, 9, nil, "c"),
			},
		},
		"difference with a filter": {
			table: func(t *etl.Table) { t.Transforms = []etl.Transformer{oddIn("post")} },
			count: etl.Counts{Read: 4, Inserted: 1, Unchanged: 1, Filtered: 1, Superseded: 1, RemovedAsAbsent: 1, RowsBefore: 3, RowsAfter: 5},
			want: etltest.Rows{
				post(1, 5, 8, 8, nil, "c"), post(2, 5, 8, 8, 23, ""), post(2, 5, 8, 23, nil, "cd"),
				post(3, 5, 8, 8, 9, ""), post(3, 7, 10, 10, nil, "c"),
			},
		},
		"replace": {
			table: func(t *etl.Table) { t.FullLoads = etl.FullReplace },
			count: etl.Counts{Read: 4, Inserted: 3, Superseded: 1, RowsBefore: 4, RowsAfter: 3},
			want:  etltest.Rows{post(1, 5, 8, 8, nil, "c"), post(3, 7, 10, 10, nil, "c"), post(4, 8, 9, 9, nil, "c")},
		},
		"staged": {
			table: func(t *etl.Table) { t.FullLoads, t.Staging.Mode = etl.FullReplace, etl.StageAlways },
			count: etl.Counts{Read: 4, Inserted: 3, Superseded: 1, RowsBefore: 4, RowsAfter: 3},
			want:  etltest.Rows{post(1, 5, 8, 8, nil, "c"), post(3, 7, 10, 10, nil, "c"), post(4, 8, 9, 9, nil, "c")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			table := posts()
			x.table(&table)
			lake := etltest.NewConfig(t, etl.Config{Tables: []etl.Table{table}, MemoryBudget: x.budget})
			lake.Land("mpd/posts/LOAD00000001.csv", postFile("F 1 5 8", "F 2 5 8", "F 3 5 8"))
			lake.Ingest()
			lake.Land("mpd/posts/20240220-110000000.csv", postFile("U 3 6 9"))
			lake.Ingest()
			at := time.Date(2024, 2, 20, 23, 0, 0, 0, time.UTC)
			lake.LandAt(at.Add(-time.Minute), "mpd/posts/LOAD00000001.csv", postFile("F 1 5 8", "F 3 7 10"))
			lake.LandAt(at, "mpd/posts/LOAD00000002.csv", postFile("F 4 3 8", "F 4 8 9"))
			rep := lake.Ingest()
			require.Equal(t, x.count, rep.Tables[0].Loads[0].Receipt.Counts)
			lake.Want("mpd.posts", x.want)
		})
	}
}

// An erased key goes with all its versions.
func TestHistoryErased(t *testing.T) {
	lake := etltest.New(t, posts())
	lake.Land("mpd/posts/20240220-110000000.csv", postFile("U 1 5 8", "U 1 6 9", "D 1 - 10", "U 2 5 8"))
	lake.Ingest()
	keys, err := format.Keys(posts(), [][]string{{"1"}})
	require.NoError(t, err)
	rep, err := lake.Runner().Erase(t.Context(), "mpd.posts", keys, etl.EraseOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 3, rep.Rows)
	lake.Want("mpd.posts", etltest.Rows{post(2, 5, 8, 8, nil, "c")})
}

// A column that files bring along becomes one of all versions.
func TestHistoryEvolves(t *testing.T) {
	table := posts()
	table.FullLoads, table.Contract.New, table.Format = etl.FullReplace, etl.Evolve, format.CSV{Header: true}
	table.Op.Column = "Op"
	lake := etltest.New(t, table)
	lake.Land("mpd/posts/20240220-110000000.csv", "Op,id,post,at\nU,1,5,2024-02-20 08:00:00\n")
	lake.Ingest()
	lake.Land("mpd/posts/20240220-110000001.csv", "Op,id,post,at,rank\nU,1,6,2024-02-20 09:00:00,chief\n")
	lake.Ingest()
	lake.Want("mpd.posts", etltest.Rows{
		{1, 5, "2024-02-20 08:00:00", nil, "2024-02-20 08:00:00", "2024-02-20 09:00:00", false, false},
		{1, 6, "2024-02-20 09:00:00", "chief", "2024-02-20 09:00:00", nil, true, false},
	})
}

// TestHistoryDoesNotDependOnLoads: the same files in one load, in several, and with
// everything spilled make the same table.
func TestHistoryDoesNotDependOnLoads(t *testing.T) {
	for seed := range uint64(32) {
		h := newHistoryOfPosts(seed)
		whole := h.run(t, len(h.files), 0)
		for _, every := range []int{1, 3} {
			diff := whole.Diff(h.run(t, every, int64(every%3)))
			require.Empty(t, diff, "seed %d, loads of %d files: %s\n%s", seed, every, h.full, strings.Join(h.files, "--\n"))
		}
	}
}

type historyOfPosts struct {
	table etl.Table
	full  string
	files []string
}

// newHistoryOfPosts makes up files: ordered or not, with filters, with changed keys and
// columns that are not supplied.
func newHistoryOfPosts(seed uint64) historyOfPosts {
	r := rand.New(rand.NewPCG(seed, 1))
	h := historyOfPosts{table: posts(), full: "id,post,at\n1,1,2024-02-20 12:00:00\n2,3,2024-02-20 09:00:00\n"}
	absent := "?"
	h.table.Op.Column = "Op"
	h.table.Format = format.CSV{Header: true, NotSupplied: &absent}
	partial := seed%2 == 1
	switch seed / 2 % 4 {
	case 1:
		h.table.Format = format.CSV{Header: true}
		partial, h.table.Transforms = false, []etl.Transformer{oddIn("post")}
	case 2:
		h.table.OrderBy = nil
	case 3:
		h.table.OldKey = []string{"was"}
	}
	for range 6 {
		var b strings.Builder
		b.WriteString("Op,id,post,at,was\n")
		for range 1 + r.IntN(6) {
			op, post, was := "U", fmt.Sprint(r.IntN(9)), ""
			at := fmt.Sprintf("2024-02-20 %02d:00:00", 6+r.IntN(14))
			switch {
			case r.IntN(3) == 0:
				op = "D"
				if r.IntN(3) == 0 {
					at = ""
				}
			case partial && r.IntN(2) == 0:
				post = absent
			}
			if op == "U" && r.IntN(3) == 0 {
				was = fmt.Sprint(1 + r.IntN(4))
			}
			fmt.Fprintf(&b, "%s,%d,%s,%s,%s\n", op, 1+r.IntN(4), post, at, was)
		}
		h.files = append(h.files, b.String())
	}
	return h
}

func (h historyOfPosts) run(t *testing.T, every int, budget int64) etltest.Rows {
	lake := etltest.NewConfig(t, etl.Config{Tables: []etl.Table{h.table}, MemoryBudget: budget})
	lake.Land("mpd/posts/LOAD00000001.csv", h.full)
	lake.Ingest()
	start := lake.Now()
	for i, f := range h.files {
		lake.LandAt(start.Add(time.Duration(i)*time.Second), fmt.Sprintf("mpd/posts/20240220-1100000%02d.csv", i), f)
		if i%every == every-1 {
			lake.Ingest()
		}
	}
	lake.Ingest()
	rows, err := etltest.ReadRows(t.Context(), lake.Sink, "mpd.posts")
	require.NoError(t, err)
	return rows
}
