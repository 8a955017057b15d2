package format_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/source"
)

func discover(t *testing.T, f etl.SchemaFormat, content string) ([]etl.DiscoveredColumn, bool, error) {
	m := source.NewMemory()
	in, err := m.Open(t.Context(), m.Put("landing/file", []byte(content)))
	require.NoError(t, err)
	defer in.Close()
	return f.Discover(t.Context(), in, etl.DiscoverRequest{Location: "landing/file", Kind: etl.Full})
}

func TestDiscoverJSONLines(t *testing.T) {
	got, known, err := discover(t, format.JSONLines{}, `{"i":1,"w":5000000000,"f":0.1,"p":0.1000000001,"h":123456789012345678901,"s":"x","b":true,"n":null,"o":{"a":1},"m":1}
not JSON: Scan tells

{"i":-2,"late":[1],"m":"x","b":false}
`)
	require.NoError(t, err)
	require.True(t, known)
	require.Equal(t, []etl.DiscoveredColumn{
		{Name: "i", Number: true, Types: []etl.Type{etl.Long, etl.Int, etl.Bool, etl.Double, etl.Float}},
		{Name: "w", Number: true, Types: []etl.Type{etl.Long, etl.Double, etl.Float}},
		{Name: "f", Number: true, Types: []etl.Type{etl.Double, etl.Float}},
		{Name: "p", Number: true, Types: []etl.Type{etl.Double}},
		{Name: "h", Number: true},
		{Name: "s", Text: true},
		{Name: "b", Types: []etl.Type{etl.Bool}},
		{Name: "n", Empty: true},
		{Name: "o", Types: []etl.Type{etl.String}},
		{Name: "m", Text: true},
		{Name: "late", Types: []etl.Type{etl.String}},
	}, got)
}

func TestDiscoverCSV(t *testing.T) {
	got, known, err := discover(t, format.CSV{Header: true}, "\xef\xbb\xbfid,\"a \"\"b\"\"\",-\n1,2,3\n")
	require.NoError(t, err)
	require.True(t, known)
	require.Equal(t, []etl.DiscoveredColumn{{Name: "id", Text: true}, {Name: `a "b"`, Text: true}}, got)

	_, known, err = discover(t, format.CSV{FullColumns: []string{"id"}}, "1\n")
	require.NoError(t, err)
	require.False(t, known)

	for _, bad := range []string{"", "id,id\n", "\"id"} {
		_, _, err = discover(t, format.CSV{Header: true}, bad)
		require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "%q: %v", bad, err)
	}
}
