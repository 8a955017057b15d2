package etltest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
)

// FormatKit is a format under test with the means to write its files.
type FormatKit struct {
	// Format returns the format for a table.
	Format func(t etl.Table) etl.Format
	// Kind is what the files are: full loads or changes.
	Kind etl.LoadKind
	// Write makes a file of the rows of a batch, with its columns in its order, one
	// record to a row. Change files upsert. Columns have the types of [etl.Type.Arrow].
	Write func(t testing.TB, rec arrow.RecordBatch) []byte
	// Typed is set where files say themselves of what type their columns are, so that
	// a text where the table wants something else is a mistake of the whole file.
	Typed bool
	// First is the number of the first row, Step how far the next one is from it;
	// zero is 1.
	First, Step int64
}

// badValues are texts that are no values of a type, beside one that is.
var badValues = []struct {
	typ  etl.Type
	good string
	bad  []string
}{
	{etl.Bool, "true", []string{"maybe", "truest", "-1"}},
	{etl.Int, "7", []string{"2147483648", "7.25", "12monkeys", "0x10", "--3"}},
	{etl.Long, "-9", []string{"9223372036854775808", "1e3", "twelve"}},
	{etl.Float, "1.5", []string{"1.5.5", "one"}},
	{etl.Double, "1.5", []string{"1,5", "0x1p2", "one"}},
	{etl.Decimal(5, 2), "1.25", []string{"1234.5", "1.255", "one"}},
	{etl.Date, "2024-02-29", []string{"2023-02-29", "29.02.2024", "noon"}},
	{etl.Timestamp, "2024-02-20 11:08:25", []string{"2024-02-20 25:00:00", "11:08", "noon"}},
	{etl.TimestampTZ, "2024-02-20T11:08:25Z", []string{"2024-02-20T11:08:25+99:99", "noon"}},
	{etl.UUID, "6ba7b810-9dad-11d1-80b4-00c04fd430c8", []string{"6ba7b810-9dad-11d1-80b4", "nobody"}},
	{etl.Binary, "AQID", []string{"%%%%", "A"}},
}

// Format tests what every format owes to its callers: a bad value is an error that
// names the file, the row, the column and a rule, and not the value; records that
// nobody selects cannot be bad; and a tolerant scan gives the good ones, and of the
// others the same errors.
func Format(t *testing.T, kit FormatKit) {
	kit.First, kit.Step = max(kit.First, 1), max(kit.Step, 1)
	for _, c := range badValues {
		t.Run(c.typ.String(), func(t *testing.T) {
			for _, bad := range c.bad {
				kit.badValue(t, c.typ, c.good, bad)
			}
		})
	}
	t.Run("missing column", kit.missing)
	t.Run("not a file of the format", kit.foreign)
}

const badFile = "in/file"

func (k FormatKit) number(row int64) int64 { return k.First + row*k.Step }

func (k FormatKit) badValue(t *testing.T, typ etl.Type, good, bad string) {
	table := etl.Table{Name: "a.b", Key: []string{"id"}, Columns: etl.Columns{{Name: "id", Type: etl.String}, {Name: "v", Type: typ}, {Name: "w", Type: etl.String}}}
	data := k.Write(t, texts([]string{"id", "v", "w"}, [][]string{{"1", good, "x"}, {"2", bad, "y"}, {"3", good, "z"}}))
	req := request(table.Columns, k.Kind)
	f := k.Format(table)

	_, _, err := scanAll(t, f, data, req)
	var re *etl.RowError
	require.ErrorAs(t, err, &re, "%q", bad)
	require.NotContains(t, err.Error(), bad)
	require.Equal(t, []any{badFile, "v"}, []any{re.File, re.Column})
	require.NotEmpty(t, re.Rule)
	if k.Typed {
		require.Zero(t, re.Row, "the whole file is wrong")
		return
	}
	require.Equal(t, k.number(1), re.Row, "%q", bad)

	around := []int64{k.number(0), k.number(2)}
	req.Select = func(row int64) bool { return row != k.number(1) }
	numbers, _, err := scanAll(t, f, data, req)
	require.NoError(t, err, "nobody looks at %q", bad)
	require.Equal(t, around, numbers)

	req.Select, req.Tolerant = nil, true
	numbers, wrong, err := scanAll(t, f, data, req)
	require.NoError(t, err)
	require.Equal(t, around, numbers)
	require.Equal(t, []etl.BadRecord{{Number: k.number(1), Err: re}}, wrong)
}

func (k FormatKit) missing(t *testing.T) {
	table := etl.Table{Name: "a.b", Key: []string{"id"}, Columns: etl.Columns{{Name: "id", Type: etl.String}, {Name: "v", Type: etl.String}}}
	data := k.Write(t, texts([]string{"id"}, [][]string{{"1"}}))
	_, _, err := scanAll(t, k.Format(table), data, request(table.Columns, k.Kind))
	var re *etl.RowError
	require.ErrorAs(t, err, &re)
	require.Equal(t, badFile, re.File)
}

// foreign: bytes of no format at all end in an error, not in rows.
func (k FormatKit) foreign(t *testing.T) {
	table := etl.Table{Name: "a.b", Key: []string{"id"}, Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "v", Type: etl.String}}}
	for _, data := range []string{"secret", "\xff\xfes\x00e\x00", "PAR1secretPAR1", "\x1f\x8bsecret", "Obj\x01secret", "{\"id\":"} {
		numbers, _, err := scanAll(t, k.Format(table), []byte(data), request(table.Columns, k.Kind))
		require.Error(t, err, "%q", data)
		require.NotContains(t, err.Error(), "secret")
		require.Empty(t, numbers)
	}
}

func request(columns etl.Columns, kind etl.LoadKind) etl.ScanRequest {
	req := etl.ScanRequest{Location: badFile, Kind: kind}
	for _, c := range columns {
		req.Columns = append(req.Columns, etl.ScanColumn{Column: c})
	}
	return req
}

type bytesInput struct{ *bytes.Reader }

func (bytesInput) Close() error { return nil }

// scanAll returns the numbers of the good rows, and the bad ones.
func scanAll(t testing.TB, f etl.Format, data []byte, req etl.ScanRequest) (numbers []int64, bad []etl.BadRecord, err error) {
	for rows, err := range f.Scan(t.Context(), bytesInput{bytes.NewReader(data)}, req) {
		if err != nil {
			return numbers, bad, err
		}
		require.EqualValues(t, len(rows.Numbers), rows.Record.NumRows())
		numbers, bad = append(numbers, rows.Numbers...), append(bad, rows.Bad...)
	}
	return numbers, bad, nil
}

// texts is a batch of text columns.
func texts(names []string, rows [][]string) arrow.RecordBatch {
	fields := make([]arrow.Field, len(names))
	arrays := make([]arrow.Array, len(names))
	for i, name := range names {
		b := array.NewStringBuilder(memory.DefaultAllocator)
		for _, row := range rows {
			b.Append(row[i])
		}
		fields[i] = arrow.Field{Name: name, Type: arrow.BinaryTypes.String, Nullable: true}
		arrays[i] = b.NewArray()
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, int64(len(rows)))
}

// FormatsAgree tests that files of the same rows, each written by a kit, hold the same
// rows for their formats; so does a single record, where the format can hand it out.
func FormatsAgree(t *testing.T, rec arrow.RecordBatch, columns etl.Columns, kits map[string]FormatKit) {
	table := etl.Table{Name: "a.b", Key: []string{columns[0].Name}, Columns: columns}
	for name, kit := range kits {
		t.Run(name, func(t *testing.T) {
			kit.First, kit.Step = max(kit.First, 1), max(kit.Step, 1)
			f, data := kit.Format(table), kit.Write(t, rec)
			holds(t, f, data, request(columns, kit.Kind), rec)
			if raw, ok := f.(etl.RawFormat); ok {
				last := rec.NumRows() - 1
				kit.byItself(t, raw, data, columns, 0, rec.NewSlice(0, 1))
				kit.byItself(t, raw, data, columns, last, rec.NewSlice(last, last+1))
			}
		})
	}
}

// holds tests that a file has just these rows.
func holds(t *testing.T, f etl.Format, data []byte, req etl.ScanRequest, rec arrow.RecordBatch) {
	at := int64(0)
	for rows, err := range f.Scan(t.Context(), bytesInput{bytes.NewReader(data)}, req) {
		require.NoError(t, err)
		n := rows.Record.NumRows()
		require.LessOrEqual(t, at+n, rec.NumRows())
		want := rec.NewSlice(at, at+n)
		if !array.RecordEqual(want, rows.Record) {
			t.Fatal(difference(want, rows.Record))
		}
		at += n
	}
	require.Equal(t, rec.NumRows(), at)
}

// byItself tests that a record can be read by itself.
func (k FormatKit) byItself(t *testing.T, f etl.RawFormat, data []byte, columns etl.Columns, row int64, want arrow.RecordBatch) {
	req := request(columns, k.Kind)
	req.Select = func(n int64) bool { return n == k.number(row) }
	var one []byte
	for raw, err := range f.Raw(t.Context(), bytesInput{bytes.NewReader(data)}, req) {
		require.NoError(t, err)
		require.Nil(t, one, "one record was asked for")
		require.Equal(t, k.number(row), raw.Number)
		one = slices.Concat(raw.Head, raw.Data)
	}
	holds(t, f.Mended(), one, request(columns, k.Kind), want)
}

// difference tells where two batches of as many rows differ first.
func difference(want, got arrow.RecordBatch) string {
	if !slices.EqualFunc(want.Schema().Fields(), got.Schema().Fields(), func(a, b arrow.Field) bool { return a.Name == b.Name && arrow.TypeEqual(a.Type, b.Type) }) {
		return fmt.Sprintf("columns differ: want %v, got %v", want.Schema(), got.Schema())
	}
	for c := range want.NumCols() {
		for r := range int(want.NumRows()) {
			if w, g := want.Column(int(c)).ValueStr(r), got.Column(int(c)).ValueStr(r); w != g {
				return fmt.Sprintf("row %d, column %s: want %q, got %q", r+1, want.ColumnName(int(c)), w, g)
			}
		}
	}
	return "batches differ"
}
