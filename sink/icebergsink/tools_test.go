package icebergsink_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	icetable "github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"
)

// deletesOfOthers commits a delete file of another writer: by data sequence
// number of the data file, the positions.
func (l *lake) deletesOfOthers(name string, at map[int64][]int64) {
	l.t.Helper()
	var lines []string
	for _, f := range l.entries(iceberg.EntryContentData) {
		for _, pos := range at[f.seq] {
			lines = append(lines, fmt.Sprintf(`{"file_path":%q,"pos":%d}`, f.FilePath(), pos))
		}
	}
	slices.Sort(lines)
	path, size, meta := l.writeParquet(name, positionSchema, "["+strings.Join(lines, ",")+"]")
	df, err := icetable.DataFileFromMetadata(icetable.DataFileArgs{
		Schema: iceberg.PositionalDeleteSchema, Spec: *iceberg.UnpartitionedSpec, Format: iceberg.ParquetFile, Metadata: meta,
		FilePath: path, FileSize: size, Content: iceberg.EntryContentPosDeletes, FormatVersion: 2,
	})
	require.NoError(l.t, err)
	l.commitForeign(func(tx *icetable.Transaction) {
		require.NoError(l.t, tx.NewRowDelta(nil).AddDeletes(df).Commit(l.t.Context()))
	})
}

// metadata lists the table's metadata files on disk.
func (l *lake) metadata() []string {
	l.t.Helper()
	names, err := filepath.Glob(filepath.Join(l.iceberg().Location(), "metadata", "*.metadata.json"))
	require.NoError(l.t, err)
	return names
}
