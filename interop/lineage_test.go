//go:build interop

package interop

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow/array"
	icetable "github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"
)

// lineage is which row each row of a table of format version 3 is, and the
// number of the snapshot that last changed it, by the key. It is read with
// iceberg-go.
func (s *story) lineage() map[int64][2]int64 {
	tbl, err := s.sink.Table(s.t.Context(), s.decl.Name)
	require.NoError(s.t, err)
	_, batches, err := tbl.Scan(icetable.WithRowLineage()).ToArrowRecords(s.t.Context())
	require.NoError(s.t, err)
	out := map[int64][2]int64{}
	for rec, err := range batches {
		require.NoError(s.t, err)
		var cols [3]*array.Int64
		for i, name := range []string{"id", "_row_id", "_last_updated_sequence_number"} {
			at := rec.Schema().FieldIndices(name)
			require.Len(s.t, at, 1)
			cols[i] = rec.Column(at[0]).(*array.Int64)
			require.Zero(s.t, cols[i].NullN(), name)
		}
		for i := range int(rec.NumRows()) {
			out[cols[0].Value(i)] = [2]int64{cols[1].Value(i), cols[2].Value(i)}
		}
	}
	require.Len(s.t, out, len(s.model.Rows()))
	return out
}

// checkLineage is check, and the engines that show the lineage of rows compare it.
func (s *story) checkLineage(want map[int64][2]int64, stage string, features ...string) {
	s.check(stage, features...)
	content, err := json.Marshal(want)
	require.NoError(s.t, err)
	c := &s.checks[len(s.checks)-1]
	c.Lineage = filepath.Join(s.dir, filepath.Base(c.Rows)+".lineage")
	require.NoError(s.t, os.WriteFile(c.Lineage, content, 0o600))
}
