package dynamocontrol

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

func FuzzEscape(f *testing.F) {
	for _, s := range []string{"", "a", "a!", "a\x00", "~", "}", "\"", "#", "\xff", "\u00e9", "2024/02/20", "!", " "} {
		f.Add(s, "a")
		f.Add("a", s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := escape(a)+"!", escape(b)+"!"
		require.Equal(t, strings.Compare(a, b), strings.Compare(x, y), "%q %q", a, b)
		require.Equal(t, 1, strings.Count(x, "!"))
		for _, c := range []byte(x) {
			require.True(t, c >= '!' && c <= '~')
		}
	})
}

// Hints are in the order of the records, and fit into a sort key.
func FuzzPlace(f *testing.F) {
	f.Add("", "", "", "x")
	f.Add("a", "b", "ab", "")
	f.Add("a", strings.Repeat("\u00e9", 600), "a", strings.Repeat("\u00e9", 601))
	f.Add(strings.Repeat("a", 900), "x", strings.Repeat("a", 898), "x")
	f.Fuzz(func(t *testing.T, orderA, locationA, orderB, locationB string) {
		id := strings.Repeat("0", idLen)
		recs := []etl.FileRecord{
			{Order: orderA, File: etl.File{Location: locationA}}, {Order: orderB, File: etl.File{Location: locationB}},
		}
		var keys, real [2][]byte
		var hints [2]hint
		for i, r := range recs {
			sk := textOf(placeOf(r).hintKey(id, strings.Repeat("T", tagLen)), attrSK)
			require.LessOrEqual(t, len(sk), 1024)
			var ok bool
			hints[i], ok = parseHint(sk)
			require.True(t, ok)
			require.Equal(t, hint{placeOf(r).at, id}, hints[i])
			keys[i] = []byte(sk)
			real[i] = []byte(escape(r.Order) + "!" + escape(r.Location))
		}
		if hints[0].cut() && hints[0].at == hints[1].at {
			return // the reader sorts these
		}
		require.Equal(t, bytes.Compare(real[0], real[1]), bytes.Compare(keys[0], keys[1]))
	})
}

func TestPartitionKeys(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"", "a.b", "A.B", "a.b!", "T#a.b", "\xff", "~ff", "\"ff", strings.Repeat("x", 999), strings.Repeat("x", 1000), strings.Repeat("x", 1001), strings.Repeat("x", 5000)} {
		k := PartitionKey(name)
		require.LessOrEqual(t, len(k), 2048)
		require.NotContains(t, seen, k, "%q and %q", name, seen[k])
		seen[k] = name
	}
	require.Equal(t, "T#mpd.incidents", PartitionKey("mpd.incidents"), "people can read it")
	require.True(t, isID(etl.File{Location: "x"}.ID()))
	for _, id := range []string{"", "absent", strings.Repeat("G", 32), strings.Repeat("A", 32), strings.Repeat("0", 33)} {
		require.False(t, isID(id))
	}
}

func TestParseHintOfStrangers(t *testing.T) {
	for _, sk := range []string{"", "Q#L#", "STATE", strings.Repeat("x", 60)} {
		_, ok := parseHint(sk)
		require.False(t, ok, sk)
	}
}
