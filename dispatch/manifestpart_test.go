package dispatch_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/format"
)

// A job has to know that a file is one table's part of an object, which may be empty,
// and under which identity the ledger has it.
func TestManifestTellsParts(t *testing.T) {
	table := etl.Table{Name: "shop.orders", Columns: etl.Columns{{Name: "id", Type: etl.Long}}, Key: []string{"id"}, Op: format.DMSTransactions{}.Op()}
	table.Format = format.DMSTransactions{}.ForTable(table)
	part := etl.File{Location: "cdc/1.csv", ETag: "e", Size: 3, Part: table.Name}
	job := etl.Job{
		Table: table, Sink: etl.Declaration{Kind: "iceberg"}, URIs: []string{"/1.csv", "/2.csv"},
		Load: etl.Load{Kind: etl.Incremental, Files: []etl.File{part, part.Object()}},
	}
	m, err := dispatch.NewManifest(t.Context(), job)
	require.NoError(t, err)
	require.Equal(t, part.ID(), m.Files[0].ID)
	require.NotEqual(t, m.Files[0].ID, m.Files[1].ID)
	doc, err := json.Marshal(m.Files[0])
	require.NoError(t, err)
	require.Contains(t, string(doc), `"part":"shop.orders"`)
	require.Empty(t, m.Files[1].Part)
	require.Equal(t, "dms_transactions", m.Table.Format.Kind)
}
