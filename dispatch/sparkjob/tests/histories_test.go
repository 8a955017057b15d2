//go:build spark

package tests

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
)

var (
	seeds = flag.Int("seeds", 2, "how many histories")
	first = flag.Int("first", 1, "the seed of the first one")
	steps = flag.Int("steps", 15, "how long they are")
)

// TestHistories feeds random histories to a table that both engines write in turn,
// and to one that the engine in Go writes alone: rows as in the model, counts and
// marks as those of Go, errors in the same places.
func TestHistories(t *testing.T) {
	for seed := *first; seed < *first+*seeds; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { newTale(t, int64(seed)).tell() })
	}
}

// tale is a history cut into loads.
type tale struct {
	*lake
	*rand.Rand
	history *etltest.History
	model   *etltest.Model
}

func newTale(t *testing.T, seed int64) *tale {
	h := etltest.NewHistory(seed, *steps, format.DMS{})
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	table := h.Table
	table.AllowEmpty = true
	csv := format.CSV{FullColumns: h.FullColumns, ChangeColumns: h.ChangeColumns, Null: "NULL"}
	if h.NoSupply != "" {
		csv.NotSupplied = &h.NoSupply
	}
	table.Format = csv.ForTable(table)
	table.Properties = map[string]string{"format-version": []string{"2", "3"}[seed%2]}
	switch r.IntN(4) {
	case 0:
		table.Partition = []etl.PartitionField{{Column: "id", Transform: "bucket", N: 3}}
	case 1:
		table.Partition = []etl.PartitionField{{Column: "name", Transform: "identity"}}
	}
	t.Logf("key %v, order %v, old key %v, partial %v, partition %v, version %s",
		table.Key, table.OrderBy, table.OldKey, h.NoSupply != "", table.Partition, table.Properties["format-version"])
	return &tale{lake: newLake(t, table), Rand: r, history: h, model: etltest.NewModel(table)}
}

func (s *tale) tell() {
	for _, step := range s.history.Steps {
		var full, changes []etltest.Landing
		for _, l := range step.Land {
			if strings.HasPrefix(path.Base(l.Location), "LOAD") {
				full = append(full, l)
			} else {
				changes = append(changes, l)
			}
		}
		if len(full) > 0 {
			s.load(etl.Full, full)
		}
		if len(changes) > 0 {
			s.load(etl.Incremental, changes)
		}
	}
}

func (s *tale) load(kind etl.LoadKind, landings []etltest.Landing) {
	var contents [][]byte
	var rows []etltest.Change
	bad := false
	for _, l := range landings {
		contents, rows, bad = append(contents, l.Content), append(rows, l.Rows...), bad || l.Bad
	}
	load := s.land(kind, contents...)
	want, err := s.inGo(s.alone, load)
	if bad {
		require.Error(s.t, err)
	} else {
		_, modelErr := s.model.Load(kind, rows...)
		require.Equal(s.t, modelErr != nil, err != nil, "%v, %v", modelErr, err)
	}
	if err == nil && s.IntN(4) == 0 { // the other engine goes on with the table
		_, err = s.inGo(s.both, load)
		require.NoError(s.t, err)
		s.compare(load)
		return
	}
	got := spark.run(s.t, s.manifest(load))
	if err != nil {
		require.NotNil(s.t, got.Failure, "load %s in Go: %v", load.ID, err)
		require.Equal(s.t, etl.Diagnose(err, load.ID), got.Failure.Diagnosis)
		require.Equal(s.t, "terminal", got.Failure.Outcome)
		return
	}
	require.NotNil(s.t, got.Receipt, "load %s: %+v", load.ID, got.Failure)
	require.Equal(s.t, want.Counts, got.Receipt.Counts, "load %s", load.ID)
	applied, ok, err := s.both.Applied(s.t.Context(), s.target, load.ID)
	require.NoError(s.t, err)
	require.True(s.t, ok)
	applied.Found = false
	require.Equal(s.t, applied, *got.Receipt)
	s.compare(load)
	if s.IntN(4) == 0 {
		s.again(load, *got.Receipt)
	}
}

// compare compares the tables with the model and with each other.
func (s *tale) compare(load etl.Load) {
	rows, err := etltest.ReadRows(s.t.Context(), s.both, s.table.Name)
	require.NoError(s.t, err)
	require.Equal(s.t, s.model.Rows(), rows, "after load %s", load.ID)
	got, err := s.both.Standing(s.t.Context(), s.target)
	require.NoError(s.t, err)
	want, err := s.alone.Standing(s.t.Context(), s.target)
	require.NoError(s.t, err)
	require.Len(s.t, got.Loads, len(want.Loads))
	for i := range want.Loads {
		g, w := &got.Loads[i].Receipt, &want.Loads[i].Receipt
		g.Snapshot, g.Committed, g.FilesWritten, g.BytesWritten = w.Snapshot, w.Committed, w.FilesWritten, w.BytesWritten
	}
	require.Equal(s.t, want, got)
	snapshots, refs := s.snapshots()
	require.Equal(s.t, len(want.Loads), snapshots, "one snapshot for each load")
	require.Equal(s.t, 1, refs)
	require.Empty(s.t, s.orphans())
}

// again has the load done once more, which must find it and change nothing.
func (s *tale) again(load etl.Load, first etl.Receipt) {
	load.Fence++
	s.fence++
	got := spark.run(s.t, s.manifest(load))
	require.NotNil(s.t, got.Receipt, "%+v", got.Failure)
	first.Found = true
	require.Equal(s.t, first, *got.Receipt)
}
