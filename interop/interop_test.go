//go:build interop

// Package interop proves that engines of others read the tables right. See
// README.md.
package interop

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// engines are in the order in which they begin; the slowest is first, since
// they run side by side.
var engines = []string{"spark", "pyiceberg", "duckdb", "clickhouse"}

var (
	only    = flag.String("only", "", "make only these `groups` of tables, as in modes,maintained")
	filters = flag.Int("filters", 0, "the greatest number of filtered counts for a table and an engine; 0 for all of them")
)

// report is what read.py writes.
type report struct {
	Engine string
	Tables []struct {
		Name         string
		Rows, Counts int
		Error, Limit string
	}
	Known, Gone, Untried []string
}

func TestEngines(t *testing.T) {
	python, err := filepath.Abs(filepath.Join(".cache", "venv", "bin", "python"))
	require.NoError(t, err)
	if _, err := os.Stat(python); err != nil {
		t.Fatal("the engines are not there: run interop/setup.sh first")
	}
	tables := writeTables(t)
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			rep, output := runEngine(t, python, engine, tables)
			t.Logf("%s", output)
			rows, limits := 0, 0
			for _, table := range rep.Tables {
				rows += table.Rows
				if table.Limit != "" {
					limits++
				}
				t.Run(table.Name, func(t *testing.T) {
					if table.Error != "" {
						t.Errorf("%s: %s", rep.Engine, table.Error)
					}
				})
			}
			require.NotZero(t, rows, "nothing was compared")
			if *only == "" {
				require.Empty(t, rep.Gone, "is read right now: remove it from limits.py and README.md")
				require.Empty(t, rep.Untried, "no table tries it")
			}
			t.Logf("%s: %d tables, %d of them beyond a known limit", rep.Engine, len(rep.Tables), limits)
		})
	}
}

// writeTables makes all tables and returns the path of their description.
func writeTables(t *testing.T) string {
	l := newLake(t)
	for _, group := range []struct {
		name string
		make func()
	}{
		{"wide", l.wide}, {"far", l.far}, {"sensitive", l.sensitive}, {"texts", l.texts}, {"empty", l.empty},
		{"moved", l.moved}, {"many", l.many}, {"modes", l.modes}, {"maintained", l.maintained}, {"evolved", l.evolved},
		{"kinds", l.kinds}, {"histories", l.histories}, {"quickstart", l.quickstart},
	} {
		if *only == "" || slices.Contains(strings.Split(*only, ","), group.name) {
			group.make()
		}
	}
	content, err := json.Marshal(map[string]any{"tables": l.checks})
	require.NoError(t, err)
	path := filepath.Join(l.dir, "tables.json")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// runEngine has an engine read all tables in one process. A table that differs
// is in the report; anything else that goes wrong fails here.
func runEngine(t *testing.T, python, engine, tables string) (report, []byte) {
	path := filepath.Join(t.TempDir(), "report.json")
	output, err := exec.CommandContext(t.Context(), python, "read.py", engine, tables, path, strconv.Itoa(*filters)).CombinedOutput()
	content, rerr := os.ReadFile(path)
	require.NoError(t, rerr, "%v\n%s", err, output)
	var rep report
	require.NoError(t, json.Unmarshal(content, &rep))
	return rep, output
}
