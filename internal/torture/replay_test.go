package torture

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// lenient is a table that sets up to ten bad rows of a load aside.
func lenient(orderBy ...string) etl.Table {
	table := orders(orderBy...)
	table.BadRows = etl.ErrorBudget{Rows: 10}
	return table
}

// badIDs are the IDs of the bad rows of a table, by status, oldest load first.
func badIDs(t *testing.T, lake *etltest.Lake, status etl.BadRowStatus) (ids []string) {
	t.Helper()
	for row, err := range lake.Runner().BadRows(t.Context(), "shop.orders") {
		require.NoError(t, err)
		if row.Status == status {
			ids = append(ids, row.ID)
		}
	}
	return ids
}

// TestReplay: a mended row takes the place that its bad version had, once.
func TestReplay(t *testing.T) {
	lake := etltest.New(t, lenient())
	lake.Land(at("LOAD00000001"), "1,1,a\n2,2,b\n3,x,c\n")
	lake.Land(at("20240220-100000000"), "U,1,5,A\nU,2,z,B\n")
	report := lake.Ingest()
	require.EqualValues(t, 1, report.Tables[0].Loads[0].Receipt.Counts.Quarantined)
	lake.Want("shop.orders", etltest.Rows{{1, 5, "A"}, {2, 2, "b"}})
	open := badIDs(t, lake, etl.BadOpen)
	require.Len(t, open, 2)

	ctx, runner := t.Context(), lake.Runner()
	var bad *etl.RowError
	for row, err := range runner.BadRows(ctx, "shop.orders") {
		require.NoError(t, err)
		require.True(t, row.InTable)
		require.NotNil(t, row.Key)
		mended := bytes.NewBuffer(nil)
		mended.WriteString(strings.NewReplacer("x", "33", "z", "22").Replace(string(row.Raw)))
		require.ErrorAs(t, runner.ReplayBad(ctx, "shop.orders", row.ID, row.Raw), &bad, "it is bad still")
		require.Contains(t, bad.File, row.ID)
		require.NoError(t, runner.ReplayBad(ctx, "shop.orders", row.ID, mended.Bytes()))
		require.ErrorContains(t, runner.ReplayBad(ctx, "shop.orders", row.ID, mended.Bytes()), "already")
		require.ErrorContains(t, runner.ReplayBad(ctx, "shop.orders", row.ID, bytes.ToUpper(mended.Bytes())), "already")
	}
	lake.Fail(etltest.AfterCommit, 1)
	lake.Ingest()
	lake.Ingest()
	lake.Want("shop.orders", etltest.Rows{{1, 5, "A"}, {2, 22, "B"}, {3, 33, "c"}})
	require.ElementsMatch(t, open, badIDs(t, lake, etl.BadReplayed))
	require.ErrorIs(t, lake.Runner().ReplayBad(ctx, "shop.orders", "nope", nil), etl.ErrNotFound)

	require.NoError(t, lake.Runner().Reload(ctx, "shop.orders"))
	lake.Ingest()
	lake.Want("shop.orders", etltest.Rows{{1, 5, "A"}, {2, 22, "B"}, {3, 33, "c"}})
	require.ElementsMatch(t, open, badIDs(t, lake, etl.BadReplayed), "the reload applies mended rows again")
}

// TestReplayOfWhatWasOvertaken: a row is refused once a later change of its key is in
// the table, in the load of the row itself or in another one, whatever the change is.
func TestReplayOfWhatWasOvertaken(t *testing.T) {
	for name, later := range map[string]string{"update": "U,3,9,later\n", "delete": "D,3,,\n"} {
		for _, together := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				lake := etltest.New(t, lenient())
				lake.Land(at("LOAD00000001"), "1,1,a\n3,0,c\n")
				lake.Ingest()
				first := "?,3,2,early\n"
				if together {
					first += later
				}
				lake.Land(at("20240220-100000000"), first+"U,1,x,alone\n")
				lake.Ingest()
				if !together {
					require.Len(t, badIDs(t, lake, etl.BadOpen), 2)
					lake.Fail(etltest.BeforeCommit, 1)
					lake.Land(at("20240220-100001000"), later)
					lake.Ingest()
					lake.Restart()
					require.Len(t, badIDs(t, lake, etl.BadOpen), 2, "the load is not in the table")
					lake.Ingest()
				}
				overtaken := badIDs(t, lake, etl.BadOvertaken)
				require.Len(t, overtaken, 1)
				require.Len(t, badIDs(t, lake, etl.BadOpen), 1)
				err := lake.Runner().ReplayBad(t.Context(), "shop.orders", overtaken[0], []byte("U,3,2,early"))
				require.ErrorContains(t, err, "overtaken")
				require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
			})
		}
	}
}

// TestReplayWithOrder: ordering columns say what a mended row is worth.
func TestReplayWithOrder(t *testing.T) {
	lake := etltest.New(t, lenient("seq"))
	lake.Land(at("LOAD00000001"), "1,1,a\n2,1,b\n3,1,c\n")
	lake.Land(at("20240220-100000000"), "U,1,x,early\nU,2,x,early\nI,x,4,d\n")
	lake.Ingest()
	lake.Land(at("20240220-100001000"), "U,1,7,later\nU,2,3,later\n")
	lake.Ingest()
	mended := map[int64]string{1: "U,1,5,early", 2: "U,2,5,early", 3: "I,4,4,d"}
	for row, err := range lake.Runner().BadRows(t.Context(), "shop.orders") {
		require.NoError(t, err)
		require.NoError(t, lake.Runner().ReplayBad(t.Context(), "shop.orders", row.ID, []byte(mended[row.Row])))
	}
	lake.Ingest()
	lake.Want("shop.orders", etltest.Rows{{1, 7, "later"}, {2, 5, "early"}, {3, 1, "c"}, {4, 4, "d"}})
}

// TestReplayOfARowOfTheFullLoad: any change beats it, whatever its order, those that
// come after it was mended too.
func TestReplayOfARowOfTheFullLoad(t *testing.T) {
	lake := etltest.New(t, lenient("seq"))
	lake.Land(at("LOAD00000001"), "1,50,a\n2,x,b\n3,x,c\n")
	lake.Ingest()
	lake.Land(at("20240220-100001000"), "U,3,2,later\n")
	lake.Ingest()
	overtaken, open := badIDs(t, lake, etl.BadOvertaken), badIDs(t, lake, etl.BadOpen)
	require.Len(t, overtaken, 1)
	require.Len(t, open, 1)
	runner := lake.Runner()
	require.ErrorContains(t, runner.ReplayBad(t.Context(), "shop.orders", overtaken[0], []byte("3,40,c")), "overtaken")
	require.NoError(t, runner.ReplayBad(t.Context(), "shop.orders", open[0], []byte("2,40,b")))
	lake.Ingest()
	lake.Want("shop.orders", etltest.Rows{{1, 50, "a"}, {2, 40, "b"}, {3, 2, "later"}})
	lake.Land(at("20240220-100002000"), "U,1,5,A\nU,2,5,B\nU,3,1,older\n")
	lake.Ingest()
	lake.Want("shop.orders", etltest.Rows{{1, 5, "A"}, {2, 5, "B"}, {3, 2, "later"}})
}

// TestReplayOfUnknownKeys takes a word of the operator's.
func TestReplayOfUnknownKeys(t *testing.T) {
	lake := etltest.New(t, lenient())
	lake.Land(at("LOAD00000001"), "1,1,a\n")
	lake.Land(at("20240220-100000000"), "U,,5,A\nU,2\n")
	lake.Ingest()
	ids := badIDs(t, lake, etl.BadOpen)
	require.Len(t, ids, 2)
	err := lake.Runner().ReplayBad(t.Context(), "shop.orders", ids[0], []byte("U,1,5,A"))
	require.ErrorContains(t, err, "key is not known")
	require.NoError(t, lake.Runner().ReplayBad(t.Context(), "shop.orders", ids[0], []byte("U,1,5,A"), etl.ReplayBlind()))
	require.NoError(t, lake.Runner().DropBad(t.Context(), "shop.orders", "nobody knows", ids[1]))
	lake.Ingest()
	lake.Want("shop.orders", etltest.Rows{{1, 5, "A"}})
	require.Equal(t, ids[1:], badIDs(t, lake, etl.BadDropped))
	err = lake.Runner().ReplayBad(t.Context(), "shop.orders", ids[1], []byte("U,2,5,A"))
	require.ErrorContains(t, err, "given up")
}

// TestReplaysOutOfOrder: of two bad rows of a key the later one wins, whichever is
// mended first.
func TestReplaysOutOfOrder(t *testing.T) {
	for _, first := range []int{0, 1} {
		lake := etltest.New(t, lenient())
		lake.Land(at("LOAD00000001"), "1,1,a\n")
		lake.Ingest()
		lake.Land(at("20240220-100000000"), "U,1,x,b\n")
		lake.Ingest()
		lake.Land(at("20240220-100001000"), "U,1,x,c\n")
		lake.Ingest()
		rows := map[int64]etl.QuarantinedRow{}
		for row, err := range lake.Runner().BadRows(t.Context(), "shop.orders") {
			require.NoError(t, err)
			rows[int64(row.Raw[len(row.Raw)-1]-'b')] = row
		}
		mended := []string{"U,1,2,b", "U,1,3,c"}
		replay := func(i int) error {
			err := lake.Runner().ReplayBad(t.Context(), "shop.orders", rows[int64(i)].ID, []byte(mended[i]))
			lake.Ingest()
			return err
		}
		require.NoError(t, replay(first))
		err := replay(1 - first)
		if first == 1 {
			require.ErrorContains(t, err, "overtaken")
		} else {
			require.NoError(t, err)
		}
		lake.Want("shop.orders", etltest.Rows{{1, 3, "c"}})
	}
}

// TestNewFullLoadOvertakes: rows of older epochs are of no use any more.
func TestNewFullLoadOvertakes(t *testing.T) {
	lake := etltest.New(t, lenient("seq"))
	lake.Land(at("LOAD00000001"), "1,1,a\n2,x,b\n")
	lake.Ingest()
	open := badIDs(t, lake, etl.BadOpen)
	lake.Land(at("LOAD00000001"), "1,1,a\n2,9,b\n")
	lake.Ingest()
	require.Equal(t, open, badIDs(t, lake, etl.BadOvertaken))
	require.ErrorContains(t, lake.Runner().ReplayBad(t.Context(), "shop.orders", open[0], []byte("2,3,c")), "overtaken")
}

// TestBudget: more bad rows than the budget allows fail the load, and say which is the
// first and how many there are.
func TestBudget(t *testing.T) {
	text := "1,1,a\n2,x,b\n3,x,b\n4,x,b\n5\n6,6,f\n"
	for _, c := range []struct {
		budget etl.ErrorBudget
		want   string
	}{
		{etl.ErrorBudget{}, "row 2 of shop/orders/LOAD00000001.csv: column seq: not a long"},
		{etl.ErrorBudget{Rows: 3}, "row 2 of shop/orders/LOAD00000001.csv: column seq: not a long; and 3 more, budget 3"},
		{etl.ErrorBudget{Share: 0.5}, "row 2 of shop/orders/LOAD00000001.csv: column seq: not a long; and 3 more, budget 50%"},
		{etl.ErrorBudget{Rows: 3, Share: 0.7}, ""},
		{etl.ErrorBudget{Rows: 4}, ""},
	} {
		for _, orderBy := range [][]string{nil, {"seq"}} {
			for _, mode := range []etl.StageMode{etl.StageNever, etl.StageAlways} {
				table := orders(orderBy...)
				table.BadRows, table.Staging.Mode = c.budget, mode
				lake := etltest.New(t, table)
				lake.Land(at("LOAD00000001"), text)
				if c.want != "" {
					err := lake.IngestError()
					require.ErrorContains(t, err, c.want)
					require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
					continue
				}
				counts := lake.Ingest().Tables[0].Loads[0].Receipt.Counts
				require.Equal(t, etl.Counts{Read: 6, Inserted: 2, Quarantined: 4, RowsAfter: 2}, counts)
				lake.Want("shop.orders", etltest.Rows{{1, 1, "a"}, {6, 6, "f"}})
			}
		}
	}
}
