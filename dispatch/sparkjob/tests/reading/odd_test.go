//go:build spark

package reading

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format/parquetformat"
)

// TestOddParquet reads each column of files of another writer as each type.
func TestOddParquet(t *testing.T) {
	dir := t.TempDir()
	python(t, "odd.py", dir)
	files, err := filepath.Glob(filepath.Join(dir, "*.parquet"))
	require.NoError(t, err)
	require.Len(t, files, 5)
	names := []string{
		"dictionary", "large_string", "string_view", "large_binary", "duration", "date64", "seconds", "berlin", "naive", "nanos", "decimal", "wide", "uuid",
		"json", "half", "uint64", "time", "null", "list", "struct", "map", "dotted.name", "dotted", "absent",
	}
	types := []string{"bool", "int", "long", "double", "decimal(9,2)", "decimal(38,4)", "date", "timestamp", "timestamptz", "string", "binary", "uuid"}
	var cases []reading
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, name := range names {
			for _, typ := range types {
				cases = append(cases, reading{etl.Table{
					Name: "s.t", Key: []string{"id"}, Format: parquetformat.Format{AnyZone: len(name)%2 == 0},
					Columns: etl.Columns{{Name: "id", Type: etl.Long, Required: true}, {Name: name, Type: typeOf(typ)}},
				}, etl.Full, data})
			}
		}
	}
	both(t, newRandom(1), cases, 10)
}
