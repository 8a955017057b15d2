package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
	"github.com/tidemark-data/etl/check/hllcheck"
	"github.com/tidemark-data/etl/internal/config"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/transform"
)

const checkTable = `source: {dir: landing}
state: state.db
warehouse: lake
layout: {dms: {}}
tables:
  - name: a.b
    key: id
    columns: {id: string, n: long, s: string, at: timestamptz}
    checks:
`

func parseChecks(dir string, items ...string) ([]etl.TableCheck, error) {
	c, err := config.Parse(filepath.Join(dir, "tidemark.yaml"), []byte(checkTable+"      - "+strings.Join(items, "\n      - ")+"\n"))
	if err != nil {
		return nil, err
	}
	return c.Tables[0].Checks, nil
}

// found is what a check says of three rows.
func found(t *testing.T, c etl.Check) etl.Verdict {
	columns := etl.Columns{{Name: "id", Type: etl.String}, {Name: "n", Type: etl.Long}, {Name: "s", Type: etl.String}, {Name: "at", Type: etl.TimestampTZ}}
	scope := etl.CheckScope{
		Target: etl.Target{Columns: columns, Schema: columns.Schema()}, Load: etl.Load{Kind: etl.Full, Files: []etl.File{{Location: "a/b/1.csv"}}},
		Now: time.Date(2024, 2, 20, 12, 0, 0, 0, time.UTC), Tables: sink.NewMemory(),
	}
	for i := range 20 {
		scope.Past = append(scope.Past, etl.PastLoad{Kind: etl.Full, Receipt: etl.Receipt{Counts: etl.Counts{Read: int64(i)}}})
	}
	rows, err := transform.LookupRows{Cols: columns, Rows: [][]string{
		{"a", "1", "x", "2024-02-20 11:00:00"}, {"b", "-2", "x", "2024-02-19 11:00:00"}, {"c", "30", "", ""},
	}}.Load(t.Context())
	require.NoError(t, err)
	checker, err := c.Begin(t.Context(), scope)
	require.NoError(t, err)
	_, err = checker.Rows(t.Context(), rows)
	require.NoError(t, err)
	v, err := checker.Verdict(t.Context(), etl.Counts{Read: 3})
	require.NoError(t, err)
	return v
}

// TestChecksAsInGo: each check written in YAML finds what the one made in Go finds.
func TestChecksAsInGo(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"landing/a/b/1.csv.count", "counts/a/b/1.csv.n"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(map[bool]string{true: "3\n", false: "4"}[strings.HasSuffix(name, "count")]), 0o644))
	}
	for yaml, inGo := range map[string]etl.Check{
		`rows: {min: 1, max: 2}`:                           check.Rows(1, 2),
		`rows: {min: 4}`:                                   check.Rows(4, -1),
		`rows_of: {}`:                                      check.RowsOf(check.CountFiles(os.DirFS(filepath.Join(dir, "landing")), ".count")),
		`rows_of: {folder: counts, suffix: .n}`:            check.RowsOf(check.CountFiles(os.DirFS(filepath.Join(dir, "counts")), ".n")),
		`complete: {column: s}`:                            check.Complete("s", 1),
		`complete: {column: s, share: 60%}`:                check.Complete("s", 0.6),
		`complete: {column: s, share: 0.7}`:                check.Complete("s", 0.7),
		`unique: {columns: s}`:                             check.Unique("s"),
		`unique: {columns: [id, s]}`:                       check.Unique("id", "s"),
		`range: {column: n, min: -1, max: 30}`:             check.Range("n", "-1", "30"),
		`range: {column: n, max: "29"}`:                    check.Range("n", "", "29"),
		`range: {column: at, min: "2024-02-20 00:00:00"}`:  check.Range("at", "2024-02-20 00:00:00", ""),
		`allowed: {column: n, values: [1, "-2"]}`:          check.Allowed("n", "1", "-2"),
		`pattern: {column: id, match: "[ab]"}`:             check.Pattern("id", "[ab]"),
		`fresh: {column: at, within: 59m}`:                 check.Fresh("at", 59*time.Minute),
		`distinct: {column: s, min: 2, max: 3}`:            hllcheck.Distinct("s", 2, 3),
		`volume: {}`:                                       check.Volume(0.5, 2, 10),
		`volume: {min: 0, max: 1, loads: 5}`:               check.Volume(0, 1, 5),
		`references: {table: a.c, on: {s: code, id: key}}`: check.References([]string{"s", "id"}, "a.c", []string{"code", "key"}),
	} {
		made, err := parseChecks(dir, yaml)
		require.NoError(t, err, yaml)
		require.Len(t, made, 1)
		require.Equal(t, inGo.Name(), made[0].Check.Name(), yaml)
		require.Equal(t, found(t, inGo), found(t, made[0].Check), yaml)
	}
}

func TestCheckActions(t *testing.T) {
	made, err := parseChecks("", "rows: {min: 1}", "rows: {min: 1, action: warn}", "range: {column: n, min: 0, action: quarantine}")
	require.NoError(t, err)
	require.Equal(t, []etl.CheckAction{"", etl.CheckWarn, etl.CheckQuarantine}, []etl.CheckAction{made[0].Action, made[1].Action, made[2].Action})
}

func TestMistakesInChecks(t *testing.T) {
	for yaml, want := range map[string]string{
		`fresher: {column: at}`:   "tidemark.yaml:10: tables[0].checks[0].fresher: unknown check; known are allowed, complete,",
		`rows: {min: 1, most: 2}`: "tidemark.yaml:10: tables[0].checks[0].rows.most: unknown key; known are action, max, min",
		`rows: {}`:                "has neither min nor max",
		`rows: 5`:                 "is a number; a mapping is expected",
		`rows: {min: 5, max: 1}`:  "tidemark.yaml:10: tables[0].checks[0]: check rows: no number lies between its limits",
		`{rows: {min: 1}, unique: {columns: [n]}}`: "has 2 keys; each check is an item of its own",
		`unique: {}`:                         "columns is missing",
		`complete: {column: x}`:              "tidemark.yaml:10: tables[0].checks[0]: check complete(x): the table has no column x",
		`complete: {column: s, share: 95}`:   "share: is not between 0 and 1",
		`complete: {column: s, share: "95"}`: `share: "95" is not a share such as 0.95 or 95%`,
		`range: {column: n, min: [1]}`:       "min: is a list; a value is expected",
		`range: {column: n, min: old}`:       `check range(n): "old" is not a long`,
		`pattern: {column: s, match: "("}`:   "check pattern(s): error parsing regexp",
		`fresh: {column: at, within: 1 day}`: "within: ",
		`rows: {min: 1, action: stop}`:       `action "stop" is not pause, warn or quarantine`,
		`rows_of: {suffix: ""}`:              "suffix is empty",
		`volume: {min: a}`:                   "min: is text; a number is expected",
	} {
		_, err := parseChecks("", yaml)
		require.ErrorContains(t, err, want, yaml)
	}
}
