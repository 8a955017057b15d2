package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/profile"
)

const checked = `    checks:
      - range: {column: pay, min: 0, max: 1000}
      - complete: {column: born, share: 50%, action: warn}
`

func TestCompare(t *testing.T) {
	b := newBench(t, people)
	b.land("hr/people/LOAD00000001.csv", "id,name,pay,born\n1,Ann,1.5,2000-01-01\n2,Bob,2.5,\n")
	b.land("hr/people/20240220-110825123.csv", "Op,id,name,pay,born\nU,2,Bea,3.5,1999-12-31\nI,3,Cy,,1998-01-01\n")
	b.want(exitOK, "ingest")
	out := b.want(exitOK, "compare", "hr.people").stdout
	require.Equal(t, strings.Join([]string{
		"Match; where source and table differ: source / table", "",
		"COLUMN  VERDICT  TYPE          VALUES  NULLS  DISTINCT  DIFFERS",
		"(rows)  Match                       3",
		"id      Match    int                3      0         3",
		"name    Match    string             3      0         3",
		"pay     Match    decimal(8,2)       2      1         2",
		"born    Match    date               3      0         3", "",
	}, "\n"), out)

	// An export that lacks a change does not match.
	export := filepath.Join(b.dir, "export.csv")
	require.NoError(t, os.WriteFile(export, []byte("id,name,pay,born\n1,Ann,1.5,2000-01-01\n2,Bob,2.5,\n3,Cy,,1998-01-01\n"), 0o600))
	out = b.want(exitError, "compare", "hr.people", "--source", "csv:"+export).stdout
	require.Contains(t, out, "No match; where")
	require.Contains(t, out, "born    No match  date           2 / 3  1 / 0     2 / 3  values, nulls, distinct\n")
	require.Contains(t, out, "pay     No match  decimal(8,2)       2      1         2  max\n")
	require.NotContains(t, out, "3.5")
	out = b.want(exitError, "compare", "hr.people", "--source", "csv:"+export, "--values", "--tolerance", "100%").stdout
	require.Contains(t, out, "2.50 / 3.50")
	require.Contains(t, out, "2000-01-01")

	var doc profile.Comparison
	b.json(exitError, &doc, "compare", "hr.people", "--source", "csv:"+export)
	require.Equal(t, []string{"values", "nulls", "distinct"}, doc.Columns[3].Differs)
	require.Nil(t, doc.Columns[0].Source.Min)
	temp, err := filepath.Glob(filepath.Join(os.TempDir(), "tidemark-compare-*"))
	require.NoError(t, err)
	require.Empty(t, temp)
}

func TestProfile(t *testing.T) {
	b := newBench(t, people)
	b.land("hr/people/LOAD00000001.csv", "id,name,pay,born\n1,Ann,1.5,2000-01-01\n2,Bob,,\n")
	b.want(exitOK, "ingest")
	out := b.want(exitOK, "profile", "hr.people").stdout
	require.Contains(t, out, "2 rows\n\nCOLUMN  TYPE          VALUES  NULLS  COMPLETE  DISTINCT\n")
	require.Contains(t, out, "pay     decimal(8,2)       1      1    50.00%         1\n")
	require.NotContains(t, out, "Ann")
	require.Contains(t, b.want(exitOK, "profile", "hr.people", "--values").stdout, "Ann         Bob\n")
	var doc profile.Profile
	b.json(exitOK, &doc, "profile", "hr.people", "--values")
	require.Equal(t, "Bob", *doc.Columns[1].Max)
	require.Equal(t, etl.Date, doc.Columns[3].Type)
	b.json(exitOK, &doc, "profile", "hr.people", "--source", "files")
	require.EqualValues(t, 2, doc.Rows)
}

func TestProfileUsage(t *testing.T) {
	b := newBench(t, people)
	for _, args := range [][]string{
		{"profile"}, {"compare", "hr.people", "hr.people"}, {"profile", "hr.nobody"}, {"compare", "hr.people", "--source", "xml:a"},
		{"compare", "hr.people", "--source", "csv:"}, {"compare", "hr.people", "--tolerance", "200%"}, {"compare", "hr.people", "--tolerance", "some"},
	} {
		b.want(exitUsage, args...)
	}
	require.Contains(t, b.want(exitError, "compare", "hr.people").stderr, "no file is applied")
	require.Contains(t, b.want(exitOK, "profile", "hr.people").stdout, "0 rows\n")
}

func TestChecksInHistory(t *testing.T) {
	b := newBench(t, people+checked)
	b.land("hr/people/LOAD00000001.csv", "id,name,pay,born\n1,Ann,1.5,\n2,Bob,2.5,\n")
	b.want(exitOK, "ingest")
	require.Contains(t, b.want(exitOK, "history", "hr.people").stdout, "full load of 1 files; check complete(born): 2 of 2 rows have no value, a share of at least 0.5 must have one\n")
	b.land("hr/people/20240220-110825123.csv", "Op,id,name,pay,born\nI,3,Cy,7777,2000-01-01\n")
	b.want(exitPaused, "ingest")
	out := b.want(exitPaused, "why", "hr.people").stdout
	require.Contains(t, out, "check range(pay): 1 of 1 rows are outside the range")
	require.NotContains(t, out, "7777")
	require.NotContains(t, strings.Join(b.rows("hr.people"), "\n"), "7777")
}
