package icebergsink_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	icetable "github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/cells"
)

// canned is a source and format of rows that are there already as batches, so
// that a benchmark measures the sink and the engine and no parsing.
type canned struct {
	schema *arrow.Schema
	make   func(batch int) arrow.RecordBatch // of cannedRows rows
	n      int
	ready  []arrow.RecordBatch
}

const cannedRows = 8192

func (c *canned) List(context.Context) iter.Seq2[etl.File, error]   { return nil }
func (c *canned) Open(context.Context, etl.File) (etl.Input, error) { return nothing{}, nil }
func (c *canned) Partial(etl.LoadKind) bool                         { return false }

// keep makes all batches now.
func (c *canned) keep() *canned {
	for i := range (c.n + cannedRows - 1) / cannedRows {
		c.ready = append(c.ready, c.make(i))
	}
	return c
}

func (c *canned) batch(i int) arrow.RecordBatch {
	if c.ready != nil {
		c.ready[i].Retain()
		return c.ready[i]
	}
	return c.make(i)
}

func (c *canned) Scan(_ context.Context, _ etl.Input, req etl.ScanRequest) iter.Seq2[etl.Rows, error] {
	return func(yield func(etl.Rows, error) bool) {
		for from := 0; from < c.n; from += cannedRows {
			whole := c.batch(from / cannedRows)
			cols := make([]arrow.Array, len(req.Columns))
			fields := make([]arrow.Field, len(req.Columns))
			for i, want := range req.Columns {
				at := c.schema.FieldIndices(want.Name)[0]
				cols[i], fields[i] = whole.Column(at), c.schema.Field(at)
			}
			rec := array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, whole.NumRows())
			whole.Release()
			var rows []int
			var numbers []int64
			for i := range int(rec.NumRows()) {
				if n := int64(from + i + 1); req.Select == nil || req.Select(n) {
					rows, numbers = append(rows, i), append(numbers, n)
				}
			}
			if len(rows) < int(rec.NumRows()) {
				some, err := cells.Take(memory.DefaultAllocator, rec, rows)
				rec.Release()
				if err != nil {
					yield(etl.Rows{}, err)
					return
				}
				rec = some
			}
			more := rec.NumRows() == 0 || yield(etl.Rows{Record: rec, Numbers: numbers}, nil)
			rec.Release()
			if !more {
				return
			}
		}
	}
}

// crimes is a table of nine columns, some of which repeat their values.
func crimes() etl.Table {
	return etl.Table{
		Name: "mpd.crimes", Key: []string{"id"}, OrderBy: []string{"updated_at"}, TombstoneRetention: time.Hour,
		Columns: etl.Columns{
			{Name: "id", Type: etl.Long}, {Name: "case_number", Type: etl.String}, {Name: "happened_at", Type: etl.Timestamp},
			{Name: "block", Type: etl.String}, {Name: "offense", Type: etl.String}, {Name: "district", Type: etl.Int},
			{Name: "latitude", Type: etl.Double}, {Name: "arrest", Type: etl.Bool}, {Name: "updated_at", Type: etl.Timestamp},
		},
	}
}

// crimeRows makes n rows; key gives the key of a row, at its order.
func crimeRows(n int, key func(i int) int64, at func(i int) int64) *canned {
	var fields []arrow.Field
	for _, c := range crimes().Columns {
		fields = append(fields, arrow.Field{Name: c.Name, Type: c.Type.Arrow(), Nullable: true})
	}
	schema := arrow.NewSchema(fields, nil)
	return &canned{n: n, schema: schema, make: func(batch int) arrow.RecordBatch {
		rng := rand.New(rand.NewPCG(uint64(batch), 7))
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		defer b.Release()
		for i := batch * cannedRows; i < min(n, (batch+1)*cannedRows); i++ {
			k := key(i)
			b.Field(0).(*array.Int64Builder).Append(k)
			b.Field(1).(*array.StringBuilder).Append(fmt.Sprintf("JA%09d", k))
			b.Field(2).(*array.TimestampBuilder).Append(arrow.Timestamp(1_600_000_000_000_000 + rng.Int64N(86400*365)*1_000_000))
			b.Field(3).(*array.StringBuilder).Append(fmt.Sprintf("%03dXX W STREET NUMBER %d", rng.IntN(900), rng.IntN(4000)))
			b.Field(4).(*array.StringBuilder).Append([]string{"THEFT", "BATTERY", "NARCOTICS", "ASSAULT", "BURGLARY", "MOTOR VEHICLE THEFT", "ROBBERY"}[rng.IntN(7)])
			b.Field(5).(*array.Int32Builder).Append(int32(rng.IntN(25)))
			b.Field(6).(*array.Float64Builder).Append(41 + rng.Float64())
			b.Field(7).(*array.BooleanBuilder).Append(rng.IntN(4) == 0)
			b.Field(8).(*array.TimestampBuilder).Append(arrow.Timestamp(1_700_000_000_000_000 + at(i)*1_000_000))
		}
		return b.NewRecordBatch()
	}}
}

func own(i int) int64 { return int64(i) }

func (l *lake) applyCanned(b *testing.B, kind etl.LoadKind, c *canned) etl.Receipt {
	load, _ := l.land(kind)
	changes, err := etl.NewChanges(etl.ChangesConfig{Table: l.table, Load: load, Source: c, Format: c})
	require.NoError(b, err)
	r, err := l.sink.Apply(b.Context(), l.target(), load, changes)
	require.NoError(b, err)
	return r
}

// BenchmarkFullLoad writes a million rows of nine columns.
func BenchmarkFullLoad(b *testing.B) {
	rows := crimeRows(1_000_000, own, own).keep()
	l := newLake(b, crimes())
	b.ReportAllocs()
	for b.Loop() {
		l.applyCanned(b, etl.Full, rows)
	}
}

// BenchmarkChanges settles changes against five million rows, always the same.
func BenchmarkChanges(b *testing.B) {
	const base = 5_000_000
	spread := func(of int) func(int) int64 {
		return func(i int) int64 { return int64(uint64(i) * 2654435761 % uint64(of)) }
	}
	late := func(int) int64 { return 2 * base }
	loads := []struct {
		name string
		rows *canned
	}{
		{"1M", crimeRows(1_000_000, spread(2*base), late).keep()},
		{"10k", crimeRows(10_000, spread(base), late).keep()},
		{"10k_recent", crimeRows(10_000, func(i int) int64 { return base - int64(i*3) }, late).keep()},
	}
	for _, mode := range modes() {
		table := crimes()
		table.Properties = mode.with(map[string]string{icetable.WriteTargetFileSizeBytesKey: "24000000"})
		l := newLake(b, table)
		l.applyCanned(b, etl.Full, crimeRows(base, own, own))
		head := l.iceberg().CurrentSnapshot().SnapshotID
		for _, c := range loads {
			b.Run(mode.name+"/"+c.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r := l.applyCanned(b, etl.Incremental, c.rows)
					b.StopTimer()
					require.Positive(b, r.Counts.Updated)
					l.rollBack(head)
					b.StartTimer()
				}
			})
		}
	}
}

func (l *lake) rollBack(to int64) {
	tx := l.iceberg().NewTransaction()
	require.NoError(l.t, tx.RollbackToSnapshot(to))
	_, err := tx.Commit(l.t.Context())
	require.NoError(l.t, err)
}
