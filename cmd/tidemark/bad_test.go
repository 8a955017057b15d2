package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// secret stands in every bad file. It must not come out anywhere.
const secret = "s3cr3t-cell"

const (
	goodFull   = "id,name,pay,born\n1,Ada,10.50,1990-01-02\n2,Bob,,\n"
	goodHead   = "Op,id,name,pay,born\n"
	goodChange = goodHead + "U,1,Ada L,11,1990-01-02\n"
)

type badFile struct {
	text   string
	row    int64
	column string
	rule   string
	// parquet tables have another location and config
	parquet bool
	// spoil happens after the file was registered and before it is applied.
	spoil func(b *bench, location string)
}

func badFiles(t *testing.T) map[string]badFile {
	zipped := gzipped(t, goodHead+strings.Repeat("I,7,"+secret+",,\n", 100))
	return map[string]badFile{
		"quote in a plain field": {text: goodHead + "I,7," + secret + "\"x,,\n", row: 1, rule: "quote"},
		"quote never closed":     {text: goodHead + "I,7,ok,,\nI,8,\"" + secret + ",,\n", row: 2, rule: "quote"},
		"text after a quote":     {text: goodHead + "I,7,\"a\"" + secret + ",,\n", row: 1, rule: "quote"},
		"too few fields":         {text: goodHead + "I,7," + secret + "\n", row: 1, rule: "has 3 fields, expected 5"},
		"too many fields":        {text: goodHead + "I,7,ok,,\nI,8," + secret + ",,,\n", row: 2, rule: "has 6 fields, expected 5"},
		"not a number":           {text: goodHead + "I,7,ok," + secret + ",\n", row: 1, column: "pay", rule: "not a decimal"},
		"not a date":             {text: goodHead + "I,7,ok,,1990-02-30 " + secret + "\n", row: 1, column: "born", rule: "not a date"},
		"key is no number":       {text: goodHead + "I," + secret + ",x,,\n", row: 1, column: "id", rule: "not an int"},
		"key overflows":          {text: goodHead + "I,99999999999," + secret + ",,\n", row: 1, column: "id", rule: "int"},
		"decimal overflows":      {text: goodHead + "I,7," + secret + ",12345678.90,\n", row: 1, column: "pay", rule: "decimal"},
		"null key":               {text: goodHead + "I,7,ok,,\nI,," + secret + ",,\n", row: 2, column: "id", rule: "null"},
		"null in required":       {text: goodHead + "I,7,,1.00," + "\n", row: 1, column: "name", rule: "null"},
		"unknown operation":      {text: goodHead + secret + ",7,x,,\n", row: 1, column: "Op", rule: "operation"},
		"column missing":         {text: "Op,id,name,born\nI,7," + secret + ",\n", column: "pay", rule: "column is missing"},
		"column twice":           {text: "Op,id,name,name,pay,born\nI,7," + secret + ",x,,\n", column: "name", rule: "twice"},
		"empty file":             {text: "", rule: "empty"},
		"truncated gzip":         {text: zipped[:len(zipped)/2], rule: "gzip"},
		"not utf-8":              {text: goodHead + "I,7," + secret + "\xff\xfe,,\n", row: 1, column: "name", rule: "UTF-8"},
		"vanished": {text: goodChange, rule: "vanished", spoil: func(b *bench, location string) {
			require.NoError(b.t, os.Remove(filepath.Join(b.dir, "landing", location)))
		}},
		"parquet of another type": {text: parquetFile(t, arrow.BinaryTypes.String), column: "id", rule: "", parquet: true},
		"parquet truncated":       {text: parquetFile(t, arrow.PrimitiveTypes.Int32)[:60], rule: "", parquet: true},
		"parquet that is text":    {text: goodChange + secret, rule: "", parquet: true},
	}
}

func TestBadInput(t *testing.T) {
	for name, bad := range badFiles(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testBadFile(t, bad)
		})
	}
}

func testBadFile(t *testing.T, bad badFile) {
	b := newBench(t, people, "  - name: hr.units\n    key: id\n    op: Op\n    columns: {id: int, name: string}\n    parquet: {}\n")
	table, location, next := "hr.people", change1, change2
	b.land(fullFile, goodFull)
	if bad.parquet {
		table, location, next = "hr.units", "hr/units/20240318-090000000.parquet", "hr/units/20240318-091500000.parquet"
	}
	b.ingestDoc(exitOK)
	before := b.want(exitOK, "history", "-n", "0", table).stdout

	b.land(location, bad.text)
	if bad.spoil != nil {
		b.want(exitOK, "pause", table)
		b.want(exitPaused, "ingest") // registers only
		bad.spoil(b, location)
		b.want(exitOK, "resume", table)
	}
	text := b.want(exitPaused, "ingest", "-v")
	doc := b.ingestDoc(exitPaused) // a second time: it stays so
	require.Contains(t, text.stdout, table+" is paused: ")
	for _, way := range []string{"retry ", "skip ", "reload "} {
		require.Contains(t, text.stdout, way+table)
	}
	diagnosis := pausedOf(doc, table)
	require.NotNil(t, diagnosis)
	require.Equal(t, location, diagnosis.File)
	require.Equal(t, bad.row, diagnosis.Row, "%+v", diagnosis)
	require.Equal(t, bad.column, diagnosis.Column, "%+v", diagnosis)
	require.Contains(t, diagnosis.Rule+diagnosis.Cause, bad.rule)
	require.Contains(t, diagnosis.Cause, location)

	outputs := []result{text, b.want(exitPaused, "status"), b.want(exitPaused, "status", "--json"), b.want(exitOK, "history", "--json"),
		b.want(exitOK, "status", "--files"), b.want(exitOK, "status", "--files", "--json"), b.want(exitOK, "plan"), b.want(exitPaused, "ingest", "-v", "--log-json")}
	for _, out := range outputs {
		require.NotContains(t, out.stdout+out.stderr, "s3cr3t", "a cell's value came out")
	}

	if !bad.parquet {
		require.ElementsMatch(t, []string{"1|Ada|10.5|1990-01-02", "2|Bob|(null)|(null)"}, b.rows(table), "nothing was committed")
		require.NotContains(t, strings.TrimPrefix(b.want(exitOK, "history", "-n", "0", table).stdout, before), "applied incremental")
	}
	b.want(exitOK, "skip", table)
	good, want := goodChange, "1|Ada L|11|1990-01-02"
	if bad.parquet {
		good, want = parquetFile(t, arrow.PrimitiveTypes.Int32), "7|ok"
	}
	b.land(next, good)
	after := b.ingestDoc(exitOK)
	require.Equal(t, 1, loads(after), "the next file goes through")
	require.Contains(t, b.rows(table), want)
}

func pausedOf(doc ingestDoc, table string) *etl.Diagnosis {
	for _, t := range doc.Tables {
		if t.Table == table {
			return t.Paused
		}
	}
	return nil
}

// A file that is overwritten between its registration and its load.
func TestChangedFile(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, goodFull)
	b.ingestDoc(exitOK)
	b.land(change1, goodChange)
	b.want(exitOK, "pause", "hr.people")
	b.want(exitPaused, "ingest")
	b.want(exitOK, "resume", "hr.people")
	b.land(change1, goodHead+"U,1,"+secret+",12,\n")

	doc := b.ingestDoc(exitPaused)
	d := pausedOf(doc, "hr.people")
	require.Equal(t, change1, d.File)
	require.Contains(t, d.Cause, "changed")
	b.want(exitOK, "skip", "hr.people")
	b.ingestDoc(exitOK)
	require.Contains(t, b.rows("hr.people"), "1|"+secret+"|12|(null)", "the new content is a file of its own")
}

// A file without rows pauses the table, lest an export that broke off empties it,
// unless the table allows such files.
func TestHeaderOnly(t *testing.T) {
	b := newBench(t, people)
	b.land(fullFile, goodFull)
	b.land(change1, goodHead)
	d := pausedOf(b.ingestDoc(exitPaused), "hr.people")
	require.Equal(t, change1, d.File)
	require.Equal(t, "file has no rows", d.Rule)
	require.Len(t, b.rows("hr.people"), 2)

	b = newBench(t, people+"    allow_empty: true\n")
	b.land(fullFile, goodFull)
	b.land(change1, goodHead)
	doc := b.ingestDoc(exitOK)
	require.Len(t, doc.Tables[0].Loads, 2)
	require.Zero(t, doc.Tables[0].Loads[1].Counts.Read)
	require.Len(t, b.rows("hr.people"), 2)
}

// A bad full load leaves the table as it was; the other table is not held up.
func TestBadFullLoad(t *testing.T) {
	b := newBench(t, people, strings.Replace(people, "hr.people", "hr.others", 1))
	b.land(fullFile, goodFull)
	b.ingestDoc(exitOK)
	b.land("hr/people/LOAD00000002.csv", "id,name,pay,born\n5,Eve,,\n6,"+secret+",x,\n")
	b.land("hr/others/LOAD00000001.csv", goodFull)
	doc := b.ingestDoc(exitPaused)
	require.Equal(t, int64(2), pausedOf(doc, "hr.people").Row)
	require.Equal(t, "done", doc.Tables[1].Outcome)
	require.Len(t, b.rows("hr.others"), 2)
	require.ElementsMatch(t, []string{"1|Ada|10.5|1990-01-02", "2|Bob|(null)|(null)"}, b.rows("hr.people"))
	b.want(exitOK, "skip", "hr.people")
	b.land(change1, goodChange)
	b.ingestDoc(exitOK)
	require.Contains(t, b.rows("hr.people"), "1|Ada L|11|1990-01-02")
}

func gzipped(t *testing.T, text string) string {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	_, err := z.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return buf.String()
}

// parquetFile has one row, I 7 ok, whose id is of that type.
func parquetFile(t *testing.T, id arrow.DataType) string {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "Op", Type: arrow.BinaryTypes.String}, {Name: "id", Type: id}, {Name: "name", Type: arrow.BinaryTypes.String},
	}, nil)
	rb := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer rb.Release()
	rb.Field(0).(*array.StringBuilder).Append("I")
	switch f := rb.Field(1).(type) {
	case *array.Int32Builder:
		f.Append(7)
	case *array.StringBuilder:
		f.Append(secret)
	}
	rb.Field(2).(*array.StringBuilder).Append("ok")
	rec := rb.NewRecordBatch()
	defer rec.Release()
	var buf bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &buf, nil, pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	require.NoError(t, w.Write(rec))
	require.NoError(t, w.Close())
	return buf.String()
}
