package format_test

import (
	"encoding/csv"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

// FuzzCSVAgainstStandardLibrary compares with encoding/csv what both accept, and
// what the one rejects the other must. Left out is where they mean to differ:
// encoding/csv turns CRLF in quotes into LF, and drops blank lines of files of
// one column. It does not know nulls, compression and byte order marks.
func FuzzCSVAgainstStandardLibrary(f *testing.F) {
	for _, s := range []string{"a,b\n", "\"a\"\"b\",c\nd,e\n", "1,2\n\n3,4", "\"x\ny\",z", ",\n", "\"\",\"\"\n", "a,\"b", "a\"b,c\n", "\"a\" ,b\n"} {
		f.Add(s, 2)
		f.Add(s, 1)
	}
	f.Fuzz(func(t *testing.T, content string, width int) {
		width = 1 + max(0, width%4)
		names := []string{"a", "b", "c", "d"}[:width]
		blank := strings.HasPrefix(content, "\n") || strings.Contains(content, "\n\n")
		if strings.Contains(content, "\r") || width == 1 && blank || sniffed(content) {
			return
		}
		std := csv.NewReader(strings.NewReader(content))
		std.FieldsPerRecord = width
		want, errWant := std.ReadAll()
		rows, numbers, err := scan(t, format.CSV{FullColumns: names}, content, etl.ScanRequest{Columns: cols(names...)})
		if errWant != nil || err != nil {
			require.Error(t, err, "%q", content)
			require.True(t, errWant != nil || strings.Contains(err.Error(), "invalid UTF-8"), "%q: %v", content, err)
			return
		}
		require.Equal(t, len(want), len(rows), "%q", content)
		require.Len(t, numbers, len(rows))
		for i, r := range rows {
			for c := range r {
				require.True(t, want[i][c] == r[c] || want[i][c] == "" && r[c] == "NULL", "%q", content)
			}
		}
	})
}

// sniffed reports whether the first bytes mean something other than text.
func sniffed(content string) bool {
	for _, magic := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff", "\x1f\x8b", "\x28\xb5\x2f\xfd"} {
		if strings.HasPrefix(content, magic) {
			return true
		}
	}
	return len(content) > 3 && content[0]&0xf0 == 0x50 && content[1:4] == "\x2a\x4d\x18"
}

// FuzzCSV scans anything with anything: no panic, rising numbers, errors that
// keep values to themselves, and the same rows in a second pass.
func FuzzCSV(f *testing.F) {
	f.Add("a,b\n1,2\n", byte(0), byte(0), uint8(2), true)
	f.Add("\"1\",2024-01-01\r\n\"\",\"\"\n", byte(','), byte('"'), uint8(1), false)
	f.Add("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", byte(';'), byte('\''), uint8(0), true)
	f.Add("\x28\xb5\x2f\xfd\x04\x00\x41\x00\x00a,b\n1,2\n", byte(0), byte(0), uint8(3), true)
	f.Fuzz(func(t *testing.T, content string, delim, quote byte, types uint8, header bool) {
		c := format.CSV{Header: header, Delimiter: delim, Quote: quote, MaxFieldBytes: 1 << 10, MaxRowBytes: 1 << 12, MaxDecompressedBytes: 1 << 22}
		if !header {
			c.FullColumns = []string{"a", "b"}
		}
		kinds := []string{":int", ":timestamptz", ":decimal(9,3)", "", ":binary", ":uuid", ":double", ":bool", ":date"}
		columns := cols("a"+kinds[int(types)%len(kinds)], "b"+kinds[int(types/16)%len(kinds)])
		rows, numbers, err := scan(t, c, content, etl.ScanRequest{Columns: columns})
		for i, n := range numbers {
			require.EqualValues(t, i+1, n)
		}
		var re *etl.RowError
		if errors.As(err, &re) {
			require.NotEmpty(t, re.Rule)
			require.NoError(t, re.Err)
		}
		picked, _, errPicked := scan(t, c, content, etl.ScanRequest{Columns: columns[1:], Select: func(row int64) bool { return row%2 == 1 }})
		if err == nil {
			require.NoError(t, errPicked)
			require.Len(t, picked, (len(rows)+1)/2)
			for i, r := range picked {
				require.Equal(t, rows[2*i][1], r[0])
			}
		}
	})
}
