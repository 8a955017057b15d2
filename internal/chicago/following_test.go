package chicago

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
	"github.com/tidemark-data/etl/transform/celtransform"
)

var followDays = flag.Int("following.days", 8, "days of each year that the following table is tested with")

// The files of the reports feed two tables, each under a ledger of its own: all
// crimes, and those without an arrest. Once an arrest is made, the row leaves the
// second.
//
// What is published is how a report stands at last. How it stood at first is made
// of it here: without the arrest, and last updated when the crime took place.

func TestFollowingSlice(t *testing.T) {
	slice := map[string]map[string][]byte{"2017": {}, "2018": {}}
	paths, err := filepath.Glob(filepath.Join("testdata", "*.csv"))
	require.NoError(t, err)
	require.Len(t, paths, 6)
	for _, path := range paths {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		day := strings.TrimSuffix(filepath.Base(path), ".csv")
		slice[day[:4]][day] = content
	}
	follow(t, slice["2017"], slice["2018"])
}

func TestFollowing(t *testing.T) {
	if testing.Short() {
		t.Skip("months of data")
	}
	data := cmp.Or(os.Getenv("TIDEMARK_DATA"), filepath.Join("..", "..", "..", "shared", "data"))
	first, second := filepath.Join(data, "chicago-crimes", "2017.tar.gz"), filepath.Join(data, "chicago-crimes", "2018.tar.gz")
	if _, err := os.Stat(first); err != nil {
		t.Skip("no data: set TIDEMARK_DATA to the folder that holds chicago-crimes (docs/data.md)")
	}
	follow(t, some(days(t, first)), some(days(t, second)))
}

func some(all map[string][]byte) map[string][]byte {
	out := map[string][]byte{}
	for _, day := range sorted(all)[:min(*followDays, len(all))] {
		out[day] = all[day]
	}
	return out
}

func follow(t *testing.T, before, after map[string][]byte) {
	w := newWorld(t)
	for i, day := range sorted(before) {
		w.land(fmt.Sprintf("LOAD%08X.csv", i+1), atFirst(t, before[day]), true)
	}
	w.check("reports of the first year, no arrests yet")
	require.Equal(t, len(w.table), w.open())

	made := w.arrests(before)
	require.NotEmpty(t, made)
	const steps = 3
	news, halves := sorted(after), slices.Collect(slices.Chunk(made, (len(made)+steps-1)/steps))
	for i, arrests := range halves {
		was := w.open()
		w.change(render(w.header, arrests))
		w.check(fmt.Sprintf("%d arrests", len(arrests)))
		require.Equal(t, was-len(arrests), w.open(), "each of them leaves the table")
		part := (len(news) + steps - 1) / steps
		for _, day := range news[min(i*part, len(news)):min((i+1)*part, len(news))] {
			w.change(after[day]) // as they stand: some come with an arrest, and never are in the table
		}
		w.check("reports of new crimes")
	}

	was := w.open()
	for _, day := range sorted(before) {
		w.change(atFirst(t, before[day]))
	}
	w.check("the first reports once more, late")
	require.Equal(t, was, w.open(), "older reports bring no row back")

	w.change(render(w.header, w.released(made[:len(made)/2])))
	w.check("arrests that were none")
	require.Equal(t, was+len(made)/2, w.open(), "corrected reports are back")
}

// world is both tables, and the independent computation of what they must hold.
type world struct {
	t      *testing.T
	source *source.Memory
	lakes  map[string]*icebergsink.Sink
	runs   map[string]*etl.Runner
	at     time.Time
	files  int
	header []string
	table  map[string]crime
}

const all, unsolved = "chicago.crimes", "chicago.unsolved"

func newWorld(t *testing.T) *world {
	w := &world{t: t, source: source.NewMemory(), lakes: map[string]*icebergsink.Sink{}, runs: map[string]*etl.Runner{},
		at: time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC), table: map[string]crime{}}
	for _, name := range []string{all, unsolved} {
		lake, err := icebergsink.Open(t.Context(), icebergsink.Config{Warehouse: t.TempDir()})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, lake.Close()) })
		table := etl.Table{Name: name, Key: []string{"ID"}, OrderBy: []string{"Updated On"}, Columns: columns(), Format: format.CSV{Header: true}}
		if name == unsolved {
			table.Transforms = []etl.Transformer{celtransform.Where("Arrest == false")}
		}
		w.lakes[name] = lake
		w.runs[name], err = etl.New(etl.Config{
			Source: w.source, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: lake, Tables: []etl.Table{table},
			// the same files, as those of this table
			Layout: etl.LayoutFunc(func(location string) (etl.Placement, bool) {
				p, ok := format.DMS{}.Place(location)
				p.Table = name
				return p, ok
			}),
		})
		require.NoError(t, err)
	}
	return w
}

func columns() etl.Columns {
	types := map[string]etl.Type{
		"ID": etl.Long, "Arrest": etl.Bool, "Domestic": etl.Bool, "Ward": etl.Int, "Community Area": etl.Int, "X Coordinate": etl.Int,
		"Y Coordinate": etl.Int, "Latitude": etl.Double, "Longitude": etl.Double, "Date": etl.Timestamp, "Updated On": etl.Timestamp,
	}
	var out etl.Columns
	for _, name := range []string{
		"ID", "Case Number", "Date", "Block", "IUCR", "Primary Type", "Description", "Location Description", "Arrest", "Domestic",
		"Beat", "District", "Ward", "Community Area", "FBI Code", "X Coordinate", "Y Coordinate", "Updated On", "Latitude", "Longitude",
	} {
		c := etl.Column{Name: name, Type: etl.String}
		if typ, ok := types[name]; ok {
			c.Type = typ
		}
		if c.Type == etl.Timestamp {
			c.Format = clock
		}
		out = append(out, c)
	}
	return out
}

const clock = "01/02/2006 03:04:05 PM"

// land puts a file where both tables find it, and into the independent table.
func (w *world) land(name string, content []byte, full bool) {
	w.source.Put("chicago/crimes/"+name, content, w.at)
	header, rows := parse(w.t, content, full)
	w.header = header
	for _, c := range rows {
		old, ok := w.table[c.cells[0]]
		if !ok || old.full && !full || !c.updated.Before(old.updated) {
			w.table[c.cells[0]] = c
		}
	}
}

// change lands a file of changes.
func (w *world) change(content []byte) {
	w.files++
	w.at = w.at.Add(time.Minute)
	w.land(fmt.Sprintf("20190101-%09d.csv", w.files), content, false)
}

func (w *world) column(name string) int { return slices.Index(w.header, name) }

func (w *world) arrested(c crime) bool { return c.cells[w.column("Arrest")] != "false" }

// open counts the crimes without an arrest.
func (w *world) open() (n int) {
	for _, c := range w.table {
		if !w.arrested(c) {
			n++
		}
	}
	return n
}

// check lets both tables follow and compares them.
func (w *world) check(what string) {
	for name, runner := range w.runs {
		begun := time.Now()
		report, err := runner.Ingest(context.Background())
		require.NoError(w.t, err)
		took := time.Since(begun)
		wantRows, want := sums(w.header, func(yield func([]string)) {
			for _, c := range w.table {
				if name == all || !w.arrested(c) {
					yield(c.cells)
				}
			}
		})
		gotRows, got := sums(w.header, func(yield func([]string)) { scan(w.t, w.lakes[name], name, len(w.header), yield) })
		require.Equal(w.t, wantRows, gotRows, "%s: %s", what, name)
		require.Equal(w.t, want, got, "%s: %s", what, name)
		var c etl.Counts
		for _, l := range report.Tables[0].Loads {
			c.Add(l.Receipt.Counts)
		}
		w.t.Logf("%s: %s has %d rows; %d read, %d filtered, in %v", what, name, gotRows, c.Read, c.Filtered, took.Round(time.Millisecond))
	}
}

// arrests are the reports with an arrest, as published.
func (w *world) arrests(published map[string][]byte) [][]string {
	var out [][]string
	for _, day := range sorted(published) {
		for _, row := range records(w.t, published[day])[1:] {
			if row[w.column("Arrest")] == "true" {
				out = append(out, row)
			}
		}
	}
	return out
}

// released are reports that say later that there was no arrest.
func (w *world) released(rows [][]string) [][]string {
	var out [][]string
	for _, row := range rows {
		row = slices.Clone(row)
		at, err := time.Parse(clock, row[w.column("Updated On")])
		require.NoError(w.t, err)
		row[w.column("Arrest")], row[w.column("Updated On")] = "false", at.AddDate(1, 0, 0).Format(clock)
		out = append(out, row)
	}
	return out
}

// atFirst makes of reports what they may have been at first.
func atFirst(t *testing.T, content []byte) []byte {
	rows := records(t, content)
	header := rows[0]
	arrest, updated, date := slices.Index(header, "Arrest"), slices.Index(header, "Updated On"), slices.Index(header, "Date")
	for _, row := range rows[1:] {
		row[arrest], row[updated] = "false", row[date]
	}
	return render(header, rows[1:])
}

func records(t *testing.T, content []byte) [][]string {
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	require.NoError(t, err)
	return rows
}

func render(header []string, rows [][]string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(header)
	_ = w.WriteAll(rows)
	return b.Bytes()
}
