package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

const contracted = `
source: {dir: landing}
layout: {dms: {}}
state: control.db
warehouse: lake
tables:
  - name: shop.items
    key: id
    columns:
      id: long
      title: {type: string, was: [name, label]}
      note: {type: string, dropped: keep}
      junk: {type: string, dropped: remove}
    contract: {new: evolve, missing: evolve, type: quarantine, null: freeze, else: new_column, columns: {title: {new: freeze, null: evolve, else: string}}}
    csv: {header: true}
`

func TestContract(t *testing.T) {
	c, err := Parse("tidemark.yaml", []byte(contracted))
	require.NoError(t, err)
	table := c.Tables[0]
	require.Equal(t, etl.Columns{{Name: "id", Type: etl.Long}, {Name: "title", Type: etl.String}, {Name: "note", Type: etl.String}}, table.Columns)
	require.Equal(t, map[string]string{"name": "title", "label": "title"}, table.Renamed)
	require.Equal(t, map[string]etl.DropRule{"note": etl.DropKeep, "junk": etl.DropRemove}, table.Dropped)
	require.Equal(t, etl.Contract{
		New: etl.Evolve, Missing: etl.Evolve, Type: etl.Quarantined, Null: etl.Freeze, Else: etl.ElseNewColumn,
		Columns: map[string]etl.Contract{"title": {New: etl.Freeze, Null: etl.Evolve, Else: etl.ElseString}},
	}, table.Contract)
}

func TestContractProblemsHaveLines(t *testing.T) {
	for change, want := range map[string]string{
		"new: evolve|new: widen":                   `tidemark.yaml:14: tables[0].contract.new: "widen" is not one of [discard evolve freeze quarantine]`,
		"else: new_column|else: text":              `"text" is not one of [pause new_column string quarantine]`,
		"missing: evolve|absent: evolve":           "tidemark.yaml:14: tables[0].contract.absent: unknown key",
		"dropped: keep|dropped: maybe":             `dropped column note: "maybe" is not keep or remove`,
		"id: long|id: {type: long, dropped: keep}": "column id cannot be dropped",
		"was: [name, label]|was: [note]":           "column note is declared, and a former name of column title",
	} {
		from, to, _ := strings.Cut(change, "|")
		_, err := Parse("tidemark.yaml", []byte(strings.Replace(contracted, from, to, 1)))
		require.ErrorContains(t, err, want, change)
	}
}
