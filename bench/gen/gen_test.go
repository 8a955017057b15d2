package gen

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestChangesAreAsAnnounced counts what the spec promises.
func TestChangesAreAsAnnounced(t *testing.T) {
	s := ChangesOf(1, 5_000, 10_000, 2)
	m := New(s)
	keys, times, hits, deletes := map[int64]bool{}, map[int64]bool{}, 0, 0
	for i := range s.Rows() {
		r := m.Row(i)
		require.False(t, times[r.UpdatedAt])
		times[r.UpdatedAt] = true
		if !keys[r.ID] && r.ID <= s.Base {
			hits++
		}
		keys[r.ID] = true
		if r.Op == 'D' {
			deletes++
			require.LessOrEqual(t, r.ID, s.Base)
		}
	}
	require.Len(t, keys, 7_750)
	require.Equal(t, int(s.Hits), hits)
	require.Equal(t, 4500, hits)
	require.InDelta(t, 120, deletes, 60)
}

func TestCSVIsReproducible(t *testing.T) {
	var a, b, c bytes.Buffer
	s := ChangesOf(7, 100, 1_000, 2)
	require.NoError(t, WriteCSV(t.Context(), &a, s))
	require.NoError(t, WriteCSV(t.Context(), &b, s))
	require.Equal(t, a.String(), b.String())
	require.Equal(t, 1_000, strings.Count(a.String(), "\n"))
	require.Equal(t, 9, strings.Count(strings.SplitN(a.String(), "\n", 2)[0], ","))
	s.Seed++
	require.NoError(t, WriteCSV(t.Context(), &c, s))
	require.NotEqual(t, a.String(), c.String())
}
