package format_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

// tolerant scans a file, and checks that good rows are those of a strict scan without
// the bad ones, and that the bytes of a bad record are bad by themselves, in the same
// way. It returns the good rows, by number, and the bad ones.
func tolerant(t testing.TB, f etl.RawFormat, content string, req etl.ScanRequest) (good, bad []string, err error) {
	req.Location, req.Tolerant = "landing/file.csv", true
	if req.Kind == etl.Unknown {
		req.Kind = etl.Full
	}
	broken := map[int64]*etl.RowError{}
	last := int64(0)
	for r, scanErr := range f.Scan(t.Context(), input(t, content), req) {
		if scanErr != nil {
			err = scanErr
			break
		}
		require.NotNil(t, r.Record)
		for i, text := range texts(r) {
			good = append(good, fmt.Sprint(r.Numbers[i], " ", strings.Join(text, "|")))
		}
		from := last
		for _, b := range r.Bad {
			require.Greater(t, b.Number, from, "batches follow each other")
			require.Equal(t, b.Number, b.Err.Row)
			require.Nil(t, broken[b.Number])
			broken[b.Number], last = b.Err, max(last, b.Number)
			bad = append(bad, b.Err.Error())
		}
		for _, n := range r.Numbers {
			require.Greater(t, n, from)
			last = max(last, n)
		}
	}
	strict := req
	strict.Tolerant, strict.Select = false, func(row int64) bool { return broken[row] == nil }
	var want []string
	var wantErr error
	for r, scanErr := range f.Scan(t.Context(), input(t, content), strict) {
		if wantErr = scanErr; scanErr != nil {
			break
		}
		for i, text := range texts(r) {
			want = append(want, fmt.Sprint(r.Numbers[i], " ", strings.Join(text, "|")))
		}
	}
	require.Equal(t, want, good)
	require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(err))
	if err == nil {
		checkRaw(t, f, content, req, broken)
	}
	return good, bad, err
}

// checkRaw reads bad records by themselves.
func checkRaw(t testing.TB, f etl.RawFormat, content string, req etl.ScanRequest, broken map[int64]*etl.RowError) {
	n := 0
	raw := req
	raw.Select = func(row int64) bool { return broken[row] != nil }
	for rec, err := range f.Raw(t.Context(), input(t, content), raw) {
		require.NoError(t, err)
		n++
		alone := string(rec.Head) + string(rec.Data) + "\n"
		var failed error
		req.Tolerant = false
		for _, err := range f.Mended().Scan(t.Context(), input(t, alone), req) {
			failed = err
		}
		var re *etl.RowError
		require.True(t, errors.As(failed, &re), "%q: %v", alone, failed)
		require.Equal(t, [2]string{broken[rec.Number].Column, broken[rec.Number].Rule}, [2]string{re.Column, re.Rule}, "%q", alone)
	}
	require.Len(t, broken, n)
}

func TestCSVTolerant(t *testing.T) {
	c := format.CSV{Header: true, MaxFieldBytes: 20}
	text := "a,b,c\n1,x,2024-01-01\nx,y,2024-01-02\n2,\"q\"\"\nz\",\n3\n4,y,no date\nz,y,no date\n5,abcdefghijklmnopqrstuvwxyz,\n6,\xff,\n7,last,2024-01-03"
	good, bad, err := tolerant(t, c, text, etl.ScanRequest{Columns: cols("a:int", "b", "c:date")})
	require.NoError(t, err)
	require.Equal(t, []string{"1 1|x|2024-01-01", "3 2|q\"\nz|NULL", "9 7|last|2024-01-03"}, good)
	require.Equal(t, []string{
		"row 2 of landing/file.csv: column a: not an int",
		"row 4 of landing/file.csv: has 1 fields, expected 3",
		"row 5 of landing/file.csv: column c: not a date",
		"row 6 of landing/file.csv: column a: not an int",
		"row 7 of landing/file.csv: field is longer than 20 bytes",
		"row 8 of landing/file.csv: column b: invalid UTF-8",
	}, bad)
}

// TestCSVTolerantOfFraming: what makes it uncertain where records end is an error.
func TestCSVTolerantOfFraming(t *testing.T) {
	for text, rule := range map[string]string{
		"a,b\n1,2\nx,2\n3,\"4\n5,6\n":  "row 3 of landing/file.csv: quote is not closed",
		"a,b\n1,2\nx,2\n3,4\"4\n5,6\n": "row 3 of landing/file.csv: quote inside an unquoted field",
		"a,c\n1,2\n":                   "column b: column is missing",
	} {
		_, bad, err := tolerant(t, format.CSV{Header: true}, text, etl.ScanRequest{Columns: cols("a:int", "b:int")})
		require.ErrorContains(t, err, rule)
		require.LessOrEqual(t, len(bad), 1)
	}
}

// TestCSVTolerantOfMany: bad rows are given out in time, also where there are no others.
func TestCSVTolerantOfMany(t *testing.T) {
	text := strings.Repeat("1,2,3\n", 20_000) + "1,2\n" + strings.Repeat("x,2\n", 20_000)
	good, bad, err := tolerant(t, format.CSV{FullColumns: []string{"a", "b"}}, text, etl.ScanRequest{Columns: cols("a:int")})
	require.NoError(t, err)
	require.Equal(t, []string{"20001 1"}, good)
	require.Len(t, bad, 40_000)
}

func TestCSVTolerantInChunks(t *testing.T) {
	var b strings.Builder
	for i := range 4000 {
		switch {
		case i%7 == 0:
			b.WriteString("bad,1\n")
		case i%11 == 0:
			b.WriteString("1,2,3\n")
		default:
			fmt.Fprintf(&b, "%d,\"x\ny\"\n", i)
		}
	}
	c := format.CSV{FullColumns: []string{"a", "b"}}
	good, bad, err := tolerant(t, c, b.String(), etl.ScanRequest{Columns: cols("a:int", "b")})
	require.NoError(t, err)
	req := etl.ScanRequest{Location: "f", Kind: etl.Full, Columns: cols("a:int", "b"), Tolerant: true, ChunkBytes: 500}
	s, err := c.Chunks(t.Context(), input(t, b.String()), req, nil)
	require.NoError(t, err)
	defer s.Close()
	first, rows, wrong := int64(0), []string(nil), 0
	for chunk, err := s.Next(); err == nil; chunk, err = s.Next() {
		n := int64(0)
		for r, err := range s.Scan(t.Context(), chunk) {
			require.NoError(t, err)
			for i, text := range texts(r) {
				rows = append(rows, fmt.Sprint(first+r.Numbers[i], " ", strings.Join(text, "|")))
			}
			n, wrong = n+int64(len(r.Numbers)+len(r.Bad)), wrong+len(r.Bad)
		}
		first += n
	}
	require.Equal(t, good, rows)
	require.Equal(t, len(bad), wrong)
	require.EqualValues(t, 4000, first)
}

func TestJSONLinesTolerant(t *testing.T) {
	text := `{"a": 1, "b": "x"}
{"a": 1.5, "b": "x"}
not json

{"b": "x"}
{"a": 2, "a": 3, "b": "x"}
{"a": null, "b": "é"}
{"b": "x", "a": "x"}
{"a": 4, "b": "x"} 5
{"a": 6, "b": "y"}`
	good, bad, err := tolerant(t, format.JSONLines{}, text, etl.ScanRequest{Columns: cols("a:int", "b")})
	require.NoError(t, err)
	require.Equal(t, []string{"1 1|x", "6 NULL|é", "9 6|y"}, good)
	require.Equal(t, []string{
		"row 2 of landing/file.csv: column a: not an int",
		"row 3 of landing/file.csv: not a JSON object",
		"row 4 of landing/file.csv: column a: column is missing",
		"row 5 of landing/file.csv: column a: column is there twice",
		"row 7 of landing/file.csv: column a: not an int",
		"row 8 of landing/file.csv: not a JSON object",
	}, bad)
}

func TestDebeziumTolerant(t *testing.T) {
	text := `{"op":"c","after":{"a":1,"b":"x"}}
null
{"op":"c","after":{"a":"y","b":"x"}}
{"op":"x","after":{"a":2,"b":"x"}}
{"op":"c"}
{"op":"d","before":{"a":3,"b":"x"}}`
	req := etl.ScanRequest{Kind: etl.Incremental, Columns: cols("__op", "a:int", "b")}
	good, bad, err := tolerant(t, format.Debezium{}, text, req)
	require.NoError(t, err)
	require.Equal(t, []string{"1 c|1|x", "5 d|3|x"}, good)
	require.Equal(t, []string{
		"row 2 of landing/file.csv: column a: not an int",
		"row 3 of landing/file.csv: unknown operation",
		"row 4 of landing/file.csv: change event has no row after the change",
	}, bad)
}

// FuzzCSVTolerant and FuzzJSONLinesTolerant hold the good rows of anything against
// those of a strict scan without the bad ones.
func FuzzCSVTolerant(f *testing.F) {
	f.Add("1,2\nx,2\n3\n4,5,6\n7,8", uint8(0), false)
	f.Add("a,b\r\n1,\"2\"\r\n\r\nx,\"y\"\"\nz\"\n2,<none>\n", uint8(3), true)
	f.Add("\"a\",\"b\"\n\"x\",\"\"\n1,NULL\n", uint8(17), true)
	f.Fuzz(func(t *testing.T, content string, types uint8, header bool) {
		none := "<none>"
		c := format.CSV{Header: header, Null: "NULL", NotSupplied: &none, MaxFieldBytes: 64, MaxRowBytes: 1 << 10, MaxDecompressedBytes: 1 << 20}
		if !header {
			c.FullColumns, c.ChangeColumns = []string{"a", "b"}, []string{"a", "b"}
		}
		kinds := []string{":int", ":timestamptz", ":decimal(9,3)", "", ":binary", ":uuid", ":double", ":bool", ":date"}
		columns := cols("a"+kinds[int(types)%len(kinds)], "b"+kinds[int(types/16)%len(kinds)])
		_, _, _ = tolerant(t, c, content, etl.ScanRequest{Kind: etl.Incremental, Columns: columns})
	})
}

func FuzzJSONLinesTolerant(f *testing.F) {
	f.Add("{\"a\":1,\"b\":\"x\"}\n{\"a\":\"y\"}\n[]\n{\"b\":true,\"a\":null}", uint8(0))
	f.Add("{\"a\":\"2024-01-01\",\"b\":1e3}\r\n{\"a\":{\"x\":[1,2]},\"b\":\"\\u00e9\"}\n", uint8(33))
	f.Fuzz(func(t *testing.T, content string, types uint8) {
		j := format.JSONLines{Missing: format.Missing(types % 3), MaxRowBytes: 1 << 10, MaxDecompressedBytes: 1 << 20}
		kinds := []string{":int", ":timestamptz", ":decimal(9,3)", "", ":binary", ":uuid", ":double", ":bool", ":date"}
		columns := cols("a"+kinds[int(types)%len(kinds)], "b"+kinds[int(types/16)%len(kinds)])
		_, _, _ = tolerant(t, j, content, etl.ScanRequest{Kind: etl.Incremental, Columns: columns})
	})
}
