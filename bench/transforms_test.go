package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
	"github.com/tidemark-data/etl/transform"
	"github.com/tidemark-data/etl/transform/celtransform"
)

// fiveTransforms are those of a table of persons: normalize, tokenize, mask, derive,
// where.
func fiveTransforms() []etl.Transformer {
	keys := transform.NewStaticKeys("bench", "1", map[string][]byte{"1": []byte("0123456789abcdef")})
	return []etl.Transformer{
		transform.Normalize(transform.Normal{Trim: true, Case: transform.CaseLower}, "mail"),
		transform.Tokenize(transform.Tokens{Column: "mail", Keys: keys}),
		transform.Mask("phone", transform.MaskRule{KeepLast: 4}),
		celtransform.Derive("due", "total - paid"),
		celtransform.Where("total >= 0"),
	}
}

// BenchmarkTransforms loads the same file by turns without transforms and with five.
// Medians are reported. ratio is the throughput with five over that with none, pair by
// pair, and cpu-ratio the same by CPU time, which other programs disturb less.
func BenchmarkTransforms(b *testing.B) {
	b.Run("memory", func(b *testing.B) {
		compareTransforms(b, func() etl.Sink { return sink.NewMemory() })
	})
	b.Run("iceberg", func(b *testing.B) {
		compareTransforms(b, func() etl.Sink {
			lake, err := icebergsink.Open(context.Background(), icebergsink.Config{Warehouse: b.TempDir()})
			require.NoError(b, err)
			b.Cleanup(func() { require.NoError(b, lake.Close()) })
			return lake
		})
	})
}

const transformRows = 200_000

// took is what a load took.
type took struct {
	wall, cpu time.Duration
	allocs    uint64
}

func compareTransforms(b *testing.B, open func() etl.Sink) {
	var text strings.Builder
	for i := range transformRows {
		fmt.Fprintf(&text, "%d,Person%d@Example.org,+1 555 %07d,%d,%d,2024-02-20 10:00:00,some more text of the row\n", i, i, i, i*7, i)
	}
	src := source.NewMemory()
	src.Put("shop/persons/LOAD00000001.csv", []byte(text.String()), time.Unix(1_700_000_000, 0))
	chain := fiveTransforms()
	var none, five []took
	for b.Loop() {
		none = append(none, transformLoad(b, src, open()))
		five = append(five, transformLoad(b, src, open(), chain...))
	}
	b.ReportMetric(0, "ns/op") // of both: says nothing
	for what, of := range map[string][]took{"none": none, "five": five} {
		b.ReportMetric(middle(of, func(i int) float64 { return transformRows / of[i].wall.Seconds() }), "rows/s-"+what)
		b.ReportMetric(middle(of, func(i int) float64 { return transformRows / of[i].cpu.Seconds() }), "rows/cpu-s-"+what)
		b.ReportMetric(middle(of, func(i int) float64 { return float64(of[i].allocs) / transformRows }), "allocs/row-"+what)
	}
	b.ReportMetric(middle(none, func(i int) float64 { return none[i].wall.Seconds() / five[i].wall.Seconds() }), "ratio")
	b.ReportMetric(middle(none, func(i int) float64 { return none[i].cpu.Seconds() / five[i].cpu.Seconds() }), "cpu-ratio")
}

// middle is the median of a figure of loads.
func middle(of []took, figure func(i int) float64) float64 {
	var figures []float64
	for i := range of {
		figures = append(figures, figure(i))
	}
	slices.Sort(figures)
	return figures[len(figures)/2]
}

func transformLoad(b *testing.B, src etl.Source, to etl.Sink, chain ...etl.Transformer) took {
	r, err := etl.New(etl.Config{
		Source: src, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: to, Layout: format.DMS{},
		Tables: []etl.Table{{Name: "shop.persons", Key: []string{"id"}, Format: format.CSV{}, Transforms: chain, Columns: etl.Columns{
			{Name: "id", Type: etl.Long}, {Name: "mail", Type: etl.String}, {Name: "phone", Type: etl.String}, {Name: "total", Type: etl.Long},
			{Name: "paid", Type: etl.Long}, {Name: "at", Type: etl.Timestamp}, {Name: "note", Type: etl.String},
		}}},
	})
	require.NoError(b, err)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begun, used := time.Now(), cpuTime()
	rep, err := r.Ingest(context.Background())
	spent := took{wall: time.Since(begun), cpu: cpuTime() - used}
	runtime.ReadMemStats(&after)
	require.NoError(b, err)
	require.EqualValues(b, transformRows, rep.Tables[0].Loads[0].Receipt.Counts.Inserted)
	spent.allocs = after.Mallocs - before.Mallocs
	return spent
}
