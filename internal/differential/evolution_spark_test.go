//go:build spark

package differential

import (
	"context"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
)

// TestEvolutionSpark plays histories of schema changes on Spark, short ones unless
// -steps asks for more.
func TestEvolutionSpark(t *testing.T) {
	s := spark(t)
	jobs, took := s.jobs, s.took
	playEvolution(t, int64((*seeds+4)/5), *steps <= 12, onSpark)
	t.Logf("%d jobs in %v", s.jobs-jobs, (s.took - took).Round(time.Second))
}

// TestContractSpark takes tables with contracts through Spark.
func TestContractSpark(t *testing.T) {
	playContract(t, onSpark)
	playModesContract(t, onSpark)
}

// meddled lets somebody in between the submission of the first job that changes a
// schema, which is planned then, and its run.
type meddled struct {
	*served
	meddle func()
	plans  []etl.SchemaPlan
}

func (m *meddled) Submit(ctx context.Context, job etl.Job) (etl.JobRef, error) {
	if job.Schema.Schema != nil {
		if m.plans = append(m.plans, *job.Schema); len(m.plans) == 1 {
			m.meddle()
		}
	}
	return m.served.Submit(ctx, job)
}

// TestEvolutionOvertaken has another writer change the schema that a job's was planned on:
// the load starts over, and keeps what the other has done.
func TestEvolutionOvertaken(t *testing.T) {
	var m *meddled
	lanes := contracted(t, etl.Contract{New: etl.Evolve}, nil, func(t *testing.T, l *lane) etl.Dispatcher {
		m = &meddled{served: onSpark(t, l).(*served), meddle: func() {
			tbl, err := l.sink.Table(t.Context(), "shop.items")
			require.NoError(t, err)
			tx := tbl.NewTransaction()
			doc := iceberg.Optional[string]{Val: "told by another", Valid: true}
			require.NoError(t, tx.UpdateSchema(true, false).UpdateColumn([]string{"n"}, table.ColumnUpdate{Doc: doc}).Commit())
			_, err = tx.Commit(t.Context())
			require.NoError(t, err)
		}}
		return m
	}, `{"id":1,"n":1,"code":"a"}`+"\n", `{"Op":"U","id":2,"n":2,"code":"b","x":7}`+"\n")
	_, err := lanes[1].runner.Ingest(t.Context())
	require.NoError(t, err)
	require.Len(t, m.plans, 2)
	require.Equal(t, 1, m.plans[1].SchemaID-m.plans[0].SchemaID)
	tbl, err := lanes[1].sink.Table(t.Context(), "shop.items")
	require.NoError(t, err)
	n, _ := tbl.Schema().FindFieldByName("n")
	require.Equal(t, "told by another", n.Doc)
	got, err := rows(t.Context(), lanes[1])
	require.NoError(t, err)
	require.Equal(t, []string{`["1" "1" "a" <nil>]`, `["2" "2" "b" "7"]`}, got)
	require.Equal(t, tbl.Schema().ID, *tbl.CurrentSnapshot().SchemaID)
}
