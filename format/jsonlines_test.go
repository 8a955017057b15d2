package format

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
)

type jsonInput struct{ *bytes.Reader }

func (jsonInput) Close() error { return nil }

var jsonColumns = []etl.ScanColumn{
	{Column: etl.Column{Name: "id", Type: etl.Long}}, {Column: etl.Column{Name: "name", Type: etl.String}},
	{Column: etl.Column{Name: "at", Type: etl.TimestampTZ}}, {Column: etl.Column{Name: "old", Type: etl.Long}, Optional: true},
}

// scanJSON returns the rows as text, null as -, unsupplied as ?.
func scanJSON(j JSONLines, text []byte, kind etl.LoadKind, choose func(int64) bool) ([]string, error) {
	var out []string
	req := etl.ScanRequest{Location: "f.jsonl", Kind: kind, Columns: jsonColumns, Select: choose}
	for rows, err := range j.Scan(context.Background(), jsonInput{bytes.NewReader(text)}, req) {
		if err != nil {
			return out, err
		}
		for i, n := range rows.Numbers {
			line := fmt.Sprint(n)
			for c, col := range rows.Record.Columns() {
				switch {
				case rows.Unsupplied != nil && rows.Unsupplied[c] != nil && rows.Unsupplied[c][i]:
					line += "|?"
				case col.IsNull(i):
					line += "|-"
				default:
					line += "|" + col.ValueStr(i)
				}
			}
			out = append(out, line)
		}
	}
	return out, nil
}

func TestJSONLines(t *testing.T) {
	text := []byte("\xef\xbb\xbf" + `{"id":1,"name":"Ann \"\u00e9\ud83d\ude93\"","at":"2024-02-20T11:08:25Z","extra":{"a":[1,{"b":"}"}]}}` + "\r\n\n" +
		` { "name" : null , "id" : "2" , "at" : null, "old": 7 } ` + "\n" +
		`{"id":3,"name":{"x":[1,2]},"at":"2024-02-20 11:08:25+01"}`)
	got, err := scanJSON(JSONLines{}, text, etl.Incremental, nil)
	require.NoError(t, err)
	want := []string{`1|1|Ann "é🚓"|2024-02-20T11:08:25Z|-`, "2|2|-|-|7", `3|3|{"x":[1,2]}|2024-02-20T10:08:25Z|-`}
	require.Equal(t, want, got)

	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write(text)
	require.NoError(t, w.Close())
	got, err = scanJSON(JSONLines{}, z.Bytes(), etl.Incremental, func(row int64) bool { return row == 3 })
	require.NoError(t, err)
	require.Equal(t, want[2:], got)
}

// A key column may be an ordering column, too.
func TestJSONLinesColumnTwice(t *testing.T) {
	id := etl.ScanColumn{Column: etl.Column{Name: "id", Type: etl.Long}}
	for rows, err := range (JSONLines{}).Scan(t.Context(), jsonInput{bytes.NewReader([]byte(`{"id":7}`))}, etl.ScanRequest{Columns: []etl.ScanColumn{id, id}}) {
		require.NoError(t, err)
		require.Equal(t, "7", rows.Record.Column(0).ValueStr(0))
		require.Equal(t, "7", rows.Record.Column(1).ValueStr(0))
	}
}

func TestJSONLinesMissing(t *testing.T) {
	text := []byte(`{"id":1}` + "\n")
	_, err := scanJSON(JSONLines{}, text, etl.Incremental, nil)
	require.EqualError(t, err, "row 1 of f.jsonl: column name: column is missing")
	for missing, kinds := range map[Missing]map[etl.LoadKind]string{
		MissingIsNull:       {etl.Full: "1|1|-|-|-", etl.Incremental: "1|1|-|-|-"},
		MissingIsUnsupplied: {etl.Full: "1|1|-|-|-", etl.Incremental: "1|1|?|?|-"},
	} {
		for kind, want := range kinds {
			got, err := scanJSON(JSONLines{Missing: missing}, text, kind, nil)
			require.NoError(t, err)
			require.Equal(t, []string{want}, got)
		}
	}
	require.True(t, JSONLines{Missing: MissingIsUnsupplied}.Partial(etl.Incremental))
	require.False(t, JSONLines{Missing: MissingIsUnsupplied}.Partial(etl.Full))
}

func TestJSONLinesBadInput(t *testing.T) {
	for line, want := range map[string]string{
		`[1]`:                              "not a JSON object",
		`{"id":1,"name":"a","at":null} x`:  "not a JSON object",
		`{"id":1,"name":"a","at":null`:     "not a JSON object",
		`{"id":01,"name":"a","at":null}`:   "not a JSON object",
		`{"id":1,"name":"\ud800","at":0}`:  "not a JSON object",
		"{\"id\":1,\"name\":\"a\tb\"}":     "not a JSON object",
		`{"id":"secret","name":"a"}`:       "column id: not a long",
		`{"id":1.5,"name":"a"}`:            "column id: not a long",
		`{"id":1,"id":2}`:                  "column id: column is there twice",
		`{"id":1,"name":7}`:                "column name: not a string",
		`{"id":1,"name":"a","at":"later"}`: "column at: not a timestamp",
		`{"id":{},"name":"a"}`:             "column id: not a long",
		"{\"id\":1,\"name\":\"\xff\"}":     "column name: ",
	} {
		_, err := scanJSON(JSONLines{}, []byte("\n"+line+"\n"), etl.Full, nil)
		var re *etl.RowError
		require.ErrorAs(t, err, &re, line)
		require.EqualValues(t, 1, re.Row)
		require.ErrorContains(t, err, want, line)
		require.NotContains(t, err.Error(), "secret")
	}
	_, err := scanJSON(JSONLines{MaxRowBytes: 100}, bytes.Repeat([]byte("x"), 1<<20), etl.Full, nil)
	require.ErrorContains(t, err, "row 1 of f.jsonl: record is longer than 100 bytes")
	_, err = scanJSON(JSONLines{}, bytes.Repeat([]byte(`{"a":`), 1000), etl.Full, nil)
	require.ErrorContains(t, err, "not a JSON object")
}

// FuzzJSONLines compares the parser with the standard library's: both take the
// same lines for objects, and see the same strings.
func FuzzJSONLines(f *testing.F) {
	f.Add([]byte(`{"id":1,"name":"Ann","at":null}`))
	f.Add([]byte(`{"a":{"b":[1,-2.5e+7,true,"\u00e9\ud83d\ude93\\"]},"name":"\/"}`))
	f.Add([]byte(`{"":[[[]]]} `))
	f.Fuzz(func(t *testing.T, line []byte) {
		var p jsonParser
		got := map[string]string{}
		rule := p.object(line, func(name []byte, v jsonValue) bool {
			if v.kind == jsonString {
				got[string(name)] = string(v.text)
			} else {
				delete(got, string(name))
			}
			return true
		})
		want := map[string]json.RawMessage{}
		err := json.Unmarshal(line, &want)
		isObject := err == nil && bytes.HasPrefix(bytes.TrimLeft(line, " \t\r\n"), []byte("{"))
		if rule == "" {
			require.True(t, isObject, "%q", line)
		}
		if rule == "" && utf8.Valid(line) {
			for name, text := range got {
				var s string
				require.NoError(t, json.Unmarshal(want[name], &s))
				require.Equal(t, s, text, "%q", line)
			}
		}
		_, _ = scanJSON(JSONLines{Missing: MissingIsNull}, line, etl.Incremental, nil)
	})
}
