package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// TestBad walks a bad row through the verbs, from the file to the table.
func TestBad(t *testing.T) {
	b := newBench(t, people+"    bad_rows: {rows: 10}\nquarantine: {folder: bad}\n")
	b.land("hr/people/LOAD00000001.csv", goodFull+"3,"+secret+",many,\n4,Dan,1.00,never "+secret+"\n")
	b.ingestDoc(exitOK)
	require.Len(t, b.rows("hr.people"), 2)

	var list struct{ Rows []badDoc }
	b.json(exitOK, &list, "bad", "list", "hr.people")
	require.Len(t, list.Rows, 2)
	first := list.Rows[0]
	require.Equal(t, [3]any{int64(3), "pay", "not a decimal"}, [3]any{first.Row, first.Column, first.Rule})
	require.True(t, first.InTable)

	for _, args := range [][]string{{"bad", "list", "hr.people"}, {"bad", "show", "hr.people", first.ID[:6]}, {"history"}, {"status"}} {
		r := b.want(exitOK, args...)
		require.NotContains(t, r.stdout+r.stderr, secret)
	}
	require.Contains(t, b.want(exitOK, "bad", "show", "hr.people", first.ID).stdout, "pay")
	require.Equal(t, "3,"+secret+",many,\n", b.want(exitOK, "bad", "show", "hr.people", first.ID, "--raw").stdout)
	require.Contains(t, b.want(exitOK, "history", "hr.people").stdout, "2 bad rows of 4 set aside")

	still := b.callWith(context.Background(), "3,"+secret+",many,\n", "bad", "replay", "hr.people", first.ID)
	require.Equal(t, exitError, still.code)
	require.Contains(t, still.stderr, "pay")
	require.NotContains(t, still.stderr, secret)
	done := b.callWith(context.Background(), "3,Cyd,7.50,\n", "bad", "replay", "hr.people", first.ID[:8])
	require.Equal(t, exitOK, done.code, done.stderr)
	b.want(exitOK, "bad", "drop", "hr.people", list.Rows[1].ID, "--note", "gone")
	b.want(exitOK, "ingest")
	require.Len(t, b.rows("hr.people"), 3)

	b.json(exitOK, &list, "bad", "list", "hr.people")
	require.Empty(t, list.Rows)
	b.json(exitOK, &list, "bad", "list", "hr.people", "--all")
	require.Equal(t, []etl.BadRowStatus{etl.BadReplayed, etl.BadDropped}, []etl.BadRowStatus{list.Rows[0].Status, list.Rows[1].Status})
	b.want(exitOK, "bad", "drop", "hr.people", list.Rows[1].ID, "--remove")
	b.json(exitOK, &list, "bad", "list", "hr.people", "--all")
	require.Len(t, list.Rows, 1)

	for _, args := range [][]string{{"bad"}, {"bad", "list"}, {"bad", "mend", "hr.people"}, {"bad", "show", "hr.people"}, {"bad", "show", "hr.people", "zz"}, {"bad", "list", "no.table"}} {
		b.want(exitUsage, args...)
	}
}
