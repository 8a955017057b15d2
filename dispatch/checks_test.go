package dispatch_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/check"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/format"
)

// checkedManifest is that of a job whose table has checks.
func checkedManifest(t *testing.T, checks ...etl.TableCheck) (dispatch.Manifest, error) {
	table := etl.Table{
		Name: "mpd.units", Columns: etl.Columns{{Name: "unit", Type: etl.Long}, {Name: "zone", Type: etl.String}}, Key: []string{"unit"},
		Format: format.CSV{Header: true}, Checks: checks,
	}
	target, err := table.Target()
	require.NoError(t, err)
	return dispatch.NewManifest(t.Context(), etl.Job{Table: table, Target: target, Sink: etl.Declaration{Kind: "iceberg"}})
}

func TestManifestDeclaresChecks(t *testing.T) {
	m, err := checkedManifest(t, etl.TableCheck{Check: check.Complete("zone", 0.5)}, etl.TableCheck{Check: check.Unique("zone"), Action: etl.CheckWarn})
	require.NoError(t, err)
	doc, err := json.Marshal(m.Checks)
	require.NoError(t, err)
	require.JSONEq(t, `[{"name":"complete(zone)","action":"pause","kind":"complete","options":{"column":"zone","share":0.5}},
		{"name":"unique(zone)","action":"warn","kind":"unique","options":{"columns":["zone"]}}]`, string(doc))
}

// TestManifestAndChecks: a check that runs in Go only is refused by name; a count that
// is not there yet is waited for.
func TestManifestAndChecks(t *testing.T) {
	mine := check.Func("mine", func(context.Context, arrow.RecordBatch) ([]int, error) { return nil, nil })
	_, err := checkedManifest(t, etl.TableCheck{Check: mine, Action: etl.CheckWarn})
	require.EqualError(t, err, "another engine cannot run the load: check mine has no declared form and runs in Go only: the table's flag must be L")
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))

	outcome := errors.New("not yet")
	counted := check.RowsOf(func(context.Context, etl.Load) (int64, error) { return 0, outcome })
	_, err = checkedManifest(t, etl.TableCheck{Check: counted})
	require.EqualError(t, err, "check rows_of: not yet")
	require.Equal(t, etl.Retry, etl.OutcomeOf(err))
	outcome = etl.WithOutcome(etl.Terminal, errors.New("never"))
	_, err = checkedManifest(t, etl.TableCheck{Check: counted})
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}
