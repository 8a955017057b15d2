package etltest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// Quarantine checks an implementation of [etl.Quarantine] against its contract. open
// returns a new, empty one for each call, and closes it by t.Cleanup; again opens it
// once more over the same data, or is nil.
func Quarantine(t *testing.T, open func(t *testing.T) etl.Quarantine, again func(t *testing.T, q etl.Quarantine) etl.Quarantine) {
	run := func(name string, f func(t *testing.T, q etl.Quarantine)) {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
	run("Empty", func(t *testing.T, q etl.Quarantine) {
		require.Empty(t, badRows(t, q, "a.b"))
		require.NoError(t, q.Remove(t.Context(), "a.b", "1"))
		require.NoError(t, q.Put(t.Context(), "a.b", "l1", nil))
	})
	run("Put", quarantinePut)
	run("Update", quarantineUpdate)
	run("Remove", quarantineRemove)
	run("HostileNames", quarantineNames)
	run("Concurrent", quarantineConcurrent)
	run("Apart", quarantineApart)
	run("Context", quarantineContext)
	if again == nil {
		return
	}
	run("Reopen", func(t *testing.T, q etl.Quarantine) {
		row := badRow("a.b", "l1", 1)
		require.NoError(t, q.Put(t.Context(), "a.b", "l1", []etl.BadRow{row}))
		require.Equal(t, []etl.BadRow{row}, badRows(t, again(t, q), "a.b"))
	})
}

// badRow is a row with something in every field.
func badRow(table, load string, row int64) etl.BadRow {
	return etl.BadRow{
		ID: fmt.Sprintf("%s-%d", load, row), Table: table, LoadID: load, Epoch: 3, File: "f/\n\"x\".csv", FileID: "00ff", Kind: etl.Incremental,
		Order: "20240101", Landed: time.Date(2024, 1, 2, 3, 4, 5, 6000, time.UTC), Row: row, Column: "ä", Rule: "not an int",
		Origin: &etl.BadPlace{ID: "o", Kind: etl.Full, Order: "1", File: "o.csv", Row: 7},
		Raw:    []byte("1,\x00\xff,\n"), Head: []byte("a,b\n"), Key: []byte{0, 1, 255}, Mended: []byte("1,2\n"),
		Status: etl.BadOpen, Note: "n", OvertakenBy: []string{"l9"}, At: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

func badRows(t testing.TB, q etl.Quarantine, table string) []etl.BadRow {
	t.Helper()
	var out []etl.BadRow
	for row, err := range q.Rows(t.Context(), table) {
		require.NoError(t, err)
		row.Landed, row.At = row.Landed.UTC(), row.At.UTC()
		out = append(out, row)
	}
	return out
}

func quarantinePut(t *testing.T, q etl.Quarantine) {
	a, b, c := badRow("a.b", "l2", 2), badRow("a.b", "l2", 10), badRow("a.b", "l1", 5)
	require.NoError(t, q.Put(t.Context(), "a.b", "l2", []etl.BadRow{b, a}))
	require.NoError(t, q.Put(t.Context(), "a.b", "l1", []etl.BadRow{c}))
	require.Equal(t, []etl.BadRow{c, a, b}, badRows(t, q, "a.b"), "by load, file and row")
	require.Empty(t, badRows(t, q, "a.c"))
	require.NoError(t, q.Put(t.Context(), "a.b", "l2", []etl.BadRow{a}))
	require.Equal(t, []etl.BadRow{c, a}, badRows(t, q, "a.b"), "a set is replaced")
	second := badRow("a.b", "l2", 7)
	require.NoError(t, q.Put(t.Context(), "a.b", "l2-1", []etl.BadRow{second}))
	require.Equal(t, []etl.BadRow{c, a, second}, badRows(t, q, "a.b"), "a load may have several sets")
	require.NoError(t, q.Put(t.Context(), "a.b", "l2", nil))
	require.Equal(t, []etl.BadRow{c, second}, badRows(t, q, "a.b"))
}

func quarantineUpdate(t *testing.T, q etl.Quarantine) {
	a, b := badRow("a.b", "l1", 1), badRow("a.b", "l1", 2)
	same := badRow("a.b", "l2", 1)
	same.ID = a.ID
	require.NoError(t, q.Put(t.Context(), "a.b", "l1", []etl.BadRow{a, b}))
	require.NoError(t, q.Put(t.Context(), "a.b", "l2", []etl.BadRow{same}))
	a.Status, a.OvertakenBy = etl.BadDropped, nil
	require.NoError(t, q.Update(t.Context(), a))
	require.Equal(t, []etl.BadRow{a, b, same}, badRows(t, q, "a.b"), "the row of the other load stays")
	unknown := badRow("a.b", "l1", 3)
	require.ErrorIs(t, q.Update(t.Context(), unknown), etl.ErrNotFound)
	a.Table = "a.c"
	require.ErrorIs(t, q.Update(t.Context(), a), etl.ErrNotFound)
	require.NoError(t, q.Update(t.Context()))
}

func quarantineRemove(t *testing.T, q etl.Quarantine) {
	a, b, c := badRow("a.b", "l1", 1), badRow("a.b", "l1", 2), badRow("a.b", "l2", 3)
	require.NoError(t, q.Put(t.Context(), "a.b", "l1", []etl.BadRow{a, b}))
	require.NoError(t, q.Put(t.Context(), "a.b", "l2", []etl.BadRow{c}))
	require.NoError(t, q.Remove(t.Context(), "a.b", a.ID, c.ID, "unknown"))
	require.Equal(t, []etl.BadRow{b}, badRows(t, q, "a.b"))
	require.ErrorIs(t, q.Update(t.Context(), c), etl.ErrNotFound)
}

// quarantineNames: what is kept under one name is not what is kept under another.
func quarantineNames(t *testing.T, q etl.Quarantine) {
	names := []string{"../../x", "a/b", "a\\b", "A.b", "a.B", "", ".", "x\x00y", "täble", strings.Repeat("n", 500), "con", "x-00"}
	for i, name := range names {
		row := badRow(name, name, int64(i+1))
		row.ID = fmt.Sprint(i)
		require.NoError(t, q.Put(t.Context(), name, name, []etl.BadRow{row}), "%q", name)
	}
	for i, name := range names {
		rows := badRows(t, q, name)
		require.Len(t, rows, 1, "%q", name)
		require.EqualValues(t, i+1, rows[0].Row, "%q", name)
	}
}

// quarantineConcurrent: no update is lost to another one, or to a set that is put.
func quarantineConcurrent(t *testing.T, q etl.Quarantine) {
	const n = 8
	var rows []etl.BadRow
	for i := range n {
		rows = append(rows, badRow("a.b", "l1", int64(i)))
	}
	require.NoError(t, q.Put(t.Context(), "a.b", "l1", rows))
	var group sync.WaitGroup
	errs := make([]error, 2*n)
	for i := range n {
		group.Go(func() {
			row := badRow("a.b", "l1", int64(i))
			row.Status = etl.BadDropped
			errs[i] = q.Update(context.WithoutCancel(t.Context()), row)
		})
		group.Go(func() {
			load := fmt.Sprint("m", i)
			errs[n+i] = q.Put(context.WithoutCancel(t.Context()), "a.b", load, []etl.BadRow{badRow("a.b", load, 1)})
		})
	}
	group.Wait()
	require.NoError(t, errors.Join(errs...))
	kept := badRows(t, q, "a.b")
	require.Len(t, kept, 2*n)
	for _, row := range kept[:n] {
		require.Equal(t, etl.BadDropped, row.Status)
	}
}

// quarantineApart: what the caller does to its rows later does not matter.
func quarantineApart(t *testing.T, q etl.Quarantine) {
	row := badRow("a.b", "l1", 1)
	require.NoError(t, q.Put(t.Context(), "a.b", "l1", []etl.BadRow{row}))
	row.Raw[0] = 'X'
	got := badRows(t, q, "a.b")
	require.Equal(t, byte('1'), got[0].Raw[0])
	got[0].Raw[0] = 'Y'
	require.Equal(t, byte('1'), badRows(t, q, "a.b")[0].Raw[0])
}

func quarantineContext(t *testing.T, q etl.Quarantine) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, q.Put(ctx, "a.b", "l1", []etl.BadRow{badRow("a.b", "l1", 1)}), context.Canceled)
	for _, err := range q.Rows(ctx, "a.b") {
		require.ErrorIs(t, err, context.Canceled)
	}
	require.Empty(t, badRows(t, q, "a.b"))
}
