//go:build spark

package differential

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/source"
)

var chicagoDays = flag.Int("days", 60, "days of Chicago's data in the full load, at most 100, and three quarters as many of changes")

const clock = "01/02/2006 03:04:05 PM"

// crimes is Chicago's table, as published.
func crimes() etl.Table {
	columns := etl.Columns{}
	for _, name := range []string{
		"ID", "Case Number", "Date", "Block", "IUCR", "Primary Type", "Description", "Location Description", "Arrest", "Domestic",
		"Beat", "District", "Ward", "Community Area", "FBI Code", "X Coordinate", "Y Coordinate", "Updated On", "Latitude", "Longitude",
	} {
		c := etl.Column{Name: name, Type: etl.String}
		switch name {
		case "ID":
			c.Type = etl.Long
		case "Ward", "Community Area", "X Coordinate", "Y Coordinate":
			c.Type = etl.Int
		case "Arrest", "Domestic":
			c.Type = etl.Bool
		case "Latitude", "Longitude":
			c.Type = etl.Double
		case "Date", "Updated On":
			c.Type, c.Format = etl.Timestamp, clock
		}
		columns = append(columns, c)
	}
	return etl.Table{
		Name: "chicago.crimes", Key: []string{"ID"}, OrderBy: []string{"Updated On"}, Columns: columns,
		Format: format.CSV{Header: true}, MaxBatchFiles: 10,
		Partition: []etl.PartitionField{{Column: "Date", Transform: "month"}},
	}
}

// TestChicago takes days of one year as a full load, and days of the next, and some
// of the first once more, as changes through both engines.
func TestChicago(t *testing.T) {
	data := cmp.Or(os.Getenv("TIDEMARK_DATA"), filepath.Join(root, "..", "shared", "data"))
	full := days(t, filepath.Join(data, "chicago-crimes", "2017.tar.gz"), *chicagoDays)
	changes := days(t, filepath.Join(data, "chicago-crimes", "2018.tar.gz"), *chicagoDays/2)
	for i, d := range full[:(len(full)+3)/4] { // known rows once more: updates
		changes = append(changes, day{fmt.Sprintf("2019-01-%02d", i+1), d.content})
	}
	bucket := source.NewMemory()
	shared := located{bucket, t.TempDir()}
	one, two := newLane(t, shared, crimes(), format.DMS{}, nil), newLane(t, shared, crimes(), format.DMS{}, onSpark)

	at := time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, d := range full {
		bucket.Put(fmt.Sprintf("chicago/crimes/LOAD%08X.csv", i+1), d.content, at)
	}
	for i := 0; ; i += 10 {
		for _, l := range []*lane{one, two} {
			begun := time.Now()
			require.NoError(t, l.act(t.Context(), etltest.StepIngest, nil))
			t.Logf("flag %s: %v", cmp.Or(l.table.Flag, etl.FlagLocal), time.Since(begun).Round(time.Millisecond))
		}
		require.NoError(t, compare(t.Context(), one, two))
		if i >= len(changes) {
			break
		}
		for _, d := range changes[i:min(i+10, len(changes))] {
			at = at.Add(time.Minute)
			bucket.Put("chicago/crimes/"+strings.ReplaceAll(d.name, "-", "")+"-000000000.csv", d.content, at)
		}
	}
	told, err := loads(t.Context(), two)
	require.NoError(t, err)
	require.Len(t, told, 2+(len(changes)+9)/10, "the standing, a full load, and loads of ten files")
	t.Log(strings.Join(told[len(told)-1:], "\n"))
}

type day struct {
	name    string
	content []byte
}

// days are the first n of the files of a year, by name.
func days(t *testing.T, archive string, n int) []day {
	f, err := os.Open(archive)
	if err != nil {
		t.Skip("no data: set TIDEMARK_DATA to the folder that holds chicago-crimes (docs/data.md)")
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	require.NoError(t, err)
	var out []day
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		if strings.HasSuffix(h.Name, ".csv") {
			content, err := io.ReadAll(tr)
			require.NoError(t, err)
			out = append(out, day{strings.TrimSuffix(path.Base(h.Name), ".csv"), content})
		}
	}
	slices.SortFunc(out, func(a, b day) int { return strings.Compare(a.name, b.name) })
	return out[:min(n, len(out))]
}
