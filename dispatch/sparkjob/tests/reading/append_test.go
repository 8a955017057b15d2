//go:build spark

package reading

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/source"
)

// appended is what is made of a file of an append table.
type appended struct {
	Rows  [][]*string `json:"rows"`
	Error *mistake    `json:"error"`
}

// TestAppended has random files read into append tables, in one pass: the rows are equal
// to the engine's, in their order, and so is the first mistake.
func TestAppended(t *testing.T) {
	makers := []func(random, *testing.T) reading{random.csv, random.json, random.parquet}
	dir := t.TempDir()
	var cases []reading
	var want []appended
	whole := 0
	for i := range *readings / 2 {
		c := makers[i%3](newRandom(500+uint64(i)*1000+*readingSeed), t)
		c.table.Mode, c.table.Key, c.table.OrderBy, c.table.OldKey = etl.ModeAppend, nil, nil, nil
		w := writeAppended(t, dir, i, c)
		if w.Error == nil {
			whole++
		}
		cases, want = append(cases, c), append(want, w)
	}
	python(t, "appended.py", dir)
	var got []appended
	readJSON(t, filepath.Join(dir, "out.json"), &got)
	require.Len(t, got, len(want))
	for i := range want {
		if w, g := want[i].Error, got[i].Error; w != nil && g != nil && strings.HasPrefix(w.Rule, "zstd window") && strings.HasPrefix(g.Rule, "truncated") {
			g.Rule = w.Rule // as in compare
		}
		if !assert.Equal(t, want[i], got[i], "file %d, %v, %+v", i, cases[i].kind, cases[i].table.Format) {
			t.Logf("columns %+v\n%q", cases[i].table.Columns, cases[i].data[:min(len(cases[i].data), 600)])
		}
	}
	t.Logf("%d files, %d of them without a mistake", len(want), whole)
	require.Greater(t, whole*10, len(want))
	require.Greater(t, (len(want)-whole)*10, len(want))
}

func writeAppended(t *testing.T, dir string, i int, c reading) appended {
	path := filepath.Join(dir, fmt.Sprintf("%05d", i))
	require.NoError(t, os.WriteFile(path, c.data, 0o600))
	bucket := source.NewMemory()
	file := bucket.Put(location, c.data, time.Unix(1700000000, 0).UTC())
	target, err := c.table.Target()
	require.NoError(t, err)
	load := etl.Load{ID: "load", Table: c.table.Name, Kind: c.kind, Files: []etl.File{file}}
	m, err := dispatch.NewManifest(t.Context(), etl.Job{
		ID: "job", Table: c.table, Target: target, URIs: []string{path}, Sink: etl.Declaration{Kind: "none"}, Load: load,
	})
	require.NoError(t, err)
	m.Files[0].ETag = ""
	writeJSON(t, path+".manifest", m)
	rows, err := appendInGo(t, c.table, load, bucket)
	if err != nil {
		return appended{Rows: [][]*string{}, Error: mistakeOf(err)}
	}
	return appended{Rows: rows}
}

func appendInGo(t *testing.T, table etl.Table, load etl.Load, bucket etl.Source) ([][]*string, error) {
	changes, err := etl.NewChanges(etl.ChangesConfig{Table: table, Load: load, Source: bucket, TempDir: t.TempDir()})
	require.NoError(t, err)
	rows := [][]*string{}
	for part, err := range changes.Parts(t.Context()) {
		if err != nil {
			return nil, err
		}
		settled, err := part.Resolve(t.Context(), etl.Committed{})
		if err != nil {
			return nil, err
		}
		for rec, err := range settled.Rows(t.Context()) {
			if err != nil {
				return nil, err
			}
			for i := range int(rec.NumRows()) {
				rows = append(rows, cellsOf(rec.Columns(), i))
			}
		}
	}
	return rows, nil
}
