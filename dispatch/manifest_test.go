package dispatch_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/format"
)

// Jobs that know upsert tables only must not take tables of another mode for one: their
// manifests are of the next version.
func TestManifestDeclaresTheMode(t *testing.T) {
	for mode, version := range map[etl.Mode]int{"": 1, etl.ModeUpsert: 1, etl.ModeAppend: 2, etl.ModeSoftDelete: 2} {
		table := etl.Table{
			Name: "mpd.units", Mode: mode, Columns: etl.Columns{{Name: "unit", Type: etl.Long}}, Key: []string{"unit"},
			ModeColumns: etl.ModeColumns{Deleted: "gone", DeletedAt: "gone_at"}, Format: format.CSV{Header: true},
		}
		m, err := dispatch.NewManifest(etl.Job{Table: table, Sink: etl.Declaration{Kind: "iceberg"}})
		require.NoError(t, err)
		require.Equal(t, version, m.Version, mode)
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
