//go:build spark

// Package transforms compares the transforms of the Spark job with those of the
// engine.
package transforms

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

const tokenKey = "0123456789abcdef0123456789abcdef"

// input is a case for the job: rows as canonical texts, or null, and a chain.
type input struct {
	Columns [][2]string       `json:"columns"`
	Rows    [][]*string       `json:"rows"`
	Chain   []etl.Declaration `json:"chain"`
}

// outcome is what came of it: rows, or the error of a row, or a failure.
type outcome struct {
	Columns [][2]string `json:"columns"`
	Rows    [][]*string `json:"rows"`
	Kept    []int       `json:"kept"`
	Error   *rowError   `json:"error"`
	Failed  string      `json:"failed"`
}

type rowError struct {
	Row    int64  `json:"row"`
	Column string `json:"column"`
	Rule   string `json:"rule"`
}

// python runs a script in the folder that the corpus' paths begin in.
func python(t *testing.T, script string, args ...string) {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", "..", "..", ".."))
	require.NoError(t, err)
	exe := filepath.Join(root, "interop", ".cache", "venv", "bin", "python")
	if _, err := os.Stat(exe); err != nil {
		t.Fatal("the job's Python is not there: run interop/setup.sh first")
	}
	script, err = filepath.Abs(script)
	require.NoError(t, err)
	cmd := exec.Command(exe, append([]string{"-B", script}, args...)...)
	cmd.Dir = filepath.Join(root, "transform")
	cmd.Env = append(os.Environ(), "CORPUS_TOKEN_KEY="+tokenKey, "PYTHONPATH="+filepath.Join(root, "dispatch", "sparkjob"))
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", said)
}

func TestKeys(t *testing.T) { python(t, "test_keys.py") }

// onJob has the job's Python run cases.
func onJob(t *testing.T, cases []input) []outcome {
	t.Helper()
	in, out := filepath.Join(t.TempDir(), "in.json"), filepath.Join(t.TempDir(), "out.json")
	text, err := json.Marshal(cases)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(in, text, 0o600))
	python(t, "run.py", in, out)
	text, err = os.ReadFile(out)
	require.NoError(t, err)
	var outcomes []outcome
	require.NoError(t, json.Unmarshal(text, &outcomes))
	require.Len(t, outcomes, len(cases))
	return outcomes
}

// TestCorpus runs the examples that every engine must agree on.
func TestCorpus(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "..", "..", "..", "transform", "testdata", "*.json"))
	require.NoError(t, err)
	type example struct {
		input
		Name        string          `json:"name"`
		Declaration etl.Declaration `json:"declaration"`
		WantColumns [][2]string     `json:"want_columns"`
		Want        [][]*string     `json:"want"`
		Error       *rowError       `json:"error"`
	}
	var all []example
	var cases []input
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var of []example
		require.NoError(t, json.Unmarshal(text, &of))
		for _, e := range of {
			e.Name = strings.TrimSuffix(filepath.Base(path), ".json") + "/" + e.Name
			e.Chain = []etl.Declaration{e.Declaration}
			all, cases = append(all, e), append(cases, e.input)
		}
	}
	require.Greater(t, len(all), 100)
	for i, got := range onJob(t, cases) {
		t.Run(all[i].Name, func(t *testing.T) {
			require.Empty(t, got.Failed)
			require.Equal(t, all[i].Error, got.Error)
			if all[i].Error == nil {
				require.Equal(t, all[i].WantColumns, got.Columns)
				require.Equal(t, lines(all[i].Want), lines(got.Rows))
			}
		})
	}
	t.Logf("%d examples", len(all))
}

func lines(rows [][]*string) []string {
	out := make([]string, len(rows))
	for i, row := range rows {
		text, _ := json.Marshal(row)
		out[i] = string(text)
	}
	return out
}
