package differential

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/format/parquetformat"
	"github.com/tidemark-data/etl/source"
	"github.com/tidemark-data/etl/transform"
	"github.com/tidemark-data/etl/transform/celtransform"
)

// badFile has every kind of bad value that its format can have. mended are versions of
// some of its rows, by their numbers.
type badFile struct {
	format  etl.Format
	content string
	bad     int
	mended  map[int64]string
}

func badFiles(t *testing.T) map[string]badFile {
	csv := "Op,id,old,amount,name,seen\n" +
		"I,1,,1.00,ann,2024-01-01 00:00:00\r\n" +
		"I,2,,1.00\n" +
		"I,x,,1.00,bob,\n" +
		"I,,,1.00,bob,\n" +
		"?,5,,1.00,\"b\"\"o\nb\",\n" +
		",6,,1.00,bob,\n" +
		"I,7,,12345.00,bob,\n" +
		"I,8,,1.00,,\n" +
		"I,9,,1.00,\xff,\n" +
		"I,10,,1.00,bob,2024-02-30 00:00:00\n" +
		"I,11,,1.00,boom,\n" +
		"I,12,,1.00,refused,\n" +
		"U,1,,2.00,\"ann\n2\",\n" +
		"U,1,,many,ann3,\n" +
		"I,15,,3.00,eve,2024-03-03 00:00:00\n" +
		"D,16,,,,\n" +
		"U,17,y,1.00,bob,\n" +
		"U,18,15,x,bob,\n" +
		"?,15,,1.00,late,\n" +
		"I,5,,4.00,later,\n"
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
{"Op":"?","id":1,"amount":null,"name":"late","seen":null}
{"Op":"I","id":5,"amount":4,"name":"later","seen":null}
`
	return map[string]badFile{
		"csv": {format.CSV{Header: true}, csv, 15, map[int64]string{8: "I,8,,1.00,mended,", 18: "U,18,15,4.50,moved,"}},
		"json lines": {format.JSONLines{}, lines, 15, map[int64]string{
			8: `{"Op":"I","id":8,"amount":"1.00","name":"mended","seen":null}`}},
		"parquet": {parquetformat.Format{}, parquetContent(t), 10, map[int64]string{
			5: `{"Op":"I","id":5,"amount":"2.5","name":"mended","seen":"2024-01-02T03:04:05.000006"}`}},
	}
}

// parquetContent is a file of which the columns have types that fit, but not all values do.
func parquetContent(t *testing.T) string {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "Op", Type: arrow.BinaryTypes.String, Nullable: true}, {Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "amount", Type: &arrow.Decimal128Type{Precision: 6, Scale: 2}, Nullable: true},
		{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "seen", Type: &arrow.TimestampType{Unit: arrow.Nanosecond}, Nullable: true},
		{Name: "day", Type: arrow.FixedWidthTypes.Date32, Nullable: true}, {Name: "ratio", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "blob", Type: arrow.BinaryTypes.Binary, Nullable: true}, {Name: "flag", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "small", Type: arrow.PrimitiveTypes.Float32, Nullable: true}, {Name: "zoned", Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true},
	}, nil)
	whole := time.Date(2024, 3, 3, 0, 0, 0, 0, time.UTC).UnixNano()
	rows := []struct {
		op, id, amount, name, seen, day, ratio any
	}{
		{"I", 1, "1.00", "ann", whole, "2024-01-01", 1.5}, {"I", nil, "1.00", "b<o>b\u2028\n", nil, "1969-12-31", 1e-9}, {"?", 3, "1.00", "bob", whole + 7, nil, 1e22},
		{nil, 4, "0.05", "bob", -1, "0001-01-01", -0.1}, {"I", 5, "1230.00", nil, nil, "9999-12-31", 123456789.125}, {"I", 6, "-12.30", "\xffx", nil, nil, nil},
		{"I", 7, "1.00", "bob", whole + 1, nil, 0}, {"I", 11, "0", "boom", nil, nil, nil}, {"I", 9, "1.00", "refused", nil, nil, nil},
		{"U", 1, "2.00", "ann\n2", nil, nil, nil}, {"U", 1, "2.50", "ann3", whole + 7, nil, nil}, {"I", 15, "3.00", "eve", whole, nil, nil},
		{"D", 16, nil, nil, nil, nil, nil}, {"?", 1, "9999.99", "late", nil, nil, nil},
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i, r := range rows {
		for at, v := range []any{r.op, r.id, r.amount, r.name, r.seen, r.day, r.ratio} {
			switch to := b.Field(at).(type) {
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
					n, _ := v.(int64)
					at.Append(arrow.Timestamp(n))
				} else {
					require.NoError(t, to.AppendValueFromString(fmt.Sprint(v)))
				}
			}
		}
		b.Field(7).(*array.BinaryBuilder).Append([]byte{0, byte(i), 0xff})
		b.Field(8).(*array.BooleanBuilder).Append(i%2 == 0)
		b.Field(9).(*array.Float32Builder).Append(0.1 * float32(i))
		b.Field(10).(*array.TimestampBuilder).Append(arrow.Timestamp(1_700_000_000_123_000 + i))
	}
	rec := b.NewRecordBatch()
	var out bytes.Buffer
	require.NoError(t, pqarrow.WriteTable(array.NewTableFromRecords(schema, []arrow.RecordBatch{rec}), &out, 1<<20, nil, pqarrow.DefaultWriterProps()))
	return out.String()
}

func badTable(bad badFile) etl.Table {
	table := etl.Table{
		Name: "shop.t", Key: []string{"id"}, Op: etl.OpColumn{Column: "Op"}, Format: bad.format, BadRows: etl.ErrorBudget{Rows: int64(bad.bad)},
		Columns: etl.Columns{
			{Name: "id", Type: etl.Long}, {Name: "amount", Type: etl.Decimal(6, 2)}, {Name: "name", Type: etl.String, Required: true},
			{Name: "seen", Type: etl.Timestamp},
		},
		Transforms: []etl.Transformer{celtransform.Derive("share", "100 / (id - 11)"), transform.Trim("name")},
		Checks:     []etl.TableCheck{{Check: check.Allowed("name", "ann", "ann\n2", "eve", "later", "mended", "moved", "bob", "boom", "b\"o\nb"), Action: etl.CheckQuarantine}},
	}
	switch bad.format.(type) {
	case format.CSV:
		table.OldKey = []string{"old"}
	case parquetformat.Format:
		table.Columns = append(table.Columns, etl.Columns{
			{Name: "day", Type: etl.Date}, {Name: "ratio", Type: etl.Double}, {Name: "blob", Type: etl.Binary}, {Name: "flag", Type: etl.Bool},
			{Name: "small", Type: etl.Float}, {Name: "zoned", Type: etl.TimestampTZ},
		}...)
	}
	return table
}

// playBadFile takes a file with every kind of bad value through both engines, and then
// mended versions of some of its rows.
func playBadFile(t *testing.T, bad badFile, other engine) {
	bucket := source.NewMemory()
	shared := located{bucket, t.TempDir()}
	layout := etl.LayoutFunc(func(at string) (etl.Placement, bool) {
		return etl.Placement{Table: "shop.t", Kind: etl.Incremental, Order: at}, true
	})
	table := badTable(bad)
	lanes := []*lane{newLane(t, shared, table, layout, nil), newLane(t, shared, table, layout, other)}
	bucket.Put("1", []byte(bad.content), time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC))
	for _, l := range lanes {
		_, err := l.runner.Ingest(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, compare(t.Context(), lanes[0], lanes[1]))
	told, err := loads(t.Context(), lanes[1])
	require.NoError(t, err)
	require.Contains(t, strings.Join(told, "\n"), fmt.Sprintf("Quarantined:%d", bad.bad))
	if bad.mended == nil {
		return
	}
	for _, l := range lanes {
		for row, err := range l.runner.BadRows(t.Context(), table.Name) {
			require.NoError(t, err)
			if mended, ok := bad.mended[row.Row]; ok {
				require.NoError(t, l.runner.ReplayBad(t.Context(), table.Name, row.ID, []byte(mended)))
			}
		}
		require.NoError(t, l.act(t.Context(), etltest.StepResume, nil))
	}
	require.NoError(t, compare(t.Context(), lanes[0], lanes[1]))
	told, err = loads(t.Context(), lanes[1])
	require.NoError(t, err)
	require.Greater(t, len(told), 2, "a load for mended rows")
	folder, err := lanes[1].left()
	require.NoError(t, err)
	require.Empty(t, folder, "what jobs hand over is removed")
}

// playBadFileOverBudget takes one through with a budget that is too small by one, and
// one that does not even cover what the first pass finds.
func playBadFileOverBudget(t *testing.T, bad badFile, other engine, budgets ...etl.ErrorBudget) {
	for _, budget := range budgets {
		bucket := source.NewMemory()
		shared := located{bucket, t.TempDir()}
		layout := etl.LayoutFunc(func(at string) (etl.Placement, bool) {
			return etl.Placement{Table: "shop.t", Kind: etl.Incremental, Order: at}, true
		})
		table := badTable(bad)
		table.BadRows = budget
		bucket.Put("1", []byte(bad.content), time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC))
		var why []string
		var lanes []*lane
		for _, e := range []engine{nil, other} {
			l := newLane(t, shared, table, layout, e)
			_, err := l.runner.Ingest(t.Context())
			require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
			st, err := l.control.State(t.Context(), table.Name)
			require.NoError(t, err)
			require.NotNil(t, st.Paused)
			why = append(why, st.Paused.Cause)
			lanes = append(lanes, l)
		}
		require.Equal(t, why[0], why[1])
		require.Contains(t, why[0], "budget "+budget.String())
		require.NoError(t, compare(t.Context(), lanes[0], lanes[1]))
	}
}

// TestBadFileInProcess is the comparison where both sides run the same engine.
func TestBadFileInProcess(t *testing.T) {
	t.Parallel()
	for name, bad := range badFiles(t) {
		t.Run(name, func(t *testing.T) { playBadFile(t, bad, inProcess) })
	}
	bad := badFiles(t)["csv"]
	playBadFileOverBudget(t, bad, inProcess, etl.ErrorBudget{Rows: 2}, etl.ErrorBudget{Rows: int64(bad.bad) - 1}, etl.ErrorBudget{Share: 0.05})
}

// playMendedFull mends a bad row of a full load: a change beats it, whatever its order.
func playMendedFull(t *testing.T, other engine) {
	bucket := source.NewMemory()
	shared := located{bucket, t.TempDir()}
	layout := etl.LayoutFunc(func(at string) (etl.Placement, bool) {
		if strings.HasPrefix(at, "full") {
			return etl.Placement{Table: "shop.t", Kind: etl.Full}, true
		}
		return etl.Placement{Table: "shop.t", Kind: etl.Incremental, Order: at}, true
	})
	table := etl.Table{
		Name: "shop.t", Key: []string{"id"}, Op: etl.OpColumn{Column: "Op"}, OrderBy: []string{"seq"}, BadRows: etl.ErrorBudget{Rows: 5},
		Format:     format.CSV{FullColumns: []string{"id", "seq", "name"}, ChangeColumns: []string{"Op", "id", "seq", "name"}},
		Columns:    etl.Columns{{Name: "id", Type: etl.Int}, {Name: "seq", Type: etl.Long}, {Name: "name", Type: etl.String, Required: true}},
		Transforms: []etl.Transformer{transform.Cast(map[string]transform.CastTo{"id": {Type: etl.String}})},
	}
	lanes := []*lane{newLane(t, shared, table, layout, nil), newLane(t, shared, table, layout, other)}
	at := time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC)
	land := func(name, content string) {
		at = at.Add(time.Second)
		bucket.Put(name, []byte(content), at)
		for _, l := range lanes {
			require.NoError(t, l.act(t.Context(), etltest.StepIngest, nil))
		}
		require.NoError(t, compare(t.Context(), lanes[0], lanes[1]))
	}
	mend := func(rows map[int64]string) {
		for _, l := range lanes {
			mended := 0
			for row, err := range l.runner.BadRows(t.Context(), table.Name) {
				require.NoError(t, err)
				if text, ok := rows[row.Row]; ok && row.File == "full" {
					require.NoError(t, l.runner.ReplayBad(t.Context(), table.Name, row.ID, []byte(text)))
					mended++
				}
			}
			require.Len(t, rows, mended)
		}
	}
	land("full", "1,5,a\n2,x,b\n3,7,c\n4,8,\n5,30,e\n5,x,f\n6,10,g\n6,x,h\n6,x,i\n")
	mend(map[int64]string{2: "2,6,mended", 4: "4,9,mended too", 6: "5,20,lost", 8: "6,20,best of them"})
	land("c1", "U,3,8,c2\nU,4,1,beaten\n?,1,1,bad\n")
	mend(map[int64]string{9: "6,15,lost against a mended one"})
	land("c2", "U,2,1,any change beats it\nU,3,2,superseded\nU,1,9,overtakes\n")
	got, err := rows(t.Context(), lanes[1])
	require.NoError(t, err)
	require.Equal(t, []string{
		`["1" "9" "overtakes"]`, `["2" "1" "any change beats it"]`, `["3" "8" "c2"]`, `["4" "1" "beaten"]`,
		`["5" "30" "e"]`, `["6" "20" "best of them"]`,
	}, got)
}

// TestMendedFullInProcess is that where both sides run the same engine.
func TestMendedFullInProcess(t *testing.T) {
	t.Parallel()
	playMendedFull(t, inProcess)
}
