package celtransform_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
	"github.com/tidemark-data/etl/transform"
	"github.com/tidemark-data/etl/transform/celtransform"
)

// BenchmarkLoad tells what five transforms cost a full load of CSV into memory,
// and one of them alone.
func BenchmarkLoad(b *testing.B) {
	keys := transform.NewStaticKeys("bench", "1", map[string][]byte{"1": []byte("0123456789abcdef")})
	five := []etl.Transformer{
		transform.Rename(map[string]string{"n": "m"}), transform.Trim("mail"), transform.Mask("mail", transform.MaskRule{KeepLast: 4}),
		celtransform.Derive("out", "m * 2 + 1"), celtransform.Where("m >= 0"),
	}
	b.Run("none", func(b *testing.B) { benchLoad(b) })
	b.Run("five", func(b *testing.B) { benchLoad(b, five...) })
	b.Run("tokenize", func(b *testing.B) { benchLoad(b, transform.Tokenize(transform.Tokens{Column: "mail", Keys: keys})) })
	b.Run("tokenized key", func(b *testing.B) { benchLoad(b, transform.Tokenize(transform.Tokens{Column: "id", Keys: keys})) })
}

func benchLoad(b *testing.B, chain ...etl.Transformer) {
	const rows = 200_000
	var text strings.Builder
	for i := range rows {
		fmt.Fprintf(&text, "%d, person%d@example.org,%d,2024-02-20 10:00:00,some more text of the row\n", i, i, i*7)
	}
	columns := etl.Columns{
		{Name: "id", Type: etl.Long}, {Name: "mail", Type: etl.String}, {Name: "n", Type: etl.Long},
		{Name: "at", Type: etl.Timestamp}, {Name: "note", Type: etl.String},
	}
	src := source.NewMemory()
	src.Put("a/b/LOAD00000001.csv", []byte(text.String()), time.Unix(1_700_000_000, 0))
	for b.Loop() {
		r, err := etl.New(etl.Config{
			Source: src, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: sink.NewMemory(), Layout: format.DMS{},
			Tables: []etl.Table{{Name: "a.b", Key: []string{"id"}, Columns: columns, Format: format.CSV{}, Transforms: chain}},
		})
		require.NoError(b, err)
		rep, err := r.Ingest(context.Background())
		require.NoError(b, err)
		require.Equal(b, int64(rows), rep.Tables[0].Loads[0].Receipt.Counts.Inserted)
	}
	b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
}
