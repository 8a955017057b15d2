package profile_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/profile"
	"github.com/tidemark-data/etl/source"
	"github.com/tidemark-data/etl/transform"
)

var people = etl.Table{
	Name: "hr.people", Key: []string{"id"}, Op: etl.OpColumn{Column: "Op"}, Format: format.CSV{},
	Columns: etl.Columns{
		{Name: "id", Type: etl.Long}, {Name: "name", Type: etl.String, Sensitive: true}, {Name: "pay", Type: etl.Decimal(8, 2)},
		{Name: "born", Type: etl.Date}, {Name: "seen", Type: etl.TimestampTZ}, {Name: "rate", Type: etl.Double},
	},
}

// export is a file of people as a source.
func export(table etl.Table, content string) profile.Source {
	landing := source.NewMemory()
	f := landing.Put("export.csv", []byte(content))
	return profile.File{Table: table, Location: f.Location, Open: func(ctx context.Context) (etl.Input, error) { return landing.Open(ctx, f) }}
}

func of(t *testing.T, s profile.Source) profile.Profile {
	target, err := people.Target()
	require.NoError(t, err)
	p, err := profile.Of(t.Context(), s, target.Columns)
	require.NoError(t, err)
	return p
}

func is(s string) *string { return &s }

func TestProfile(t *testing.T) {
	p := of(t, export(people, "3,Cy,-1.50,1990-01-02,2024-02-20 11:00:00Z,0.5\n1,Ann,99.90,,,NaN\n20,,-1.5,1889-12-31,2024-02-20T12:00:00.25+02:00,-3\n"))
	require.Equal(t, profile.Profile{Rows: 3, Columns: []profile.Column{
		{Name: "id", Type: etl.Long, Values: 3, Distinct: 3, Min: is("1"), Max: is("20")},
		{Name: "name", Type: etl.String, Values: 2, Nulls: 1, Distinct: 2, Sensitive: true},
		{Name: "pay", Type: etl.Decimal(8, 2), Values: 3, Distinct: 2, Min: is("-1.50"), Max: is("99.90")},
		{Name: "born", Type: etl.Date, Values: 2, Nulls: 1, Distinct: 2, Min: is("1889-12-31"), Max: is("1990-01-02")},
		{Name: "seen", Type: etl.TimestampTZ, Values: 2, Nulls: 1, Distinct: 2, Min: is("2024-02-20 10:00:00.25"), Max: is("2024-02-20 11:00:00")},
		{Name: "rate", Type: etl.Double, Values: 3, Distinct: 3, Min: is("-3"), Max: is("NaN")},
	}}, p)
	for _, c := range p.WithoutValues().Columns {
		require.Nil(t, c.Min)
		require.Nil(t, c.Max)
	}
	require.NotNil(t, p.Columns[0].Min, "the profile itself stays")
	require.InDelta(t, 2.0/3, p.Columns[1].Complete(), 1e-9)
}

// TestProfileOfRandomRows compares with a naive computation.
func TestProfileOfRandomRows(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 30 {
		rows, content := random.IntN(3000), []byte(nil)
		ids, distinct, nulls := []int64{}, map[int64]bool{}, int64(0)
		for range rows {
			id := random.Int64N(1+int64(round)*40) - 500
			ids, distinct[id] = append(ids, id), true
			pay := "7"
			if random.IntN(4) == 0 {
				pay, nulls = "", nulls+1
			}
			content = fmt.Appendf(content, "%d,x,%s,,,\n", id, pay)
		}
		p := of(t, export(people, string(content)))
		require.EqualValues(t, rows, p.Rows)
		require.EqualValues(t, nulls, p.Columns[2].Nulls)
		require.EqualValues(t, int64(rows)-nulls, p.Columns[2].Values)
		require.LessOrEqual(t, math.Abs(float64(p.Columns[0].Distinct)-float64(len(distinct))), 0.03*float64(len(distinct)))
		if rows > 0 {
			require.Equal(t, strconv.FormatInt(slices.Min(ids), 10), *p.Columns[0].Min)
			require.Equal(t, strconv.FormatInt(slices.Max(ids), 10), *p.Columns[0].Max)
		}
	}
}

func TestCompare(t *testing.T) {
	rows := "1,Ann,1,1990-01-01,,1\n2,Bob,2,1990-01-02,,2\n3,Cy,3,1990-01-03,,3\n"
	one := of(t, export(people, rows))
	c := profile.Compare(one, of(t, export(people, "3,Cy,3,1990-01-03,,3\n1,Ann,1,1990-01-01,,1\n2,Bob,2,1990-01-02,,2\n")), profile.Tolerance{})
	require.True(t, c.Match, "%+v", c)

	other := of(t, export(people, "1,Ann,1,1990-01-01,,1\n2,Bob,2,1990-01-02,,2\n3,Cy,,1990-01-04,,1\n4,Ann,4,1990-01-03,,3\n"))
	c = profile.Compare(one, other, profile.Tolerance{})
	require.False(t, c.Match)
	require.False(t, c.RowsMatch)
	differs := map[string][]string{}
	for _, v := range c.Columns {
		differs[v.Name] = v.Differs
		require.Equal(t, len(v.Differs) == 0, v.Match)
	}
	require.Equal(t, map[string][]string{
		"id": {"values", "distinct", "max"}, "name": {"values"}, "pay": {"nulls", "max"}, "born": {"values", "distinct", "max"},
		"seen": {"nulls"}, "rate": {"values"},
	}, differs)
	near := profile.Compare(one, other, profile.Tolerance{Counts: 0.25})
	require.True(t, near.RowsMatch, "3 of 4 is a quarter off")
	require.Equal(t, []string{"max"}, near.Columns[0].Differs)
	require.False(t, profile.Compare(one, other, profile.Tolerance{Counts: 0.24}).RowsMatch)
	for _, v := range c.WithoutValues().Columns {
		require.Nil(t, v.Source.Min)
		require.Nil(t, v.Table.Max)
	}
}

func TestColumnsOfOneSide(t *testing.T) {
	a := profile.Profile{Columns: []profile.Column{{Name: "a", Type: etl.Int}, {Name: "b", Type: etl.Int}}}
	b := profile.Profile{Columns: []profile.Column{{Name: "b", Type: etl.Long}, {Name: "c", Type: etl.Int}}}
	c := profile.Compare(a, b, profile.Tolerance{})
	require.False(t, c.Match)
	require.Equal(t, []string{"type"}, c.Columns[0].Differs)
	require.Equal(t, []string{"missing"}, c.Columns[1].Differs)
	require.Equal(t, []string{"missing"}, c.Columns[2].Differs)
	require.Equal(t, "a", c.Columns[2].Name)
}

// TestFileGoesThroughTheChain: an export is read as the table's files are.
func TestFileGoesThroughTheChain(t *testing.T) {
	table := people
	table.Transforms = []etl.Transformer{transform.Drop("born", "rate"), transform.Rename(map[string]string{"pay": "salary"}), transform.Cast(map[string]transform.CastTo{"salary": {Type: etl.String}})}
	target, err := table.Target()
	require.NoError(t, err)
	p, err := profile.Of(t.Context(), export(table, "1,Ann,1.5,,,\n1,Bob,2,,,\n"), target.Columns)
	require.NoError(t, err)
	require.EqualValues(t, 2, p.Rows, "rows of one key count by themselves")
	require.Equal(t, []string{"id", "name", "salary", "seen"}, []string{p.Columns[0].Name, p.Columns[1].Name, p.Columns[2].Name, p.Columns[3].Name})
	require.Equal(t, is("1.50"), p.Columns[2].Min)

	_, err = profile.Of(t.Context(), export(table, "1,Ann,1,,,\n2,Bob,secret,,,\n"), target.Columns)
	require.EqualError(t, err, "row 2 of export.csv: column pay: not a decimal")
}

// TestTableAgainstItsFiles replays the files of a table with a history.
func TestTableAgainstItsFiles(t *testing.T) {
	lake := etltest.New(t, people)
	row := func(id int, name string) string { return fmt.Sprintf("%d,%s,1,2000-01-01,,\n", id, name) }
	lake.Land("hr/people/LOAD00000001.csv", row(1, "old")+row(2, "old"))
	lake.Ingest()
	lake.Wait(time.Hour)
	lake.Land("hr/people/LOAD00000002.csv", row(1, "Ann")+row(2, "Bob")+row(3, "Cy"))
	lake.Ingest()
	lake.Land("hr/people/20240220-110825123.csv", "U,"+row(2, "Bea")+"D,"+row(3, ""))
	lake.Land("hr/people/20240220-110900000.csv", "I,"+row(7, "Gil"))
	lake.Ingest()
	lake.Land("hr/people/20240220-120000000.csv", "I,"+row(8, "waits")) // not applied

	cfg := etl.Config{Source: lake.Source, Control: lake.Control, Format: format.CSV{}, Tables: []etl.Table{people}}
	scratch := func(context.Context) (profile.ScratchSink, error) { return newScratch(), nil }
	files, table := of(t, profile.Files(cfg, "hr.people", scratch)), of(t, profile.Table{Tables: lake.Sink, Name: "hr.people"})
	require.EqualValues(t, 3, table.Rows)
	c := profile.Compare(files, table, profile.Tolerance{})
	require.True(t, c.Match, "%+v", c)

	// A table that lost a row does not match its files.
	lost := of(t, profile.Table{Tables: lossy{lake.Sink}, Name: "hr.people"})
	require.False(t, profile.Compare(files, lost, profile.Tolerance{}).Match)

	lake.Remove("hr/people/20240220-110825123.csv")
	_, err := profile.Of(t.Context(), profile.Files(cfg, "hr.people", scratch), people.Columns)
	require.ErrorIs(t, err, etl.ErrFileVanished)
	_, err = profile.Of(t.Context(), profile.Files(cfg, "hr.nobody", scratch), people.Columns)
	require.ErrorIs(t, err, etl.ErrNoTable)
}
