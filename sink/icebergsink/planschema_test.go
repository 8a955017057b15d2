package icebergsink_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// What is planned for another engine is what the sink would do itself.
func TestPlannedSchemaIsThatOfTheCommit(t *testing.T) {
	l := newLake(t, evolvable())
	plan, err := l.sink.PlanSchema(t.Context(), l.target())
	require.NoError(t, err)
	require.Equal(t, etl.SchemaPlan{New: true}, plan)

	l.apply(etl.Full, row{"id": 1, "name": "a", "at": 1, "n": 1})
	plan, err = l.sink.PlanSchema(t.Context(), l.target())
	require.NoError(t, err)
	require.Equal(t, etl.SchemaPlan{LastColumnID: 4}, plan)

	l.table.Columns = append(l.table.Columns[:3:3], etl.Column{Name: "n", Type: etl.Long}, etl.Column{Name: "secret", Type: etl.String, Sensitive: true})
	before := l.iceberg().MetadataLocation()
	plan, err = l.sink.PlanSchema(t.Context(), l.target())
	require.NoError(t, err)
	require.Equal(t, before, l.iceberg().MetadataLocation(), "planning changes the table")
	l.apply(etl.Incremental, row{"op": "U", "id": 2, "name": "b", "at": 2, "n": nil, "secret": "s"})
	made, err := json.Marshal(l.iceberg().Schema())
	require.NoError(t, err)
	require.JSONEq(t, string(made), string(plan.Schema))
	for name, value := range plan.Properties {
		require.Equal(t, value, l.iceberg().Properties()[name], name)
	}
	for name, value := range plan.Summary {
		require.Equal(t, value, l.iceberg().CurrentSnapshot().Summary.Properties[name], name)
	}
	require.Equal(t, "none", plan.Properties["write.metadata.metrics.column.secret"])
	require.Contains(t, plan.Summary, "tidemark.schema")

	l.table.Columns[1].Type = etl.Long
	_, err = l.sink.PlanSchema(t.Context(), l.target())
	require.ErrorIs(t, err, etl.ErrContract)
}
