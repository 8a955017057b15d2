package dispatch_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/format"
)

// Jobs that know upsert tables only are of version 1, and must not take tables of
// another mode for one.
func TestManifestDeclaresTheMode(t *testing.T) {
	for _, mode := range []etl.Mode{"", etl.ModeUpsert, etl.ModeAppend, etl.ModeSoftDelete} {
		table := etl.Table{
			Name: "mpd.units", Mode: mode, Columns: etl.Columns{{Name: "unit", Type: etl.Long}}, Key: []string{"unit"},
			ModeColumns: etl.ModeColumns{Deleted: "gone", DeletedAt: "gone_at"}, Format: format.CSV{Header: true},
		}
		m, err := dispatch.NewManifest(t.Context(), etl.Job{Table: table, Sink: etl.Declaration{Kind: "iceberg"}})
		require.NoError(t, err)
		require.Greater(t, m.Version, 1, mode)
		doc, err := json.Marshal(m.Table)
		require.NoError(t, err)
		if mode == etl.ModeSoftDelete {
			require.Contains(t, string(doc), `"mode":"soft_delete","mode_columns":{"deleted":"gone","deleted_at":"gone_at"}`)
			continue
		}
		require.NotContains(t, string(doc), "mode_columns")
		require.Equal(t, mode == etl.ModeAppend, m.Table.Mode != "")
	}
}

// The job makes versions, but sets none aside, and knows no contracts of such tables.
func TestManifestOfHistoryTables(t *testing.T) {
	table := etl.Table{
		Name: "mpd.units", Mode: etl.ModeHistory, Columns: etl.Columns{{Name: "unit", Type: etl.Long}}, Key: []string{"unit"},
		Format: format.CSV{Header: true},
	}
	job := etl.Job{Table: table, Sink: etl.Declaration{Kind: "iceberg"}}
	m, err := dispatch.NewManifest(t.Context(), job)
	require.NoError(t, err)
	require.Equal(t, etl.ModeHistory, m.Table.Mode)
	job.Table.BadRows = etl.ErrorBudget{Rows: 1}
	_, err = dispatch.NewManifest(t.Context(), job)
	require.ErrorContains(t, err, "history tables")
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}
