package avroformat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	etl "github.com/tidemark-data/etl"
)

type input struct{ *bytes.Reader }

func (input) Close() error { return nil }

// write makes a file of records, three to a block.
func write(t testing.TB, schema string, codec ocf.Codec, recs ...any) []byte {
	t.Helper()
	var buf bytes.Buffer
	s, err := avro.Parse(schema)
	require.NoError(t, err)
	w, err := ocf.NewWriter(&buf, s, ocf.WithCodec(codec), ocf.WithBlockCount(3))
	require.NoError(t, err)
	for _, r := range recs {
		require.NoError(t, w.Encode(r))
	}
	require.NoError(t, w.Close())
	return buf.Bytes()
}

// read returns the rows as text, null as -, unsupplied as ?.
func read(f Format, data []byte, req etl.ScanRequest) ([]string, error) {
	var out []string
	req.Location = "f.avro"
	for rows, err := range f.Scan(context.Background(), input{bytes.NewReader(data)}, req) {
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

func wanted(columns ...any) []etl.ScanColumn {
	var out []etl.ScanColumn
	for i := 0; i < len(columns); i += 2 {
		out = append(out, etl.ScanColumn{Column: etl.Column{Name: columns[i].(string), Type: columns[i+1].(etl.Type)}})
	}
	return out
}

const everyType = `{"type":"record","name":"r","namespace":"x.y","fields":[
 {"name":"b","type":["null","boolean"]},
 {"name":"i","type":"int"}, {"name":"l","type":["long","null"]}, {"name":"f","type":"float"}, {"name":"d","type":["null","double"]},
 {"name":"dec","type":["null",{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}]},
 {"name":"day","type":{"type":"int","logicalType":"date"}},
 {"name":"at","type":["null",{"type":"long","logicalType":"local-timestamp-millis"}]},
 {"name":"atz","type":{"type":"long","logicalType":"timestamp-micros"}},
 {"name":"nano","type":{"type":"long","logicalType":"timestamp-nanos"}},
 {"name":"s","type":["null","string"]},
 {"name":"e","type":{"type":"enum","name":"color","symbols":["RED","BLUE"]}},
 {"name":"e2","type":["null","color"]},
 {"name":"bin","type":"bytes"},
 {"name":"id","type":{"type":"string","logicalType":"uuid"}},
 {"name":"raw","type":{"type":"fixed","name":"sixteen","size":16}},
 {"name":"micro","type":{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}},
 {"name":"zoned","type":{"type":"string","connect.name":"io.debezium.time.ZonedTimestamp"}},
 {"name":"many","type":["null","int","string"]}
]}`

func row(n int) map[string]any {
	return map[string]any{
		"b": n%2 == 0, "i": n, "l": int64(n) << 40, "f": float32(n) / 2, "d": nil, "dec": fmt.Sprintf("%d.25", n), "day": 19773,
		"at": int64(1708427305123), "atz": int64(1708427305123456), "nano": int64(1708427305123456000), "s": "é", "e": "BLUE", "e2": "RED",
		"bin": []byte{1, 2}, "id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "raw": bytes.Repeat([]byte{7}, 16),
		"micro": int64(1708427305123456), "zoned": "2024-02-20T11:08:25.5+01:00", "many": nil,
	}
}

func codecs(t *testing.T) map[string]ocf.Codec {
	z, err := ocf.ZstdCodec(nil, nil)
	require.NoError(t, err)
	return map[string]ocf.Codec{"deflate": ocf.DeflateCodec(6), "snappy": ocf.SnappyCodec(), "zstd": z, "null": nil}
}

func TestEveryType(t *testing.T) {
	for name, codec := range codecs(t) {
		var recs []any
		for n := range 10 {
			recs = append(recs, row(n))
		}
		data := write(t, everyType, codec, recs...)
		req := etl.ScanRequest{
			Columns: append(wanted("s", etl.String, "b", etl.Bool, "i", etl.Int, "l", etl.Long, "f", etl.Float, "d", etl.Double, "dec", etl.Decimal(9, 3),
				"day", etl.Date, "at", etl.Timestamp, "atz", etl.TimestampTZ, "nano", etl.TimestampTZ, "e", etl.String, "e2", etl.String, "bin", etl.Binary,
				"id", etl.UUID, "raw", etl.UUID, "micro", etl.Timestamp, "zoned", etl.TimestampTZ),
				etl.ScanColumn{Column: etl.Column{Name: "absent", Type: etl.Long}, Optional: true}),
			Select: func(row int64) bool { return row == 8 },
		}
		got, err := read(Format{}, data, req)
		require.NoError(t, err, name)
		at := "2024-02-20T11:08:25.123"
		require.Equal(t, []string{"8|é|false|7|7696581394432|3.5|-|7.25|2024-02-20|" + at + "|" + at + "456Z|" + at + "456Z|BLUE|RED|AQI=|" +
			"6ba7b810-9dad-11d1-80b4-00c04fd430c8|07070707-0707-0707-0707-070707070707|" + at + "456|2024-02-20T10:08:25.5Z|-"}, got, name)
		req.Select = nil
		got, err = read(Format{}, data, req)
		require.NoError(t, err)
		require.Len(t, got, 10)
	}
}

func TestTypesThatDoNotFit(t *testing.T) {
	data := write(t, everyType, nil, row(1))
	for _, c := range []struct {
		column string
		want   etl.Type
		rule   string
	}{
		{"l", etl.Int, "file has type long, table wants int"},
		{"d", etl.Float, "file has type double, table wants float"},
		{"dec", etl.Decimal(6, 1), "file has type bytes (decimal), table wants decimal(6,1)"},
		{"dec", etl.Decimal(6, 3), "file has type bytes (decimal), table wants decimal(6,3)"},
		{"at", etl.TimestampTZ, "file has type long (local-timestamp-millis), table wants timestamptz"},
		{"atz", etl.Timestamp, "file has type long (timestamp-micros), table wants timestamp"},
		{"i", etl.Date, "file has type int, table wants date"},
		{"many", etl.String, "file has type union, table wants string"},
		{"s", etl.Binary, "file has type string, table wants binary"},
		{"nowhere", etl.Long, "column is missing"},
	} {
		_, err := read(Format{}, data, etl.ScanRequest{Columns: wanted(c.column, c.want)})
		require.EqualError(t, err, "f.avro: column "+c.column+": "+c.rule)
	}
	_, err := read(Format{AnyZone: true}, data, etl.ScanRequest{Columns: wanted("at", etl.TimestampTZ, "atz", etl.Timestamp)})
	require.NoError(t, err)
}

func TestBadValues(t *testing.T) {
	r := row(1)
	r["nano"], r["zoned"] = int64(1708427305123456789), "secret"
	data := write(t, everyType, nil, row(0), r)
	_, err := read(Format{}, data, etl.ScanRequest{Columns: wanted("nano", etl.TimestampTZ)})
	require.EqualError(t, err, "row 2 of f.avro: column nano: finer than microseconds")
	_, err = read(Format{}, data, etl.ScanRequest{Columns: wanted("zoned", etl.TimestampTZ)})
	require.EqualError(t, err, "row 2 of f.avro: column zoned: not a timestamp with a zone")
	got, err := read(Format{}, data, etl.ScanRequest{Columns: wanted("zoned", etl.TimestampTZ), Select: func(n int64) bool { return n == 1 }})
	require.NoError(t, err, "values of rows that nobody wants cannot be bad")
	require.Len(t, got, 1)
}

const envelope = `{"type":"record","name":"Envelope","fields":[
 {"name":"before","type":["null",{"type":"record","name":"Value","fields":[{"name":"id","type":"long"},{"name":"note","type":["null","string"]}]}]},
 {"name":"after","type":["null","Value"]},
 {"name":"source","type":{"type":"record","name":"Source","fields":[{"name":"lsn","type":["null","long"]}]}},
 {"name":"op","type":"string"},{"name":"ts_ms","type":["null","long"]}]}`

func TestChangeEvents(t *testing.T) {
	ev := func(op string, before, after any) any {
		return map[string]any{"op": op, "before": before, "after": after, "source": map[string]any{"lsn": int64(77)}, "ts_ms": int64(5)}
	}
	v := func(id int64, note any) any { return map[string]any{"id": id, "note": note} }
	req := etl.ScanRequest{Kind: etl.Incremental, Columns: wanted("__op", etl.String, "__source_lsn", etl.Long, "__ts_ms", etl.Long,
		"id", etl.Long, "note", etl.String, "__before_id", etl.Long)}
	data := write(t, envelope, nil, ev("c", nil, v(1, "a")), ev("u", v(1, "a"), v(2, placeholder)), ev("d", v(2, nil), nil))
	got, err := read(Format{Events: true, Unavailable: true}, data, req)
	require.NoError(t, err)
	require.Equal(t, []string{"1|c|77|5|1|a|-", "2|u|77|5|2|?|1", "3|d|77|5|2|-|-"}, got)
	_, err = read(Format{Events: true}, data, req)
	require.EqualError(t, err, "row 2 of f.avro: column note: value is unavailable: the database did not log it")
	for _, bad := range []struct {
		event any
		rule  string
	}{
		{ev("t", nil, nil), "truncate events are not supported"},
		{ev("c", nil, nil), "change event has no row after the change"},
		{ev("d", nil, nil), "delete event has no row before the change"},
		{ev("secret", nil, nil), "unknown operation"},
	} {
		_, err := read(Format{Events: true}, write(t, envelope, nil, bad.event), req)
		require.EqualError(t, err, "row 1 of f.avro: "+bad.rule)
	}
}

func TestBrokenFiles(t *testing.T) {
	data := write(t, everyType, ocf.DeflateCodec(6), row(1), row(2), row(3), row(4), row(5))
	req := etl.ScanRequest{Columns: wanted("i", etl.Int)}
	for n := range len(data) {
		got, err := read(Format{}, data[:n], req)
		require.LessOrEqual(t, len(got), 3)
		if err == nil { // cut after a block, which no reader can tell
			require.Contains(t, []int{0, 3}, len(got))
		}
	}
	_, err := read(Format{}, []byte("secret, not Avro"), req)
	require.EqualError(t, err, "f.avro: not an Avro object container file")
	_, err = read(Format{MaxBlockBytes: 10}, data, req)
	require.ErrorContains(t, err, "row 1 of f.avro: record cannot be decoded")
}

type failing struct{ input }

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errStore }

var errStore = errors.New("store is away")

func TestErrorsOfTheStoreAreNotTheFiles(t *testing.T) {
	in := failing{input{bytes.NewReader(write(t, everyType, nil, row(1)))}}
	for _, err := range (Format{}).Scan(context.Background(), in, etl.ScanRequest{Columns: wanted("i", etl.Int)}) {
		require.ErrorIs(t, err, errStore)
	}
}

// FuzzFormat: no input makes it panic, and what is wrong with one is a RowError.
func FuzzFormat(f *testing.F) {
	f.Add(write(f, everyType, nil, row(1), row(2), row(3), row(4)))
	f.Add(write(f, envelope, ocf.SnappyCodec(), map[string]any{"op": "r", "before": nil, "after": map[string]any{"id": int64(1), "note": nil}, "source": map[string]any{"lsn": nil}, "ts_ms": nil}))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, format := range []Format{{MaxBlockBytes: 1 << 16}, {MaxBlockBytes: 1 << 16, Events: true, Unavailable: true}} {
			_, err := read(format, data, etl.ScanRequest{Kind: etl.Incremental, Columns: wanted("id", etl.Long, "s", etl.String)})
			var re *etl.RowError
			if err != nil {
				require.ErrorAs(t, err, &re)
			}
		}
	})
}

func TestTolerantScan(t *testing.T) {
	var recs []any
	for n := range 5 {
		r := row(n)
		if n == 1 || n == 3 {
			r["zoned"] = "secret"
		}
		recs = append(recs, r)
	}
	data := write(t, everyType, nil, recs...)
	req := etl.ScanRequest{Location: "f.avro", Columns: wanted("i", etl.Int, "zoned", etl.TimestampTZ, "s", etl.String), Tolerant: true}
	var numbers []int64
	var bad []string
	for rows, err := range (Format{}).Scan(context.Background(), input{bytes.NewReader(data)}, req) {
		require.NoError(t, err)
		require.EqualValues(t, len(rows.Numbers), rows.Record.NumRows())
		require.Zero(t, rows.Record.Column(1).NullN())
		numbers = append(numbers, rows.Numbers...)
		for _, b := range rows.Bad {
			bad = append(bad, fmt.Sprint(b.Number, " ", b.Err))
		}
	}
	require.Equal(t, []int64{1, 3, 5}, numbers)
	require.Equal(t, []string{
		"2 row 2 of f.avro: column zoned: not a timestamp with a zone", "4 row 4 of f.avro: column zoned: not a timestamp with a zone",
	}, bad)

	req.Select = func(n int64) bool { return n == 2 }
	for raw, err := range (Format{}).Raw(context.Background(), input{bytes.NewReader(data)}, req) {
		require.NoError(t, err)
		require.EqualValues(t, 2, raw.Number)
		require.JSONEq(t, `{"i":1,"zoned":"secret","s":"é"}`, string(raw.Data), "as the file has it")
	}
}

func TestTolerantScanOfEvents(t *testing.T) {
	event := func(op, note string) any {
		return map[string]any{"op": op, "before": nil, "after": map[string]any{"id": int64(1), "note": note}, "source": map[string]any{"lsn": int64(7)}, "ts_ms": nil}
	}
	data := write(t, envelope, nil, event("c", "x"), event("u", placeholder), event("q", "x"), event("d", "x"), event("r", "y"))
	req := etl.ScanRequest{Kind: etl.Incremental, Columns: wanted("__op", etl.String, "id", etl.Long, "note", etl.String), Tolerant: true}
	got, err := read(Format{Events: true, Unavailable: true}, data, req)
	require.NoError(t, err)
	require.Equal(t, []string{"1|c|1|x", "2|u|1|?", "5|r|1|y"}, got)

	f := Format{Events: true, Unavailable: true}
	for raw, err := range f.Raw(context.Background(), input{bytes.NewReader(data)}, etl.ScanRequest{Columns: req.Columns, Select: func(n int64) bool { return n == 2 }}) {
		require.NoError(t, err)
		require.JSONEq(t, `{"__op":"u","id":1}`, string(raw.Data), "what was not logged is not there")
	}
	require.True(t, f.Mended().Partial(etl.Incremental))
}
