package chicago

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/csv"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/sink/icebergsink"
)

const config = `
source: {dir: landing}
state: control.db
warehouse: warehouse
layout: {dms: {}}
csv: {header: true}
tables:
  - name: chicago.crimes
    key: ID
    order_by: Updated On
    columns:
      ID: long
      Case Number: string
      Date: {type: timestamp, format: "01/02/2006 03:04:05 PM"}
      Block: string
      IUCR: string
      Primary Type: string
      Description: string
      Location Description: string
      Arrest: bool
      Domestic: bool
      Beat: string
      District: string
      Ward: int
      Community Area: int
      FBI Code: string
      X Coordinate: int
      Y Coordinate: int
      Updated On: {type: timestamp, format: "01/02/2006 03:04:05 PM"}
      Latitude: double
      Longitude: double
`

// days returns the files of a year's archive by name.
func days(t *testing.T, archive string) map[string][]byte {
	f, err := os.Open(archive)
	require.NoError(t, err)
	defer f.Close()
	zr, err := gzip.NewReader(f)
	require.NoError(t, err)
	out := map[string][]byte{}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return out
		}
		require.NoError(t, err)
		if strings.HasSuffix(h.Name, ".csv") {
			b, err := io.ReadAll(tr)
			require.NoError(t, err)
			out[strings.TrimSuffix(path.Base(h.Name), ".csv")] = b
		}
	}
}

func sorted(m map[string][]byte) []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// crime is a row as encoding/csv and strconv see it.
type crime struct {
	cells   []string
	updated time.Time
	full    bool
}

func parse(t *testing.T, content []byte, full bool) ([]string, []crime) {
	r := csv.NewReader(bytes.NewReader(content))
	records, err := r.ReadAll()
	require.NoError(t, err)
	header := records[0]
	var out []crime
	for _, rec := range records[1:] {
		c := crime{full: full}
		for i, name := range header {
			c.cells = append(c.cells, canonical(t, name, rec[i]))
			if name == "Updated On" {
				c.updated, err = time.Parse("01/02/2006 03:04:05 PM", rec[i])
				require.NoError(t, err)
			}
		}
		out = append(out, c)
	}
	return header, out
}

func canonical(t *testing.T, column, text string) string {
	if text == "" {
		return "<null>"
	}
	switch column {
	case "Date", "Updated On":
		at, err := time.Parse("01/02/2006 03:04:05 PM", text)
		require.NoError(t, err)
		return at.Format("2006-01-02 15:04:05")
	case "Latitude", "Longitude":
		f, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return text
}

// sums are a row count and, by column, a sum of the hashes of key and cell that
// does not depend on the order of rows.
func sums(header []string, rows func(yield func([]string))) (int, map[string]uint64) {
	n, out := 0, map[string]uint64{}
	rows(func(cells []string) {
		n++
		for i, name := range header {
			h := fnv.New64a()
			fmt.Fprintf(h, "%s|%s", cells[0], cells[i])
			out[name] += h.Sum64()
		}
	})
	return n, out
}

// scan gives out the rows of a table as texts.
func scan(t *testing.T, lake *icebergsink.Sink, table string, columns int, yield func([]string)) {
	for batch, err := range lake.Scan(context.Background(), table) {
		require.NoError(t, err)
		for i := range int(batch.NumRows()) {
			cells := make([]string, columns)
			for c := range cells {
				cells[c] = "<null>"
				if v := etltest.Cell(batch.Column(c), i); v != nil {
					cells[c] = v.(string)
				}
			}
			yield(cells)
		}
	}
}

func TestChicago(t *testing.T) {
	if testing.Short() {
		t.Skip("two years of data")
	}
	data := cmp.Or(os.Getenv("TIDEMARK_DATA"), filepath.Join("..", "..", "..", "shared", "data"))
	if _, err := os.Stat(filepath.Join(data, "chicago-crimes", "2017.tar.gz")); err != nil {
		t.Skip("no data: set TIDEMARK_DATA to the folder that holds chicago-crimes (docs/data.md)")
	}
	dir := t.TempDir()
	landing := filepath.Join(dir, "landing", "chicago", "crimes")
	require.NoError(t, os.MkdirAll(landing, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tidemark.yaml"), []byte(config), 0o600))
	land := func(name string, content []byte, at time.Time) {
		file := filepath.Join(landing, name)
		require.NoError(t, os.WriteFile(file, content, 0o600))
		require.NoError(t, os.Chtimes(file, at, at))
	}

	// The independent computation: a map, latest update wins, the later row if
	// they are equal; any change beats the full load.
	table := map[string]crime{}
	var header []string
	take := func(content []byte, full bool) {
		h, rows := parse(t, content, full)
		header = h
		for _, c := range rows {
			old, ok := table[c.cells[0]]
			if !ok || old.full && !full || !c.updated.Before(old.updated) {
				table[c.cells[0]] = c
			}
		}
	}
	year2017, year2018 := days(t, filepath.Join(data, "chicago-crimes", "2017.tar.gz")), days(t, filepath.Join(data, "chicago-crimes", "2018.tar.gz"))
	at := time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, day := range sorted(year2017) {
		land(fmt.Sprintf("LOAD%08X.csv", i+1), year2017[day], at)
		take(year2017[day], true)
	}
	for _, day := range sorted(year2018) {
		at = at.Add(time.Minute)
		land(strings.ReplaceAll(day, "-", "")+"-000000000.csv", year2018[day], at)
		take(year2018[day], false)
	}

	command := filepath.Join(dir, "tidemark")
	out, err := exec.Command("go", "build", "-o", command, "github.com/tidemark-data/etl/cmd/tidemark").CombinedOutput()
	require.NoError(t, err, "%s", out)
	begun := time.Now()
	out, err = exec.Command(command, "-c", filepath.Join(dir, "tidemark.yaml"), "ingest").CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Logf("%d files of 2017 as a full load and %d of 2018 as changes in %v\n%s", len(year2017), len(year2018), time.Since(begun).Round(time.Millisecond), out)

	wantRows, want := sums(header, func(yield func([]string)) {
		for _, c := range table {
			yield(c.cells)
		}
	})
	ctx := context.Background()
	lake, err := icebergsink.Open(ctx, icebergsink.Config{Warehouse: filepath.Join(dir, "warehouse")})
	require.NoError(t, err)
	defer lake.Close()
	gotRows, got := sums(header, func(yield func([]string)) {
		scan(t, lake, "chicago.crimes", len(header), yield)
	})
	require.Equal(t, wantRows, gotRows)
	require.Equal(t, want, got)
	t.Logf("%d rows, checksums of %d columns are equal", gotRows, len(header))
}
