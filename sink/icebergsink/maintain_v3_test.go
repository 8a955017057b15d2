package icebergsink_test

import (
	"fmt"
	"testing"

	icetable "github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// In format version 3 rows keep their ids, and base and changes stay apart.
func TestMaintainVersion3(t *testing.T) {
	t.Parallel()
	l := newLake(t, version3(ordered()))
	var full []row
	for i := range 100 {
		full = append(full, ins(i, "base", 1000))
	}
	l.apply(etl.Full, full...)
	for i := range 5 {
		l.apply(etl.Incremental, append(many(200+i*10, 210+i*10, "c"), upd(i, "change", 50), delAt(10+i, 60))...)
	}
	ids := l.lineage()
	require.Len(t, ids, 145)
	opts := eager()
	opts.Manifests = 2
	rep := l.maintain(opts)
	require.Len(t, rep.Commits, 2)
	require.Equal(t, 2, rep.After.DataFiles, fmt.Sprintf("%+v", rep))
	require.Zero(t, rep.After.DeleteFiles)
	require.Equal(t, ids, l.lineage())

	r := l.apply(etl.Incremental, upd(1, "late", 49), upd(11, "late", 59), upd(50, "beats base", 1), del(60))
	require.Equal(t, int64(2), r.Counts.Superseded)
	require.Contains(t, l.rows(), "50|beats base|1")
	ids = l.lineage()
	l.maintain(opts)
	require.Equal(t, ids, l.lineage())
	require.Empty(t, l.deletes())
}

// Files from before the upgrade have no ids yet.
func TestMaintainAfterAnUpgrade(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "a")...)
	for i := range 3 {
		l.apply(etl.Incremental, append(many(10+i*10, 20+i*10, "b"), del(i))...)
	}
	l.commitForeign(func(tx *icetable.Transaction) { require.NoError(t, tx.UpgradeFormatVersion(3)) })
	l.apply(etl.Incremental, append(many(50, 60, "c"), upd(4, "c", 1), del(11))...)
	l.apply(etl.Incremental, append(many(60, 70, "d"), upd(5, "d", 1), del(12))...)
	ids := l.lineage()
	require.NotContains(t, fmt.Sprint(ids), "null")
	l.maintain(eager())
	require.Equal(t, ids, l.lineage())
	require.Empty(t, l.deletes())
	require.Len(t, l.rows(), 55)
	l.apply(etl.Incremental, upd(5, "e", 1), del(60))
	l.maintain(eager())
	require.Len(t, l.rows(), 54)
	delete(ids, "5")
	requireKept(t, ids, l.lineage(), 53)
}
