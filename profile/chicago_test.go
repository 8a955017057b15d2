package profile_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/profile"
)

const chicagoTime = "01/02/2006 03:04:05 PM"

var crimes = etl.Table{Name: "chicago.crimes", Key: []string{"ID"}, Format: format.CSV{Header: true}, Columns: etl.Columns{
	{Name: "ID", Type: etl.Long}, {Name: "Date", Type: etl.Timestamp, Format: chicagoTime}, {Name: "Block", Type: etl.String},
	{Name: "Primary Type", Type: etl.String}, {Name: "Arrest", Type: etl.Bool}, {Name: "Ward", Type: etl.Int}, {Name: "Latitude", Type: etl.Double},
}}

// someDays returns the first files of a year's archive as one.
func someDays(t *testing.T, n int) []byte {
	data := cmp.Or(os.Getenv("TIDEMARK_DATA"), filepath.Join("..", "..", "shared", "data"))
	f, err := os.Open(filepath.Join(data, "chicago-crimes", "2017.tar.gz"))
	if err != nil {
		t.Skip("no data: set TIDEMARK_DATA to the folder that holds chicago-crimes (docs/data.md)")
	}
	defer func() { _ = f.Close() }()
	zr, err := gzip.NewReader(f)
	require.NoError(t, err)
	var all []byte
	for tr := tar.NewReader(zr); n > 0; {
		h, err := tr.Next()
		require.NoError(t, err)
		if !strings.HasSuffix(h.Name, ".csv") {
			continue
		}
		b, err := io.ReadAll(io.LimitReader(tr, 64<<20))
		require.NoError(t, err)
		if all != nil {
			_, b, _ = bytes.Cut(b, []byte("\n")) // the header
		}
		all = append(all, b...)
		n--
	}
	return all
}

// figures are those of a column as encoding/csv and strconv see it.
type figures struct {
	nulls    int64
	distinct map[string]bool
	low      any
	high     any
}

func (f *figures) add(cell string, column etl.Column) {
	if cell == "" {
		f.nulls++
		return
	}
	var v any = cell
	switch column.Type {
	case etl.Long, etl.Int:
		v, _ = strconv.ParseInt(cell, 10, 64)
	case etl.Double:
		v, _ = strconv.ParseFloat(cell, 64)
	case etl.Timestamp:
		v, _ = time.Parse(chicagoTime, cell)
	}
	f.distinct[cell] = true
	if f.low == nil || less(v, f.low) {
		f.low = v
	}
	if f.high == nil || less(f.high, v) {
		f.high = v
	}
}

func less(a, b any) bool {
	switch x := a.(type) {
	case int64:
		return x < b.(int64)
	case float64:
		return x < b.(float64)
	case time.Time:
		return x.Before(b.(time.Time))
	default:
		return a.(string) < b.(string)
	}
}

func shown(v any) string {
	switch x := v.(type) {
	case int64:
		return strconv.FormatInt(x, 10)
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	case time.Time:
		return x.Format("2006-01-02 15:04:05")
	default:
		return v.(string)
	}
}

// TestChicago compares the profile of real rows with an independent computation.
func TestChicago(t *testing.T) {
	content := someDays(t, 40)
	records, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	require.NoError(t, err)
	want := map[string]*figures{}
	for i, name := range records[0] {
		at := crimes.Columns.Index(name)
		if at < 0 {
			continue
		}
		want[name] = &figures{distinct: map[string]bool{}}
		for _, rec := range records[1:] {
			want[name].add(rec[i], crimes.Columns[at])
		}
	}
	p, err := profile.Of(t.Context(), export(crimes, string(content)), crimes.Columns)
	require.NoError(t, err)
	require.EqualValues(t, len(records)-1, p.Rows)
	for _, c := range p.Columns {
		w := want[c.Name]
		require.NotNil(t, w, c.Name)
		require.Equal(t, w.nulls, c.Nulls, c.Name)
		require.Equal(t, p.Rows-w.nulls, c.Values, c.Name)
		require.LessOrEqual(t, math.Abs(float64(len(w.distinct))-float64(c.Distinct)), 0.033*float64(len(w.distinct)), c.Name)
		if c.Type != etl.Bool {
			require.Equal(t, shown(w.low), *c.Min, c.Name)
			require.Equal(t, shown(w.high), *c.Max, c.Name)
		}
	}
	require.Greater(t, p.Rows, int64(10_000))
}
