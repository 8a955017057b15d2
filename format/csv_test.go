package format_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/source"
)

// input returns content as an opened file.
func input(t testing.TB, content string) etl.Input {
	m := source.NewMemory()
	in, err := m.Open(t.Context(), m.Put("landing/file.csv", []byte(content)))
	require.NoError(t, err)
	return in
}

func cols(names ...string) []etl.ScanColumn {
	var c []etl.ScanColumn
	for _, n := range names {
		name, typ, found := strings.Cut(n, ":")
		col := etl.Column{Name: name, Type: etl.String}
		if found {
			col.Type, _ = etl.ParseType(typ)
		}
		c = append(c, etl.ScanColumn{Column: col})
	}
	return c
}

// scan returns every value as text, "NULL" for null and "?" for not supplied.
func scan(t testing.TB, f etl.Format, content string, req etl.ScanRequest) (rows [][]string, numbers []int64, err error) {
	if req.Kind == etl.Unknown {
		req.Kind = etl.Full
	}
	req.Location = "landing/file.csv"
	for r, err := range f.Scan(t.Context(), input(t, content), req) {
		if err != nil {
			return rows, numbers, err
		}
		require.EqualValues(t, len(r.Numbers), r.Record.NumRows())
		numbers = append(numbers, r.Numbers...)
		for i := range r.Numbers {
			row := make([]string, r.Record.NumCols())
			for c, col := range r.Record.Columns() {
				row[c] = col.ValueStr(i)
				if col.IsNull(i) {
					row[c] = "NULL"
				}
				if r.Unsupplied != nil && r.Unsupplied[c] != nil && r.Unsupplied[c][i] {
					require.True(t, col.IsNull(i))
					row[c] = "?"
				}
			}
			rows = append(rows, row)
		}
	}
	return rows, numbers, nil
}

var headed = format.CSV{Header: true}

func TestCSVReadsColumnsInTheOrderWanted(t *testing.T) {
	content := "a,b,c\r\n1,\"x,\"\"y\"\"\nz\",2024-02-29\n2,,2024/03/01"
	rows, numbers, err := scan(t, headed, content, etl.ScanRequest{Columns: cols("c:date", "a:int", "b")})
	require.NoError(t, err)
	require.Equal(t, [][]string{{"2024-02-29", "1", "x,\"y\"\nz"}, {"2024-03-01", "2", "NULL"}}, rows)
	require.Equal(t, []int64{1, 2}, numbers)
}

func TestCSVNulls(t *testing.T) {
	notSupplied := "~"
	f := format.CSV{ChangeColumns: []string{"s", "i", "b"}, FullColumns: []string{"s", "i", "b"}, Null: "NULL", NotSupplied: &notSupplied}
	content := ",,\nNULL,NULL,NULL\n\"\",\"\",\"\"\n\"NULL\",\"7\",\"Tk8=\"\n~,~,~\n\"~\",1,\n"
	want := [][]string{
		{"NULL", "NULL", "NULL"}, {"NULL", "NULL", "NULL"}, {"", "NULL", ""},
		{"NULL", "7", "Tk8="}, {"?", "?", "?"}, {"~", "1", "NULL"},
	}
	req := etl.ScanRequest{Kind: etl.Incremental, Columns: cols("s", "i:int", "b:binary")}
	rows, _, err := scan(t, f, content, req)
	require.NoError(t, err)
	require.Equal(t, want, rows)

	req.Kind = etl.Full
	want[4] = []string{"NULL", "NULL", "NULL"}
	rows, _, err = scan(t, f, content, req)
	require.NoError(t, err)
	require.Equal(t, want, rows)
}

func TestCSVListsOfColumns(t *testing.T) {
	f := format.CSV{FullColumns: []string{"k", "-", "v"}, ChangeColumns: []string{"op", "k", ""}}
	rows, _, err := scan(t, f, "1,x,a\n", etl.ScanRequest{Columns: cols("k:long", "v", "w")})
	require.NoError(t, err)
	require.Equal(t, [][]string{{"1", "a", "NULL"}}, rows, "a column that full loads are without is null")

	req := etl.ScanRequest{Kind: etl.Incremental, Columns: cols("k:long", "v", "op", "old")}
	req.Columns[3].Optional = true
	rows, _, err = scan(t, f, "U,1,x\n", req)
	require.NoError(t, err)
	require.Equal(t, [][]string{{"1", "?", "U", "NULL"}}, rows, "one that change files are without is not supplied")
}

func TestCSVPartial(t *testing.T) {
	table := etl.Table{Op: etl.OpColumn{Column: "Op"}, Columns: etl.Columns{{Name: "k"}, {Name: "v"}}}
	mark := ""
	require.False(t, headed.Partial(etl.Incremental))
	require.True(t, format.CSV{ChangeColumns: []string{"k"}}.Partial(etl.Incremental))
	require.True(t, format.CSV{ChangeColumns: []string{"k"}}.ForTable(table).Partial(etl.Incremental))
	require.True(t, format.CSV{Header: true, NotSupplied: &mark}.Partial(etl.Incremental))
	require.False(t, format.CSV{Header: true, NotSupplied: &mark}.Partial(etl.Full))

	f := format.CSV{}.ForTable(table).(format.CSV)
	require.Equal(t, []string{"k", "v"}, f.FullColumns)
	require.Equal(t, []string{"Op", "k", "v"}, f.ChangeColumns)
	require.False(t, f.Partial(etl.Incremental))
}

func TestCSVSelect(t *testing.T) {
	var asked []int64
	even := func(row int64) bool { asked = append(asked, row); return row%2 == 0 }
	content := "n\nbad\n2\n\"also\nbad\"\n\"4\"\n" + "bad\n"
	rows, numbers, err := scan(t, headed, content, etl.ScanRequest{Columns: cols("n:int"), Select: even})
	require.NoError(t, err, "values of other records are not looked at")
	require.Equal(t, [][]string{{"2"}, {"4"}}, rows)
	require.Equal(t, []int64{2, 4}, numbers)
	require.Equal(t, []int64{1, 2, 3, 4, 5}, asked)
}

func TestCSVBadInput(t *testing.T) {
	secret := "s3cr3t"
	for name, c := range map[string]struct {
		content, column, rule string
		row                   int64
	}{
		"int":              {"i,s\n1,x\n" + secret + ",x\n", "i", "not an int", 2},
		"range":            {"i,s\n2147483648,x\n", "i", "out of range for int", 1},
		"utf8":             {"i,s\n1,\xff" + secret + "\n", "s", "invalid UTF-8", 1},
		"few":              {"i,s\n1\n", "", "has 1 fields, expected 2", 1},
		"many":             {"i,s\n1,2,3,4\n", "", "has 4 fields, expected 2", 1},
		"quote inside":     {"i,s\n1,a" + secret + "\"b\n", "", "quote inside an unquoted field", 1},
		"quote open":       {"i,s\n1,a\n2,\"" + secret, "", "quote is not closed", 2},
		"quote then text":  {"i,s\n1,\"a\"" + secret + "\n", "", "text after a closing quote", 1},
		"missing":          {"i,t\n1,2\n", "s", "column is missing", 0},
		"twice":            {"s,i,s\n", "s", "column is in the header twice", 0},
		"empty":            {"", "", "file is empty: header expected", 0},
		"utf16":            {"\xff\xfei\x00", "", "file is UTF-16, expected UTF-8", 0},
		"header quote":     {"i,s\"\n", "", "header: quote inside an unquoted field", 0},
		"long field":       {"i,s\n1," + strings.Repeat("x", 101) + "\n", "", "field is longer than 100 bytes", 1},
		"long row":         {"i,s\n1," + strings.Repeat("x", 5000) + "\n", "", "row is longer than 200 bytes", 1},
		"long quoted row":  {"i,s\n1,\"" + strings.Repeat("x\n", 5000) + "\"\n", "", "row is longer than 200 bytes", 1},
		"cut gzip header":  {"\x1f\x8b\x08", "", "truncated or corrupt gzip", 0},
		"corrupt zstd":     {"\x28\xb5\x2f\xfdxxxx", "", "truncated or corrupt zstd", 0},
		"gzip of nonsense": {"\x1f\x8bnonsense", "", "truncated or corrupt gzip", 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := format.CSV{Header: true, MaxFieldBytes: 100, MaxRowBytes: 200}
			_, _, err := scan(t, f, c.content, etl.ScanRequest{Columns: cols("i:int", "s")})
			var re *etl.RowError
			require.ErrorAs(t, err, &re)
			require.Equal(t, etl.RowError{File: "landing/file.csv", Row: c.row, Column: c.column, Rule: c.rule}, *re)
			require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
			require.NotContains(t, err.Error(), secret)
		})
	}
}

func TestCSVConfigurationErrorsAreTerminal(t *testing.T) {
	for _, f := range []format.CSV{
		{},
		{FullColumns: []string{"a", "a"}},
		{FullColumns: []string{"a"}, Header: true},
		{Header: true, Delimiter: '"'},
		{Header: true, Delimiter: '\n'},
		{Header: true, Delimiter: 0xa7},
		{Header: true, MaxRowBytes: -1},
	} {
		_, _, err := scan(t, f, "a\n", etl.ScanRequest{Columns: cols("a")})
		require.ErrorContains(t, err, "csv format: ")
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	}
	bad := etl.ScanRequest{Columns: []etl.ScanColumn{{Column: etl.Column{Name: "a", Type: etl.TimestampTZ, Zone: "Nowhere/Land"}}}}
	_, _, err := scan(t, headed, "a\n", bad)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}

func TestCSVEmptyAndBlank(t *testing.T) {
	listed := format.CSV{FullColumns: []string{"a", "b"}}
	for content, want := range map[string][][]string{
		"":                     nil,
		"\xef\xbb\xbf":         nil,
		"\xef\xbb\xbf1,2":      {{"1", "2"}},
		"\n1,2\r\n\r\n3,4\n\n": {{"1", "2"}, {"3", "4"}},
		"1,\r\n":               {{"1", "NULL"}},
		"1,\"2\"\r":            {{"1", "2"}},
		"1,2\r":                {{"1", "2"}},
		",":                    {{"NULL", "NULL"}},
		"\"\",\"\"":            {{"", ""}},
	} {
		rows, _, err := scan(t, listed, content, etl.ScanRequest{Columns: cols("a", "b")})
		require.NoError(t, err, "%q", content)
		require.Equal(t, want, rows, "%q", content)
	}
	rows, _, err := scan(t, headed, "a\n\nx\n", etl.ScanRequest{Columns: cols("a")})
	require.NoError(t, err)
	require.Equal(t, [][]string{{"NULL"}, {"x"}}, rows, "a blank line of a single column is a null")
	rows, _, err = scan(t, headed, "a\n", etl.ScanRequest{Columns: cols("a")})
	require.NoError(t, err)
	require.Empty(t, rows)
}

func TestCSVDialect(t *testing.T) {
	f := format.CSV{FullColumns: []string{"a", "b"}, Delimiter: '|', Quote: '\''}
	rows, _, err := scan(t, f, "'x|''y'|\"z\"\n", etl.ScanRequest{Columns: cols("a", "b")})
	require.NoError(t, err)
	require.Equal(t, [][]string{{"x|'y", "\"z\""}}, rows)

	f = format.CSV{FullColumns: []string{"a", "b"}, Delimiter: '\t', Quote: format.NoQuote}
	rows, _, err = scan(t, f, "\"x\ty\"\n", etl.ScanRequest{Columns: cols("a", "b")})
	require.NoError(t, err)
	require.Equal(t, [][]string{{"\"x", "y\""}}, rows)
}

func gzipped(t testing.TB, content string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.String()
}

func zstandard(t testing.TB, content string) string {
	z, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	defer z.Close()
	return string(z.EncodeAll([]byte(content), nil))
}

func TestCSVCompressed(t *testing.T) {
	req := etl.ScanRequest{Columns: cols("a:int")}
	skippable := "\x50\x2a\x4d\x18\x03\x00\x00\x00xyz"
	for name, content := range map[string]string{
		"gzip":           gzipped(t, "a\n1\n2\n"),
		"gzip members":   gzipped(t, "a\n1\n") + gzipped(t, "2\n"),
		"zstd":           zstandard(t, "a\n1\n2\n"),
		"zstd frames":    zstandard(t, "a\n1") + zstandard(t, "\n2\n"),
		"zstd skippable": skippable + zstandard(t, "a\n1\n2\n"),
	} {
		rows, _, err := scan(t, headed, content, req)
		require.NoError(t, err, name)
		require.Equal(t, [][]string{{"1"}, {"2"}}, rows, name)
	}
	for _, compress := range []func(testing.TB, string) string{gzipped, zstandard} {
		whole := compress(t, "a\n"+strings.Repeat("1\n", 50_000))
		for _, cut := range []int{5, len(whole) / 2, len(whole) - 1} {
			_, _, err := scan(t, headed, whole[:cut], req)
			require.ErrorContains(t, err, "truncated or corrupt ")
		}
	}
}

func TestCSVBombs(t *testing.T) {
	bomb := zstandard(t, "a\n"+strings.Repeat("1\n", 4<<20))
	req := etl.ScanRequest{Columns: cols("a:int"), Select: func(int64) bool { return false }}
	_, _, err := scan(t, headed, bomb, req)
	require.EqualError(t, err, "landing/file.csv: decompresses to more than 1000 times its size")
	_, _, err = scan(t, format.CSV{Header: true, MaxRatio: -1, MaxDecompressedBytes: 1 << 20}, bomb, req)
	require.EqualError(t, err, "landing/file.csv: decompresses to more than 1048576 bytes")
	_, _, err = scan(t, format.CSV{Header: true, MaxRatio: -1}, bomb, req)
	require.NoError(t, err)
}

// broken fails after some bytes.
type broken struct {
	etl.Input
	after int64
	err   error
}

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > b.after {
		return 0, b.err
	}
	return b.Input.ReadAt(p, off)
}

func TestCSVErrorsOfTheInputAreNotBadRows(t *testing.T) {
	content := "a\n" + strings.Repeat("1\n", 2<<20)
	for _, content := range []string{content, gzipped(t, content)} {
		for _, cause := range []error{errors.New("connection reset"), etl.ErrFileChanged} {
			in := broken{input(t, content), 1 << 10, cause}
			var last error
			for _, err := range headed.Scan(t.Context(), in, etl.ScanRequest{Location: "x", Kind: etl.Full, Columns: cols("a")}) {
				last = err
			}
			require.ErrorIs(t, last, cause)
			require.Equal(t, etl.OutcomeOf(cause), etl.OutcomeOf(last))
		}
	}
}

func TestCSVCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	content := "a\n" + strings.Repeat("1\n", 2<<20)
	var last error
	for _, err := range headed.Scan(ctx, input(t, content), etl.ScanRequest{Kind: etl.Full, Columns: cols("a")}) {
		cancel()
		last = err
	}
	require.ErrorIs(t, last, context.Canceled)
}

func text(t testing.TB, r arrow.RecordBatch) string {
	b, err := r.MarshalJSON()
	require.NoError(t, err)
	return string(b)
}

func TestCSVBatchesStayWhenRetained(t *testing.T) {
	content := "a,b\n" + strings.Repeat("same,1\n", 10_000) + "last,2\n"
	var sum int64
	first := ""
	for r, err := range headed.Scan(t.Context(), input(t, content), etl.ScanRequest{Kind: etl.Full, Columns: cols("a", "b:int")}) {
		require.NoError(t, err)
		require.LessOrEqual(t, r.Record.NumRows(), int64(4096))
		if sum == 0 {
			r.Record.Retain()
			first = text(t, r.Record)
			defer func() { require.Equal(t, first, text(t, r.Record)) }()
		}
		sum += r.Record.NumRows()
	}
	require.EqualValues(t, 10_001, sum)
}

func TestCSVStopsWhenAskedTo(t *testing.T) {
	content := "a\n" + strings.Repeat("1\n", 10_000) + "bad\n"
	for _, err := range headed.Scan(t.Context(), input(t, content), etl.ScanRequest{Kind: etl.Full, Columns: cols("a:int")}) {
		require.NoError(t, err)
		break
	}
}

// Records that lie across the ends of the buffer read as others do.
func TestCSVLongRecords(t *testing.T) {
	var content strings.Builder
	content.WriteString("a,b\n")
	var want [][]string
	for i := range 300 {
		long := strings.Repeat("x", i*97)
		if i%3 == 0 {
			content.WriteString(long + ",1\r\n")
		} else {
			long += "\"\r\n,"
			content.WriteString("\"" + strings.ReplaceAll(long, "\"", "\"\"") + "\",1\n")
		}
		if long == "" {
			long = "NULL"
		}
		want = append(want, []string{long, "1"})
	}
	for _, text := range []string{content.String(), gzipped(t, content.String())} {
		rows, _, err := scan(t, headed, text, etl.ScanRequest{Columns: cols("a", "b")})
		require.NoError(t, err)
		require.Equal(t, want, rows)
	}
}
