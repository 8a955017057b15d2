package gluesink_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	iceio "github.com/apache/iceberg-go/io"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// Maintenance in S3 removes what nothing refers to and nothing else, and keeps
// the orders of deleted keys beside the table.
func TestMaintain(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	table := people()
	table.Columns = append(table.Columns, etl.Column{Name: "seq", Type: etl.Long})
	table.OrderBy = []string{"seq"}
	table.Format = csv("id", "name", "seq")
	l := newLoader(t, table)
	s := c.open()
	l.apply(s, etl.Full, "1,Ann,1\n2,Bob,1\n3,Cy,1\n")
	l.apply(s, etl.Incremental, "D,3,,7\n")
	for i := range 6 {
		l.apply(s, etl.Incremental, fmt.Sprintf("U,1,Ann%d,%d\n", i, 10+i))
	}
	tbl, err := s.Table(t.Context(), table.Name)
	require.NoError(t, err)
	files, err := tbl.FS(t.Context())
	require.NoError(t, err)
	garbage := tbl.Location() + "/data/garbage.parquet"
	require.NoError(t, files.(iceio.WriteFileIO).WriteFile(garbage, []byte("left behind")))

	target, err := table.Target()
	require.NoError(t, err)
	time.Sleep(2 * time.Second) // the store tells times in seconds
	rep, err := s.Maintain(t.Context(), target, etl.MaintainOptions{Sweep: true, Maintenance: etl.Maintenance{
		SmallFiles: 2, SnapshotAge: time.Nanosecond, KeepSnapshots: 1, OrphanAge: time.Nanosecond,
	}})
	require.NoError(t, err)
	require.NotEmpty(t, rep.Commits)
	require.Less(t, rep.After.DataFiles, rep.Before.DataFiles)
	require.Less(t, rep.After.Snapshots, rep.Before.Snapshots)
	require.GreaterOrEqual(t, rep.Orphans, 1)
	_, err = files.Open(garbage)
	require.Error(t, err, "an orphan is still there")
	require.Empty(t, etltest.Rows{{1, "Ann5", 15}, {2, "Bob", 1}}.Diff(l.rows(s)))
	for _, r := range c.requests.take() {
		require.False(t, r.method == "DELETE" && strings.Contains(r.key, ".tidemark/"), "a side file was removed")
	}
	l.apply(s, etl.Incremental, "I,3,Late,6\n")
	require.Len(t, l.rows(s), 2, "the order of the deleted key is lost")
}
