package format

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDelimiters(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 20_000 {
		text := make([]byte, r.IntN(80))
		for i := range text {
			text[i] = ",-+\x00\xac,.\x2d"[r.IntN(8)]
		}
		var want uint64
		for i, c := range text[:min(len(text), 64)] {
			if c == ',' {
				want |= 1 << i
			}
		}
		require.Equal(t, want, delimiters(text, uint64(',')*everyByte), "%q", text)
	}
}

func TestEvenBatches(t *testing.T) {
	require.Equal(t, batchRows, evenBatches(0, 0, 1000))
	for _, records := range []int{1, 100, 4000, 4096, 4100, 6500, 9000} {
		limit := evenBatches(records, 10*records, 10*records)
		require.LessOrEqual(t, limit, batchRows)
		batches := (records + limit - 1) / limit
		require.Less(t, batches*limit-records, max(limit/5, 3), "the last one is hardly smaller: %d of %d", limit, records)
	}
}

func TestUnescape(t *testing.T) {
	text := []byte(`a""b""""c`)
	n := unescape(text, '"')
	require.Equal(t, `a"b""c`, string(text[:n]))
	require.Equal(t, bytes.Repeat([]byte{'"'}, 3), text[n:])
}
