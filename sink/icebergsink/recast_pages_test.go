package icebergsink_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// stored is how data files are stored: small pages and row groups, in several
// encodings, the last of which has to be decoded.
var stored = map[string]map[string]string{
	"plain":        {"parquet.enable.dictionary": "false"},
	"dictionaries": {},
	"v2, snappy":   {table.ParquetPageVersionKey: "2", table.ParquetCompressionKey: "snappy"},
	"delta":        {"tidemark.readers": "iceberg>=1.11", "parquet.enable.dictionary": "false"},
}

func storedTable(mode string, props map[string]string) etl.Table {
	t := everything("int")
	t.Properties = map[string]string{
		"tidemark.write-mode": mode, table.ParquetPageRowLimitKey: "50", table.ParquetPageSizeBytesKey: "400", table.ParquetRowGroupLimitKey: "700",
	}
	for k, v := range props {
		t.Properties[k] = v
	}
	return t
}

func storedRows(rnd *rand.Rand, n int) (rows []row) {
	for i := range n {
		r := full(i, fmt.Sprint("text ", rnd.IntN(30)))
		for c := range r {
			if c != "op" && c != "int" && rnd.IntN(8) == 0 {
				delete(r, c)
			}
		}
		rows = append(rows, r)
	}
	return rows
}

// Data files written anew hold the rows that are left, and the manifests tell of
// them what they tell of files that were written of these rows alone.
func TestCopyOnWriteByPages(t *testing.T) {
	t.Parallel()
	for name, props := range stored {
		for _, version := range []string{"2", "3"} {
			if testing.Short() && version == "2" {
				continue
			}
			t.Run(name+" in version "+version, func(t *testing.T) {
				t.Parallel()
				copyOnWriteByPages(t, name, version, props)
			})
		}
	}
}

func copyOnWriteByPages(t *testing.T, name, version string, props map[string]string) {
	props = maps.Clone(props)
	props["format-version"] = version
	rnd := rand.New(rand.NewPCG(1, uint64(len(name))))
	rows := storedRows(rnd, 2000)
	l := newLake(t, storedTable("copy-on-write", props))
	l.apply(etl.Full, rows...)
	for round, share := range []int{200, 3, 2} {
		var gone, left []row
		for i, r := range rows {
			if run := i > 300 && i < 500; rnd.IntN(share) == 0 || round == 1 && run {
				gone = append(gone, row{"op": "D", "int": r["int"]})
			} else {
				left = append(left, r)
			}
		}
		rows = left
		var before map[string]string
		if version == "3" {
			before = l.lineage()
		}
		l.apply(etl.Incremental, gone...)
		if version == "3" {
			requireKept(t, before, l.lineage(), len(left))
		}
		anew := newLake(t, storedTable("copy-on-write", props))
		anew.apply(etl.Full, left...)
		require.Equal(t, anew.rows(), l.rows())
		sameFacts(t, anew.entries(iceberg.EntryContentData), l.entries(iceberg.EntryContentData))
	}
}

func sameFacts(t *testing.T, want, got []entry) {
	t.Helper()
	require.Len(t, got, 1)
	require.Len(t, want, 1)
	require.Equal(t, want[0].Count(), got[0].Count())
	require.Equal(t, want[0].NullValueCounts(), got[0].NullValueCounts())
	require.Equal(t, want[0].ValueCounts(), got[0].ValueCounts())
	require.Equal(t, want[0].LowerBoundValues(), got[0].LowerBoundValues())
	require.Equal(t, want[0].UpperBoundValues(), got[0].UpperBoundValues())
}

// A data file that is broken stops the load, and the error names it.
func TestCopyOnWriteOfBrokenFile(t *testing.T) {
	t.Parallel()
	l := newLake(t, storedTable("copy-on-write", nil))
	l.apply(etl.Full, storedRows(rand.New(rand.NewPCG(2, 2)), 500)...)
	path := l.entries(iceberg.EntryContentData)[0].FilePath()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := 200; i < len(raw)/2; i += 7 {
		raw[i] ^= 0x5a
	}
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	load, changes := l.land(etl.Incremental, row{"op": "D", "int": 5}, row{"op": "D", "int": 300})
	_, err = l.sink.Apply(t.Context(), l.target(), load, changes)
	require.ErrorContains(t, err, path)
}
