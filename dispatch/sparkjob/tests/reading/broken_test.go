//go:build spark

package reading

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/format/avroformat"
)

// broken is a file with one mistake, and what both have to say of it: "row column: rule"
// and the pass that meets it, or the number of its rows.
type broken struct {
	format etl.Format
	data   string
	want   string
}

// TestBrokenFiles has mistakes of every kind in files of the formats that are more than
// text, which both have to tell in the same words.
func TestBrokenFiles(t *testing.T) {
	var cases []broken
	for _, more := range [][]broken{brokenEvents(), brokenTransactions(), brokenAvro(t), brokenSchemas(t)} {
		cases = append(cases, more...)
	}
	dir := t.TempDir()
	for i, b := range cases {
		c := reading{brokenTable(b.format), etl.Incremental, []byte(b.data)}
		path := filepath.Join(dir, fmt.Sprintf("%05d", i))
		writeFile(t, path, c)
		out := engine(t, c.table, c.kind, c.data, nil)
		picked := []int64{}
		for _, row := range out.First {
			number, err := strconv.ParseInt(*row[0], 10, 64)
			require.NoError(t, err)
			picked = append(picked, number)
		}
		if out.Error == nil {
			out = engine(t, c.table, c.kind, c.data, picked)
		}
		writeJSON(t, path+".picked", picked)
		assert.Equal(t, b.want, told(out), "the engine reads %T %.300q", b.format, b.data)
	}
	python(t, "read.py", dir)
	var got []outcome
	readJSON(t, filepath.Join(dir, "out.json"), &got)
	for i, b := range cases {
		assert.Equal(t, b.want, told(got[i]), "the job reads %T %.300q", b.format, b.data)
	}
	t.Logf("%d files", len(cases))
}

func told(o outcome) string {
	if o.Error == nil {
		return fmt.Sprint(len(o.Rows), " rows")
	}
	return fmt.Sprintf("%d %s: %s (%d)", o.Error.Row, o.Error.Column, o.Error.Rule, o.Pass)
}

func brokenTable(f etl.Format) etl.Table {
	table := etl.Table{
		Name: "s.t", Key: []string{"id"}, Op: etl.OpColumn{Column: "Op", Codes: map[string]etl.Op{"I": etl.Upsert, "D": etl.Delete}},
		Columns: etl.Columns{
			{Name: "id", Type: etl.Long, Required: true}, {Name: "at", Type: etl.Timestamp}, {Name: "price", Type: typeOf("decimal(9,2)")}, {Name: "note", Type: etl.String},
		},
	}
	if of, ok := f.(etl.TableFormat); ok {
		f = of.ForTable(table)
	}
	if of, ok := f.(etl.OpFormat); ok && of.Op().Column != "" {
		table.Op = of.Op()
	}
	table.Format = f
	return table
}

func brokenEvents() []broken {
	d := format.Debezium{Unit: format.Millis}
	loose := format.Debezium{Missing: format.MissingIsNull, Unavailable: true}
	row := func(more string) string { return `{"id":1,"at":1500,"price":"AP8=","note":"x"` + more + `}` }
	event := func(op, before, after string) string {
		return fmt.Sprintf(`{"before":%s,"after":%s,"source":{"lsn":1},"op":%s,"ts_ms":1}`, before, after, op)
	}
	good := event(`"c"`, "null", row("")) + "\n"
	after := func(text string) string { return good + event(`"u"`, "null", text) }
	return []broken{
		{d, good + "null\n\n" + good, "2 rows"},
		{d, "null\n" + `{"schema":{},"payload":null}` + "\n", "0 : file has no rows (1)"},
		{d, good + "[1]", "2 : not a JSON object (1)"},
		{d, good + `{"op":"c"`, "2 : not a JSON object (1)"},
		{d, good + good[:len(good)-1] + "x", "2 : not a JSON object (1)"},
		{d, good + "{}", "2 : not a change event: it has no operation (1)"},
		{d, good + event("5", "null", row("")), "2 : not a change event: it has no operation (1)"},
		{d, good + event(`"m"`, "null", row("")), "2 : unknown operation (1)"},
		{d, good + event(`"t"`, "null", "null"), "2 : truncate events are not supported (1)"},
		{d, good + event(`"u"`, row(""), "null"), "2 : change event has no row after the change (1)"},
		{d, good + event(`"d"`, "null", row("")), "2 : delete event has no row before the change (1)"},
		{d, good + event(`"c"`, "null", "[]"), "2 : not a JSON object (1)"},
		{d, good + `{"schema":{"fields":5},"payload":` + event(`"c"`, "null", row("")) + "}", "2 : schema of the event is not one of Kafka Connect (1)"},
		{d, good + `{"schema":{"fields":[{"field":"after","fields":[{"field":"price","parameters":{"scale":"x"}}]}]},"payload":` + event(`"c"`, "null", row("")) + "}",
			"2 : schema of the event is not one of Kafka Connect (1)"},
		{d, after(`{"at":1,"price":null,"note":null}`), "2 id: column is missing (1)"},
		{d, after(`{"id":null,"at":1,"price":null,"note":null}`), "2 id: key is null (1)"},
		{d, after(`{"id":"secret","at":1,"price":null,"note":null}`), "2 id: not a long (1)"},
		{d, after(`{"id":99999999999999999999,"at":1,"price":null,"note":null}`), "2 id: out of range for long (1)"},
		{d, after(row(`,"id":2`)), "2 id: column is there twice (1)"},
		{d, after(row(`,"note":"y"`)), "2 note: column is there twice (2)"},
		{d, after(`{"id":1,"price":null,"note":null}`), "2 at: column is missing (2)"},
		{d, after(`{"id":1,"at":1.5,"price":null,"note":null}`), "2 at: not a timestamp (2)"},
		{d, after(`{"id":1,"at":253402300800000,"price":null,"note":null}`), "2 at: not a timestamp (2)"},
		{d, after(`{"id":1,"at":true,"price":null,"note":null}`), "2 at: not a timestamp (2)"},
		{loose, after(`{"id":1,"at":1}`), "1 at: number stands for a moment, and neither a schema nor the format's declaration says in which unit (2)"},
		{d, after(`{"id":1,"at":1,"price":"?","note":null}`), "2 price: not a decimal(9,2) (2)"},
		{d, after(`{"id":1,"at":1,"price":{"scale":3,"value":"AQ=="},"note":null}`), "2 price: more than 2 digits after the point (2)"},
		{d, after(`{"id":1,"at":1,"price":{"scale":99,"value":"AQ=="},"note":null}`), "2 price: not a decimal(9,2) (2)"},
		{d, after(`{"id":1,"at":1,"price":"AP//////","note":null}`), "2 price: out of range for decimal(9,2) (2)"},
		{d, after(`{"id":1,"at":1,"price":null,"note":5}`), "2 note: not a string (2)"},
		{d, after("{\"id\":1,\"at\":1,\"price\":null,\"note\":\"\xff\"}"), "2 note: invalid UTF-8 (2)"},
		{d, after(`{"id":1,"at":1,"price":null,"note":"__debezium_unavailable_value"}`), "2 note: value is unavailable: the database did not log it (2)"},
		{d, after(`{"id":"__debezium_unavailable_value"}`), "2 id: value is unavailable: the database did not log it (1)"},
		{loose, `{"op":"u","after":{"id":1,"note":"__debezium_unavailable_value"}}`, "1 rows"},
		{loose, `{"op":"u","after":{"id":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="}}`, "1 id: key is null (1)"},
		{format.Debezium{MaxRowBytes: 100}, good + strings.Repeat(" ", 1<<19), "2 : record is longer than 100 bytes (1)"},
		{d, "\x1f\x8b" + good, "1 : truncated or corrupt gzip (1)"},
	}
}

func brokenTransactions() []broken {
	d := format.DMSTransactions{}
	other := "U,others,s,\"a\nb\"\n"
	good := "I,t,s,1,,,x\n"
	return []broken{
		{d, other + good + other, "1 rows"},
		{d, other, "0 rows"},
		{d, "", "0 rows"},
		{d, other + "I,T,s,1,,,x\n", "0 rows"},
		{format.DMSTransactions{LowerCase: true}, other + "I,T,S,1,,,x\n", "1 rows"},
		{d, good + "I,t\n", "2 : has 2 fields, expected at least 3: operation, table and schema (1)"},
		{d, good + "I\n", "2 : has 1 fields, expected at least 3: operation, table and schema (1)"},
		{d, other + good + "I,t,s,1,,\n", "3 : has 6 fields, expected 7 (1)"},
		{d, good + "I,others,s,\"secret\n", "2 : quote is not closed (1)"},
		{d, good + "I,others,s,a\"b\n", "2 : quote inside an unquoted field (1)"},
		{d, other + good + "X,t,s,2,,,x\n", "3 Op: unknown operation (1)"},
		{d, other + good + ",t,s,2,,,x\n", "3 Op: operation is null (1)"},
		{d, other + good + "X,others,s,2,,,x\n", "1 rows"},
		{d, other + good + "I,t,s,secret,,,x\n", "3 id: not a long (1)"},
		{d, other + good + "I,t,s,,,,x\n", "3 id: key is null (1)"},
		{d, other + good + "I,t,s,2,,1.234,x\n", "3 price: more than 2 digits after the point (2)"},
		{d, other + good + "I,t,s,2,soon,,x\n", "3 at: not a timestamp (2)"},
		{format.DMSTransactions{CSV: format.CSV{MaxFieldBytes: 9}}, good + "I,others,s," + strings.Repeat("x", 20) + "\n" + "I,t,s,2,,," + strings.Repeat("x", 20) + "\n", "3 : field is longer than 9 bytes (1)"},
		{format.DMSTransactions{CSV: format.CSV{MaxRowBytes: 30}}, good + "I,others,s," + strings.Repeat("x", 40) + "\n", "2 : row is longer than 30 bytes (1)"},
		{d, "\xff\xfeI", "0 : file is UTF-16, expected UTF-8 (1)"},
	}
}

const plainRows = `{"type":"record","name":"r","fields":[{"name":"Op","type":"string"},{"name":"id","type":["null","long"]},
 {"name":"at","type":["null",{"type":"long","logicalType":"local-timestamp-nanos"}]},
 {"name":"price","type":["null",{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}]},{"name":"note","type":["null","string"]}]}`

// avroFile writes records, two to a block, in a file of a known marker.
func avroFile(t *testing.T, schema string, codec ocf.Codec, records ...any) string {
	var b bytes.Buffer
	s, err := avro.Parse(schema)
	require.NoError(t, err)
	w, err := ocf.NewWriter(&b, s, ocf.WithCodec(codec), ocf.WithBlockCount(2), ocf.WithSyncMarker([16]byte([]byte("0123456789abcdef"))))
	require.NoError(t, err)
	for _, r := range records {
		require.NoError(t, w.Encode(r))
	}
	require.NoError(t, w.Close())
	return b.String()
}

func plainRow(id, at, note any) map[string]any {
	return map[string]any{"Op": "I", "id": id, "at": at, "price": nil, "note": note}
}

func brokenAvro(t *testing.T) []broken {
	f := avroformat.Format{}
	file := func(last map[string]any) string {
		return avroFile(t, plainRows, nil, plainRow(int64(1), nil, "a"), plainRow(int64(2), nil, "b"), last)
	}
	whole := file(plainRow(int64(3), int64(1000), "c"))
	sync := "0123456789abcdef"
	header := whole[:strings.Index(whole, sync)+len(sync)]
	blocks := strings.Split(whole[len(header):], sync)
	cut := func(n int) string { return whole[:len(whole)-n] }
	with := func(block string) string { return header + blocks[0] + sync + block }
	op := avroFile(t, plainRows, nil, map[string]any{"Op": "?", "id": int64(1), "at": nil, "price": nil, "note": nil})
	snappy, deflate := avroFile(t, plainRows, ocf.SnappyCodec(), plainRow(int64(1), nil, "a")), avroFile(t, plainRows, ocf.DeflateCodec(6), plainRow(int64(1), nil, strings.Repeat("x", 5000)))
	const broken1, no = "1 : record cannot be decoded (1)", "0 : not an Avro object container file (1)"
	const broken3 = "3 : record cannot be decoded (1)"
	return []broken{
		{f, whole, "3 rows"}, {f, header, "0 : file has no rows (1)"}, {f, with(""), "2 rows"},
		{f, "", no}, {f, "Obj", no}, {f, "secret", no}, {f, header[:len(header)-1], no}, {f, "Obj\x01\x00" + sync, no},
		{f, strings.Replace(snappy, "snappy", "secret", 1), no},
		{f, "Obj\x01\x02\xff\xff\xff\xff\x0f" + header, no},
		{f, cut(1), broken3}, {f, cut(16), broken3}, {f, cut(20), broken3}, {f, whole[:len(whole)-1] + "X", broken3},
		{f, with("\x02"), broken3}, {f, with("\x02\x02"), broken3}, {f, with("\x01\x00" + sync), broken3}, {f, with("\x02\x01" + sync), broken3},
		{f, with("\x02\xff\xff\xff\xff\x0f" + sync), broken3},
		{f, with("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), broken3},
		{f, with("\x00\x02x" + sync), "2 rows"},                         // a block without records
		{f, with("\x02\x10\x02I\x02\x06\x00\x00\x00x" + sync), broken3}, // a byte too many
		{f, with("\x02\x0e\x02I\x02\x06\x00\x00\x00" + sync), "3 rows"}, // as it should be
		{f, with("\x02\x0e\x02I\x04\x06\x00\x00\x00" + sync), broken3},  // no such branch
		{f, with("\x02\x0e\x03I\x02\x06\x00\x00\x00" + sync), broken3},  // text of negative length
		{f, with("\x02\x0e\x7fI\x02\x06\x00\x00\x00" + sync), broken3},
		{f, with("\x04\x0e\x02I\x02\x06\x00\x00\x00" + sync), "4 : record cannot be decoded (1)"}, // a record too few
		{f, file(plainRow(nil, nil, nil)), "3 id: key is null (1)"},
		{f, op, "1 Op: unknown operation (1)"},
		{f, file(plainRow(int64(3), int64(1001), nil)), "3 at: finer than microseconds (2)"},
		{f, file(plainRow(int64(3), nil, "\xff")), "3 note: invalid UTF-8 (2)"},
		{f, snappy, "1 rows"}, {f, snappy[:len(snappy)-17] + "\x00" + snappy[len(snappy)-16:], broken1},
		{f, deflate, "1 rows"}, {avroformat.Format{MaxBlockBytes: 4000}, deflate, broken1}, {avroformat.Format{MaxBlockBytes: 10}, deflate, broken1},
		{f, deflate[:len(deflate)-20] + "\xff\xff\xff\xff" + deflate[len(deflate)-16:], broken1},
	}
}

// brokenSchemas are files whose schemas are none, or not those of the table.
func brokenSchemas(t *testing.T) []broken {
	const no = "0 : not an Avro object container file (1)"
	f := avroformat.Format{}
	with := func(schema string) string {
		return "Obj\x01\x02\x16avro.schema" + string(avroLong(len(schema))) + schema + "\x00" + "0123456789abcdef"
	}
	record := func(fields string) string { return with(`{"type":"record","name":"r","fields":[` + fields + `]}`) }
	id := `{"name":"Op","type":"string"},{"name":"id","type":"long"}`
	var out []broken
	for _, fields := range []string{
		`{"name":"id"}`, `{"name":"1d","type":"long"}`, id + "," + id, `{"name":"id","type":"nowhere"}`, `{"name":"id","type":["long","long"]}`, `{"name":"id","type":["null",["null"]]}`,
		`{"name":"id","type":"long","default":"x"}`, `{"name":"id","type":"long","order":"up"}`, `{"name":"id","type":{"type":"bytes","logicalType":"decimal"}}`,
		`{"name":"id","type":{"type":"bytes","logicalType":"decimal","precision":2,"scale":3}}`, `{"name":"id","type":{"type":"fixed","name":"f","size":-1}}`,
		`{"name":"id","type":{"type":"fixed","name":"long","size":1}}`, `{"name":"id","type":{"type":"enum","name":"e","symbols":["A","A"]}}`,
		`{"name":"id","type":{"type":"enum","name":"e","symbols":["A"],"default":"B"}}`, `{"name":"id","type":{"type":"array"}}`, `{"name":"id","type":{"type":{"type":"long"}}}`,
		`{"name":"id","type":{"type":"record","name":"r","fields":[]}}`, `{"name":"a","aliases":["id"],"type":"int"},{"name":"id","type":"int"}`,
		`{"name":"id","type":{"type":"fixed","name":"f","size":1,"logicalType":"decimal","precision":3}}`,
	} {
		out = append(out, broken{f, record(fields), no})
	}
	for fields, want := range map[string]string{
		`{"name":"id","type":"long"}`:                                                                                              "0 Op: column is missing (1)",
		`{"name":"Op","type":"int"},{"name":"id","type":"long"}`:                                                                   "0 Op: file has type int, table wants string (1)",
		`{"name":"Op","type":"string"},{"name":"id","type":["null","int","long"]}`:                                                 "0 id: file has type union, table wants long (1)",
		`{"name":"Op","type":"string"},{"name":"id","type":{"type":"long","logicalType":"timestamp-millis"}}`:                      "0 : file has no rows (1)",
		`{"name":"Op","type":"string"},{"name":"id","type":{"type":"string","logicalType":"uuid"}}`:                                "0 id: file has type string (uuid), table wants long (1)",
		`{"name":"Op","type":"string"},{"name":"id","type":"far"},{"name":"x","type":{"type":"fixed","name":"far","size":2}}`:      "0 id: file has type fixed, table wants long (1)",
		`{"name":"Op","type":{"type":"enum","name":"o","symbols":["I"]}},{"name":"id","type":{"type":"long","x":[1]},"default":5}`: "0 : file has no rows (1)",
	} {
		out = append(out, broken{f, record(fields), want})
	}
	for _, schema := range []string{"", "{", `"long" x`, `["null"`, `{"type":"record","name":"","fields":[]}`, `{"type":"record","name":"r"}`, "\xff", `[["null"]]`, "5", "null", `"nowhere"`, "NaN"} {
		out = append(out, broken{f, with(schema), no})
	}
	return append(out, broken{f, with(`"long"`), "0 id: column is missing (1)"})
}

// avroLong is a number in Avro's encoding.
func avroLong(n int) []byte {
	var out []byte
	for u := uint64(n) << 1; ; u >>= 7 {
		if u < 0x80 {
			return append(out, byte(u))
		}
		out = append(out, byte(u)|0x80)
	}
}
