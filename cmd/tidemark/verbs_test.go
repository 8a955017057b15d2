package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

const (
	fullPeople = "id,name,pay,born\n1,Ada,10.50,1990-01-02\n2,Bob,,\n"
	fullFile   = "hr/people/LOAD00000001.csv"
	change1    = "hr/people/20240318-090000000.csv"
	change2    = "hr/people/20240318-091500000.csv"
)

func TestIngest(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, fullPeople)
	b.land(change1, "Op,id,name,pay,born\nU,1,Ada L,11,1990-01-02\nD,2,,,\nI,3,Cid,,\nI,4,Dan,,\nD,4,,,\nD,9,,,\n")
	b.land("hr/people/notes.txt", "?")

	doc := b.ingestDoc(exitOK)
	require.Equal(t, 3, doc.Listed)
	require.Equal(t, 3, doc.Registered)
	require.Equal(t, 1, doc.SetAside)
	require.Len(t, doc.Tables, 1)
	require.Equal(t, "done", doc.Tables[0].Outcome)
	loads := doc.Tables[0].Loads
	require.Len(t, loads, 2)
	require.Equal(t, etl.Full, loads[0].Kind)
	require.Equal(t, []string{change1}, loads[1].Files)
	require.Equal(t, etl.Counts{Read: 6, Inserted: 1, Updated: 1, Deleted: 1, Unchanged: 2, Superseded: 1, RowsBefore: 2, RowsAfter: 2}, loads[1].Counts)
	require.NotEmpty(t, loads[1].Snapshot)
	require.ElementsMatch(t, []string{"1|Ada L|11|1990-01-02", "3|Cid|(null)|(null)"}, b.rows("hr.people"))

	again := b.want(exitOK, "ingest")
	require.Equal(t, "3 files in the source, 0 new\n", again.stdout)
	require.Empty(t, again.stderr)
}

func TestIngestText(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, fullPeople)
	b.land("evil\x1b[31m.csv", "")
	r := b.want(exitOK, "ingest")
	lines := strings.Split(r.stdout, "\n")
	require.Equal(t, "2 files in the source, 2 new", lines[0])
	require.Equal(t, "TABLE LOAD EPOCH FILES READ INSERTED UPDATED DELETED UNCHANGED SUPERSEDED FILTERED SNAPSHOT TOOK", strings.Join(strings.Fields(lines[1]), " "))
	require.Regexp(t, `^hr\.people +full +1 +1 +2 +2 +0 +0 +0 +0 +0 +\d+ +\S+$`, lines[2])
	require.Contains(t, r.stdout, "1 file set aside")

	files := b.want(exitOK, "status", "--files", "--status", "set-aside")
	require.Contains(t, files.stdout, `"evil\x1b[31m.csv"`)
	require.NotContains(t, files.stdout, "\x1b")
	require.NotContains(t, files.stdout, "hr.people")
}

func TestStatusText(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, fullPeople)
	b.want(exitOK, "ingest")
	b.want(exitOK, "pause", "hr.people", "--reason", "moving house")
	b.land(change1, "Op,id,name,pay,born\nU,1,Ada L,11,1990-01-02\n")
	b.want(exitPaused, "ingest")
	r := b.want(exitPaused, "status")
	lines := strings.Split(r.stdout, "\n")
	require.Equal(t, "TABLE FLAG EPOCH PENDING DEFERRED LAST APPLIED LAG WHY", strings.Join(strings.Fields(lines[0]), " "))
	require.Regexp(t, `^hr\.people +P\(L\) +1 +1 +0 +LOAD00000001\.csv +59m +paused by an operator: moving house$`, lines[1])
}

func TestOperatorsVerbs(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, fullPeople)
	b.want(exitOK, "ingest")

	b.want(exitOK, "pause", "hr.people")
	b.land(change1, "Op,id,name,pay,born\nU,1,Eve,,\n")
	doc := b.ingestDoc(exitPaused)
	require.Equal(t, "paused", doc.Tables[0].Outcome)
	require.Empty(t, doc.Tables[0].Loads)
	require.Contains(t, b.want(exitPaused, "ingest").stdout, "resume hr.people")

	require.Contains(t, b.want(exitOK, "resume", "hr.people").stdout, "1 pending")
	var plan struct{ Tables []planDoc }
	b.json(exitOK, &plan, "plan")
	require.Equal(t, etl.Incremental, plan.Tables[0].Load.Kind)
	require.Contains(t, b.want(exitOK, "plan").stdout, "incremental")
	b.ingestDoc(exitOK)
	require.ElementsMatch(t, []string{"1|Eve|(null)|(null)", "2|Bob|(null)|(null)"}, b.rows("hr.people"))

	b.want(exitOK, "reload", "hr.people")
	doc = b.ingestDoc(exitOK)
	require.Len(t, doc.Tables[0].Loads, 2, "the full load and the change after it")
	require.Equal(t, int64(2), doc.Tables[0].Loads[1].Epoch)
	require.ElementsMatch(t, []string{"1|Eve|(null)|(null)", "2|Bob|(null)|(null)"}, b.rows("hr.people"))

	b.want(exitOK, "flag", "hr.people", "G")
	b.land(change2, "Op,id,name,pay,born\nD,1,,,\n")
	require.Equal(t, "waits", b.ingestDoc(exitWaits).Tables[0].Outcome)
	b.want(exitOK, "flag", "hr.people", "L")
	b.ingestDoc(exitOK)

	var history struct{ Entries []entryDoc }
	b.json(exitOK, &history, "history", "-n", "3", "hr.people")
	require.Len(t, history.Entries, 3)
	require.Equal(t, etl.EntryApplied, history.Entries[0].Kind)
	require.Contains(t, history.Entries[1].Text, "flag L")
	require.Len(t, strings.Split(b.want(exitOK, "history", "-n", "0").stdout, "\n"), 13, "a title and a line for each entry")
}

func TestClassify(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, fullPeople)
	b.land("by hand/fix.csv", "Op,id,name,pay,born\nD,2,,,\n")
	b.ingestDoc(exitOK)
	b.want(exitUsage, "classify", "by hand/fix.csv", "--table", "hr.people")
	b.want(exitUsage, "classify", "by hand/fix.csv", "--kind", "full")
	b.want(exitError, "classify", "no such file", "--table", "hr.people", "--kind", "incremental")
	b.want(exitOK, "classify", "by hand/fix.csv", "--table", "hr.people", "--kind", "incremental", "--order", "1")
	b.ingestDoc(exitOK)
	require.Equal(t, []string{"1|Ada|10.5|1990-01-02"}, b.rows("hr.people"))
}

func TestComplete(t *testing.T) {
	b := newBench(t, people+"    completion: {explicit: true}\n")
	b.land(fullFile, fullPeople)
	require.Contains(t, b.want(exitWaits, "ingest").stdout, "complete hr.people   if it has all its files")
	b.want(exitOK, "complete", "hr.people")
	b.ingestDoc(exitOK)
	require.Len(t, b.rows("hr.people"), 2)
	b.want(exitError, "complete", "hr.people")
}

func TestSkipFromStdin(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, fullPeople)
	b.ingestDoc(exitOK)
	b.want(exitOK, "pause", "hr.people")
	b.land(change1, "Op,id,name,pay,born\nD,1,,,\n")
	b.land(change2, "Op,id,name,pay,born\nD,2,,,\n")
	b.want(exitPaused, "ingest")
	r := b.callWith(context.Background(), change1+"\n", "skip", "hr.people", "-")
	require.Equal(t, exitOK, r.code, r.stderr)
	b.ingestDoc(exitOK)
	require.Equal(t, []string{"1|Ada|10.5|1990-01-02"}, b.rows("hr.people"))
	require.Equal(t, exitUsage, b.callWith(context.Background(), "", "skip", "hr.people", "-").code)
}

func TestLocked(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, fullPeople)
	b.ingestDoc(exitOK)
	b.land(change1, "Op,id,name,pay,born\nD,1,,,\n")
	release := b.lock("hr.people")
	doc := b.ingestDoc(exitWaits)
	require.Contains(t, doc.Tables[0].Reason, "locked")
	require.Contains(t, b.want(exitWaits, "reload", "hr.people").stderr, "another process works on hr.people")
	release()
	b.ingestDoc(exitOK)
	require.Len(t, b.rows("hr.people"), 1)
}

func TestUsage(t *testing.T) {
	b := newBench(t, people)
	for _, args := range [][]string{
		{}, {"frobnicate"}, {"ingest", "hr.people"}, {"pause"}, {"pause", "no.table"}, {"flag", "hr.people", "P"}, {"flag", "hr.people"},
		{"status", "--bogus"}, {"status", "no.table"}, {"status", "--status", "pending"}, {"status", "--files", "--status", "odd"},
		{"history", "-n", "-1"}, {"resume", "hr.people", "hr.other"}, {"ingest", "--watch", "fast"}, {"help", "frobnicate"}, {"-c", "no.yaml", "status"},
	} {
		r := b.want(exitUsage, args...)
		require.Contains(t, r.stderr, "tidemark: ", "%v", args)
		require.Empty(t, r.stdout, "%v", args)
	}
	b.want(exitError, "retry", "hr.people")
	b.want(exitError, "skip", "hr.people", "never/seen.csv")
}

func TestHelp(t *testing.T) {
	var out, errs bytes.Buffer
	none := func(string) string { return "" }
	require.Equal(t, exitOK, run(context.Background(), []string{"help"}, nil, &out, &errs, none))
	for _, v := range verbs() {
		require.Contains(t, out.String(), "  "+v.name+" ")
		var help bytes.Buffer
		require.Equal(t, exitOK, run(context.Background(), []string{v.name, "-h"}, nil, &help, &errs, none))
		require.Regexp(t, `Examples?:\n  tidemark .*`+v.name, help.String())
	}
	require.Empty(t, errs.String())
	out.Reset()
	require.Equal(t, exitOK, run(context.Background(), []string{"help", "config"}, nil, &out, &errs, none))
	require.Contains(t, out.String(), "warehouse: lake")
	out.Reset()
	require.Equal(t, exitOK, run(context.Background(), []string{"version", "--json"}, nil, &out, &errs, none))
	require.Contains(t, out.String(), `"go": "go1.`)
}

func TestBadConfig(t *testing.T) {
	b := newBench(t, strings.Replace(people, "key: id", "kee: id", 1))
	r := b.want(exitUsage, "ingest")
	require.Contains(t, r.stderr, "tidemark.yaml:9: tables[0].kee: unknown key")
	require.Contains(t, r.stderr, "tidemark.yaml:8: tables[0]: key is missing")
	require.Empty(t, r.stdout)
	require.Contains(t, b.want(exitUsage, "ingest", "--json").stdout, `"exit_code": 2`)

	b = newBench(t, people)
	require.NoError(t, os.Remove(filepath.Join(b.dir, "landing")))
	require.Contains(t, b.want(exitUsage, "ingest").stderr, "source is not a folder")
}

func TestConfigFromEnvironment(t *testing.T) {
	b := newBench(t, people)
	var out, errs bytes.Buffer
	env := func(name string) string {
		require.Equal(t, "TIDEMARK_CONFIG", name)
		return filepath.Join(b.dir, "tidemark.yaml")
	}
	require.Equal(t, exitOK, run(context.Background(), []string{"status"}, nil, &out, &errs, env), errs.String())
	require.Contains(t, out.String(), "hr.people")
}

func TestLogs(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, fullPeople)
	require.Contains(t, b.want(exitOK, "-v", "ingest").stderr, `level=INFO msg="load applied" table=hr.people`)
	b.land(change1, "Op,id,name,pay,born\nU,x,,,\n")
	r := b.want(exitPaused, "ingest", "--log-json")
	require.Contains(t, r.stderr, `"level":"ERROR","msg":"paused","table":"hr.people"`)
	require.NotContains(t, r.stderr, "DEBUG")
}

func TestRebuild(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, fullPeople)
	b.land(change1, "Op,id,name,pay,born\nD,1,,,\n")
	b.ingestDoc(exitOK)
	b.want(exitError, "rebuild", "hr.people")
	want := b.rows("hr.people")

	files, err := filepath.Glob(filepath.Join(b.dir, "control.db*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		require.NoError(t, os.Remove(f))
	}
	b.land(change2, "Op,id,name,pay,born\nD,2,,,\n")
	b.want(exitOK, "rebuild", "hr.people")
	b.want(exitPaused, "ingest")
	require.Equal(t, want, b.rows("hr.people"))
	b.want(exitOK, "resume", "hr.people")
	doc := b.ingestDoc(exitOK)
	require.Len(t, doc.Tables[0].Loads, 1, "only what the table does not hold is applied")
	require.Empty(t, b.rows("hr.people"))
}
