package dispatch_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

// badJob is a job whose table sets rows aside, with a mended row and one that waits.
func badJob() etl.Job {
	mended := etl.File{Location: etl.MendedPrefix + "shop.orders/31/00000000000000000007-ab", ETag: "e", Size: 4}
	load := etl.Load{ID: "0123", Table: "shop.orders", Kind: etl.Incremental, Files: []etl.File{{Location: "2.csv", Size: 3}, mended}}
	row := etl.BadRow{ID: "ab", LoadID: "00", File: "1.csv", Kind: etl.Full, Row: 7}
	waits := row
	waits.ID, waits.Key = "cd", []byte("secret key")
	row.Mended = []byte("secret cell\n")
	return etl.Job{
		ID: "0123-5", Load: load, URIs: []string{"/landing/2.csv", ""}, Sink: etl.Declaration{Kind: "iceberg"},
		Table: etl.Table{
			Name: "shop.orders", Key: []string{"id"}, Columns: etl.Columns{{Name: "id", Type: etl.Long}},
			Format: format.CSV{Header: true}, BadRows: etl.ErrorBudget{Rows: 3, Share: 0.01},
		},
		Aside: &etl.JobAside{Open: []etl.BadRow{waits}, Mended: map[string]etl.BadRow{mended.ID(): row}},
	}
}

func TestManifestOfBadRows(t *testing.T) {
	f := newFolder(t)
	docs, err := dispatch.PutManifest(t.Context(), f, badJob())
	require.NoError(t, err)
	text, err := os.ReadFile(docs.Manifest)
	require.NoError(t, err)
	require.NotContains(t, string(text), "secret", "a manifest holds no rows")
	var m dispatch.Manifest
	require.NoError(t, json.Unmarshal(text, &m))
	require.Equal(t, int64(3), m.BadRows.Rows)
	require.Equal(t, "3 or 1%", m.BadRows.Budget)
	require.Empty(t, m.Files[1].URI)

	text, err = os.ReadFile(m.BadRows.Aside)
	require.NoError(t, err)
	var aside dispatch.AsideDocument
	require.NoError(t, json.Unmarshal(text, &aside))
	require.Equal(t, []dispatch.AsideRow{{LoadID: "00", ID: "cd", Key: []byte("secret key"), Place: etl.BadPlace{ID: "cd", Kind: etl.Full, File: "1.csv", Row: 7}}}, aside.Open)
	require.Len(t, aside.Mended, 1)
	require.Equal(t, 1, aside.Mended[0].File)
	require.Equal(t, "secret cell\n", string(aside.Mended[0].Content))
	require.Equal(t, "csv", aside.Mended[0].Format.Kind)

	require.NoError(t, os.WriteFile(m.BadRows.HandOver, []byte(`{"load_id":"0123","rows":[{"file":0,"row":2,"rule":"bad","raw":"eA=="}]}`), 0o600))
	handed, err := dispatch.ReadHandedOver(t.Context(), f, "0123-5")
	require.NoError(t, err)
	require.Equal(t, etl.HandedOver{LoadID: "0123", Rows: []etl.HandedRow{{Row: 2, Rule: "bad", Raw: []byte("x")}}}, handed)
	for range 2 {
		require.NoError(t, dispatch.Forget(t.Context(), f, "0123-5"))
	}
	for _, gone := range []string{m.BadRows.Aside, m.BadRows.HandOver} {
		require.NoFileExists(t, gone)
	}
	require.FileExists(t, docs.Manifest)
	_, err = dispatch.ReadHandedOver(t.Context(), f, "0123-5")
	require.ErrorIs(t, err, etl.ErrNotFound)
}

func TestHandedOverIsChecked(t *testing.T) {
	f := newFolder(t)
	for _, text := range []string{"", "{}", "[]", `{"load_id":7}`, `{"load_id":"x","rows":[{"row":"secret"}]}`, `{"load_id":"x","rows":[{"raw":"secret!"}]}`} {
		_, err := f.Put(t.Context(), "jobs/a-1/badrows.json", []byte(text))
		require.NoError(t, err)
		_, err = dispatch.ReadHandedOver(t.Context(), f, "a-1")
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err), text)
		require.NotContains(t, err.Error(), "secret")
	}
	for _, id := range []string{"", "../x", "a/b"} {
		_, err := dispatch.ReadHandedOver(t.Context(), f, id)
		require.Error(t, err)
		require.Error(t, dispatch.Forget(t.Context(), f, id))
	}
}

func TestMendedRowOfWhichNothingIsKnown(t *testing.T) {
	job := badJob()
	job.Aside = nil
	_, err := dispatch.PutManifest(t.Context(), newFolder(t), job)
	require.ErrorContains(t, err, "mended row")
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}

// TestInProcessWithoutStore: bad rows would be lost with the process.
func TestInProcessWithoutStore(t *testing.T) {
	d := dispatch.NewInProcess(dispatch.InProcessConfig{Source: source.NewMemory(), Sink: sink.NewMemory()})
	defer d.Close()
	_, err := d.Submit(t.Context(), badJob())
	require.ErrorContains(t, err, "no store")
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}

func TestFolderRemoves(t *testing.T) {
	f := newFolder(t)
	uri, err := f.Put(t.Context(), "jobs/a-1/badrows.json", []byte("x"))
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, f.Remove(t.Context(), "jobs/a-1/badrows.json"))
		require.NoFileExists(t, uri)
	}
	require.NoError(t, f.Remove(t.Context(), "jobs/b/badrows.json"))
	for _, name := range []string{"", "..", "a/../b", "/etc/hosts", strings.Repeat("a", 513)} {
		require.Equal(t, etl.Terminal, etl.OutcomeOf(f.Remove(t.Context(), name)), name)
	}
}
