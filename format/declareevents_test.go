package format_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

func TestDeclareDebezium(t *testing.T) {
	limits := `"max_decompressed_bytes":68719476736,"max_ratio":1000,"max_row_bytes":67108864`
	require.JSONEq(t, `{"kind":"debezium","options":{"missing":"bad","unavailable":false,"decimal_text":false,"unit":"","units":{},`+limits+`}}`,
		declared(t, format.Debezium{}))
	require.JSONEq(t, `{"kind":"debezium","options":{"missing":"unsupplied","unavailable":true,"decimal_text":true,"unit":"micros","units":{"at":"nanos"},`+
		`"max_decompressed_bytes":-1,"max_ratio":2,"max_row_bytes":3}}`,
		declared(t, format.Debezium{
			Missing: format.MissingIsUnsupplied, Unavailable: true, DecimalText: true, Unit: format.Micros, Units: map[string]format.TimeUnit{"at": format.Nanos},
			MaxRowBytes: 3, MaxDecompressedBytes: -1, MaxRatio: 2,
		}))
	for name, d := range map[string]format.Debezium{
		"missing":        {Missing: 9},
		"limit":          {MaxRowBytes: -1},
		"unit":           {Unit: "weeks"},
		"unit of one":    {Units: map[string]format.TimeUnit{"at": "weeks"}},
		"name not UTF-8": {Units: map[string]format.TimeUnit{"\xff": format.Millis}},
	} {
		_, err := d.Declare()
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err), name)
	}
}

func TestDeclareTransactions(t *testing.T) {
	table := etl.Table{Name: "shop.orders", Columns: etl.Columns{{Name: "id"}, {Name: "v"}}}
	text := `"delimiter":",","max_decompressed_bytes":68719476736,"max_field_bytes":16777216,"max_ratio":1000,"max_row_bytes":67108864,"null":"NULL","quote":"\""`
	changes := `"changes":{"header":false,"change_columns":["Op","-","-","id","v"],` + text + `}`
	plain := format.DMSTransactions{CSV: format.CSV{Null: "NULL"}}.ForTable(table).(etl.Declarer)
	require.JSONEq(t, `{"kind":"dms_transactions","options":{"schema":"shop","table":"orders","lower_case":false,`+
		`"full":{"header":false,"full_columns":["id","v"],`+text+`},`+changes+`}}`, declared(t, plain))
	header := format.DMSTransactions{CSV: format.CSV{Null: "NULL", Header: true}, Schema: "S", Table: "T", LowerCase: true}.ForTable(table).(etl.Declarer)
	require.JSONEq(t, `{"kind":"dms_transactions","options":{"schema":"S","table":"T","lower_case":true,`+
		`"full":{"header":true,`+text+`},`+changes+`}}`, declared(t, header))
	for name, d := range map[string]format.DMSTransactions{
		"no table":       {},
		"no UTF-8":       {CSV: format.CSV{FullColumns: []string{"a"}, ChangeColumns: []string{"Op", "a"}}, Schema: "\xff", Table: "t"},
		"a column twice": {CSV: format.CSV{FullColumns: []string{"a"}, ChangeColumns: []string{"Op", "a", "a"}}, Schema: "s", Table: "t"},
	} {
		_, err := d.Declare()
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err), name)
	}
}
