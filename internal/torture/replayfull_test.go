package torture

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
)

// fullMending is what TestMendedAmongTheFullLoad plays: rows of a full load, and what
// the bad ones of them should have been, by their numbers.
var fullMending = struct {
	full, changes, late string
	mended              map[int64]string
	ordered, unordered  map[string]string
}{
	full: "1,30,a\n2,30,b\n3,10,c\n4,x,d\n4,x,D\n5,30,e\n6,30,f\n7,x,g\n7,x,G\n8,30,h\n" +
		"1,x,A\n2,x,B\n3,x,C\nx,30,E\nx,40,F\n9,x,I\n8,x,H\n",
	changes: "U,5,5,changed\nD,6,6,\n",
	mended: map[int64]string{4: "4,40,d", 5: "4,20,D", 8: "7,20,g", 9: "7,40,G", 11: "1,20,A", 12: "2,30,B", 13: "3,20,C",
		14: "5,40,E", 15: "6,40,F", 16: "9,1,I", 17: "8,NULL,H"},
	late:    "U,3,1,late\nU,4,1,late\nU,8,1,late\n",
	ordered: map[string]string{"1": "a", "2": "B", "3": "C", "4": "d", "5": "changed", "7": "G", "8": "H", "9": "I"},
	// The later one wins; where a row's key was not known, nobody can tell whether it is that.
	unordered: map[string]string{"1": "A", "2": "B", "3": "C", "4": "D", "5": "E", "6": "F", "7": "G", "8": "H", "9": "I"},
}

// TestMendedAmongTheFullLoad: the rows of a full load follow the rules of order among
// themselves, mended ones too, whether they share a load or not; any change beats them.
func TestMendedAmongTheFullLoad(t *testing.T) {
	for i := range 16 {
		soft, ordered, together, plain := i&1 > 0, i&2 > 0, i&4 > 0, i&8 > 0
		t.Run(fmt.Sprintf("soft %v ordered %v together %v plain %v", soft, ordered, together, plain), func(t *testing.T) {
			table, want, cfg := lenient(), fullMending.unordered, etl.Config{}
			if ordered {
				table.OrderBy, want = []string{"seq"}, fullMending.ordered
			}
			if soft {
				table.Mode = etl.ModeSoftDelete
			}
			table.BadRows.Rows = 20
			if table.Format = nil; plain {
				cfg.MemoryBudget = 1
			} else {
				none := "<none>"
				table.Format = format.CSV{NotSupplied: &none, Null: "NULL"}.ForTable(table)
			}
			cfg.Tables = []etl.Table{table}
			playFullMending(t, etltest.NewConfig(t, cfg), together, want)
		})
	}
}

func playFullMending(t *testing.T, lake *etltest.Lake, together bool, want map[string]string) {
	lake.Land(at("LOAD00000001"), fullMending.full)
	lake.Ingest()
	lake.Land(at("20240220-100000000"), fullMending.changes)
	lake.Ingest()
	rows := slices.Sorted(maps.Keys(fullMending.mended))
	for some := range slices.Chunk(rows, map[bool]int{true: len(rows), false: 1}[together]) {
		for _, row := range some {
			mendFull(t, lake, row, fullMending.mended[row])
		}
		lake.Ingest()
	}
	require.Equal(t, want, names(t, lake))
	lake.Land(at("20240220-100001000"), fullMending.late)
	lake.Ingest()
	want = maps.Clone(want)
	want["3"], want["4"], want["8"] = "late", "late", "late"
	require.Equal(t, want, names(t, lake))
}

// mendFull hands in a bad row of the full load.
func mendFull(t *testing.T, lake *etltest.Lake, number int64, text string) {
	t.Helper()
	for row, err := range lake.Runner().BadRows(t.Context(), "shop.orders") {
		require.NoError(t, err)
		if row.Row == number && strings.Contains(row.File, "LOAD") {
			require.NoError(t, lake.Runner().ReplayBad(t.Context(), "shop.orders", row.ID, []byte(text), etl.ReplayBlind()))
			return
		}
	}
	t.Fatalf("row %d was not set aside", number)
}

// names are the names of the rows that are not deleted, by key.
func names(t *testing.T, lake *etltest.Lake) map[string]string {
	t.Helper()
	rows, err := etltest.ReadRows(t.Context(), lake.Sink, "shop.orders")
	require.NoError(t, err)
	out := map[string]string{}
	for _, row := range rows {
		if len(row) < 4 || row[3] == "false" {
			out[row[0].(string)] = row[2].(string)
		}
	}
	return out
}
