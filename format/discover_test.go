package format_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/source"
)

func discover(t *testing.T, f etl.SchemaFormat, content string) ([]etl.DiscoveredColumn, bool, error) {
	m := source.NewMemory()
	in, err := m.Open(t.Context(), m.Put("landing/file", []byte(content)))
	require.NoError(t, err)
	defer in.Close()
	return f.Discover(t.Context(), in, etl.DiscoverRequest{Location: "landing/file", Kind: etl.Full})
}

func TestDiscoverJSONLines(t *testing.T) {
	got, known, err := discover(t, format.JSONLines{}, `{"i":1,"w":5000000000,"f":0.1,"p":0.1000000001,"h":123456789012345678901,"s":"x","b":true,"n":null,"o":{"a":1},"m":1}
not JSON: Scan tells

{"i":-2,"late":[1],"m":"x","b":false}
`)
	require.NoError(t, err)
	require.True(t, known)
	require.Equal(t, []etl.DiscoveredColumn{
		{Name: "i", Number: true, Types: []etl.Type{etl.Long, etl.Int, etl.Bool, etl.Double, etl.Float}},
		{Name: "w", Sparse: true, Number: true, Types: []etl.Type{etl.Long, etl.Double, etl.Float}},
		{Name: "f", Sparse: true, Number: true, Types: []etl.Type{etl.Double, etl.Float}},
		{Name: "p", Sparse: true, Number: true, Types: []etl.Type{etl.Double}},
		{Name: "h", Sparse: true, Number: true},
		{Name: "s", Sparse: true, Text: true},
		{Name: "b", Types: []etl.Type{etl.Bool}},
		{Name: "n", Sparse: true, Empty: true},
		{Name: "o", Sparse: true, Types: []etl.Type{etl.String}},
		{Name: "m", Text: true},
		{Name: "late", Sparse: true, Types: []etl.Type{etl.String}},
	}, got)

	for _, missing := range []format.Missing{format.MissingIsNull, format.MissingIsUnsupplied} {
		got, _, err = discover(t, format.JSONLines{Missing: missing}, `{"a":1}`+"\n"+`{"b":1}`)
		require.NoError(t, err)
		require.False(t, got[0].Sparse, "the format says what it means")
	}
}

func TestSparseColumns(t *testing.T) {
	in := "{\"a\":1,\"b\":2}\n{\"a\":3}\n"
	for kind, want := range map[etl.LoadKind]bool{etl.Full: false, etl.Incremental: true} {
		req := etl.ScanRequest{Kind: kind, Columns: []etl.ScanColumn{
			{Column: etl.Column{Name: "a", Type: etl.Long}}, {Column: etl.Column{Name: "b", Type: etl.Long}, Sparse: true},
		}}
		for rows, err := range (format.JSONLines{}).Scan(t.Context(), input(t, in), req) {
			require.NoError(t, err)
			require.True(t, rows.Record.Column(1).IsNull(1))
			require.Equal(t, want, rows.Unsupplied != nil && rows.Unsupplied[1][1])
		}
	}
}

func TestDiscoverDebezium(t *testing.T) {
	bare := `{"before":null,"after":{"id":1,"note":"n","born":19773,"deep":{"a":1},"gone":"__debezium_unavailable_value"},"source":{"lsn":77},"op":"c","ts_ms":1}
null
{"before":{"id":1},"after":{"id":2,"note":"n","born":1,"deep":null,"gone":"__debezium_unavailable_value","late":0.5},"source":{"lsn":78},"op":"u","ts_ms":1}
not JSON: Scan tells
{"op":"t"}
`
	own := []etl.DiscoveredColumn{
		{Name: "__op", Text: true, Envelope: true}, {Name: "__ts_ms", Text: true, Envelope: true},
		{Name: "__source_lsn", Text: true, Envelope: true}, {Name: "__before_id", Text: true, Envelope: true},
	}
	got, known, err := discover(t, format.Debezium{}, bare)
	require.NoError(t, err)
	require.True(t, known)
	numbers := []etl.Type{etl.Long, etl.Int, etl.Bool, etl.Double, etl.Float, etl.Date, etl.Timestamp, etl.TimestampTZ}
	require.Equal(t, append([]etl.DiscoveredColumn{
		{Name: "id", Number: true, Types: numbers}, {Name: "note", Text: true}, {Name: "born", Number: true, Types: numbers},
		{Name: "deep", Number: true, Types: []etl.Type{etl.String}}, {Name: "gone", Empty: true},
		{Name: "late", Number: true, Sparse: true, Types: []etl.Type{etl.Double, etl.Float}},
	}, own...), got)
}

func TestDiscoverDebeziumBySchema(t *testing.T) {
	event := func(n, more string) string {
		fields := `{"field":"n","type":"` + n + `"},{"field":"born","type":"int32","name":"io.debezium.time.Date"},` +
			`{"field":"at","type":"int64","name":"io.debezium.time.MicroTimestamp"},{"field":"zoned","type":"string","name":"io.debezium.time.ZonedTimestamp"},` +
			`{"field":"d","type":"double"},{"field":"id","type":"string","name":"io.debezium.data.Uuid"},{"field":"raw","type":"bytes"},` +
			`{"field":"price","type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2","connect.decimal.precision":"9"}}` + more
		return `{"schema":{"type":"struct","fields":[{"field":"after","type":"struct","fields":[` + fields + `]}]},"payload":{"op":"c","source":{},"after":` +
			`{"n":1,"born":3,"at":4,"zoned":"2024-02-20T11:08:25Z","d":5,"id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","raw":"AQ==","price":"BNI="}}}` + "\n"
	}
	types := func(content string) map[string]etl.Type {
		got, _, err := discover(t, format.Debezium{}, content)
		require.NoError(t, err)
		out := map[string]etl.Type{}
		for _, c := range got {
			if len(c.Types) > 0 {
				out[c.Name] = c.Types[0]
			}
		}
		return out
	}
	want := map[string]etl.Type{
		"n": etl.Int, "born": etl.Date, "at": etl.Timestamp, "zoned": etl.TimestampTZ, "d": etl.Double, "id": etl.UUID, "raw": etl.Binary, "price": etl.Decimal(9, 2),
	}
	require.Equal(t, want, types(event("int32", "")))
	want["n"] = etl.Long
	require.Equal(t, want, types(event("int64", "")+event("int32", "")+event("int64", "")), "of several schemas the widest")
	delete(want, "n")
	got := types(event("string", "") + event("int32", ""))
	require.Equal(t, etl.Long, got["n"], "schemas that differ leave it to the values")

	got = types(event("int32", "") + `{"op":"c","source":{},"after":{"born":3}}` + "\n")
	require.Equal(t, etl.Long, got["born"], "not all events have a schema")
}

func TestDiscoverCSV(t *testing.T) {
	got, known, err := discover(t, format.CSV{Header: true}, "\xef\xbb\xbfid,\"a \"\"b\"\"\",-\n1,2,3\n")
	require.NoError(t, err)
	require.True(t, known)
	require.Equal(t, []etl.DiscoveredColumn{{Name: "id", Text: true}, {Name: `a "b"`, Text: true}}, got)

	_, known, err = discover(t, format.CSV{FullColumns: []string{"id"}}, "1\n")
	require.NoError(t, err)
	require.False(t, known)

	for _, bad := range []string{"", "id,id\n", "\"id"} {
		_, _, err = discover(t, format.CSV{Header: true}, bad)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "%q: %v", bad, err)
	}
}
