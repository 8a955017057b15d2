package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/csv"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// model works out what the table must hold, row by row and with nothing but a
// map, straight from the CSV files.
type model struct {
	rows map[string]map[string]string
	// seen is the greatest updated_at of a key. Full-load rows have none.
	seen map[string]string
}

func newModel() *model {
	return &model{rows: map[string]map[string]string{}, seen: map[string]string{}}
}

func readCSV(t *testing.T, name string) []map[string]string {
	t.Helper()
	content, err := files.ReadFile(path.Join("data", folder, name))
	require.NoError(t, err)
	var r io.Reader = bytes.NewReader(content)
	if strings.HasSuffix(name, ".gz") {
		r, err = gzip.NewReader(r)
		require.NoError(t, err)
	}
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), "\ufeff"))).ReadAll()
	require.NoError(t, err)
	var out []map[string]string
	for _, record := range records[1:] {
		row := map[string]string{}
		for i, name := range records[0] {
			row[name] = record[i]
		}
		out = append(out, row)
	}
	return out
}

// apply applies the files of one load and returns what must become of their rows.
func (m *model) apply(t *testing.T, names ...string) (c etl.Counts) {
	c.RowsBefore = int64(len(m.rows))
	winners := map[string]map[string]string{}
	for _, name := range names {
		for _, row := range readCSV(t, name) {
			c.Read++
			key, at := row["ccn"], row["updated_at"]
			if at != "" && at < m.seen[key] {
				c.Superseded++
				continue
			}
			m.seen[key] = max(at, m.seen[key])
			if winners[key] != nil {
				c.Superseded++
			}
			winners[key] = row
		}
	}
	for key, row := range winners {
		_, there := m.rows[key]
		switch {
		case row["Op"] == "D" && there:
			c.Deleted++
			delete(m.rows, key)
		case row["Op"] == "D":
			c.Unchanged++
		case there:
			c.Updated++
			m.rows[key] = row
		default:
			c.Inserted++
			m.rows[key] = row
		}
	}
	c.RowsAfter = int64(len(m.rows))
	return c
}

// compare expects exactly the model's rows. Rows are the values of the columns
// in the order of their declaration.
func (m *model) compare(t *testing.T, got map[string][]any) {
	t.Helper()
	require.Len(t, got, len(m.rows))
	columns := incidents().Columns
	want := make([]any, len(columns))
	for key, row := range m.rows {
		for i, col := range columns {
			want[i] = parse(t, col.Type, row[col.Name])
		}
		if !slices.Equal(want, got[key]) {
			require.Equal(t, want, got[key], "incident %s", key)
		}
	}
}

func parse(t *testing.T, typ etl.Type, text string) any {
	if text == "" {
		return nil
	}
	var v any
	var err error
	switch typ {
	case etl.Int, etl.Long:
		v, err = strconv.ParseInt(text, 10, 64)
	case etl.Double:
		v, err = strconv.ParseFloat(text, 64)
	case etl.TimestampTZ:
		var at time.Time
		at, err = time.Parse("2006/01/02 15:04:05-07", text)
		v = at.UnixMicro()
	default:
		v = text
	}
	if err != nil {
		require.NoError(t, err)
	}
	return v
}

// tableOf reads the table in dir.
func tableOf(t *testing.T, dir string) map[string][]any {
	t.Helper()
	l, err := openLake(context.Background(), dir)
	require.NoError(t, err)
	defer l.Close()
	columns := incidents().Columns
	out := map[string][]any{}
	for rec, err := range l.sink.Scan(context.Background(), "mpd.incidents") {
		require.NoError(t, err)
		for i := range int(rec.NumRows()) {
			row := make([]any, len(columns))
			for c, f := range rec.Schema().Fields() {
				row[columns.Index(f.Name)] = cell(t, rec.Column(c), i)
			}
			key := row[0].(string)
			require.Nil(t, out[key], "incident %s is there twice", key)
			out[key] = row
		}
	}
	return out
}

func cell(t *testing.T, column arrow.Array, i int) any {
	if column.IsNull(i) {
		return nil
	}
	switch a := column.(type) {
	case array.StringLike:
		return a.Value(i)
	case *array.Int32:
		return int64(a.Value(i))
	case *array.Int64:
		return a.Value(i)
	case *array.Float64:
		return a.Value(i)
	case *array.Timestamp:
		if u := a.DataType().(*arrow.TimestampType).Unit; u != arrow.Microsecond {
			require.Equal(t, arrow.Microsecond, u)
		}
		return int64(a.Value(i))
	}
	require.Fail(t, "unexpected type", "%v", column.DataType())
	return nil
}
