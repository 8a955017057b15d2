package ranking

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRanking(t *testing.T) {
	var r Ranking
	for i, c := range []struct {
		order []byte
		wins  bool
	}{
		{nil, true}, {[]byte{5}, true}, {[]byte{4}, false}, {[]byte{5}, true}, {nil, true},
		{[]byte{4, 9}, false}, {[]byte{5}, true}, {[]byte{6}, true}, {[]byte{}, false},
	} {
		require.Equal(t, c.wins, r.Takes(c.order), "change %d", i)
	}
}
