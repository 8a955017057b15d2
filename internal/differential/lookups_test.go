package differential

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/transform"
)

// lakeOf is the lake of a lane, which is opened after its tables are declared.
type lakeOf struct{ l *lane }

func (o *lakeOf) Scan(ctx context.Context, table string, columns ...string) iter.Seq2[arrow.RecordBatch, error] {
	return o.l.sink.Scan(ctx, table, columns...)
}

// lookedUp takes columns from tables of the lake, one of which is not there.
func lookedUp(lake etl.Scanner, miss transform.Miss) []etl.Transformer {
	kinds := etl.Columns{{Name: "kind", Type: etl.String}, {Name: "n", Type: etl.Int}}
	of := func(table, as string, miss transform.Miss) etl.Transformer {
		return transform.Lookup(transform.LookupOptions{
			Source: transform.LookupTable{Tables: lake, Name: table, Cols: kinds}, Miss: miss,
			On:   []transform.LookupOn{{Column: "name", Source: "kind"}, {Column: "age", Source: "n"}},
			Take: []transform.LookupTake{{Source: "n", As: as, Default: "-7"}},
		})
	}
	return []etl.Transformer{of("ref.kinds", "rank", miss), of("ref.none", "nothing", transform.MissNull)}
}

// playLookups has both lanes look rows up in another table.
func playLookups(t *testing.T, other engine) {
	var lake lakeOf
	table := checkedTable()
	table.Transforms = lookedUp(&lake, transform.MissDefault)
	p := newPair(t, other, table)
	lake.l = p.lanes[0]
	line := func(op string, id int, name string, age int) string {
		return fmt.Sprintf("%s%d,%q,%d%s\n", op, id, name, age, gaps(10))
	}
	p.load("a/people/LOAD00000001.csv", line("", 1, "ann", 17)+line("", 2, "nobody", 17)+line("", 3, "bob", 0))
	p.load("a/people/20240221-110825123.csv", line("U,", 2, "bob", 120)+line("U,", 4, "ann", 18))
	for _, l := range p.lanes {
		st, err := l.control.State(t.Context(), table.Name)
		require.NoError(t, err)
		require.Nil(t, st.Paused)
		got, err := rows(t.Context(), l)
		require.NoError(t, err)
		require.Len(t, got, 4)
		for i, rank := range []string{"17", "120", "0", "-7"} {
			require.Contains(t, got[i], fmt.Sprintf("%q <nil>]", rank), "row %d", i+1)
		}
	}
}

// TestLookupsInProcess is playLookups where both sides run the same engine.
func TestLookupsInProcess(t *testing.T) {
	t.Parallel()
	playLookups(t, inProcess)
}
