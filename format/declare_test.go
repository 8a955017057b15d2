package format_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

// declared is what another engine reads: the declaration after its way through JSON.
func declared(t *testing.T, d etl.Declarer) string {
	t.Helper()
	decl, err := d.Declare()
	require.NoError(t, err)
	text, err := json.Marshal(decl)
	require.NoError(t, err)
	return string(text)
}

func TestDeclareCSV(t *testing.T) {
	table := etl.Table{Columns: etl.Columns{{Name: "id"}, {Name: "v"}}, Op: etl.OpColumn{Column: "Op"}}
	missing := "?"
	limits := `"max_decompressed_bytes":68719476736,"max_field_bytes":16777216,"max_ratio":1000,"max_row_bytes":67108864`
	tests := map[string]struct {
		format etl.Format
		want   string
	}{
		"header": {
			format.CSV{Header: true, Null: "NULL"},
			`{"kind":"csv","options":{"delimiter":",","header":true,` + limits + `,"null":"NULL","quote":"\""}}`,
		},
		"of a table": {
			format.CSV{Delimiter: '\t', Quote: format.NoQuote, NotSupplied: &missing}.ForTable(table),
			`{"kind":"csv","options":{"change_columns":["Op","id","v"],"delimiter":"\t","full_columns":["id","v"],"header":false,` +
				limits + `,"not_supplied":"?","null":"","quote":""}}`,
		},
		"limits": {
			format.CSV{Header: true, MaxFieldBytes: 1, MaxRowBytes: 1 << 40, MaxDecompressedBytes: -1, MaxRatio: -1, Quote: '\''},
			`{"kind":"csv","options":{"delimiter":",","header":true,"max_decompressed_bytes":-1,"max_field_bytes":1,"max_ratio":-1,` +
				`"max_row_bytes":1073741824,"null":"","quote":"'"}}`,
		},
	}
	for name, test := range tests {
		require.JSONEq(t, test.want, declared(t, test.format.(etl.Declarer)), name)
	}
}

func TestDeclareCSVRefuses(t *testing.T) {
	notUTF8 := "\xff"
	for name, c := range map[string]format.CSV{
		"no columns":       {},
		"one list only":    {FullColumns: []string{"a"}},
		"a column twice":   {FullColumns: []string{"a", "a"}, ChangeColumns: []string{"a"}},
		"both":             {Header: true, FullColumns: []string{"a"}},
		"same characters":  {Header: true, Delimiter: '"'},
		"not ASCII":        {Header: true, Delimiter: 0xe9},
		"negative limit":   {Header: true, MaxRowBytes: -1},
		"text not UTF-8":   {Header: true, NotSupplied: &notUTF8},
		"null not UTF-8":   {Header: true, Null: notUTF8},
		"column not UTF-8": {FullColumns: []string{notUTF8}, ChangeColumns: []string{"a"}},
	} {
		_, err := c.Declare()
		require.Error(t, err, name)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err), name)
	}
}

func TestDeclareJSONLines(t *testing.T) {
	limits := `"max_decompressed_bytes":68719476736,"max_ratio":1000,"max_row_bytes":67108864`
	for missing, name := range map[format.Missing]string{
		format.MissingIsBad: "bad", format.MissingIsNull: "null", format.MissingIsUnsupplied: "unsupplied",
	} {
		want := `{"kind":"jsonlines","options":{"missing":"` + name + `",` + limits + `}}`
		require.JSONEq(t, want, declared(t, format.JSONLines{Missing: missing}))
	}
	_, err := format.JSONLines{Missing: 9}.Declare()
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}
