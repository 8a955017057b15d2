//go:build integration

package integration

import (
	"context"
	"fmt"
	"os/exec"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/source"
)

// loadPeople applies a full load and changes to the table mpd.people and returns
// its rows, one JSON array each.
func loadPeople(t testing.TB, sink etl.Sink) []string {
	table := etl.Table{
		Name: "mpd.people", Key: []string{"id"},
		Columns:   etl.Columns{{Name: "id", Type: etl.Long, Doc: "who it is"}, {Name: "name", Type: etl.String}, {Name: "city", Type: etl.String}},
		Op:        etl.OpColumn{Column: "op"},
		Format:    format.CSV{FullColumns: []string{"id", "name", "city"}, ChangeColumns: []string{"op", "id", "name", "city"}},
		Partition: []etl.PartitionField{{Column: "city", Transform: "identity"}},
	}
	target, err := table.Target()
	require.NoError(t, err)
	src := source.NewMemory()
	texts := []string{"1,Ann,Rome\n2,Bob,Oslo\n3,Cy,Rome\n", "U,1,Anne,Rome\nD,2,,\nI,4,Di,\n", "U,3,Cyd,Oslo\n"}
	for i, text := range texts {
		load := etl.Load{
			ID: fmt.Sprintf("%032x", i), Table: table.Name, Kind: etl.Incremental, Epoch: 1, Fence: 1,
			Files: []etl.File{src.Put(fmt.Sprintf("%d.csv", i), []byte(text), time.Unix(1_700_000_000, 0))},
		}
		if i == 0 {
			load.Kind = etl.Full
		}
		changes, err := etl.NewChanges(etl.ChangesConfig{Table: table, Load: load, Source: src})
		require.NoError(t, err)
		_, err = sink.Apply(t.Context(), target, load, changes)
		require.NoError(t, err)
	}
	return []string{`[1, "Anne", "Rome"]`, `[3, "Cyd", "Oslo"]`, `[4, "Di", null]`}
}

// readPeople returns the rows as PyIceberg reads them through the catalog.
func readPeople(t testing.TB, properties ...string) []string {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, findServer(t, "pyiceberg"), append([]string{"read_iceberg.py", "mpd.people"}, properties...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	rows := strings.Split(strings.TrimSpace(string(out)), "\n")
	sort.Strings(rows)
	return rows
}
