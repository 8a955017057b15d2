package torture

import (
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/transform"
)

func keysOf(t *testing.T, table etl.Table, keys ...string) arrow.RecordBatch {
	t.Helper()
	rows := make([][]string, len(keys))
	for i, k := range keys {
		rows[i] = []string{k}
	}
	rec, err := format.Keys(table, rows)
	require.NoError(t, err)
	return rec
}

// TestEraseKeepsOldFilesOut: whatever way a file of before takes, and the rows add up.
func TestEraseKeepsOldFilesOut(t *testing.T) {
	table := orders("seq")
	ways := map[string]func(*etl.Table, *etl.Config){
		"two passes": func(t *etl.Table, _ *etl.Config) {},
		"staged":     func(t *etl.Table, _ *etl.Config) { t.Staging.Mode = etl.StageAlways },
		"difference": func(t *etl.Table, _ *etl.Config) { t.FullLoads = etl.FullDifference },
		"spilled":    func(_ *etl.Table, c *etl.Config) { c.MemoryBudget = 1 },
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			table, cfg := table, etl.Config{}
			way(&table, &cfg)
			cfg.Tables = []etl.Table{table}
			lake := etltest.NewConfig(t, cfg)
			lake.Land(at("LOAD00000001"), "1,1,a\n2,2,b\n3,3,c\n")
			lake.Ingest()
			lake.Land(at("20240220-110001000"), "U,2,4,B\nU,3,4,C\n")
			lake.Ingest()
			rep, err := lake.Runner().Erase(t.Context(), table.Name, keysOf(t, table, "2", "2", "9"), etl.EraseOptions{})
			require.NoError(t, err)
			require.Equal(t, 2, rep.Keys)
			require.EqualValues(t, 1, rep.Rows)
			lake.Want(table.Name, etltest.Rows{{1, 1, "a"}, {3, 4, "C"}})

			require.NoError(t, lake.Runner().Reload(t.Context(), table.Name))
			report := lake.Ingest()
			lake.Want(table.Name, etltest.Rows{{1, 1, "a"}, {3, 4, "C"}})
			loads := report.Tables[0].Loads
			require.Len(t, loads, 2)
			for _, l := range loads {
				require.EqualValues(t, 1, l.Receipt.Counts.Filtered)
				require.NoError(t, l.Load.Check(l.Receipt.Counts))
			}
			lake.Wait(time.Second)
			lake.Land(at("20240220-110002000"), "I,2,1,new\n")
			lake.Ingest()
			lake.Want(table.Name, etltest.Rows{{1, 1, "a"}, {2, 1, "new"}, {3, 4, "C"}})
		})
	}
}

// TestEraseTokens: keys are given as the source has them, whatever the table holds.
func TestEraseTokens(t *testing.T) {
	table := etl.Table{
		Name: "shop.orders", Key: []string{"k"}, Op: etl.OpColumn{Column: "Op"},
		Columns: etl.Columns{{Name: "k", Type: etl.String}, {Name: "v", Type: etl.String}},
		Transforms: []etl.Transformer{transform.Tokenize(transform.Tokens{
			Column: "k", KeyID: "one", Keys: transform.NewStaticKeys("test", "one", map[string][]byte{"one": make([]byte, 32)}),
		})},
	}
	lake := etltest.New(t, table)
	lake.Land(at("LOAD00000001"), "anna,a\nbert,b\n")
	lake.Ingest()
	rep, err := lake.Runner().Erase(t.Context(), table.Name, keysOf(t, table, "anna"), etl.EraseOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 1, rep.Rows)
	require.NoError(t, lake.Runner().Reload(t.Context(), table.Name))
	lake.Ingest()
	rows, err := etltest.ReadRows(t.Context(), lake.Sink, table.Name)
	require.NoError(t, err)
	require.Len(t, rows, 1)
}

// TestEraseOldKeys: of a change into an erased key the delete of the other one is left.
func TestEraseOldKeys(t *testing.T) {
	table := orders("seq")
	table.OldKey = []string{"old"}
	table.OrderBy = nil
	table.Format = format.CSV{
		FullColumns: []string{"id", "seq", "name"}, ChangeColumns: []string{"Op", "id", "seq", "name", "old"}, Null: "NULL",
	}.ForTable(table)
	lake := etltest.New(t, table)
	lake.Land(at("LOAD00000001"), "1,1,a\n2,2,b\n3,3,c\n")
	lake.Land(at("20240220-110001000"), "U,9,2,moved,2\nU,4,3,kept,3\n")
	lake.Ingest()
	lake.Want(table.Name, etltest.Rows{{1, 1, "a"}, {4, 3, "kept"}, {9, 2, "moved"}})
	_, err := lake.Runner().Erase(t.Context(), table.Name, keysOf(t, table, "9", "3"), etl.EraseOptions{})
	require.NoError(t, err)
	require.NoError(t, lake.Runner().Reload(t.Context(), table.Name))
	lake.Ingest()
	lake.Want(table.Name, etltest.Rows{{1, 1, "a"}, {4, 3, "kept"}})
}

// TestEraseRefusals tells what is no erasure.
func TestEraseRefusals(t *testing.T) {
	table := orders("seq")
	lake := etltest.New(t, table)
	lake.Land(at("LOAD00000001"), "1,1,a\n")
	lake.Ingest()
	ctx, r := t.Context(), lake.Runner()
	for name, call := range map[string]func() error{
		"no keys": func() error { _, err := r.Erase(ctx, table.Name, nil, etl.EraseOptions{}); return err },
		"negative": func() error {
			_, err := r.Erase(ctx, table.Name, keysOf(t, table, "1"), etl.EraseOptions{Within: -1})
			return err
		},
		"columns": func() error {
			_, err := r.Erase(ctx, table.Name, keysOf(t, etl.Table{Key: []string{"x"}, Columns: etl.Columns{{Name: "x", Type: etl.Int}}}, "1"), etl.EraseOptions{})
			return err
		},
		"types": func() error {
			_, err := r.Erase(ctx, table.Name, keysOf(t, etl.Table{Key: []string{"id"}, Columns: etl.Columns{{Name: "id", Type: etl.String}}}, "1"), etl.EraseOptions{})
			return err
		},
	} {
		err := call()
		require.Error(t, err, name)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err), name)
	}
	_, err := format.Keys(table, [][]string{{"1"}, {"secret"}})
	require.ErrorContains(t, err, "key 2, column id")
	require.NotContains(t, err.Error(), "secret")
	lake.Want(table.Name, etltest.Rows{{1, 1, "a"}})
	st, err := lake.Control.State(ctx, table.Name)
	require.NoError(t, err)
	require.Nil(t, st.Erasures)
}

// TestErasureRecord: the history tells who, why and how much, and no key.
func TestErasureRecord(t *testing.T) {
	table := orders("seq")
	table.Columns[0].Type = etl.String
	lake := etltest.New(t, table)
	lake.Land(at("LOAD00000001"), erasedKey+",1,a\n2,2,b\n")
	lake.Ingest()
	_, err := lake.Runner().Erase(t.Context(), table.Name, keysOf(t, table, erasedKey), etl.EraseOptions{By: "dpo", Why: "request 17"})
	require.NoError(t, err)
	var last *etl.Entry
	for e, err := range lake.Runner().History(t.Context(), table.Name) {
		require.NoError(t, err)
		if e.Kind == etl.EntryErased && last == nil {
			last = &e
		}
	}
	require.NotNil(t, last)
	require.Contains(t, last.Text, "by dpo: request 17")
	require.EqualValues(t, 1, last.Erasure.Rows)
	require.NotNil(t, last.Erasure.Purged)
	require.NotContains(t, last.Text, erasedKey)
}
