package parquetformat_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format/parquetformat"
	"github.com/tidemark-data/etl/source"
)

// col is a column of a file under test: its values as JSON.
type col struct {
	name   string
	dt     arrow.DataType
	values string
}

// parquetFile writes row groups of groupRows rows.
func parquetFile(t testing.TB, groupRows int64, columns ...col) string {
	var fields []arrow.Field
	var arrays []arrow.Array
	for _, c := range columns {
		a, _, err := array.FromJSON(memory.DefaultAllocator, c.dt, strings.NewReader(c.values))
		require.NoError(t, err)
		fields = append(fields, arrow.Field{Name: c.name, Type: c.dt, Nullable: true})
		arrays = append(arrays, a)
	}
	schema := arrow.NewSchema(fields, nil)
	table := array.NewTableFromRecords(schema, []arrow.RecordBatch{array.NewRecordBatch(schema, arrays, int64(arrays[0].Len()))})
	var b bytes.Buffer
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy), parquet.WithStoreDecimalAsInteger(true))
	require.NoError(t, pqarrow.WriteTable(table, &b, groupRows, props, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema())))
	return b.String()
}

func want(typ etl.Type, name string) etl.ScanColumn {
	return etl.ScanColumn{Column: etl.Column{Name: name, Type: typ}}
}

func input(t testing.TB, content string) etl.Input {
	m := source.NewMemory()
	in, err := m.Open(t.Context(), m.Put("landing/file.parquet", []byte(content)))
	require.NoError(t, err)
	return in
}

// scan returns the values as text, row by row.
func scan(t testing.TB, f parquetformat.Format, content string, req etl.ScanRequest) (rows []string, numbers []int64, err error) {
	req.Location, req.Kind = "landing/file.parquet", etl.Full
	for r, err := range f.Scan(t.Context(), input(t, content), req) {
		if err != nil {
			return rows, numbers, err
		}
		require.EqualValues(t, len(r.Numbers), r.Record.NumRows())
		require.Nil(t, r.Unsupplied)
		numbers = append(numbers, r.Numbers...)
		for i := range r.Numbers {
			var row []string
			for c, a := range r.Record.Columns() {
				require.True(t, arrow.TypeEqual(req.Columns[c].Type.Arrow(), a.DataType()), "%v", a.DataType())
				row = append(row, a.ValueStr(i))
			}
			rows = append(rows, strings.Join(row, "|"))
		}
	}
	return rows, numbers, nil
}

func TestTypesThatFit(t *testing.T) {
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	for _, c := range []struct {
		from   arrow.DataType
		values string
		to     etl.Type
		want   string
	}{
		{arrow.FixedWidthTypes.Boolean, `[true, null]`, etl.Bool, "true (null)"},
		{arrow.PrimitiveTypes.Int8, `[-1, null]`, etl.Int, "-1 (null)"},
		{arrow.PrimitiveTypes.Int16, `[-1]`, etl.Long, "-1"},
		{arrow.PrimitiveTypes.Int32, `[-2147483648]`, etl.Int, "-2147483648"},
		{arrow.PrimitiveTypes.Int32, `[-2147483648, null]`, etl.Long, "-2147483648 (null)"},
		{arrow.PrimitiveTypes.Int64, `[9223372036854775807]`, etl.Long, "9223372036854775807"},
		{arrow.PrimitiveTypes.Uint16, `[65535]`, etl.Int, "65535"},
		{arrow.PrimitiveTypes.Uint32, `[4294967295]`, etl.Long, "4294967295"},
		{arrow.PrimitiveTypes.Float32, `[1.5]`, etl.Float, "1.5"},
		{arrow.PrimitiveTypes.Float32, `[1.5, null]`, etl.Double, "1.5 (null)"},
		{arrow.PrimitiveTypes.Float64, `[0.1]`, etl.Double, "0.1"},
		{&arrow.Decimal128Type{Precision: 5, Scale: 2}, `["123.45", null, "-0.01"]`, etl.Decimal(5, 2), "123.45 (null) -0.01"},
		{&arrow.Decimal128Type{Precision: 5, Scale: 2}, `["123.45"]`, etl.Decimal(7, 4), "123.45"},
		{&arrow.Decimal128Type{Precision: 38, Scale: 0}, `["99999999999999999999999999999999999999"]`, etl.Decimal(38, 0), "99999999999999999999999999999999999999"},
		{&arrow.Decimal128Type{Precision: 15, Scale: 2}, `["-123.45", null]`, etl.Decimal(16, 3), "-123.45 (null)"},
		{arrow.FixedWidthTypes.Date32, `["2024-02-29", null]`, etl.Date, "2024-02-29 (null)"},
		{&arrow.TimestampType{Unit: arrow.Millisecond}, `[1709168523004, null]`, etl.Timestamp, "2024-02-29T01:02:03.004 (null)"},
		{&arrow.TimestampType{Unit: arrow.Nanosecond}, `[1709168523004005000]`, etl.Timestamp, "2024-02-29T01:02:03.004005"},
		{&arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, `[1709168523004005]`, etl.TimestampTZ, "2024-02-29T01:02:03.004005Z"},
		{arrow.BinaryTypes.String, `["ü", null, ""]`, etl.String, "ü (null) "},
		{arrow.BinaryTypes.LargeString, `["ü", null]`, etl.String, "ü (null)"},
		{dict, `["x", null, "y", "x"]`, etl.String, "x (null) y x"},
		{arrow.BinaryTypes.Binary, `["AAE=", null]`, etl.Binary, "AAE= (null)"},
		{arrow.BinaryTypes.LargeBinary, `["AAE="]`, etl.Binary, "AAE="},
		{&arrow.FixedSizeBinaryType{ByteWidth: 2}, `["AAE="]`, etl.Binary, "AAE="},
		{etl.UUID.Arrow(), `["f47ac10b-58cc-4372-a567-0e02b2c3d479", null]`, etl.UUID, "f47ac10b-58cc-4372-a567-0e02b2c3d479 (null)"},
		{&arrow.FixedSizeBinaryType{ByteWidth: 16}, `["9HrBC1jMQ3KlZw4CssPUeQ=="]`, etl.UUID, "f47ac10b-58cc-4372-a567-0e02b2c3d479"},
	} {
		name := fmt.Sprint(c.from, " to ", c.to)
		rows, _, err := scan(t, parquetformat.Format{}, parquetFile(t, 100, col{"c", c.from, c.values}), etl.ScanRequest{Columns: []etl.ScanColumn{want(c.to, "c")}})
		require.NoError(t, err, name)
		require.Equal(t, c.want, strings.Join(rows, " "), name)
	}
}

func TestTypesThatDoNot(t *testing.T) {
	for _, c := range []struct {
		from arrow.DataType
		to   etl.Type
		rule string
	}{
		{arrow.PrimitiveTypes.Int64, etl.Int, "file has type int64, table wants int"},
		{arrow.PrimitiveTypes.Uint64, etl.Long, "file has type uint64, table wants long"},
		{arrow.PrimitiveTypes.Int32, etl.Decimal(9, 0), "file has type int32, table wants decimal(9,0)"},
		{arrow.PrimitiveTypes.Int32, etl.Double, "file has type int32, table wants double"},
		{arrow.PrimitiveTypes.Int32, etl.String, "file has type int32, table wants string"},
		{arrow.PrimitiveTypes.Float64, etl.Float, "file has type float64, table wants float"},
		{&arrow.Decimal128Type{Precision: 9, Scale: 3}, etl.Decimal(9, 2), "file has type decimal(9, 3), table wants decimal(9,2)"},
		{&arrow.Decimal128Type{Precision: 9, Scale: 2}, etl.Decimal(9, 3), "file has type decimal(9, 2), table wants decimal(9,3)"},
		{arrow.BinaryTypes.String, etl.Binary, "file has type utf8, table wants binary"},
		{arrow.BinaryTypes.Binary, etl.String, "file has type binary, table wants string"},
		{&arrow.FixedSizeBinaryType{ByteWidth: 15}, etl.UUID, "file has type fixed_size_binary[15], table wants uuid"},
		{&arrow.TimestampType{Unit: arrow.Microsecond}, etl.TimestampTZ, "file has type timestamp[us], table wants timestamptz"},
		{&arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, etl.Timestamp, "file has type timestamp[us, tz=UTC], table wants timestamp"},
		{arrow.FixedWidthTypes.Date32, etl.Timestamp, "file has type date32, table wants timestamp"},
		{arrow.ListOf(arrow.PrimitiveTypes.Int32), etl.Int, ""},
		{arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int32, Nullable: true}), etl.Int, ""},
	} {
		content := parquetFile(t, 100, col{"c", c.from, `[null]`})
		_, _, err := scan(t, parquetformat.Format{}, content, etl.ScanRequest{Columns: []etl.ScanColumn{want(c.to, "c")}})
		var re *etl.RowError
		require.ErrorAs(t, err, &re, "%v", c.from)
		require.Equal(t, "c", re.Column)
		require.Zero(t, re.Row)
		if c.rule != "" {
			require.Equal(t, c.rule, re.Rule)
		}
		require.Contains(t, re.Rule, "file has type ")
	}
	content := parquetFile(t, 100, col{"c", &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"}, `[1709168523000]`})
	rows, _, err := scan(t, parquetformat.Format{AnyZone: true}, content, etl.ScanRequest{Columns: []etl.ScanColumn{want(etl.Timestamp, "c")}})
	require.NoError(t, err)
	require.Equal(t, []string{"2024-02-29T01:02:03"}, rows)
}

func TestValuesThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		from   arrow.DataType
		values string
		to     etl.Type
		rule   string
	}{
		{&arrow.TimestampType{Unit: arrow.Nanosecond}, `[null, 1000, 1001]`, etl.Timestamp, "finer than microseconds"},
		{&arrow.TimestampType{Unit: arrow.Millisecond}, `[null, 1000, 9223372036854775807]`, etl.Timestamp, "out of range for timestamp"},
	} {
		content := parquetFile(t, 2, col{"k", arrow.PrimitiveTypes.Int32, `[1, 2, 3]`}, col{"c", c.from, c.values})
		_, _, err := scan(t, parquetformat.Format{}, content, etl.ScanRequest{Columns: []etl.ScanColumn{want(etl.Int, "k"), want(c.to, "c")}})
		require.EqualError(t, err, "row 3 of landing/file.parquet: column c: "+c.rule)
	}
}

func tenRows(t testing.TB) string {
	return parquetFile(t, 3,
		col{"k", arrow.PrimitiveTypes.Int64, `[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]`},
		col{"v", arrow.BinaryTypes.String, `["a", "b", null, "d", "e", "f", "g", "h", "i", "j"]`},
		col{"unused", arrow.ListOf(arrow.PrimitiveTypes.Int32), `[[1], [], null, [], [], [], [], [], [], []]`})
}

func TestColumnsInTheOrderWantedAndRowsSelected(t *testing.T) {
	var asked []int64
	req := etl.ScanRequest{
		Columns: []etl.ScanColumn{want(etl.String, "v"), want(etl.Long, "k"), want(etl.Int, "none"), want(etl.Long, "k")},
		Select:  func(row int64) bool { asked = append(asked, row); return row == 3 || row == 8 || row == 9 },
	}
	req.Columns[2].Optional = true
	rows, numbers, err := scan(t, parquetformat.Format{}, tenRows(t), req)
	require.NoError(t, err)
	require.Equal(t, []string{"(null)|3|(null)|3", "h|8|(null)|8", "i|9|(null)|9"}, rows)
	require.Equal(t, []int64{3, 8, 9}, numbers)
	require.Equal(t, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, asked)

	req.Select = nil
	_, numbers, err = scan(t, parquetformat.Format{}, tenRows(t), req)
	require.NoError(t, err)
	require.Equal(t, asked, numbers)

	req.Columns = req.Columns[2:3]
	rows, _, err = scan(t, parquetformat.Format{}, tenRows(t), req)
	require.NoError(t, err)
	require.Len(t, rows, 10, "rows are counted where no column is read")
}

func TestMissingColumns(t *testing.T) {
	_, _, err := scan(t, parquetformat.Format{}, tenRows(t), etl.ScanRequest{Columns: []etl.ScanColumn{want(etl.Int, "none")}})
	require.EqualError(t, err, "landing/file.parquet: column none: column is missing")
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}

func TestBadFiles(t *testing.T) {
	good := tenRows(t)
	big := []byte(good)
	binary.LittleEndian.PutUint32(big[len(big)-8:], 1<<31)
	long := []byte(good)
	binary.LittleEndian.PutUint32(long[len(long)-8:], uint32(len(long)))
	for rule, content := range map[string]string{
		"not a parquet file":                           "PAR1",
		"parquet footer is larger than 67108864 bytes": string(big),
		"corrupt parquet":                              string(long),
		"parquet footer is encrypted":                  good[:len(good)-4] + "PARE",
	} {
		_, _, err := scan(t, parquetformat.Format{}, content, etl.ScanRequest{Columns: []etl.ScanColumn{want(etl.Long, "k")}})
		require.EqualError(t, err, "landing/file.parquet: "+rule)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	}
	for _, content := range []string{"", "x" + good[1:], good[:len(good)-1]} {
		_, _, err := scan(t, parquetformat.Format{}, content, etl.ScanRequest{})
		require.EqualError(t, err, "landing/file.parquet: not a parquet file")
	}
	_, _, err := scan(t, parquetformat.Format{MaxFooterBytes: 10}, good, etl.ScanRequest{})
	require.ErrorContains(t, err, "parquet footer is larger than 10 bytes")
	_, _, err = scan(t, parquetformat.Format{MaxPageBytes: 5}, good, etl.ScanRequest{Columns: []etl.ScanColumn{want(etl.Long, "k")}})
	require.ErrorContains(t, err, "corrupt parquet")
}

type broken struct {
	etl.Input
	err error
	at  int64
}

func (b broken) ReadAt(p []byte, off int64) (int, error) {
	if off < b.at && off > 0 {
		return 0, b.err
	}
	return b.Input.ReadAt(p, off)
}

func TestErrorsOfTheInputAreNotBadFiles(t *testing.T) {
	content := tenRows(t)
	for _, at := range []int64{int64(len(content)), int64(len(content)) / 4} {
		for _, cause := range []error{errors.New("connection reset"), etl.ErrFileVanished} {
			var last error
			req := etl.ScanRequest{Columns: []etl.ScanColumn{want(etl.Long, "k"), want(etl.String, "v")}}
			for _, err := range (parquetformat.Format{}).Scan(t.Context(), broken{input(t, content), cause, at}, req) {
				last = err
			}
			require.ErrorIs(t, last, cause)
			require.Equal(t, etl.OutcomeOf(cause), etl.OutcomeOf(last))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range (parquetformat.Format{}).Scan(ctx, input(t, content), etl.ScanRequest{}) {
		require.ErrorIs(t, err, context.Canceled)
	}
}

// Every byte of a file is broken in turn: there may be rows and errors, but no
// panic, and no error that blames anything but the file.
func TestCorruptFiles(t *testing.T) {
	good := tenRows(t)
	req := etl.ScanRequest{Columns: []etl.ScanColumn{want(etl.Long, "k"), want(etl.String, "v")}}
	for i := range good {
		bad := []byte(good)
		bad[i] ^= 1 << (i % 8)
		_, _, err := scan(t, parquetformat.Format{}, string(bad), req)
		var re *etl.RowError
		require.True(t, err == nil || errors.As(err, &re), "%v", err)
	}
}

func FuzzParquet(f *testing.F) {
	f.Add([]byte(tenRows(f)), true)
	f.Add([]byte(parquetFile(f, 2, col{"k", arrow.PrimitiveTypes.Int32, `[1, 2, 3]`}, col{"v", arrow.BinaryTypes.Binary, `[null, "", "AAE="]`})), false)
	f.Add([]byte("PAR1\x00\x00\x00\x00PAR1"), false)
	f.Fuzz(func(t *testing.T, content []byte, some bool) {
		req := etl.ScanRequest{Columns: []etl.ScanColumn{want(etl.Long, "k"), want(etl.String, "v")}}
		req.Columns[1].Optional = true
		if some {
			req.Select = func(row int64) bool { return row%3 == 0 }
		}
		n := 0
		for r, err := range (parquetformat.Format{MaxPageBytes: 1 << 20}).Scan(t.Context(), input(t, string(content)), req) {
			var re *etl.RowError
			require.True(t, err == nil || errors.As(err, &re), "%v", err)
			if n++; n > 1000 {
				return
			}
			if err == nil {
				require.EqualValues(t, len(r.Numbers), r.Record.NumRows())
			}
		}
	})
}
