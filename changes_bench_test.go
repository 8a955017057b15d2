package etl_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/source"
)

// incidents is a table of nine columns with rows of about 150 bytes as text.
func incidents() etl.Table {
	return etl.Table{
		Name: "mpd.incidents", Key: []string{"id"}, OrderBy: []string{"updated_at"}, Op: etl.OpColumn{Column: "op"},
		Columns: etl.Columns{
			{Name: "id", Type: etl.Long}, {Name: "ccn", Type: etl.String}, {Name: "amount", Type: etl.Decimal(12, 2)},
			{Name: "updated_at", Type: etl.Timestamp}, {Name: "arrest", Type: etl.Bool}, {Name: "offense", Type: etl.String},
			{Name: "lat", Type: etl.Double}, {Name: "day", Type: etl.Date}, {Name: "address", Type: etl.String},
		},
	}
}

// incidentRows returns n rows as text, with the operation in front if there are
// keys to choose from, else with rising keys.
func incidentRows(n, keys int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)
	var b []byte
	for i := range n {
		id := i
		if keys > 0 {
			id = r.IntN(keys)
			b = append(b, "IUUUUUUUUD"[r.IntN(10)], ',')
		}
		at := start.Add(time.Duration(i)*time.Millisecond + time.Duration(r.IntN(1000))*time.Second)
		b = fmt.Appendf(b, "%d,INCIDENT-%08d,%d.%02d,", id, i, r.IntN(100000), r.IntN(100))
		b = at.AppendFormat(b, "2006-01-02 15:04:05.000000")
		b = fmt.Appendf(b, ",%t,%s,%f,2024-03-%02d,%d block of street number %d in the north-western district\n", r.IntN(2) == 0,
			[...]string{"THEFT", "ARSON", "ROBBERY", ""}[r.IntN(4)], r.Float64()*90, 1+r.IntN(31), r.IntN(9), r.IntN(999))
	}
	return b
}

// settle runs changes against a table that is empty and throws the rows away.
func settle(tb testing.TB, changes *etl.Changes) (counts etl.Counts, rows int64) {
	for part, err := range changes.Parts(tb.Context()) {
		require.NoError(tb, err)
		res, err := part.Resolve(tb.Context(), etl.Committed{})
		require.NoError(tb, err)
		for rec, err := range res.Rows(tb.Context()) {
			require.NoError(tb, err)
			rows += rec.NumRows()
		}
		counts.Add(res.Counts())
	}
	return counts, rows
}

func benchmarkChanges(b *testing.B, kind etl.LoadKind, n, keys int, budget int64) {
	table := incidents()
	table.Format = format.CSV{}.ForTable(table)
	text := incidentRows(n, keys)
	m := source.NewMemory()
	file := m.Put("mpd/incidents/1.csv", text, time.Unix(1, 0))
	cfg := etl.ChangesConfig{Table: table, Source: m, Load: etl.Load{Table: table.Name, Kind: kind, Files: []etl.File{file}}, Budget: budget}
	b.SetBytes(int64(len(text)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		changes, err := etl.NewChanges(cfg)
		require.NoError(b, err)
		counts, rows := settle(b, changes)
		require.EqualValues(b, n, counts.Read)
		require.Equal(b, counts.Inserted+counts.Updated, rows)
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N)/float64(n), "allocs/change")
}

// BenchmarkChanges is the way from files to winners, without a sink.
func BenchmarkChanges(b *testing.B) {
	b.Run("full1M", func(b *testing.B) { benchmarkChanges(b, etl.Full, 1_000_000, 0, 0) })
	b.Run("changes1M", func(b *testing.B) { benchmarkChanges(b, etl.Incremental, 1_000_000, 1_670_000, 0) })
	b.Run("changes10k", func(b *testing.B) { benchmarkChanges(b, etl.Incremental, 10_000, 1_670_000, 0) })
	b.Run("changes1Mspilled", func(b *testing.B) { benchmarkChanges(b, etl.Incremental, 1_000_000, 1_670_000, 16<<20) })
}
