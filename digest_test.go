package etl

import (
	"math"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"
)

func TestDigests(t *testing.T) {
	columns := Columns{{Name: "d", Type: Double}, {Name: "f", Type: Float}, {Name: "a", Type: String}, {Name: "b", Type: String}}
	c := &Changes{target: Target{Schema: columns.Schema()}, digests: newDigestSeeds()}
	b := array.NewRecordBuilder(memory.DefaultAllocator, columns.Schema())
	add := func(d float64, f float32, texts ...string) {
		b.Field(0).(*array.Float64Builder).Append(d)
		b.Field(1).(*array.Float32Builder).Append(f)
		for i, s := range texts {
			if s == "null" {
				b.Field(2 + i).AppendNull()
			} else {
				b.Field(2 + i).(*array.StringBuilder).Append(s)
			}
		}
	}
	// Rows of different values.
	add(0, 0, "", "")
	add(math.Copysign(0, -1), 0, "", "")
	add(0, float32(math.Copysign(0, -1)), "", "")
	add(math.NaN(), 0, "", "")
	add(0, float32(math.NaN()), "", "")
	add(0, 0, "null", "")
	add(0, 0, "", "null")
	add(0, 0, "ab", "c")
	add(0, 0, "a", "bc")
	distinct := 9
	// Other NaNs are the same value.
	add(math.Float64frombits(math.Float64bits(math.NaN())^7), 0, "", "")
	add(0, math.Float32frombits(math.Float32bits(float32(math.NaN()))^7), "", "")
	rec := b.NewRecordBatch()
	defer rec.Release()
	digests, err := c.digest(nil, rec)
	require.NoError(t, err)
	seen := map[Digest]bool{}
	for _, d := range digests[:distinct] {
		require.False(t, seen[d])
		seen[d] = true
	}
	require.Equal(t, []Digest{digests[3], digests[4]}, digests[distinct:])

	other := array.NewRecordBatch(arrow.NewSchema(rec.Schema().Fields()[:3], nil), rec.Columns()[:3], rec.NumRows())
	defer other.Release()
	_, err = c.digest(nil, other)
	require.Error(t, err, "rows without a column do not compare")
}
