package sqlitecontrol

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// Every branch of a page must come from an index, in order: a scan or a sort of
// a whole ledger for each page would make iterations quadratic.
func TestQueryPlans(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "control.db"))
	require.NoError(t, err)
	defer s.Close()
	after := &place{order: []byte("x"), location: []byte("y"), id: "z"}
	for _, c := range []struct {
		q     etl.FileQuery
		index string
	}{
		{etl.FileQuery{Table: "a.b"}, "files_by_order"},
		{etl.FileQuery{Table: "a.b", Kind: etl.Full}, "files_by_order"},
		{etl.FileQuery{Table: "a.b", Statuses: []etl.FileStatus{etl.Pending}}, "files_by_status"},
		{etl.FileQuery{Table: "a.b", Statuses: []etl.FileStatus{etl.Pending, etl.Deferred}}, "files_by_status"},
	} {
		for _, p := range []*place{nil, after} {
			query, args := pageQuery(c.q, p, 10)
			rows, err := s.db.Query("EXPLAIN QUERY PLAN "+query, args...)
			require.NoError(t, err)
			sorts, searches := 0, 0
			for rows.Next() {
				var id, parent, unused int
				var detail string
				require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
				require.NotContains(t, detail, "SCAN files")
				switch {
				case detail == "USE TEMP B-TREE FOR ORDER BY":
					sorts++
				case len(detail) > 6 && detail[:6] == "SEARCH":
					require.Contains(t, detail, c.index)
					searches++
				}
			}
			require.NoError(t, rows.Err())
			// What a branch found, at most a page, may be sorted to be merged.
			require.LessOrEqual(t, sorts, len(c.q.Statuses), "%+v", c.q)
			require.Equal(t, max(1, len(c.q.Statuses)), searches)
		}
	}
}
