//go:build spark

package reading

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
)

// reading is a file that both read.
type reading struct {
	table etl.Table
	kind  etl.LoadKind
	data  []byte
}

// random tables and files of each format; the figures are the files without any
// mistake that there have to be, of a hundred.
func TestReadingCSV(t *testing.T)     { readAll(t, 100, random.csv, 25) }
func TestReadingJSON(t *testing.T)    { readAll(t, 200, random.json, 25) }
func TestReadingParquet(t *testing.T) { readAll(t, 300, random.parquet, 25) }

func readAll(t *testing.T, seed uint64, make func(random, *testing.T) reading, good int) {
	var cases []reading
	for i := range *readings {
		cases = append(cases, make(newRandom(seed+uint64(i)*1000+*readingSeed), t))
	}
	both(t, newRandom(seed), cases, good)
}

// both has the files read by the engine and by the job. At least good of a hundred
// are to be without a mistake.
func both(t *testing.T, r random, cases []reading, good int) {
	t.Helper()
	dir := t.TempDir()
	want := make([]outcome, len(cases))
	for i, c := range cases {
		want[i] = writeReading(t, r, dir, i, c)
	}
	python(t, "read.py", dir)
	var got []outcome
	readJSON(t, filepath.Join(dir, "out.json"), &got)
	require.Len(t, got, len(want))
	whole, rows, differ := 0, 0, 0
	for i := range want {
		if want[i].Error == nil {
			whole++
		}
		rows += len(want[i].First)
		if !compare(t, i, cases[i], want[i], got[i]) {
			if differ++; differ == 5 {
				break
			}
		}
	}
	t.Logf("%d files, %d of them without a mistake, %d different mistakes, %d rows", len(want), whole, mistakes(want), rows)
	require.GreaterOrEqual(t, whole*100, good*len(want))
	require.GreaterOrEqual(t, (len(want)-whole)*100, 10*len(want))
}

// mistakes counts the rules that were violated.
func mistakes(of []outcome) int {
	rules := map[string]bool{}
	for _, o := range of {
		if o.Error != nil {
			rules[fmt.Sprint(o.Pass, o.Error.Rule)] = true
		}
	}
	return len(rules)
}

// writeFile writes a file, and the manifest of a load of it beside it.
func writeFile(t *testing.T, path string, c reading) {
	require.NoError(t, os.WriteFile(path, c.data, 0o600))
	file := etl.File{Location: location, Size: int64(len(c.data)), Part: partOf(c.table, c.kind)}
	m, err := dispatch.NewManifest(t.Context(), etl.Job{
		ID: "job", Table: c.table, URIs: []string{path}, Sink: etl.Declaration{Kind: "none"},
		Load: etl.Load{ID: "load", Table: c.table.Name, Kind: c.kind, Files: []etl.File{file}},
	})
	require.NoError(t, err)
	writeJSON(t, path+".manifest", m)
}

func writeReading(t *testing.T, r random, dir string, i int, c reading) outcome {
	path := filepath.Join(dir, fmt.Sprintf("%05d", i))
	writeFile(t, path, c)
	out := engine(t, c.table, c.kind, c.data, nil)
	picked := []int64{}
	if out.Error == nil {
		share := pick(r, 5, 50, 100)
		for _, row := range out.First {
			if r.chance(share) {
				number, err := strconv.ParseInt(*row[0], 10, 64)
				require.NoError(t, err)
				picked = append(picked, number)
			}
		}
		out = engine(t, c.table, c.kind, c.data, picked)
	}
	writeJSON(t, path+".picked", picked)
	return out
}

func compare(t *testing.T, i int, c reading, want, got outcome) bool {
	if want.Error != nil {
		got.First, got.Rows, got.Unsupplied = nil, nil, nil
	}
	for _, o := range []*outcome{&want, &got} {
		if o.Rows == nil {
			o.Rows, o.Unsupplied = [][]*string{}, [][]int{}
		}
		if o.First == nil {
			o.First = [][]*string{}
		}
	}
	// A damaged frame whose blocks are larger than its own window: the engine's
	// library says so, Arrow's that it is corrupt.
	if want.Error != nil && got.Error != nil && got.Error.Rule == "truncated or corrupt zstd" && strings.HasPrefix(want.Error.Rule, "zstd window") {
		got.Error.Rule = want.Error.Rule
	}
	head := c.data[:min(len(c.data), 600)]
	if !assert.ObjectsAreEqual(want, got) {
		t.Errorf("file %d, %v, %+v\ncolumns %+v\n%q", i, c.kind, c.table.Format, c.table.Columns, head)
		t.Logf("key %v order %v op %v old %v", c.table.Key, c.table.OrderBy, c.table.Op.Column, c.table.OldKey)
		t.Logf("engine: %+v", show(want))
		t.Logf("python: %+v", show(got))
		return false
	}
	return true
}

func show(o outcome) string {
	if o.Error != nil {
		return fmt.Sprintf("pass %d: %+v", o.Pass, *o.Error)
	}
	text := ""
	for _, rows := range [][][]*string{o.First, o.Rows} {
		text += "["
		for _, row := range rows[:min(len(rows), 8)] {
			for _, v := range row {
				if v == nil {
					text += "NULL "
				} else {
					text += *v + " "
				}
			}
			text += "| "
		}
		text += "] "
	}
	return text + fmt.Sprint(o.Unsupplied[:min(8, len(o.Unsupplied))])
}
