package differential

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/internal/evolution"
	"github.com/tidemark-data/etl/source"
)

// TestEvolutionInProcess plays histories of schema changes where both sides run the same
// engine.
func TestEvolutionInProcess(t *testing.T) {
	t.Parallel()
	playEvolution(t, int64((*seeds+4)/5), false, inProcess)
}

// playEvolution plays n histories of schema changes, or that of -seed.
func playEvolution(t *testing.T, n int64, brisk bool, other engine) {
	from, to := *first, *first+n-1
	if *seed != 0 {
		from, to = *seed, *seed
	}
	for s := from; s <= to; s++ {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			evolve(t, s, brisk, other)
		})
	}
}

// evolve plays the story of a seed in two lanes. After every step both tables must hold
// what the model says, and have come to it in the same way.
func evolve(t *testing.T, seed int64, brisk bool, other engine) {
	var props map[string]string
	if seed%3 == 0 {
		props = map[string]string{"format-version": "3"}
	}
	story := evolution.NewStory(t, seed, props, seed%2 == 1)
	if brisk {
		story.Brisk()
	}
	bucket := located{story.Bucket(), t.TempDir()}
	var lanes []*lane
	for _, e := range []engine{nil, other} {
		lanes = append(lanes, newLane(t, bucket, story.Declared(), format.DMS{}, e))
	}
	step := func(kind etl.LoadKind) {
		story.Land(kind)
		for _, l := range lanes {
			_, err := l.runner.Ingest(t.Context())
			require.NoError(t, err)
			story.Compare(t.Context(), l.sink)
		}
		require.NoError(t, compare(t.Context(), lanes[0], lanes[1]))
		require.NoError(t, compareSchemas(t.Context(), lanes[0], lanes[1]))
	}
	step(etl.Full)
	for story.More() {
		if story.Grow() {
			for _, l := range lanes {
				flag := l.table.Flag
				l.table = story.Declared()
				l.table.Flag = flag
				require.NoError(t, l.start())
			}
		}
		step(story.Next())
	}
	st, err := lanes[1].control.State(t.Context(), lanes[1].table.Name)
	require.NoError(t, err)
	require.NotEmpty(t, st.Evolved)
}

// compareSchemas says in what the schemas of two tables differ, past and present ones,
// and what their loads tell of them.
func compareSchemas(ctx context.Context, a, b *lane) error {
	want, err := schemas(ctx, a)
	if err != nil {
		return err
	}
	got, err := schemas(ctx, b)
	if err != nil {
		return err
	}
	if d := diff(want, got); d != "" {
		return errors.New("schemas differ:\n" + d)
	}
	return nil
}

func schemas(ctx context.Context, l *lane) (out []string, err error) {
	tbl, err := l.sink.Table(ctx, l.table.Name)
	if err != nil {
		return nil, err
	}
	meta := tbl.Metadata()
	for _, s := range meta.Schemas() {
		text, err := json.Marshal(s)
		if err != nil {
			return nil, err
		}
		out = append(out, "schema "+string(text))
	}
	out = append(out, fmt.Sprintf("current schema %d, last column %d, evolved %s",
		meta.CurrentSchema().ID, meta.LastColumnID(), meta.Properties()["tidemark.evolved"]))
	for _, s := range meta.Snapshots() {
		if s.Summary == nil || s.Summary.Properties["tidemark.load-id"] == "" || s.SchemaID == nil {
			continue
		}
		out = append(out, fmt.Sprintf("load %s: schema %d, %s", s.Summary.Properties["tidemark.load-id"], *s.SchemaID, s.Summary.Properties["tidemark.schema"]))
	}
	for name := range meta.Refs() {
		out = append(out, "branch "+name)
	}
	st, err := l.control.State(ctx, l.table.Name)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(st.Evolved)
	out = append(out, "state "+string(text))
	for e, herr := range l.control.History(ctx, l.table.Name) {
		if herr != nil {
			return nil, herr
		}
		if e.Kind == etl.EntryEvolved {
			out = append(out, "history "+e.LoadID+" "+e.Text)
		}
	}
	return out, err
}

const (
	contractFull   = "shop/items/LOAD00000001.json"
	contractChange = "shop/items/20240220-110825123.json"
)

// contracted is a table of JSON lines with a contract, and what lands for it.
func contracted(t *testing.T, c etl.Contract, change func(*etl.Table), other engine, contents ...string) []*lane {
	table := etl.Table{
		Name: "shop.items", Key: []string{"id"}, Op: etl.OpColumn{Column: "Op"}, Format: format.JSONLines{}, Contract: c,
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "n", Type: etl.Int}, {Name: "code", Type: etl.String, Required: true}},
	}
	if change != nil {
		change(&table)
	}
	bucket := located{source.NewMemory(), t.TempDir()}
	for i, content := range contents {
		bucket.Put([]string{contractFull, contractChange}[i], []byte(content))
	}
	return []*lane{newLane(t, bucket, table, format.DMS{}, nil), newLane(t, bucket, table, format.DMS{}, other)}
}

// ingested has lanes take what landed, and be equal after it.
func ingested(t *testing.T, lanes []*lane) {
	for _, l := range lanes {
		_, err := l.runner.Ingest(t.Context())
		require.NoError(t, pausing(err))
	}
	require.NoError(t, compare(t.Context(), lanes[0], lanes[1]))
	require.NoError(t, compareSchemas(t.Context(), lanes[0], lanes[1]))
}

// playContract takes files whose columns, types and nulls the contract makes bad rows of,
// or columns that are optional.
func playContract(t *testing.T, other engine) {
	lanes := contracted(t, etl.Contract{New: etl.Quarantined, Type: etl.Quarantined, Null: etl.Evolve},
		func(t *etl.Table) { t.BadRows = etl.ErrorBudget{Rows: 4} }, other,
		`{"id":1,"n":1,"code":"a"}`+"\n"+`{"id":2,"n":2,"code":"b","x":1}`+"\n"+`{"id":3,"n":5000000000,"code":"c"}`+"\n"+`{"id":4,"n":4,"code":"d","x":null}`+"\n",
		`{"Op":"U","id":1,"n":7,"code":null}`+"\n"+`{"Op":"U","id":4,"n":"seven","code":null}`+"\n")
	ingested(t, lanes)
	got, err := rows(t.Context(), lanes[1])
	require.NoError(t, err)
	require.Len(t, got, 2)
	st, err := lanes[1].control.State(t.Context(), "shop.items")
	require.NoError(t, err)
	require.Equal(t, []etl.EvolvedColumn{{Name: "code", Type: etl.String, Optional: true}}, st.Evolved)
	kept, err := quarantined(t.Context(), lanes[1])
	require.NoError(t, err)
	require.Len(t, kept, 6, "three bad rows, and how they stand: %v", kept)
}

// playModesContract evolves tables of other modes: a column more, a wider one, one that is
// optional, one that a record lacks.
func playModesContract(t *testing.T, other engine) {
	all := etl.Contract{New: etl.Evolve, Missing: etl.Evolve, Type: etl.Evolve, Null: etl.Evolve}
	first := `{"id":1,"n":1,"code":"a"}` + "\n" + `{"id":2,"n":2,"code":"b"}` + "\n"
	then := `{"id":1,"n":5000000000,"code":null,"x":true}` + "\n" + `{"id":3,"n":3,"code":"d"}` + "\n"
	t.Run("append", func(t *testing.T) {
		lanes := contracted(t, all, func(t *etl.Table) { t.Mode, t.Key, t.Op = etl.ModeAppend, nil, etl.OpColumn{} }, other, first, then)
		ingested(t, lanes)
		got, err := rows(t.Context(), lanes[1])
		require.NoError(t, err)
		require.Equal(t, []string{`["1" "1" "a" <nil>]`, `["1" "5000000000" <nil> "true"]`, `["2" "2" "b" <nil>]`, `["3" "3" "d" <nil>]`}, got)
	})
	t.Run("soft_delete", func(t *testing.T) {
		then := strings.ReplaceAll(then, `{"id"`, `{"Op":"U","id"`) + `{"Op":"D","id":2}` + "\n"
		lanes := contracted(t, all, func(t *etl.Table) { t.Mode = etl.ModeSoftDelete }, other, first, then)
		ingested(t, lanes)
		got, err := rows(t.Context(), lanes[1])
		require.NoError(t, err)
		require.Len(t, got, 3)
		require.Contains(t, got[1], `["2" "2" "b" "true" "`)
	})
}

func TestContractInProcess(t *testing.T) {
	t.Parallel()
	playContract(t, inProcess)
	playModesContract(t, inProcess)
}
