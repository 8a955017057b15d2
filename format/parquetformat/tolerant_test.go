package parquetformat_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format/parquetformat"
)

// TestTolerant: bad values are left out with their records, and told; the good rows are
// those of a strict scan without them.
func TestTolerant(t *testing.T) {
	var stamps, texts []string
	for i := range 10_000 {
		stamp := i * 1000
		if i%9 == 3 {
			stamp++
		}
		stamps = append(stamps, fmt.Sprint(stamp))
		texts = append(texts, fmt.Sprintf("%q", fmt.Sprint("t", i)))
	}
	content := parquetFile(t, 3000,
		col{"at", &arrow.TimestampType{Unit: arrow.Nanosecond}, "[" + strings.Join(stamps, ",") + "]"},
		col{"name", arrow.BinaryTypes.String, "[" + strings.Join(texts, ",") + "]"})
	req := etl.ScanRequest{
		Location: "f.parquet", Kind: etl.Full, Tolerant: true,
		Columns: []etl.ScanColumn{want(etl.String, "name"), want(etl.Timestamp, "at")},
	}
	bad, good := map[int64]bool{}, []string(nil)
	last := int64(0)
	for rows, err := range (parquetformat.Format{}).Scan(t.Context(), input(t, content), req) {
		require.NoError(t, err)
		for _, b := range rows.Bad {
			require.Equal(t, "finer than microseconds", b.Err.Rule)
			require.Equal(t, "at", b.Err.Column)
			require.Greater(t, b.Number, last)
			bad[b.Number] = true
		}
		for i, n := range rows.Numbers {
			good = append(good, rows.Record.Column(0).ValueStr(i)+"|"+rows.Record.Column(1).ValueStr(i))
			require.False(t, bad[n])
		}
		last = rows.Numbers[len(rows.Numbers)-1]
	}
	require.Len(t, bad, 1111)
	strict, _, err := scan(t, parquetformat.Format{}, content, etl.ScanRequest{Columns: req.Columns, Select: func(row int64) bool { return !bad[row] }})
	require.NoError(t, err)
	require.Equal(t, strict, good)

	req.Select = func(row int64) bool { return row == 4 || row == 9_997 }
	var raw []string
	for r, err := range (parquetformat.Format{}).Raw(t.Context(), input(t, content), req) {
		require.NoError(t, err)
		raw = append(raw, fmt.Sprint(r.Number, " ", string(r.Data)))
	}
	require.Equal(t, []string{
		`4 {"at":"1970-01-01T00:00:00.000003001","name":"t3"}`, `9997 {"at":"1970-01-01T00:00:00.009996","name":"t9996"}`,
	}, raw)
	mended := strings.Replace(raw[0][2:], "3001", "3", 1)
	for rows, err := range (parquetformat.Format{}).Mended().Scan(t.Context(), input(t, mended), etl.ScanRequest{Location: "m", Kind: etl.Full, Columns: req.Columns}) {
		require.NoError(t, err)
		require.Equal(t, "t3", rows.Record.Column(0).ValueStr(0))
	}
}
