//go:build spark

package tests

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/check/hllcheck"
)

// TestSketch has the job count distinct values as the engine in Go does: few and many,
// about where the sketch changes its form, and of all lengths.
func TestSketch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var sets [][][]byte
	var want []uint64
	for _, n := range []int{0, 1, 5, 163, 165, 1000, 4000, 5000, 5500, 6000, 8000, 12_000, 17_000, 60_000} {
		longest := 1 + r.IntN(70)
		counter := hllcheck.NewCounter()
		var set [][]byte
		for range n {
			v := make([]byte, r.IntN(longest+1))
			for i := range v {
				v[i] = byte(r.Uint32())
			}
			counter.Insert(v)
			set = append(set, v)
		}
		sets, want = append(sets, set), append(want, counter.Estimate())
	}
	input, err := json.Marshal(sets)
	require.NoError(t, err)
	cmd := exec.Command("../../../interop/.cache/venv/bin/python", "-B", "sketch.py")
	cmd.Stdin = bytes.NewReader(input)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	require.NoError(t, err, problems.String())
	var got []uint64
	require.NoError(t, json.Unmarshal(out, &got))
	require.Equal(t, want, got)
}
