package format

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
)

var eventColumns = []etl.ScanColumn{
	{Column: etl.Column{Name: "__op", Type: etl.String}},
	{Column: etl.Column{Name: "__source_lsn", Type: etl.Long}},
	{Column: etl.Column{Name: "id", Type: etl.Long}},
	{Column: etl.Column{Name: "note", Type: etl.String}},
	{Column: etl.Column{Name: "born", Type: etl.Date}},
	{Column: etl.Column{Name: "at", Type: etl.TimestampTZ}},
	{Column: etl.Column{Name: "price", Type: etl.Decimal(9, 2)}},
	{Column: etl.Column{Name: "__before_id", Type: etl.Long}, Optional: true},
}

// scanEvents returns the rows as text, null as -, unsupplied as ?.
func scanEvents(d Debezium, text string, kind etl.LoadKind) ([]string, error) {
	var out []string
	req := etl.ScanRequest{Location: "e.json", Kind: kind, Columns: eventColumns}
	for rows, err := range d.Scan(context.Background(), jsonInput{bytes.NewReader([]byte(text))}, req) {
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

func eventOf(op, before, after string) string {
	return fmt.Sprintf(`{"before":%s,"after":%s,"source":{"lsn":77,"table":"t"},"op":%q,"ts_ms":1708427305123}`, before, after, op)
}

const eventRow = `{"id":1,"note":"n","born":19773,"at":1708427305123456,"price":"BNI="}`

func TestDebezium(t *testing.T) {
	moved := strings.Replace(eventRow, `"id":1`, `"id":2`, 1)
	text := strings.Join([]string{
		eventOf("c", "null", eventRow), "null", "",
		eventOf("u", eventRow, moved), eventOf("d", `{"id":2,"note":null,"born":null,"at":null,"price":null}`, "null"),
		`{"schema":null,"payload":null}`,
		`{"schema":null,"payload":` + eventOf("r", "null", `{"id":3,"note":"x","born":-1,"at":"2024-02-20T11:08:25.5Z","price":{"scale":1,"value":"/w=="}}`) + `}`,
	}, "\n")
	got, err := scanEvents(Debezium{Unit: Micros}, text, etl.Incremental)
	require.NoError(t, err)
	require.Equal(t, []string{
		"1|c|77|1|n|2024-02-20|2024-02-20T11:08:25.123456Z|12.34|-",
		"2|u|77|2|n|2024-02-20|2024-02-20T11:08:25.123456Z|12.34|1",
		"3|d|77|2|-|-|-|-|-",
		"4|r|77|3|x|1969-12-31|2024-02-20T11:08:25.5Z|-0.1|-",
	}, got)
}

func TestDebeziumSchemaTellsTypes(t *testing.T) {
	schema := `{"type":"struct","fields":[{"field":"after","fields":[
		{"field":"at","type":"int64","name":"io.debezium.time.Timestamp"},
		{"field":"price","type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"1"}}]}]}`
	line := strings.ReplaceAll(`{"schema":`+schema+`,"payload":`+eventOf("c", "null", strings.Replace(eventRow, "1708427305123456", "1708427305123", 1))+`}`, "\n", "")
	got, err := scanEvents(Debezium{}, line+"\n"+line, etl.Incremental)
	require.NoError(t, err)
	require.Equal(t, []string{
		"1|c|77|1|n|2024-02-20|2024-02-20T11:08:25.123Z|123.4|-",
		"2|c|77|1|n|2024-02-20|2024-02-20T11:08:25.123Z|123.4|-",
	}, got)
}

func TestDebeziumUnavailable(t *testing.T) {
	line := eventOf("u", "null", strings.Replace(eventRow, `"n"`, `"`+unavailable+`"`, 1))
	_, err := scanEvents(Debezium{Unit: Micros}, line, etl.Incremental)
	require.EqualError(t, err, "row 1 of e.json: column note: value is unavailable: the database did not log it")
	got, err := scanEvents(Debezium{Unit: Micros, Unavailable: true}, line, etl.Incremental)
	require.NoError(t, err)
	require.Equal(t, []string{"1|u|77|1|?|2024-02-20|2024-02-20T11:08:25.123456Z|12.34|-"}, got)
	require.True(t, Debezium{Unavailable: true}.Partial(etl.Incremental))
	require.False(t, Debezium{Unavailable: true}.Partial(etl.Full))
}

func TestDebeziumBadInput(t *testing.T) {
	with := func(from, to string) string { return eventOf("c", "null", strings.Replace(eventRow, from, to, 1)) }
	for line, want := range map[string]string{
		`[1]`:                            "not a JSON object",
		`{"id":1}`:                       "not a change event: it has no operation",
		eventOf("t", "null", "null"):     "truncate events are not supported",
		eventOf("x", "null", eventRow):   "unknown operation",
		eventOf("c", eventRow, "null"):   "change event has no row after the change",
		eventOf("d", "null", eventRow):   "delete event has no row before the change",
		eventOf("c", "null", "{}"):       "column id: column is missing",
		with(`"BNI="`, `"sec!"`):         "column price: not a decimal(9,2)",
		with(`"BNI="`, `"////////////"`): "",
		with(`"BNI="`, `"f////////w=="`): "column price: ",
		with(`19773`, `"secret"`):        "column born: not a date",
		with(`19773`, `1e3`):             "column born: not a date",
		with(`19773`, `99999999999`):     "column born: not a date",
		with(`"n"`, `7`):                 "column note: not a string",
		with(`"note"`, `"id"`):           "column id: column is there twice",
		`{"schema":[1],"payload":` + eventOf("c", "null", eventRow) + `}`: "schema of the event is not one of Kafka Connect",
	} {
		_, err := scanEvents(Debezium{Unit: Micros}, line, etl.Incremental)
		if want == "" {
			require.NoError(t, err, line)
			continue
		}
		var re *etl.RowError
		require.ErrorAs(t, err, &re, line)
		require.EqualValues(t, 1, re.Row, line)
		require.ErrorContains(t, err, want, line)
		require.NotContains(t, err.Error(), "secret")
	}
	_, err := scanEvents(Debezium{}, eventOf("c", "null", eventRow), etl.Incremental)
	require.ErrorContains(t, err, "column at: number stands for a moment")
}

// FuzzDebezium: no input makes it panic or quote itself, and every row that it
// takes has an operation.
func FuzzDebezium(f *testing.F) {
	f.Add([]byte(eventOf("u", eventRow, eventRow)))
	f.Add([]byte(`{"schema":{"fields":[{"field":"after","fields":[{"field":"at","name":"io.debezium.time.NanoTimestamp"}]}]},"payload":` + eventOf("c", "null", eventRow) + `}`))
	f.Add([]byte(`{"schema":{},"payload":null}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		rows, err := scanEvents(Debezium{Unit: Nanos, Unavailable: true, Missing: MissingIsNull}, string(line), etl.Incremental)
		for _, r := range rows {
			require.Regexp(t, `^\d+\|[crud]\|`, r)
		}
		var re *etl.RowError
		if err != nil {
			require.ErrorAs(t, err, &re)
		}
	})
}
