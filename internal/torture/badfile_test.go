package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/format/parquetformat"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/quarantine"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
)

// badFile has every kind of bad value that its format can have.
type badFile struct {
	format  etl.Format
	content string
	want    []string // row: column: rule
	counts  etl.Counts
}

func badFiles(t *testing.T) map[string]badFile {
	csv := "Op,id,amount,name,seen\n" +
		"I,1,1.00,ann,2024-01-01 00:00:00\n" +
		"I,2,1.00\n" +
		"I,x,1.00,bob,\n" +
		"I,,1.00,bob,\n" +
		"?,5,1.00,bob,\n" +
		",6,1.00,bob,\n" +
		"I,7,12345.00,bob,\n" +
		"I,8,1.00,,\n" +
		"I,9,1.00,\xff,\n" +
		"I,10,1.00,bob,2024-02-30 00:00:00\n" +
		"I,11,1.00,boom,\n" +
		"I,12,1.00,refused,\n" +
		"U,1,2.00,\"ann\n2\",\n" +
		"U,1,many,ann3,\n" +
		"I,15,3.00,eve,2024-03-03 00:00:00\n" +
		"D,16,,,\n"
	lines := `{"Op":"I","id":1,"amount":"1.00","name":"ann","seen":"2024-01-01 00:00:00"}
{"Op":"I","id":2,"amount":"1.00"
{"Op":"I","id":"x","amount":"1.00","name":"bob","seen":null}
{"Op":"I","id":null,"amount":"1.00","name":"bob","seen":null}
{"Op":"?","id":5,"amount":"1.00","name":"bob","seen":null}
{"Op":null,"id":6,"amount":"1.00","name":"bob","seen":null}
{"Op":"I","id":7,"amount":12345,"name":"bob","seen":null}
{"Op":"I","id":8,"amount":"1.00","name":null,"seen":null}
{"Op":"I","id":9,"amount":"1.00","name":true,"seen":null}
{"Op":"I","id":10,"amount":"1.00","name":"bob","seen":"2024-02-30 00:00:00"}
{"Op":"I","id":11,"amount":"1.00","name":"boom","seen":null}
{"Op":"I","id":12,"amount":"1.00","name":"refused","seen":null}
{"Op":"U","id":1,"amount":2.00,"name":"ann\n2","seen":null}
{"Op":"U","id":1,"amount":"many","name":"ann3","seen":null}
{"Op":"I","id":15,"amount":3,"name":"eve","seen":"2024-03-03 00:00:00"}
{"Op":"D","id":16,"amount":null,"name":null,"seen":null}
{"Op":"I","id":17,"name":"bob","seen":null}
{"Op":"I","id":18,"id":19,"amount":null,"name":"bob","seen":null}
`
	shared := []string{
		"3: id: not a long", "4: id: key is null", "5: Op: unknown operation", "6: Op: operation is null",
		"7: amount: out of range for decimal(6,2)", "8: name: required value is null",
	}
	later := []string{"11: name: goes boom", "12: : refused by check names", "14: amount: not a decimal"}
	return map[string]badFile{
		"csv": {format.CSV{Header: true}, csv,
			append(append([]string{"2: : has 3 fields, expected 5"}, shared...),
				append([]string{"9: name: invalid UTF-8", "10: seen: not a timestamp"}, later...)...),
			etl.Counts{Read: 16, Inserted: 2, Superseded: 1, Unchanged: 1, Quarantined: 12, RowsAfter: 2}},
		"json lines": {format.JSONLines{}, lines,
			append(append(append([]string{"2: : not a JSON object"}, shared...),
				append([]string{"9: name: not a string", "10: seen: not a timestamp"}, later...)...),
				"17: amount: column is missing", "18: id: column is there twice"),
			etl.Counts{Read: 18, Inserted: 2, Superseded: 1, Unchanged: 1, Quarantined: 14, RowsAfter: 2}},
		"parquet": {parquetformat.Format{}, parquetContent(t), []string{
			"2: id: key is null", "3: Op: unknown operation", "4: Op: operation is null", "5: name: required value is null",
			"6: name: invalid UTF-8", "7: seen: finer than microseconds", "8: name: goes boom", "9: : refused by check names", "11: seen: finer than microseconds",
		}, etl.Counts{Read: 13, Inserted: 2, Superseded: 1, Unchanged: 1, Quarantined: 9, RowsAfter: 2}},
	}
}

// parquetContent is a file of which the columns have types that fit, but not all values do.
func parquetContent(t *testing.T) string {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "Op", Type: arrow.BinaryTypes.String, Nullable: true}, {Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "amount", Type: &arrow.Decimal128Type{Precision: 6, Scale: 2}, Nullable: true},
		{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "seen", Type: &arrow.TimestampType{Unit: arrow.Nanosecond}, Nullable: true},
	}, nil)
	whole := time.Date(2024, 3, 3, 0, 0, 0, 0, time.UTC).UnixNano()
	rows := []struct {
		op, id, amount, name, seen any
	}{
		{"I", 1, "1.00", "ann", whole}, {"I", nil, "1.00", "bob", nil}, {"?", 3, "1.00", "bob", nil}, {nil, 4, "1.00", "bob", nil},
		{"I", 5, "1.00", nil, nil}, {"I", 6, "1.00", "\xff", nil}, {"I", 7, "1.00", "bob", whole + 1}, {"I", 8, "1.00", "boom", nil},
		{"I", 9, "1.00", "refused", nil}, {"U", 1, "2.00", "ann\n2", nil}, {"U", 1, "2.50", "ann3", whole + 7}, {"I", 15, "3.00", "eve", whole},
		{"D", 16, nil, nil, nil},
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for _, r := range rows {
		for i, v := range []any{r.op, r.id, r.amount, r.name, r.seen} {
			switch to := b.Field(i).(type) {
			case *array.StringBuilder:
				if text, ok := v.(string); ok {
					to.Append(text)
					continue
				}
				to.AppendNull()
			default:
				if v == nil {
					to.AppendNull()
				} else if at, ok := to.(*array.TimestampBuilder); ok {
					at.Append(arrow.Timestamp(v.(int64)))
				} else {
					require.NoError(t, to.AppendValueFromString(fmt.Sprint(v)))
				}
			}
		}
	}
	rec := b.NewRecordBatch()
	var out bytes.Buffer
	require.NoError(t, pqarrow.WriteTable(array.NewTableFromRecords(schema, []arrow.RecordBatch{rec}), &out, 1<<20, nil, pqarrow.DefaultWriterProps()))
	return out.String()
}

// boom is a transform that does not take a name.
type boom struct{}

func (boom) Schema(in *arrow.Schema) (*arrow.Schema, error) { return in, nil }

func (boom) Transform(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	names := in.Column(in.Schema().FieldIndices("name")[0]).(*array.String)
	for i := range names.Len() {
		if names.IsValid(i) && names.Value(i) == "boom" {
			return nil, &etl.RowError{Row: int64(i) + 1, Column: "name", Rule: "goes boom"}
		}
	}
	in.Retain()
	return in, nil
}

// refuses is a check that does not take another.
type refuses struct{}

func (refuses) Name() string                                               { return "names" }
func (refuses) Begin(context.Context, etl.CheckScope) (etl.Checker, error) { return refuses{}, nil }
func (refuses) Verdict(context.Context, etl.Counts) (v etl.Verdict, err error) {
	return etl.Verdict{OK: true}, nil
}

func (refuses) Rows(_ context.Context, in arrow.RecordBatch) (refused []int, err error) {
	names := in.Column(in.Schema().FieldIndices("name")[0]).(*array.String)
	for i := range names.Len() {
		if names.IsValid(i) && names.Value(i) == "refused" {
			refused = append(refused, i)
		}
	}
	return refused, nil
}

// TestABadFileOfEachFormat: what lands, what is set aside, and the accounting, to the
// row. The engine's memory, the sink and whether the rows are a full load make no
// difference.
func TestABadFileOfEachFormat(t *testing.T) {
	for name, bad := range badFiles(t) {
		for _, lake := range []bool{false, true} {
			for _, memory := range []int64{0, 1} {
				for _, budget := range []int64{bad.counts.Quarantined, bad.counts.Quarantined - 1} {
					t.Run(fmt.Sprint(name, " lake ", lake, " memory ", memory, " budget ", budget), func(t *testing.T) {
						playBadFile(t, bad, lake, memory, budget)
					})
				}
			}
		}
	}
}

func playBadFile(t *testing.T, bad badFile, lake bool, memory, budget int64) {
	var tables interface {
		etl.Sink
		etltest.Scanner
	} = sink.NewMemory()
	if lake {
		s, err := icebergsink.Open(t.Context(), icebergsink.Config{Warehouse: filepath.Join(t.TempDir(), "lake")})
		require.NoError(t, err)
		defer s.Close()
		tables = s
	}
	kept := quarantine.NewMemory()
	landing := source.NewMemory()
	var told []etl.BadRow
	runner, err := etl.New(etl.Config{
		Source: landing, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: tables, Quarantine: kept, MemoryBudget: memory,
		Observer: etl.Observer{Quarantined: func(_ etl.Load, rows []etl.BadRow) { told = append(told, rows...) }},
		Layout: etl.LayoutFunc(func(string) (etl.Placement, bool) {
			return etl.Placement{Table: "shop.t", Kind: etl.Incremental, Order: "1"}, true
		}),
		Tables: []etl.Table{{
			Name: "shop.t", Key: []string{"id"}, Op: etl.OpColumn{Column: "Op"}, Format: bad.format,
			Columns: etl.Columns{
				{Name: "id", Type: etl.Long}, {Name: "amount", Type: etl.Decimal(6, 2)}, {Name: "name", Type: etl.String, Required: true},
				{Name: "seen", Type: etl.Timestamp},
			},
			Transforms: []etl.Transformer{boom{}}, Checks: []etl.TableCheck{{Check: refuses{}, Action: etl.CheckQuarantine}},
			BadRows: etl.ErrorBudget{Rows: budget},
		}},
	})
	require.NoError(t, err)
	landing.Put("file", []byte(bad.content))
	report, err := runner.Ingest(t.Context())
	if budget < bad.counts.Quarantined {
		var exceeded *etl.BudgetError
		require.True(t, errors.As(err, &exceeded), "%v", err)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
		require.EqualValues(t, 2, exceeded.First.Row)
		require.Greater(t, exceeded.Bad, budget)
		require.Empty(t, told)
		return
	}
	require.NoError(t, err)
	require.Equal(t, bad.counts, report.Tables[0].Loads[0].Receipt.Counts)
	rows, err := etltest.ReadRows(t.Context(), tables, "shop.t")
	require.NoError(t, err)
	require.Empty(t, etltest.Rows{
		{1, "2", "ann\n2", nil}, {15, "3", "eve", time.Date(2024, 3, 3, 0, 0, 0, 0, time.UTC)},
	}.Diff(rows))
	var got []string
	for row, err := range runner.BadRows(t.Context(), "shop.t") {
		require.NoError(t, err)
		require.True(t, row.InTable)
		require.NotEmpty(t, row.Raw)
		require.Equal(t, strings.Contains(strings.Join([]string{"2: : has", "2: : not", "3: id", "4: id", "2: id", "18: id"}, "|"),
			fmt.Sprint(row.Row, ": ", row.Column)) && row.Column != "Op", row.Key == nil, "%d %s", row.Row, row.Rule)
		got = append(got, fmt.Sprint(row.Row, ": ", row.Column, ": ", row.Rule))
	}
	require.Equal(t, bad.want, got)
	require.Len(t, told, len(got))
	require.Nil(t, told[0].Raw)
}
