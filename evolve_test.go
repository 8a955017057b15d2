package etl

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func contractTable(c Contract) Table {
	return Table{
		Name: "a.b", Key: []string{"id"}, OrderBy: []string{"at"}, Contract: c,
		Columns: Columns{{Name: "id", Type: Long, Required: true}, {Name: "at", Type: Long}, {Name: "n", Type: Int}, {Name: "s", Type: String}},
	}
}

func has(columns ...DiscoveredColumn) discovered {
	all := []DiscoveredColumn{{Name: "id", Types: []Type{Long}}, {Name: "at", Types: []Type{Long}}}
	return discovered{file: "f", known: true, columns: append(all, columns...)}
}

var (
	intN, longN = DiscoveredColumn{Name: "n", Types: []Type{Int, Long}}, DiscoveredColumn{Name: "n", Types: []Type{Long}}
	doubleN     = DiscoveredColumn{Name: "n", Types: []Type{Double}}
	textS       = DiscoveredColumn{Name: "s", Types: []Type{String}}
	extra       = DiscoveredColumn{Name: "x", Types: []Type{Date}}
)

func TestEvolve(t *testing.T) {
	for name, test := range map[string]struct {
		contract Contract
		files    []discovered
		want     []string // changes
		rule     string   // of the breach
		column   string
	}{
		"as declared":          {Contract{New: Freeze}, []discovered{has(intN, textS)}, nil, "", ""},
		"new is discarded":     {Contract{Missing: Freeze}, []discovered{has(intN, textS, extra)}, nil, "", ""},
		"new freezes":          {Contract{New: Freeze}, []discovered{has(intN, textS, extra)}, nil, "column is not declared (new: freeze)", "x"},
		"new evolves once":     {Contract{New: Evolve}, []discovered{has(intN, textS, extra), has(intN, textS, extra)}, []string{"column x added as date for f"}, "", ""},
		"own rule of a column": {Contract{New: Evolve, Columns: map[string]Contract{"x": {New: Freeze}}}, []discovered{has(intN, textS, extra)}, nil, "column is not declared (new: freeze)", "x"},
		"missing freezes":      {Contract{New: Evolve}, []discovered{has(intN)}, nil, "column is missing (missing: freeze)", "s"},
		"missing evolves":      {Contract{Missing: Evolve}, []discovered{has(intN)}, nil, "", ""},
		"a key is never missing": {Contract{Missing: Evolve}, []discovered{{file: "f", known: true, columns: []DiscoveredColumn{intN, textS}}}, nil,
			"column is missing, and key, order or partitions need it", "id"},
		"wider freezes": {Contract{New: Evolve}, []discovered{has(longN, textS)}, nil, "is long, the table has int (type: freeze)", "n"},
		"wider evolves": {Contract{Type: Evolve}, []discovered{has(intN, textS), has(longN, textS)}, []string{"column n widened from int to long for f"}, "", ""},
		"other type pauses": {Contract{Type: Evolve}, []discovered{has(doubleN, textS)}, nil,
			"is double, the table has int, which cannot be widened so (else: pause)", "n"},
		"other type gets a column": {Contract{Type: Evolve, Else: ElseNewColumn}, []discovered{has(intN, textS), has(doubleN, textS)},
			[]string{"column n_double added as double for f"}, "", ""},
		"order columns cannot become anything": {Contract{Type: Evolve}, []discovered{{file: "f", known: true, columns: []DiscoveredColumn{
			{Name: "id", Types: []Type{Long}}, {Name: "at", Types: []Type{Double}}, intN, textS}}}, nil,
			"is double, the table has long, and key, order and partition columns cannot become that", "at"},
		"case alone is no difference": {Contract{New: Evolve}, []discovered{has(intN, textS, DiscoveredColumn{Name: "S", Text: true})}, nil,
			"the name of a new column differs from that of column s by case only", "S"},
		"new of no type": {Contract{New: Evolve}, []discovered{has(intN, textS, DiscoveredColumn{Name: "deep"})}, nil,
			"a new column that is of a type that no column has", "deep"},
		"new and empty": {Contract{New: Evolve}, []discovered{has(intN, textS, DiscoveredColumn{Name: "e", Empty: true})}, nil, "", ""},
		"not known":     {Contract{New: Freeze}, []discovered{{file: "f"}}, nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			table := contractTable(test.contract)
			require.NoError(t, table.Validate())
			ev, err := evolve(table, Incremental, test.files, nil)
			if test.rule != "" {
				var at *RowError
				require.ErrorAs(t, err, &at)
				require.ErrorIs(t, err, ErrContract)
				require.Equal(t, Terminal, OutcomeOf(err))
				require.Equal(t, []string{"f", test.column, test.rule}, []string{at.File, at.Column, at.Rule})
				return
			}
			require.NoError(t, err)
			var got []string
			for _, c := range ev.changes {
				got = append(got, c.String())
			}
			require.Equal(t, test.want, got)
			again := *table.as(ev.table.evolved)
			require.Equal(t, ev.table.Columns, again.Columns, "what is kept does not give the table back")
			more, err := evolve(again, Incremental, test.files, nil)
			require.NoError(t, err)
			require.Empty(t, more.changes, "the same files evolve the table again")
		})
	}
}

func TestTargetChanges(t *testing.T) {
	current := Columns{{Name: "id", Type: Long, Required: true}, {Name: "n", Type: Int, Required: true}, {Name: "old", Type: String}, {Name: "gone", Type: Date}}
	table := Table{
		Name: "a.b", Key: []string{"id"}, Contract: Contract{New: Evolve, Type: Evolve, Null: Evolve},
		Renamed: map[string]string{"old": "now"}, Dropped: map[string]DropRule{"gone": DropRemove},
		Columns: Columns{{Name: "id", Type: Long}, {Name: "n", Type: Long, Doc: "of it"}, {Name: "now", Type: String}, {Name: "x", Type: Date}},
	}
	target, err := table.Target()
	require.NoError(t, err)
	changes, err := target.Changes(current)
	require.NoError(t, err)
	var kinds []SchemaChangeKind
	for _, c := range changes {
		kinds = append(kinds, c.Kind)
	}
	require.Equal(t, []SchemaChangeKind{ColumnWidened, ColumnOptional, ColumnDocumented, ColumnRenamed, ColumnAdded, ColumnDropped}, kinds)

	for rule, change := range map[string]func(*Table){
		"to widen":       func(t *Table) { t.Contract.Type = "" },
		"to relax":       func(t *Table) { t.Contract.Null = "" },
		"to add":         func(t *Table) { t.Contract.New = "" },
		"not to rename":  func(t *Table) { t.Renamed = nil },
		"not to drop":    func(t *Table) { t.Dropped = nil },
		"add a required": func(t *Table) { t.Columns[3].Required = true },
		"narrower":       func(t *Table) { t.Columns[2].Type = Int },
		"key":            func(t *Table) { t.Columns[0].Type = Decimal(20, 0) },
	} {
		other := table
		other.Columns = append(Columns{}, table.Columns...)
		change(&other)
		target, err := other.Target()
		require.NoError(t, err)
		_, err = target.Changes(current)
		require.ErrorIs(t, err, ErrContract, rule)
		require.Equal(t, Terminal, OutcomeOf(err), rule)
	}
}

func TestPartitionsKeepTheirTypeExceptInBuckets(t *testing.T) {
	wide := []discovered{{file: "f", known: true, columns: []DiscoveredColumn{{Name: "id", Types: []Type{Long}}, {Name: "at", Types: []Type{Long}}, longN, textS}}}
	for transform, ok := range map[string]bool{"identity": false, "truncate": false, "bucket": true} {
		table := contractTable(Contract{Type: Evolve})
		table.Partition = []PartitionField{{Column: "n", Transform: transform, N: 8}}
		ev, err := evolve(table, Incremental, wide, nil)
		if !ok {
			require.ErrorContains(t, err, "is long, the table has int, and key, order and partition columns cannot become that", transform)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, "column n widened from int to long for f", ev.changes[0].String())
		target, err := ev.table.Target()
		require.NoError(t, err)
		_, err = target.Changes(table.Columns)
		require.NoError(t, err)
	}
}
