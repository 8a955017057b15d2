package check

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// TestUniqueOfManyRows compares with a naive count, in memory and spilled.
func TestUniqueOfManyRows(t *testing.T) {
	columns := etl.Columns{{Name: "a", Type: etl.Long}, {Name: "b", Type: etl.String}}
	target := etl.Target{Schema: columns.Schema(), Columns: columns}
	for _, limit := range []int{1, 50, 1000, 100_000} {
		temp := t.TempDir()
		c, err := unique(limit, []string{"a", "b"}).Begin(t.Context(), etl.CheckScope{Target: target, TempDir: temp})
		require.NoError(t, err)
		random := rand.New(rand.NewPCG(7, uint64(limit)))
		seen := map[string]bool{}
		rows, twice, refused := 0, 0, 0
		for range 20 {
			b := array.NewRecordBuilder(memory.DefaultAllocator, columns.Schema())
			for range random.IntN(300) {
				a, text := random.Int64N(40), fmt.Sprint(random.IntN(40))
				b.Field(0).(*array.Int64Builder).Append(a)
				rows++
				if text == "0" {
					b.Field(1).AppendNull()
					continue
				}
				b.Field(1).(*array.StringBuilder).Append(text)
				key := fmt.Sprint(a, " ", text)
				if seen[key] {
					twice++
				}
				seen[key] = true
			}
			bad, err := c.Rows(t.Context(), b.NewRecordBatch())
			require.NoError(t, err)
			refused += len(bad)
		}
		v, err := c.Verdict(t.Context(), etl.Counts{})
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("%d of %d rows are there already", twice, rows), v.Finding)
		require.False(t, v.OK)
		if limit == 100_000 {
			require.Equal(t, twice, refused)
		} else {
			require.Less(t, refused, twice)
		}
		require.NoError(t, c.(interface{ Close() error }).Close())
		left, err := os.ReadDir(temp)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

func TestHashesAreSeeded(t *testing.T) {
	a, b := newHashes().of([]byte("x")), newHashes().of([]byte("x"))
	require.NotEqual(t, a, b, "seeds are drawn at random")
	require.Equal(t, a, readHash(a.append(nil)))
}
