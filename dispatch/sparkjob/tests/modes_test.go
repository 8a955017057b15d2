//go:build spark

package tests

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// wideTable has a column of each type, and is ordered by time.
func wideTable(mode etl.Mode, version string) etl.Table {
	t := etl.Table{
		Mode: mode, Key: []string{"id"}, OrderBy: []string{"at"}, FullLoads: etl.FullReplace,
		Columns: etl.Columns{
			{Name: "id", Type: etl.UUID}, {Name: "at", Type: etl.TimestampTZ}, {Name: "day", Type: etl.Date}, {Name: "then", Type: etl.Timestamp},
			{Name: "flag", Type: etl.Bool}, {Name: "small", Type: etl.Int}, {Name: "big", Type: etl.Long}, {Name: "f", Type: etl.Float},
			{Name: "d", Type: etl.Double}, {Name: "price", Type: etl.Decimal(38, 3)}, {Name: "name", Type: etl.String}, {Name: "raw", Type: etl.Binary},
		},
		Properties: map[string]string{"format-version": version},
	}
	if mode == etl.ModeAppend {
		t.Key, t.OrderBy, t.TombstoneRetention = nil, nil, -1
	}
	return csvTable(t)
}

const (
	wideOne = "0f8fad5b-d9cb-469f-a165-70867728950e,%at,2024-02-20,2024-02-20T01:02:03.000004,true,-7,9000000000,1.5,NaN,-12345678901234567890123456789012345.678,änn,xyz"
	wideTwo = "7c9e6679-7425-40de-944b-e07fc1f90ae7,%at,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL"
)

func wide(row, at string) string {
	for i := range len(row) - 2 {
		if row[i:i+3] == "%at" {
			return row[:i] + at + row[i+3:]
		}
	}
	return row
}

// TestModesKeepAllTypes: rows of the table that are written once more keep every bit, one
// load is one snapshot without debris, and a row of the full load that Spark has written
// anew stays below every change for the engine in Go.
func TestModesKeepAllTypes(t *testing.T) {
	for mode, version := range map[etl.Mode]string{etl.ModeAppend: "2", etl.ModeSoftDelete: "3", etl.ModeHistory: "2"} {
		t.Run(string(mode), func(t *testing.T) {
			l := newLake(t, wideTable(mode, version))
			kept := "D"
			if mode == etl.ModeAppend {
				kept = "I"
			}
			for i, load := range []etl.Load{
				l.land(etl.Full, lines(wide(wideOne, "2024-02-20T00:00:00Z"), wide(wideTwo, "2024-02-21T00:00:00Z"))),
				l.land(etl.Incremental, lines(kept+","+wide(wideOne, "2024-03-01T00:00:00.123456Z"), kept+","+wide(wideTwo, "NULL"))),
				l.land(etl.Incremental, lines("U,"+wide(wideTwo, "2024-01-01T00:00:00Z"), "U,"+wide(wideTwo, "2023-01-01T00:00:00Z"))),
				l.land(etl.Incremental, lines("U,"+wide(wideOne, "2022-01-01T00:00:00Z"))),
			} {
				want, err := l.inGo(l.alone, load)
				require.NoError(t, err)
				if i%2 == 1 { // Spark makes nothing but the second and the last load
					require.Equal(t, want.Counts, l.applied(load).Counts)
				} else {
					_, err = l.inGo(l.both, load)
					require.NoError(t, err)
				}
				rows, err := etltest.ReadRows(t.Context(), l.alone, l.table.Name)
				require.NoError(t, err)
				require.Equal(t, rows, l.rows(), "load %d", i)
				snapshots, refs := l.snapshots()
				require.Equal(t, []int{i + 1, 1}, []int{snapshots, refs})
				require.Empty(t, l.orphans())
			}
		})
	}
}
