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
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
)

// TestEraseFromEvolvedIceberg: keys go out of a table that has grown columns, at once or
// later, and the loads that evolved it run again without them.
func TestEraseFromEvolvedIceberg(t *testing.T) {
	for name, props := range map[string]map[string]string{
		"version 2": nil, "copy-on-write": {"tidemark.write-mode": "copy-on-write"}, "version 3": {"format-version": "3"},
	} {
		t.Run(name, func(t *testing.T) {
			lake, err := icebergsink.Open(t.Context(), icebergsink.Config{Warehouse: filepath.Join(t.TempDir(), "lake")})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, lake.Close()) })
			bucket, now := source.NewMemory(), time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC)
			table := items(etl.Contract{New: etl.Evolve, Missing: etl.Evolve, Type: etl.Evolve, Null: etl.Evolve},
				func(t *etl.Table) { t.Properties = props })
			runner, err := etl.New(etl.Config{
				Source: bucket, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: lake, Layout: format.DMS{},
				Tables: []etl.Table{table}, Now: func() time.Time { return now },
			})
			require.NoError(t, err)
			load := func(name, content string) {
				now = now.Add(time.Minute)
				bucket.Put("shop/items/"+name, []byte(content+"\n"), now)
				_, err := runner.Ingest(t.Context())
				require.NoError(t, err)
			}
			erase := func(within time.Duration, key string) etl.ErasureReport {
				keys, err := format.Keys(table, [][]string{{key}})
				require.NoError(t, err)
				rep, err := runner.Erase(t.Context(), table.Name, keys, etl.EraseOptions{Within: within})
				require.NoError(t, err)
				return rep
			}
			rows := func() int {
				got, err := etltest.ReadRows(t.Context(), lake, table.Name)
				require.NoError(t, err)
				return len(got)
			}
			load("LOAD00000001.json", `{"id":1,"n":1,"code":"a"}`+"\n"+`{"id":2,"n":2,"code":"b"}`+"\n"+`{"id":4,"n":2,"code":"b"}`)
			load("20240220-110825123.json", `{"Op":"U","id":1,"n":5000000000,"code":null,"x":true}`+"\n"+`{"Op":"I","id":3,"n":3,"code":"c","x":null}`)
			require.EqualValues(t, 1, erase(0, "1").Rows)
			require.EqualValues(t, 1, erase(time.Hour, "2").Rows)
			require.Equal(t, 2, rows())
			now = now.Add(2 * time.Hour)
			require.NoError(t, runner.Reload(t.Context(), table.Name))
			load("20240220-120825123.json", `{"Op":"I","id":5,"n":1,"code":"e","y":"new"}`)
			require.Equal(t, 3, rows())
			st, err := runner.Status(t.Context(), table.Name)
			require.NoError(t, err)
			require.Empty(t, st.Erasure)
			require.EqualValues(t, 1, erase(0, "5").Rows)
			require.Equal(t, 2, rows())
			_, err = runner.Maintain(t.Context(), table.Name)
			require.NoError(t, err)
		})
	}
}
