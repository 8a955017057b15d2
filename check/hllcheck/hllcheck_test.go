package hllcheck_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/check/hllcheck"
)

// TestEstimates: the standard error is 0.8 %, so four of them bound it for good.
func TestEstimates(t *testing.T) {
	for _, n := range []int{0, 1, 100, 2000, 10_000, 100_000, 500_000} {
		there, back := hllcheck.NewCounter(), hllcheck.NewCounter()
		for i := range n {
			there.Insert(binary.BigEndian.AppendUint64(nil, uint64(i)))
			back.Insert(binary.BigEndian.AppendUint64(nil, uint64(n-1-i)))
			back.Insert(binary.BigEndian.AppendUint64(nil, uint64(n/2)))
		}
		allowed := 0.033 * float64(n)
		if n <= 2000 {
			allowed = 0.001 * float64(n)
		}
		require.LessOrEqual(t, math.Abs(float64(there.Estimate())-float64(n)), allowed, "%d", n)
		if n > 0 {
			require.Equal(t, there.Estimate(), back.Estimate(), "order does not matter: %d", n)
		}
	}
}

func ExampleDistinct() {
	c := hllcheck.Distinct("offense", 5, 100)
	fmt.Println(c.Name())
	// Output: distinct(offense)
}
