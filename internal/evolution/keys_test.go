package evolution

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/quarantine"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
)

// TestKeysBecomeWider: equal keys stay equal, in rows, tombstones, rows set aside and
// erasures, whatever the type of the files that they were in.
func TestKeysBecomeWider(t *testing.T) {
	open := func(t *testing.T) scanned {
		lake, err := icebergsink.Open(t.Context(), icebergsink.Config{Warehouse: filepath.Join(t.TempDir(), "lake")})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, lake.Close()) })
		return lake
	}
	t.Run("memory", func(t *testing.T) { widenKeys(t, sink.NewMemory(), nil) })
	for name, props := range modes {
		t.Run(name, func(t *testing.T) { widenKeys(t, open(t), props) })
	}
}

func widenKeys(t *testing.T, lake scanned, props map[string]string) {
	bucket, now := source.NewMemory(), time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC)
	table := items(etl.Contract{Type: etl.Evolve}, func(t *etl.Table) {
		t.Properties, t.OrderBy, t.BadRows, t.OldKey = props, []string{"at"}, etl.ErrorBudget{Rows: 5}, []string{"before"}
		t.Columns = etl.Columns{{Name: "id", Type: etl.Int}, {Name: "at", Type: etl.Int}, {Name: "code", Type: etl.String, Required: true}}
		t.Partition = []etl.PartitionField{{Column: "id", Transform: "bucket", N: 4}}
	})
	runner, err := etl.New(etl.Config{
		Source: bucket, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: lake, Layout: format.DMS{}, Quarantine: quarantine.NewMemory(),
		Tables: []etl.Table{table}, Now: func() time.Time { return now },
	})
	require.NoError(t, err)
	n := 0
	load := func(kind etl.LoadKind, content string) {
		n++
		now = now.Add(time.Minute)
		bucket.Put(location(kind, n, "json"), []byte(content+"\n"), now)
		_, err := runner.Ingest(t.Context())
		require.NoError(t, err)
	}
	want := func(rows etltest.Rows) {
		t.Helper()
		got, err := etltest.ReadRows(t.Context(), lake, table.Name)
		require.NoError(t, err)
		require.Empty(t, rows.Diff(got))
	}
	load(etl.Full, `{"id":1,"at":1,"code":"a"}`+"\n"+`{"id":2,"at":1,"code":"b"}`+"\n"+`{"id":3,"at":1,"code":"c"}`+"\n"+`{"id":4,"at":1,"code":"d"}`)
	load(etl.Incremental, `{"Op":"D","id":1,"at":20,"code":"a","before":null}`)
	load(etl.Incremental, `{"Op":"U","id":3,"at":5,"code":null,"before":null}`+"\n"+`{"Op":"U","id":7,"at":5,"code":"g","before":null}`)
	want(etltest.Rows{{2, 1, "b"}, {3, 1, "c"}, {4, 1, "d"}, {7, 5, "g"}})

	load(etl.Incremental, `{"Op":"U","id":5000000000,"at":5000000000,"code":"e","before":4}`+"\n"+`{"Op":"U","id":2,"at":3,"code":"f","before":null}`)
	want(etltest.Rows{{2, 3, "f"}, {3, 1, "c"}, {7, 5, "g"}, {5000000000, 5000000000, "e"}})
	load(etl.Incremental, `{"Op":"U","id":1,"at":15,"code":"late","before":null}`+"\n"+`{"Op":"U","id":3,"at":6,"code":"newer","before":null}`+"\n"+
		`{"Op":"U","id":5000000000,"at":7,"code":"late","before":null}`+"\n"+`{"Op":"U","id":8,"at":6000000000,"code":"h","before":5000000000}`)
	want(etltest.Rows{{2, 3, "f"}, {3, 6, "newer"}, {7, 5, "g"}, {8, 6000000000, "h"}})
	aside := 0
	for row, err := range runner.BadRows(t.Context(), table.Name) {
		require.NoError(t, err)
		aside++
		require.Equal(t, etl.BadOvertaken, row.Status, "the key of the bad row came again, as a long")
	}
	require.Equal(t, 1, aside)
	if _, ok := lake.(etl.Eraser); !ok {
		return
	}
	keys, err := format.Keys(table, [][]string{{"2"}, {"9000000000"}})
	require.NoError(t, err)
	_, err = runner.Erase(t.Context(), table.Name, keys, etl.EraseOptions{Within: 0})
	require.NoError(t, err)
	want(etltest.Rows{{3, 6, "newer"}, {7, 5, "g"}, {8, 6000000000, "h"}})
	load(etl.Full, `{"id":2,"at":1,"code":"b"}`+"\n"+`{"id":9,"at":1,"code":"c"}`)
	want(etltest.Rows{{2, 1, "b"}, {9, 1, "c"}})
}
