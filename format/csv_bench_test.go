package format_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

// changes returns n change records of ten columns, about 150 bytes each.
func changes(n int) (string, []etl.ScanColumn) {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%c,%d,INCIDENT-%08d,%d.%02d,2024-02-%02d %02d:%02d:%02d.%06d,%t,%s,%f,2024-03-%02d,district %d street %d\n",
			"IUD"[r.IntN(3)], r.IntN(5_000_000), i, r.IntN(100000), r.IntN(100), 1+r.IntN(29), r.IntN(24), r.IntN(60), r.IntN(60),
			r.IntN(1e6), r.IntN(2) == 0, [...]string{"THEFT", "ARSON", "ROBBERY", ""}[r.IntN(4)], r.Float64()*90, 1+r.IntN(31), r.IntN(9), r.IntN(999))
	}
	return b.String(), cols("op", "id:long", "ccn", "amount:decimal(12,2)", "updated_at:timestamp", "arrest:bool", "offense", "lat:double", "day:date", "address")
}

func benchmarkScan(b *testing.B, content string, size int, columns []etl.ScanColumn, pick func(int64) bool) {
	f := format.CSV{ChangeColumns: []string{"op", "id", "ccn", "amount", "updated_at", "arrest", "offense", "lat", "day", "address"}}
	in := input(b, content)
	req := etl.ScanRequest{Location: "x", Kind: etl.Incremental, Columns: columns, Select: pick}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range f.Scan(b.Context(), in, req) {
			require.NoError(b, err)
		}
	}
}

func BenchmarkCSVScan(b *testing.B) {
	content, all := changes(100_000)
	quoted := strings.ReplaceAll(content, ",district", ",\"district,")
	quoted = strings.ReplaceAll(quoted, "\n", "\"\n")
	keys := []etl.ScanColumn{all[0], all[1], all[4]}
	b.Run("keys", func(b *testing.B) { benchmarkScan(b, content, len(content), keys, nil) })
	b.Run("all", func(b *testing.B) { benchmarkScan(b, content, len(content), all, nil) })
	b.Run("tenth", func(b *testing.B) {
		benchmarkScan(b, content, len(content), all, func(row int64) bool { return row%10 == 0 })
	})
	b.Run("quoted", func(b *testing.B) { benchmarkScan(b, quoted, len(quoted), all, nil) })
	b.Run("gzip", func(b *testing.B) { benchmarkScan(b, gzipped(b, content), len(content), all, nil) })
	b.Run("zstd", func(b *testing.B) { benchmarkScan(b, zstandard(b, content), len(content), all, nil) })
}
