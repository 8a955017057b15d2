package evolution

import (
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/format/parquetformat"
)

// items is a table of JSON lines.
func items(c etl.Contract, change ...func(*etl.Table)) etl.Table {
	t := etl.Table{
		Name: "shop.items", Key: []string{"id"}, Op: etl.OpColumn{Column: "Op"}, Format: format.JSONLines{}, Contract: c,
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "n", Type: etl.Int}, {Name: "code", Type: etl.String, Required: true}},
	}
	for _, f := range change {
		f(&t)
	}
	return t
}

const full = "shop/items/LOAD00000001.json"

func TestBreachPausesWithItsPlace(t *testing.T) {
	for name, test := range map[string]struct {
		contract etl.Contract
		content  string
		want     etl.Diagnosis // Column and Rule
	}{
		"new":     {etl.Contract{New: etl.Freeze}, `{"id":1,"n":1,"code":"a","x":1}`, etl.Diagnosis{Column: "x", Rule: "column is not declared (new: freeze)"}},
		"missing": {etl.Contract{New: etl.Evolve}, `{"id":1,"code":"a"}`, etl.Diagnosis{Column: "n", Rule: "column is missing (missing: freeze)"}},
		"type":    {etl.Contract{New: etl.Evolve}, `{"id":1,"n":5000000000,"code":"a"}`, etl.Diagnosis{Column: "n", Rule: "is long, the table has int (type: freeze)"}},
		"else":    {etl.Contract{Type: etl.Evolve}, `{"id":1,"n":1.5,"code":"a"}`, etl.Diagnosis{Column: "n", Rule: "is double, the table has int, which cannot be widened so (else: pause)"}},
		"null":    {etl.Contract{Null: etl.Freeze}, `{"id":1,"n":1,"code":null}`, etl.Diagnosis{}},
		"nulls":   {etl.Contract{New: etl.Evolve}, `{"id":1,"n":1,"code":null}`, etl.Diagnosis{Column: "code", Rule: "required value is null"}},
	} {
		t.Run(name, func(t *testing.T) {
			lake := etltest.New(t, items(test.contract))
			lake.Land(full, test.content+"\n")
			_, err := lake.Runner().Ingest(t.Context())
			require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "%v", err)
			st, err := lake.Control.State(t.Context(), "shop.items")
			require.NoError(t, err)
			require.Equal(t, etl.FlagPaused, st.Flag)
			require.Equal(t, []string{full, test.want.Column, test.want.Rule}, []string{st.Paused.File, st.Paused.Column, st.Paused.Rule})
			require.Empty(t, st.Evolved)
			rows, err := etltest.ReadRows(t.Context(), lake.Sink, "shop.items")
			require.NoError(t, err)
			require.Empty(t, rows)
		})
	}
}

func TestHistoryAndPlanTellWhatEvolves(t *testing.T) {
	lake := etltest.New(t, items(etl.Contract{New: etl.Evolve, Type: etl.Evolve, Null: etl.Evolve, Missing: etl.Evolve}))
	lake.Land(full, `{"id":1,"n":1,"code":"a"}`+"\n")
	lake.Ingest()
	change := "shop/items/20240220-110825123.json"
	lake.Land(change, `{"Op":"U","id":2,"n":5000000000,"code":null,"x":true}`+"\n")
	_, err := lake.Runner().Register(t.Context(), mustList(t, lake)...)
	require.NoError(t, err)
	d, err := lake.Runner().Plan(t.Context(), "shop.items")
	require.NoError(t, err)
	var planned []string
	for _, c := range d.Evolves {
		planned = append(planned, c.String())
	}
	require.Equal(t, []string{"column n widened from int to long for " + change, "column x added as bool for " + change}, planned)

	lake.Ingest()
	lake.Want("shop.items", etltest.Rows{{1, 1, "a", nil}, {2, 5000000000, nil, true}})
	var told []string
	for e, err := range lake.Control.History(t.Context(), "shop.items") {
		require.NoError(t, err)
		if e.Kind == etl.EntryEvolved {
			told = append(told, e.Text)
			require.NotEmpty(t, e.LoadID)
		}
	}
	require.ElementsMatch(t, append(planned, "column code optional for "+change), told)
}

func mustList(t *testing.T, lake *etltest.Lake) (out []etl.File) {
	for f, err := range lake.Source.List(t.Context()) {
		require.NoError(t, err)
		out = append(out, f)
	}
	return out
}

func TestTypesThatCannotBeWidenedGetAColumn(t *testing.T) {
	lake := etltest.New(t, items(etl.Contract{Type: etl.Evolve, Else: etl.ElseNewColumn}))
	lake.Land(full, `{"id":1,"n":1,"code":"a"}`+"\n"+`{"id":2,"n":2,"code":"b"}`+"\n")
	lake.Ingest()
	lake.Land("shop/items/20240220-110825123.json", `{"Op":"U","id":2,"n":2.5,"code":"b"}`+"\n"+`{"Op":"U","id":3,"n":3.5,"code":"c"}`+"\n")
	lake.Ingest()
	lake.Want("shop.items", etltest.Rows{{1, 1, "a", nil}, {2, 2, "b", 2.5}, {3, nil, "c", 3.5}})
	lake.Land("shop/items/20240220-110826123.json", `{"Op":"U","id":3,"n":7,"code":"c"}`+"\n")
	lake.Ingest()
	lake.Want("shop.items", etltest.Rows{{1, 1, "a", nil}, {2, 2, "b", 2.5}, {3, 7, "c", 3.5}})
}

func TestQuarantinedColumnsAndTypes(t *testing.T) {
	budget := func(t *etl.Table) { t.BadRows = etl.ErrorBudget{Rows: 2} }
	lake := etltest.New(t, items(etl.Contract{New: etl.Quarantined, Type: etl.Quarantined}, budget))
	lake.Land(full, `{"id":1,"n":1,"code":"a"}`+"\n"+`{"id":2,"n":2,"code":"b","x":1}`+"\n"+`{"id":3,"n":5000000000,"code":"c"}`+"\n"+`{"id":4,"n":4,"code":"d","x":null}`+"\n")
	lake.Ingest()
	lake.Want("shop.items", etltest.Rows{{1, 1, "a"}, {4, 4, "d"}})
	rules := map[string]string{}
	for row, err := range lake.Quarantine.Rows(t.Context(), "shop.items") {
		require.NoError(t, err)
		rules[row.Column] = row.Rule
	}
	require.Equal(t, map[string]string{"x": "column is not declared (new: quarantine)", "n": "does not fit int"}, rules)

	without := etltest.New(t, items(etl.Contract{New: etl.Quarantined}))
	without.Land(full, `{"id":2,"n":2,"code":"b","x":1}`+"\n")
	_, err := without.Runner().Ingest(t.Context())
	require.ErrorContains(t, err, "row 1 of "+full+": column x: column is not declared (new: quarantine)")
}

func TestQuarantinedTypesOfParquet(t *testing.T) {
	lake := etltest.New(t, items(etl.Contract{Type: etl.Quarantined}, func(t *etl.Table) {
		t.Format, t.BadRows = parquetformat.Format{}, etl.ErrorBudget{Share: 0.5}
	}))
	p := &producer{t: t, parquet: true, fields: []field{{name: "id", narrow: etl.Long}, {name: "n", narrow: etl.Long}, {name: "code", narrow: etl.String}}}
	rows := []etltest.Change{etltest.Upsert(int64(1), int64(1), "a"), etltest.Upsert(int64(2), int64(1)<<33, "b"), etltest.Upsert(int64(3), nil, "c")}
	lake.Land("shop/items/LOAD00000001.parquet", string(p.file(etl.Full, 0, rows)))
	lake.Ingest()
	lake.Want("shop.items", etltest.Rows{{1, 1, "a"}, {3, nil, "c"}})
}

func TestDiscardedTypesAreAbsent(t *testing.T) {
	lake := etltest.New(t, items(etl.Contract{Type: etl.Discard}))
	lake.Land(full, `{"id":1,"n":1,"code":"a"}`+"\n")
	lake.Land("shop/items/20240220-110825123.json", `{"Op":"U","id":1,"n":[1],"code":"b"}`+"\n"+`{"Op":"U","id":2,"n":[1],"code":"c"}`+"\n")
	lake.Ingest()
	lake.Want("shop.items", etltest.Rows{{1, 1, "b"}, {2, nil, "c"}})
}

func TestTextColumnsEvolveByTheirHeader(t *testing.T) {
	lake := etltest.New(t, items(etl.Contract{New: etl.Evolve, Missing: etl.Evolve}, func(t *etl.Table) { t.Format = format.CSV{Header: true} }))
	lake.Land("shop/items/LOAD00000001.csv", "id,n,code\n1,1,a\n2,2,b\n")
	lake.Ingest()
	lake.Land("shop/items/20240220-110825123.csv", "Op,id,code,note\nU,1,z,first\nD,2,,\nU,3,y,\n")
	lake.Ingest()
	lake.Want("shop.items", etltest.Rows{{1, 1, "z", "first"}, {3, nil, "y", nil}})
}
