//go:build interop

package interop

import (
	"compress/gzip"
	"encoding/csv"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/sink/icebergsink"
)

// quickstartColumns are those of the quickstart's table, written down again
// from its config file: what the readers find must be what is declared there.
const quickstartColumns = `ccn string, report_dat timestamptz, shift string, method string, offense string, block string,
	xblock double, yblock double, ward int, anc string, district int, psa int, neighborhood_cluster string,
	block_group string, census_tract string, voting_precinct string, latitude double, longitude double, bid string,
	start_date timestamptz, end_date timestamptz, objectid long, updated_at timestamptz`

// quickstart runs the example as a user does and works out from the landed
// files what its table must hold.
func (l *lake) quickstart() {
	dir := tempDir(l.t)
	cmd := exec.CommandContext(l.t.Context(), "go", "run", "./examples/quickstart", "-dir", dir)
	cmd.Dir = ".."
	output, err := cmd.CombinedOutput()
	require.NoError(l.t, err, "%s", output)

	decl := etl.Table{Name: "mpd.incidents", Key: []string{"ccn"}}
	for _, col := range strings.Split(quickstartColumns, ",") {
		name, typeName, _ := strings.Cut(strings.TrimSpace(col), " ")
		typ, err := etl.ParseType(typeName)
		require.NoError(l.t, err)
		decl.Columns = append(decl.Columns, etl.Column{Name: name, Type: typ})
	}
	catalog := filepath.Join(dir, "catalog.db")
	sink, err := icebergsink.Open(l.t.Context(), icebergsink.Config{Warehouse: filepath.Join(dir, "warehouse"), Catalog: catalog})
	require.NoError(l.t, err)
	defer sink.Close()
	tbl, err := sink.Table(l.t.Context(), decl.Name)
	require.NoError(l.t, err)

	c := l.takeAt("quickstart", tbl.MetadataLocation(), decl, l.quickstartRows(decl, filepath.Join(dir, "landing", "mpd", "incidents")))
	c.Catalog, c.Identifier = catalog, decl.Name
	c.Filter = []string{"ccn", "report_dat", "ward", "offense", "latitude"}
}

// quickstartRows sorts all rows of all files by time of change, file and row;
// the last of each incident is what must be in the table, unless it is a delete.
func (l *lake) quickstartRows(decl etl.Table, folder string) etltest.Rows {
	full, err := filepath.Glob(filepath.Join(folder, "LOAD*"))
	require.NoError(l.t, err)
	changes, err := filepath.Glob(filepath.Join(folder, "2*"))
	require.NoError(l.t, err)
	require.NotEmpty(l.t, changes)
	var all []map[string]string
	for _, name := range append(full, changes...) { // sorted by name, which is their order
		all = append(all, l.records(name)...)
	}
	slices.SortStableFunc(all, func(a, b map[string]string) int { return strings.Compare(a["updated_at"], b["updated_at"]) })
	last := map[string]map[string]string{}
	for _, r := range all {
		last[r["ccn"]] = r
	}
	rows := etltest.Rows{}
	for _, r := range last {
		if r["Op"] == "D" {
			continue
		}
		row := make([]any, len(decl.Columns))
		for i, col := range decl.Columns {
			row[i] = l.quickstartCell(col, r[col.Name])
		}
		rows = append(rows, row)
	}
	return rows
}

func (l *lake) quickstartCell(col etl.Column, text string) any {
	switch {
	case text == "":
		return nil
	case col.Type == etl.TimestampTZ:
		at, err := time.Parse("2006/01/02 15:04:05-07", text)
		require.NoError(l.t, err)
		return etltest.Text(at)
	}
	return text
}

func (l *lake) records(name string) []map[string]string {
	f, err := os.Open(name)
	require.NoError(l.t, err)
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		r, err = gzip.NewReader(f)
		require.NoError(l.t, err)
	}
	content, err := io.ReadAll(r)
	require.NoError(l.t, err)
	lines, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(content), "\ufeff"))).ReadAll()
	require.NoError(l.t, err)
	var out []map[string]string
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, field := range lines[0] {
			row[field] = line[i]
		}
		out = append(out, row)
	}
	return out
}
