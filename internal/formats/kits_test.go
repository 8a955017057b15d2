package formats

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/format/avroformat"
	"github.com/tidemark-data/etl/format/parquetformat"
)

var kits = map[string]etltest.FormatKit{
	"csv": {
		Format: func(t etl.Table) etl.Format { return format.CSV{}.ForTable(t) },
		Kind:   etl.Full, Write: writeCSV(nil, nil),
	},
	"csv with a header": {
		Format: func(etl.Table) etl.Format { return format.CSV{Header: true} },
		Kind:   etl.Full, Write: writeCSV(nil, func(rec arrow.RecordBatch) (names []string) {
			for _, f := range rec.Schema().Fields() {
				names = append(names, f.Name)
			}
			return names
		}),
	},
	"dms transactions": {
		Format: func(t etl.Table) etl.Format { return format.DMSTransactions{}.ForTable(t) },
		Kind:   etl.Incremental, Write: writeCSV([]string{"I", "b", "a"}, nil), First: 2, Step: 2,
	},
	"json lines": {
		Format: func(etl.Table) etl.Format { return format.JSONLines{} },
		Kind:   etl.Full, Write: writeLines(nil, `%s`),
	},
	"json lines, text only": {
		Format: func(etl.Table) etl.Format { return format.JSONLines{} },
		Kind:   etl.Incremental, Write: writeLines(func(a arrow.Array, i int) any { return a.ValueStr(i) }, `%s`),
	},
	"debezium": {
		Format: func(etl.Table) etl.Format { return format.Debezium{DecimalText: true} },
		Kind:   etl.Incremental, Write: writeLines(nil, `{"before":null,"after":%s,"source":{},"op":"c","ts_ms":1}`),
	},
	"debezium, payload and numbers": {
		Format: func(etl.Table) etl.Format { return format.Debezium{DecimalText: true, Unit: format.Micros} },
		Kind:   etl.Incremental, Write: writeLines(counted, `{"schema":null,"payload":{"before":null,"after":%s,"source":{},"op":"r","ts_ms":1}}`),
	},
	"parquet": {
		Format: func(etl.Table) etl.Format { return parquetformat.Format{} },
		Kind:   etl.Full, Write: writeParquet, Typed: true,
	},
	"avro": {
		Format: func(etl.Table) etl.Format { return avroformat.Format{} },
		Kind:   etl.Full, Write: writeAvro(false), Typed: true,
	},
	"avro events": {
		Format: func(etl.Table) etl.Format { return avroformat.Format{Events: true} },
		Kind:   etl.Incremental, Write: writeAvro(true), Typed: true,
	},
}

// writeCSV writes what stands before the columns, if anything, among records of another
// table.
func writeCSV(before []string, header func(arrow.RecordBatch) []string) func(testing.TB, arrow.RecordBatch) []byte {
	return func(t testing.TB, rec arrow.RecordBatch) []byte {
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		if header != nil {
			require.NoError(t, w.Write(header(rec)))
		}
		for i := range int(rec.NumRows()) {
			if before != nil {
				require.NoError(t, w.Write([]string{"U", "other", before[2], "line\nbreak"}))
			}
			line := append([]string{}, before...)
			for _, col := range rec.Columns() {
				text := ""
				if col.IsValid(i) {
					text = col.ValueStr(i)
				}
				line = append(line, text)
			}
			require.NoError(t, w.Write(line))
		}
		w.Flush()
		return b.Bytes()
	}
}

// writeLines puts each row as JSON into an envelope.
func writeLines(value func(arrow.Array, int) any, envelope string) func(testing.TB, arrow.RecordBatch) []byte {
	return func(t testing.TB, rec arrow.RecordBatch) []byte {
		var b strings.Builder
		for i := range int(rec.NumRows()) {
			row := map[string]any{}
			for c, col := range rec.Columns() {
				switch {
				case col.IsNull(i):
					row[rec.ColumnName(c)] = nil
				case value != nil:
					row[rec.ColumnName(c)] = value(col, i)
				default:
					row[rec.ColumnName(c)] = col.GetOneForMarshal(i)
				}
			}
			text, err := json.Marshal(row)
			require.NoError(t, err)
			fmt.Fprintf(&b, envelope+"\n", text)
		}
		return []byte(b.String())
	}
}

// counted writes moments as numbers.
func counted(a arrow.Array, i int) any {
	switch a := a.(type) {
	case *array.Date32:
		return int32(a.Value(i))
	case *array.Timestamp:
		return int64(a.Value(i))
	}
	return a.GetOneForMarshal(i)
}

func writeParquet(t testing.TB, rec arrow.RecordBatch) []byte {
	var b bytes.Buffer
	w, err := pqarrow.NewFileWriter(rec.Schema(), &b, parquet.NewWriterProperties(), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	require.NoError(t, err)
	require.NoError(t, w.Write(rec))
	require.NoError(t, w.Close())
	return b.Bytes()
}

func writeAvro(events bool) func(testing.TB, arrow.RecordBatch) []byte {
	return func(t testing.TB, rec arrow.RecordBatch) []byte {
		var fields []map[string]any
		for _, f := range rec.Schema().Fields() {
			fields = append(fields, map[string]any{"name": f.Name, "type": []any{"null", avroType(t, f.Type)}})
		}
		schema := map[string]any{"type": "record", "name": "row", "fields": fields}
		if events {
			schema = map[string]any{"type": "record", "name": "envelope", "fields": []any{
				map[string]any{"name": "op", "type": "string"}, map[string]any{"name": "before", "type": []any{"null", schema}},
				map[string]any{"name": "after", "type": []any{"null", "row"}},
			}}
		}
		text, err := json.Marshal(schema)
		require.NoError(t, err)
		s, err := avro.Parse(string(text))
		require.NoError(t, err)
		var b bytes.Buffer
		w, err := ocf.NewWriter(&b, s, ocf.WithCodec(ocf.SnappyCodec()), ocf.WithBlockCount(100))
		require.NoError(t, err)
		for i := range int(rec.NumRows()) {
			row := map[string]any{}
			for c, col := range rec.Columns() {
				row[rec.ColumnName(c)] = avroValue(col, i)
			}
			if events {
				row = map[string]any{"op": "c", "before": nil, "after": row}
			}
			require.NoError(t, w.Encode(row))
		}
		require.NoError(t, w.Close())
		return b.Bytes()
	}
}

func avroType(t testing.TB, dt arrow.DataType) any {
	logical := func(base, name string) any { return map[string]any{"type": base, "logicalType": name} }
	switch dt := dt.(type) {
	case *arrow.BooleanType:
		return "boolean"
	case *arrow.Int32Type:
		return "int"
	case *arrow.Int64Type:
		return "long"
	case *arrow.Float32Type:
		return "float"
	case *arrow.Float64Type:
		return "double"
	case *arrow.StringType:
		return "string"
	case *arrow.BinaryType:
		return "bytes"
	case *arrow.Date32Type:
		return logical("int", "date")
	case *arrow.TimestampType:
		if dt.TimeZone == "" {
			return logical("long", "local-timestamp-micros")
		}
		return logical("long", "timestamp-micros")
	case *arrow.Decimal128Type:
		return map[string]any{"type": "bytes", "logicalType": "decimal", "precision": dt.Precision, "scale": dt.Scale}
	}
	if dt.Name() == "extension" {
		return logical("string", "uuid")
	}
	t.Fatalf("no Avro type for %v", dt)
	return nil
}

func avroValue(a arrow.Array, i int) any {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case *array.Boolean:
		return a.Value(i)
	case *array.Int32:
		return a.Value(i)
	case *array.Int64:
		return a.Value(i)
	case *array.Float32:
		return a.Value(i)
	case *array.Float64:
		return a.Value(i)
	case *array.Binary:
		return a.Value(i)
	case *array.Date32:
		return int32(a.Value(i))
	case *array.Timestamp:
		return int64(a.Value(i))
	}
	return a.ValueStr(i) // text, decimals, uuids
}
