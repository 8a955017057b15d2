package formats

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/examples/quickstart/data"
	"github.com/tidemark-data/etl/format"
)

func TestBadValues(t *testing.T) {
	for name, kit := range kits {
		t.Run(name, func(t *testing.T) { etltest.Format(t, kit) })
	}
}

var everyType = etl.Columns{
	{Name: "id", Type: etl.Long}, {Name: "b", Type: etl.Bool}, {Name: "i", Type: etl.Int}, {Name: "f", Type: etl.Float}, {Name: "d", Type: etl.Double},
	{Name: "dec", Type: etl.Decimal(12, 3)}, {Name: "day", Type: etl.Date}, {Name: "at", Type: etl.Timestamp}, {Name: "atz", Type: etl.TimestampTZ},
	{Name: "s", Type: etl.String}, {Name: "bin", Type: etl.Binary}, {Name: "u", Type: etl.UUID},
}

const everyRow = `1,true,-2147483648,1.5,1e300,-123456789.125,1969-12-31,2024-02-20 11:08:25.123456,2024-02-20T11:08:25.5Z,"a, ""b""
c",AP8=,6ba7b810-9dad-11d1-80b4-00c04fd430c8
2,,,,,,,,,,,
-9223372036854775808,false,2147483647,-0.25,-1e-300,0.001,2400-01-01,1600-01-01 00:00:00,1969-12-31T23:59:59.999999Z,é,AQ==,00000000-0000-0000-0000-000000000000
`

func TestEveryTypeInEveryFormat(t *testing.T) {
	etltest.FormatsAgree(t, read(t, format.CSV{FullColumns: names(everyType)}, []byte(everyRow), everyType), everyType, kits)
}

// TestRealDataInEveryFormat: crimes of Washington, which the examples ship.
func TestRealDataInEveryFormat(t *testing.T) {
	content, err := data.Files.ReadFile("mpd/incidents/LOAD00000001.csv.gz")
	require.NoError(t, err)
	unzipped, err := gzip.NewReader(bytes.NewReader(content))
	require.NoError(t, err)
	content, err = io.ReadAll(unzipped)
	require.NoError(t, err)
	columns := declared(t, content, map[string]etl.Type{
		"x": etl.Double, "y": etl.Double, "latitude": etl.Double, "longitude": etl.Double, "ccn": etl.Long, "objectid": etl.Long, "ward": etl.Int,
		"report_dat": etl.TimestampTZ, "start_date": etl.TimestampTZ, "end_date": etl.TimestampTZ, "updated_at": etl.TimestampTZ,
		"xblock": etl.Decimal(18, 9), "yblock": etl.Decimal(18, 9),
	})
	etltest.FormatsAgree(t, read(t, format.CSV{Header: true}, content, columns), columns, kits)
}

// TestChicagoInEveryFormat: a day of crimes of Chicago, where the data is.
func TestChicagoInEveryFormat(t *testing.T) {
	folder := cmp.Or(os.Getenv("TIDEMARK_DATA"), filepath.Join("..", "..", "..", "shared", "data"))
	f, err := os.Open(filepath.Join(folder, "chicago-crimes", "2018.tar.gz"))
	if err != nil {
		t.Skip("no data: set TIDEMARK_DATA to the folder that holds chicago-crimes (docs/data.md)")
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	require.NoError(t, err)
	tape := tar.NewReader(unzipped)
	for {
		h, err := tape.Next()
		require.NoError(t, err)
		if h.Typeflag == tar.TypeReg && strings.HasSuffix(h.Name, ".csv") {
			break
		}
	}
	content, err := io.ReadAll(tape)
	require.NoError(t, err)
	columns := declared(t, content, map[string]etl.Type{
		"ID": etl.Long, "Arrest": etl.Bool, "Domestic": etl.Bool, "Year": etl.Int, "Latitude": etl.Double, "Longitude": etl.Double,
		"Date": etl.Timestamp, "Updated On": etl.Timestamp,
	})
	day := format.CSV{Header: true}
	rec := read(t, day, content, columns)
	for i := range columns {
		columns[i].Format = "" // as the other files have it
	}
	// Names in Avro cannot have spaces.
	for i := range columns {
		columns[i].Name = strings.ToLower(strings.NewReplacer(" ", "_", "-", "_").Replace(columns[i].Name))
	}
	etltest.FormatsAgree(t, renamed(rec, columns), columns, kits)
}

// declared declares the columns of a header: text, unless types say otherwise.
func declared(t *testing.T, content []byte, types map[string]etl.Type) (columns etl.Columns) {
	header, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf")))).Read()
	require.NoError(t, err)
	for _, name := range header {
		c := etl.Column{Name: name, Type: etl.String}
		if typ, ok := types[name]; ok {
			c.Type = typ
		}
		if name == "Date" || name == "Updated On" {
			c.Format = "01/02/2006 03:04:05 PM"
		}
		columns = append(columns, c)
	}
	return columns
}

func names(columns etl.Columns) (names []string) {
	for _, c := range columns {
		names = append(names, c.Name)
	}
	return names
}

type input struct{ *bytes.Reader }

func (input) Close() error { return nil }

// read returns the first batch of a file.
func read(t *testing.T, f etl.Format, content []byte, columns etl.Columns) arrow.RecordBatch {
	req := etl.ScanRequest{Location: "x.csv", Kind: etl.Full}
	for _, c := range columns {
		req.Columns = append(req.Columns, etl.ScanColumn{Column: c})
	}
	for rows, err := range f.Scan(t.Context(), input{bytes.NewReader(content)}, req) {
		require.NoError(t, err)
		rows.Record.Retain()
		return rows.Record
	}
	t.Fatal("no rows")
	return nil
}

func renamed(rec arrow.RecordBatch, columns etl.Columns) arrow.RecordBatch {
	fields := rec.Schema().Fields()
	for i := range fields {
		fields[i].Name = columns[i].Name
	}
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), rec.Columns(), rec.NumRows())
}
