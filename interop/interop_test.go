//go:build interop

// Package interop proves that engines of others read the tables right. See
// README.md.
package interop

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var engines = []string{"pyiceberg", "duckdb", "clickhouse", "spark"}

// report is what read.py writes.
type report struct {
	Engine string
	Tables []struct {
		Name         string
		Rows, Counts int
		Error        string
	}
	Known, Gone []string
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
			rep, output := runEngine(t, python, engine, tables)
			t.Logf("%s", output)
			rows := 0
			for _, table := range rep.Tables {
				rows += table.Rows
				t.Run(table.Name, func(t *testing.T) {
					if table.Error != "" {
						t.Errorf("%s: %s", rep.Engine, table.Error)
					}
				})
			}
			require.NotZero(t, rows, "nothing was compared")
			require.Empty(t, rep.Gone, "is read right now: remove it from engines.py and README.md")
		})
	}
}

// writeTables makes all tables and returns the path of their description.
func writeTables(t *testing.T) string {
	l := newLake(t)
	l.wide()
	l.far()
	l.sensitive()
	l.texts()
	l.empty()
	l.moved()
	l.many()
	l.histories(1, 2, 3, 4, 5, 6, 7, 8)
	l.quickstart()
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
	output, err := exec.CommandContext(t.Context(), python, "read.py", engine, tables, path).CombinedOutput()
	content, rerr := os.ReadFile(path)
	require.NoError(t, rerr, "%v\n%s", err, output)
	var rep report
	require.NoError(t, json.Unmarshal(content, &rep))
	return rep, output
}
