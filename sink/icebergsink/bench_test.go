package icebergsink_test

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// made is a source and format of rows made up from their numbers: row i of a
// file has the key first + i*step.
type made struct{ first, step, rows int }

func (m *made) List(context.Context) iter.Seq2[etl.File, error]   { return nil }
func (m *made) Open(context.Context, etl.File) (etl.Input, error) { return nothing{}, nil }
func (m *made) Partial(etl.LoadKind) bool                         { return false }
func (m *made) Scan(_ context.Context, _ etl.Input, req etl.ScanRequest) iter.Seq2[etl.Rows, error] {
	return func(yield func(etl.Rows, error) bool) {
		fields := make([]arrow.Field, len(req.Columns))
		for i, c := range req.Columns {
			fields[i] = arrow.Field{Name: c.Name, Type: c.Type.Arrow(), Nullable: true}
		}
		schema := arrow.NewSchema(fields, nil)
		for from := 0; from < m.rows; from += 8192 {
			b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
			var out etl.Rows
			for i := from; i < min(from+8192, m.rows); i++ {
				if req.Select != nil && !req.Select(int64(i+1)) {
					continue
				}
				out.Numbers = append(out.Numbers, int64(i+1))
			}
			for c := range fields {
				switch b := b.Field(c).(type) {
				case *array.Int64Builder:
					for _, n := range out.Numbers {
						b.Append(int64(m.first + int(n-1)*m.step))
					}
				case *array.StringBuilder:
					for _, n := range out.Numbers {
						b.Append(fmt.Sprintf("name of row %d", n%5000))
					}
				}
			}
			out.Record = b.NewRecordBatch()
			b.Release()
			more := yield(out, nil)
			out.Record.Release()
			if !more {
				return
			}
		}
	}
}

func (l *lake) applyMade(b *testing.B, kind etl.LoadKind, m *made) etl.Receipt {
	load, _ := l.land(kind)
	table := l.table
	table.Op = etl.OpColumn{}
	changes, err := etl.NewChanges(etl.ChangesConfig{Table: table, Load: load, Source: m, Format: m})
	require.NoError(b, err)
	r, err := l.sink.Apply(b.Context(), l.target(), load, changes)
	require.NoError(b, err)
	return r
}

// BenchmarkUpsert measures incremental loads on a table of a million rows.
func BenchmarkUpsert(b *testing.B) {
	const rows = 1_000_000
	for _, c := range []struct {
		name string
		made
	}{{"100k_spread", made{0, 10, 100_000}}, {"1k_spread", made{0, 1000, 1_000}}, {"1k_clustered", made{500_000, 1, 1_000}}} {
		b.Run(c.name, func(b *testing.B) {
			l := newLake(b, people())
			l.applyMade(b, etl.Full, &made{0, 1, rows})
			for b.Loop() {
				r := l.applyMade(b, etl.Incremental, &c.made)
				require.Equal(b, int64(c.rows), r.Counts.Updated)
			}
		})
	}
}

// BenchmarkFull measures full loads of a million rows, each over the last.
func BenchmarkFull(b *testing.B) {
	l := newLake(b, people())
	for b.Loop() {
		l.applyMade(b, etl.Full, &made{0, 1, 1_000_000})
	}
}
