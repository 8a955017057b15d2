package evolution

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/format/parquetformat"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
)

func TestTypesThatCannotBeWidenedBecomeText(t *testing.T) {
	lake := etltest.New(t, items(etl.Contract{Type: etl.Evolve, Else: etl.ElseString}))
	lake.Land(full, `{"id":1,"n":1,"code":"a"}`+"\n"+`{"id":2,"n":2,"code":"b"}`+"\n")
	lake.Ingest()
	lake.Land("shop/items/20240220-110825123.json", `{"Op":"U","id":2,"n":2.50,"code":"b"}`+"\n"+`{"Op":"U","id":3,"n":1e21,"code":"c"}`+"\n")
	lake.Land("shop/items/20240220-110826123.json", `{"Op":"U","id":4,"n":true,"code":"d"}`+"\n"+`{"Op":"U","id":1,"n":false,"code":"a"}`+"\n")
	lake.Ingest()
	lake.Want("shop.items", etltest.Rows{{1, 1, "a", "false"}, {2, 2, "b", "2.5"}, {3, nil, "c", "1e+21"}, {4, nil, "d", "true"}})
	lake.Land("shop/items/20240220-110827123.json", `{"Op":"U","id":3,"n":7,"code":"c"}`+"\n")
	lake.Ingest()
	lake.Want("shop.items", etltest.Rows{{1, 1, "a", "false"}, {2, 2, "b", "2.5"}, {3, 7, "c", "1e+21"}, {4, nil, "d", "true"}})
}

func TestTextOfParquetTypes(t *testing.T) {
	budget := func(t *etl.Table) { t.Format, t.BadRows = parquetformat.Format{}, etl.ErrorBudget{Rows: 1} }
	lake := etltest.New(t, items(etl.Contract{Type: etl.Evolve, Else: etl.ElseString}, budget))
	n := 0
	land := func(typ etl.Type, rows ...etltest.Change) {
		p := &producer{t: t, parquet: true, fields: []field{{name: "id", narrow: etl.Long}, {name: "n", narrow: typ}, {name: "code", narrow: etl.String}}}
		n++
		lake.Land(location(etl.Incremental, n, "parquet"), string(p.file(etl.Incremental, 0, rows)))
		lake.Ingest()
	}
	land(etl.String, etltest.Upsert(int64(1), "7 or 8", "a"))
	land(etl.Decimal(9, 2), etltest.Upsert(int64(2), "1.50", "b"), etltest.Upsert(int64(3), nil, "c"))
	land(etl.Double, etltest.Upsert(int64(4), 0.1, "d"), etltest.Upsert(int64(5), nan(), "e"))
	lake.Want("shop.items", etltest.Rows{{1, nil, "a", "7 or 8"}, {2, nil, "b", "1.50"}, {3, nil, "c", nil}, {4, nil, "d", "0.1"}})
	for row, err := range lake.Quarantine.Rows(t.Context(), "shop.items") {
		require.NoError(t, err)
		require.Equal(t, "n_string: not a finite number", row.Column+": "+row.Rule)
	}
}

func nan() float64 { zero := 0.0; return zero / zero }

func TestTextColumnsOfOthersAreNotTaken(t *testing.T) {
	lake := etltest.New(t, items(etl.Contract{Type: etl.Evolve, Missing: etl.Evolve, Else: etl.ElseString},
		func(t *etl.Table) { t.Columns = append(t.Columns, etl.Column{Name: "n_string", Type: etl.String}) }))
	lake.Land(full, `{"id":1,"n":1.5,"code":"a"}`+"\n")
	_, err := lake.Runner().Ingest(t.Context())
	require.ErrorIs(t, err, etl.ErrContract)
	require.ErrorContains(t, err, "column n: is double, and column n_string is none for such values")
}

// TestColumnsOfSingleRecords: a column that turns up in one record of a thousand
// evolves, and the records without it leave it as it is.
func TestColumnsOfSingleRecords(t *testing.T) {
	lake := etltest.New(t, items(etl.Contract{New: etl.Evolve}))
	var b strings.Builder
	for n := range 999 {
		fmt.Fprintf(&b, `{"id":%d,"n":1,"code":"a"}`+"\n", n+2)
	}
	lake.Land(full, b.String()+`{"id":1,"n":1,"code":"a","late":true}`+"\n")
	lake.Ingest()
	want := etltest.Rows{{1, 1, "a", true}}
	for n := range 999 {
		want = append(want, []any{n + 2, 1, "a", nil})
	}
	lake.Want("shop.items", want)
	lake.Land("shop/items/20240220-110825123.json", `{"Op":"U","id":1,"n":2,"code":"b"}`+"\n"+`{"Op":"U","id":2,"n":2,"code":"b","late":false}`+"\n")
	lake.Ingest()
	want[0], want[1] = []any{1, 2, "b", true}, []any{2, 2, "b", false}
	lake.Want("shop.items", want)
}

func TestDeclaredColumnsOfSingleRecords(t *testing.T) {
	for rule, ok := range map[etl.ContractRule]bool{etl.Freeze: false, etl.Evolve: true} {
		lake := etltest.New(t, items(etl.Contract{Missing: rule}))
		lake.Land(full, `{"id":1,"n":1,"code":"a"}`+"\n"+`{"id":2,"code":"b"}`+"\n")
		_, err := lake.Runner().Ingest(t.Context())
		if !ok {
			require.ErrorContains(t, err, "row 2 of "+full+": column n: column is missing")
			continue
		}
		require.NoError(t, err)
		lake.Want("shop.items", etltest.Rows{{1, 1, "a"}, {2, nil, "b"}})
	}
}

func TestDebeziumEvolves(t *testing.T) {
	lake := etltest.New(t, items(etl.Contract{New: etl.Evolve, Type: etl.Evolve, Missing: etl.Evolve}, func(t *etl.Table) {
		t.Op, t.Format, t.OrderBy = etl.OpColumn{}, format.Debezium{Unavailable: true}, []string{"__source_lsn"}
		t.Columns = append(t.Columns, etl.Column{Name: "__source_lsn", Type: etl.Long})
	}))
	event := func(op string, lsn int, row string) string {
		return fmt.Sprintf(`{"before":%[3]s,"after":%[3]s,"source":{"lsn":%[2]d,"table":"items"},"op":%[1]q,"ts_ms":1708427305123}`, op, lsn, row) + "\n"
	}
	lake.Land(full, event("r", 1, `{"id":1,"n":1,"code":"a"}`)+event("r", 2, `{"id":2,"n":2,"code":"b"}`))
	lake.Ingest()
	lake.Land("shop/items/20240220-110825123.json", event("u", 3, `{"id":1,"n":5000000000,"code":"c","born":"x"}`)+event("u", 4, `{"id":2,"n":3,"code":"__debezium_unavailable_value"}`)+"null\n")
	lake.Ingest()
	lake.Want("shop.items", etltest.Rows{{1, 5000000000, "c", 3, "x"}, {2, 3, "b", 4, nil}})
}

// TestMendedRowsHaveTheColumnsOfTheTable: what is handed in again is read as the table
// is by then.
func TestMendedRowsHaveTheColumnsOfTheTable(t *testing.T) {
	lake := etltest.New(t, items(etl.Contract{New: etl.Evolve, Type: etl.Evolve}, func(t *etl.Table) {
		t.BadRows, t.OrderBy = etl.ErrorBudget{Rows: 5}, []string{"id"}
	}))
	lake.Land(full, `{"id":1,"n":1,"code":"a"}`+"\n")
	lake.Ingest()
	lake.Land("shop/items/20240220-110825123.json", `{"Op":"U","id":2,"n":5000000000,"code":"b","x":1}`+"\n"+`{"Op":"U","id":3,"n":1,"code":null,"x":2}`+"\n")
	lake.Ingest()
	lake.Want("shop.items", etltest.Rows{{1, 1, "a", nil}, {2, 5000000000, "b", 1}})
	id := ""
	for row, err := range lake.Runner().BadRows(t.Context(), "shop.items") {
		require.NoError(t, err)
		id = row.ID
	}
	replay := func(record string) error {
		return lake.Runner().ReplayBad(t.Context(), "shop.items", id, []byte(record))
	}
	require.ErrorContains(t, replay(`{"Op":"U","id":3,"n":"many","code":"c"}`), "column n: not a long")
	require.ErrorIs(t, replay(`{"Op":"U","id":3,"code":"c"}`), etl.ErrContract, "a column is missing")
	require.NoError(t, replay(`{"Op":"U","id":3,"n":6000000000,"code":"c","x":3,"y":"new"}`), "wider and newer than declared")
	lake.Ingest()
	lake.Want("shop.items", etltest.Rows{{1, 1, "a", nil, nil}, {2, 5000000000, "b", 1, nil}, {3, 6000000000, "c", 3, "new"}})
}

// TestStagedLoadsEvolveWhenPublished: readers of the table see neither columns nor rows
// before the files are published, and null constraints go with the file that breaks them.
func TestStagedLoadsEvolveWhenPublished(t *testing.T) {
	lake, err := icebergsink.Open(t.Context(), icebergsink.Config{Warehouse: filepath.Join(t.TempDir(), "lake")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, lake.Close()) })
	bucket, inj, store, now := source.NewMemory(), etltest.NewInjector(), control.NewMemory(), time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC)
	var told []string
	open := func() *etl.Runner {
		inj.Restart()
		runner, err := etl.New(etl.Config{
			Source: bucket, Control: store, Locker: lock.NewMemory(), Sink: inj.Sink(lake), Layout: format.DMS{}, Now: func() time.Time { return now },
			Tables: []etl.Table{items(etl.Contract{New: etl.Evolve, Type: etl.Evolve, Null: etl.Evolve, Missing: etl.Evolve},
				func(t *etl.Table) { t.Staging.Mode = etl.StageAlways })},
			Observer: etl.Observer{Evolved: func(_ etl.Load, c etl.SchemaChange) { told = append(told, c.String()) }},
		})
		require.NoError(t, err)
		return runner
	}
	land := func(name, content string) {
		now = now.Add(time.Minute)
		bucket.Put("shop/items/"+name, []byte(content+"\n"), now)
	}
	columns := func() (names []string) {
		for rec, err := range lake.Scan(context.Background(), "shop.items") {
			require.NoError(t, err)
			for _, f := range rec.Schema().Fields() {
				names = append(names, f.Name+" "+f.Type.String())
			}
			return names
		}
		return nil
	}
	land("LOAD00000001.json", `{"id":1,"n":1,"code":"a"}`)
	_, err = open().Ingest(t.Context())
	require.NoError(t, err)
	before := columns()
	require.Len(t, before, 3)

	land("LOAD00000002.json", `{"id":1,"n":2,"code":"b"}`)
	land("LOAD00000003.json", `{"id":2,"n":5000000000,"code":"b","x":1}`)
	land("LOAD00000004.json", `{"id":3,"n":3,"code":null}`)
	runner := open()
	inj.Reset()
	inj.FailAt("sink.Publish/before", 1, etltest.ErrCrash)
	_, err = runner.Ingest(t.Context())
	require.Error(t, err)
	require.True(t, inj.Crashed())
	require.Equal(t, before, columns())
	st, err := store.State(t.Context(), "shop.items")
	require.NoError(t, err)
	require.Len(t, st.Evolving.Changes, 3)

	inj.Reset()
	_, err = open().Ingest(t.Context())
	require.NoError(t, err)
	rows, err := etltest.ReadRows(t.Context(), lake, "shop.items")
	require.NoError(t, err)
	require.Empty(t, etltest.Rows{{1, 2, "b", nil}, {2, 5000000000, "b", 1}, {3, 3, nil, nil}}.Diff(rows))
	require.ElementsMatch(t, []string{
		"column n widened from int to long for shop/items/LOAD00000003.json", "column x added as long for shop/items/LOAD00000003.json",
		"column code optional for shop/items/LOAD00000004.json",
	}, told)
	st, err = store.State(t.Context(), "shop.items")
	require.NoError(t, err)
	require.Nil(t, st.Evolving)
	require.Len(t, st.Evolved, 3)
}

// TestStagedLoadsOfOtherModesEvolve: staging and evolution do not depend on how rows are
// told apart.
func TestStagedLoadsOfOtherModesEvolve(t *testing.T) {
	for _, mode := range []etl.Mode{etl.ModeAppend, etl.ModeSoftDelete} {
		table := items(etl.Contract{New: etl.Evolve, Missing: etl.Evolve}, func(t *etl.Table) {
			t.Mode, t.Staging.Mode = mode, etl.StageAlways
			if mode == etl.ModeAppend {
				t.Key, t.Op = nil, etl.OpColumn{}
			}
		})
		lake := etltest.New(t, table)
		lake.Land(full, `{"id":1,"n":1,"code":"a"}`+"\n")
		lake.Land("shop/items/LOAD00000002.json", `{"id":2,"code":"b","x":true}`+"\n")
		lake.Ingest()
		st, err := lake.Control.State(t.Context(), "shop.items")
		require.NoError(t, err)
		require.Len(t, st.Evolved, 1)
		n := 0
		for rec, err := range lake.Sink.Scan(t.Context(), "shop.items") {
			require.NoError(t, err)
			require.Len(t, rec.Schema().FieldIndices("x"), 1)
			n += int(rec.NumRows())
		}
		require.Equal(t, 2, n)
	}
}
