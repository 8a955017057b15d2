package torture

import (
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
)

// The smallest cases of what random histories have found.

func orders(orderBy ...string) etl.Table {
	none := "<none>"
	table := etl.Table{
		Name: "shop.orders", Key: []string{"id"}, OrderBy: orderBy, Op: etl.OpColumn{Column: "Op"},
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "seq", Type: etl.Long}, {Name: "name", Type: etl.String}},
	}
	table.Format = format.CSV{NotSupplied: &none}.ForTable(table)
	return table
}

// A reload that cannot be done is given up: the table is as it was, and so are
// the files that are in it.
func TestReloadGivenUp(t *testing.T) {
	lake := etltest.New(t, orders())
	lake.Land(at("LOAD00000001"), "1,1,a\n")
	lake.Land(at("20240220-100000000"), "U,1,2,b\n")
	lake.Ingest()
	lake.Land(at("20240220-100001000"), "D,1,3,\n")
	lake.Ingest()
	lake.Land(at("LOAD00000001"), "1,1,overwritten\n")
	require.NoError(t, lake.Runner().Reload(t.Context(), "shop.orders"))
	_, err := lake.Runner().Drain(t.Context(), "shop.orders")
	require.ErrorIs(t, err, etl.ErrFileChanged)
	require.NoError(t, lake.Runner().Skip(t.Context(), "shop.orders"))
	report, err := lake.Runner().Drain(t.Context(), "shop.orders")
	require.NoError(t, err)
	require.Empty(t, report.Loads, "files are applied again to the table that holds them")
	lake.WantStatus(at("20240220-100000000"), etl.Applied)
	lake.Want("shop.orders", etltest.Rows{})
}

// A change whose ordering column is not supplied has no order, although the row
// that it leaves shows one.
func TestOrderNotSupplied(t *testing.T) {
	for _, together := range []bool{true, false} {
		lake := etltest.New(t, orders("seq"))
		lake.Land(at("LOAD00000001"), "1,4,a\n")
		lake.Land(at("20240220-100000000"), "U,1,<none>,b\n")
		if !together {
			lake.Ingest()
		}
		lake.Land(at("20240220-100001000"), "U,1,2,c\n")
		lake.Ingest()
		lake.Want("shop.orders", etltest.Rows{{1, 2, "c"}})
	}
}

// A change whose event came before that of the full load which it belongs on
// top of is applied again after the swap.
func TestFullLoadEventComesLate(t *testing.T) {
	lake := etltest.New(t, orders("seq"))
	lake.Land(at("LOAD00000001"), "1,1,a\n")
	lake.Ingest()
	lake.Land(at("LOAD00000001"), "1,5,A\n")
	lake.Land(at("20240220-100000000"), "U,1,6,x\n")
	lake.Ingest(at("20240220-100000000"))
	lake.Want("shop.orders", etltest.Rows{{1, 6, "x"}})
	lake.Ingest()
	lake.Want("shop.orders", etltest.Rows{{1, 6, "x"}})
	lake.WantStatus(at("20240220-100000000"), etl.Applied)
}

// Of two contents of a location, the one that landed later is newer, whichever
// event comes first.
func TestOlderEventComesLater(t *testing.T) {
	table := orders()
	table.Completion.Explicit = true
	lake := etltest.New(t, table)
	older := lake.Land(at("LOAD00000001"), "1,1,old\n")
	newer := lake.Land(at("LOAD00000001"), "1,1,new\n")
	for _, f := range []etl.File{newer, older} {
		_, err := lake.Runner().Register(t.Context(), f)
		require.NoError(t, err)
	}
	require.NoError(t, lake.Runner().Complete(t.Context(), "shop.orders"))
	lake.Ingest()
	lake.Want("shop.orders", etltest.Rows{{1, 1, "new"}})
}

// What is known already costs one look, not a series of attempts.
func TestKnownFileIsQuick(t *testing.T) {
	lake := etltest.New(t, orders())
	f := lake.Land(at("LOAD00000001"), "1,1,a\n")
	for _, fresh := range []int{1, 0} {
		lake.Injector.Reset()
		n, err := lake.Runner().Register(t.Context(), f)
		require.NoError(t, err)
		require.Equal(t, fresh, n)
		looks := 0
		for _, point := range lake.Injector.Trace() {
			if point == "control.State/before" {
				looks++
			}
		}
		require.Equal(t, 1, looks)
	}
}
