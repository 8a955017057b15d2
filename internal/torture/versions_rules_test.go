package torture

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
)

// editions is a table that keeps all versions of a key, ordered by time.
func editions() etl.Table {
	none := "<none>"
	table := etl.Table{
		Name: "shop.orders", Mode: etl.ModeHistory, FullLoads: etl.FullReplace, Key: []string{"id"}, OrderBy: []string{"at"},
		OldKey: []string{"was"}, Op: etl.OpColumn{Column: "Op"},
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "at", Type: etl.Timestamp}, {Name: "name", Type: etl.String}, {Name: "note", Type: etl.String}},
	}
	csv := format.CSV{NotSupplied: &none, ChangeColumns: []string{"Op", "was", "id", "at", "name", "note"}, FullColumns: []string{"id", "at", "name", "note"}}
	table.Format = csv.ForTable(table)
	return table
}

// edits writes a full load and change files. Orders rise within a file, whose first one
// is anywhere, and are never the same for two changes. What is deleted is in the full
// load: a key whose first change is a delete forgets that once it has a version, so what
// an older change was worth before it is worth more after it.
func edits(r *rand.Rand, unsupplied bool) (full string, files []string) {
	at := func(n int) string {
		return fmt.Sprintf("2024-02-20 10:%02d:%02d.%06d", n/60_000_000%60, n/1_000_000%60, n%1_000_000)
	}
	for id := range 4 {
		full += fmt.Sprintf("%d,%s,full,f%d\n", id, at(r.IntN(90_000_000)), id)
	}
	serial := 0
	for range 5 + r.IntN(3) {
		var b strings.Builder
		order := r.IntN(90) * 1_000_000
		for range 1 + r.IntN(5) {
			serial++
			order += r.IntN(9) * 1_000_000
			n := order + serial
			id, note := r.IntN(6), fmt.Sprint("n", serial)
			if unsupplied && r.IntN(3) == 0 {
				note = "<none>"
			}
			name := []string{"ann", "bob", "drop"}[r.IntN(3)]
			switch r.IntN(5) {
			case 0:
				fmt.Fprintf(&b, "D,,%d,%s,,\n", id%4, at(n))
			case 1:
				fmt.Fprintf(&b, "U,%d,%d,%s,%s,n%d\n", r.IntN(4), id, at(n), name, serial)
			default:
				fmt.Fprintf(&b, "U,,%d,%s,%s,%s\n", id, at(n), name, note)
			}
		}
		files = append(files, b.String())
	}
	return full, files
}

// split is a way in which files reach the table.
type split struct {
	batch  int
	budget int64
	copies bool // each file comes again, under another name
	single bool // the table is worked off after each file
}

// TestHistoryDoesNotDependOnLoads: however files are split into loads, and whether or not
// each one is applied again under another name, a table that keeps all versions is the
// same.
func TestHistoryDoesNotDependOnLoads(t *testing.T) {
	t.Parallel()
	splits := []split{
		{batch: 1, single: true}, {}, {batch: 2, budget: 1}, {batch: 3}, {batch: 1, copies: true}, {copies: true}, {batch: 3, copies: true, budget: 1},
	}
	rows := 0
	for seed := range uint64((*seeds + 1) / 2) {
		filtered := seed%2 == 0
		full, files := edits(rand.New(rand.NewPCG(seed, 0x7363)), !filtered)
		var want etltest.Rows
		for i, how := range splits {
			got := how.play(t, filtered, full, files)
			if i == 0 {
				want = got
				rows += len(got)
			}
			require.Empty(t, want.Diff(got), "seed %d, %+v\n%s%s", seed, how, full, strings.Join(files, "--\n"))
		}
	}
	require.Greater(t, rows, 5**seeds)
}

func (s split) play(t *testing.T, filtered bool, full string, files []string) etltest.Rows {
	table := editions()
	table.MaxBatchFiles = s.batch
	if filtered {
		table.Transforms = []etl.Transformer{keep{&etltest.History{Keep: func(row []any) bool { return row[2] != "drop" }}}}
	}
	lake := etltest.NewConfig(t, etl.Config{Tables: []etl.Table{table}, MemoryBudget: s.budget})
	lake.Land(at("LOAD00000001"), full)
	for i, text := range files {
		lake.Land(at(fmt.Sprintf("20240220-1000%02d000", 2*i)), text)
		if s.copies {
			lake.Land(at(fmt.Sprintf("20240220-1000%02d000", 2*i+1)), text)
		}
		if s.single {
			lake.Ingest()
		}
	}
	lake.Ingest()
	rows, err := etltest.ReadRows(t.Context(), lake.Sink, table.Name)
	require.NoError(t, err)
	return rows
}

// A restart, a rebuilt ledger and a reload make the same table again.
func TestHistoryIsReloaded(t *testing.T) {
	lake := etltest.New(t, editions())
	ctx := t.Context()
	lake.Land(at("LOAD00000001"), "1,2024-02-20 10:00:01,a,\n2,2024-02-20 10:00:01,b,\n")
	lake.Land(at("20240220-100001000"), "U,,1,2024-02-20 10:00:05,A,\nD,,2,2024-02-20 10:00:06,,\n")
	lake.Ingest()
	lake.Land(at("20240220-100002000"), "U,,1,2024-02-20 10:00:03,late,\nU,1,3,2024-02-20 10:00:09,moved,\n")
	lake.Fail(etltest.AfterCommit, 1)
	lake.Ingest()
	at := func(n int) any { return fmt.Sprintf("2024-02-20 10:00:%02d", n) }
	want := etltest.Rows{
		{1, at(1), "a", nil, at(1), at(3), false, false}, {1, at(3), "late", nil, at(3), at(5), false, false},
		{1, at(5), "A", nil, at(5), at(9), false, false}, {1, at(9), "A", nil, at(9), nil, true, true},
		{2, at(1), "b", nil, at(1), at(6), false, false}, {2, at(6), "b", nil, at(6), nil, true, true},
		{3, at(9), "moved", nil, at(9), nil, true, false},
	}
	lake.Want("shop.orders", want)
	lake.Restart()
	lake.Ingest()
	lake.Want("shop.orders", want)
	require.NoError(t, lake.Runner().Reload(ctx, "shop.orders"))
	lake.Ingest()
	lake.Want("shop.orders", want)
	lake.Land("shop/orders/LOAD00000002.csv", "2,2024-02-20 10:00:01,b,\n")
	lake.Ingest()
	lake.Want("shop.orders", etltest.Rows{{2, at(1), "b", nil, at(1), nil, true, false}})
}
