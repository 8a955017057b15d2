package body

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type tree struct {
	Text  string            `json:"text"`
	Names []string          `json:"names,omitempty"`
	Map   map[string][]int  `json:"map,omitempty"`
	Pair  [2]string         `json:"pair"`
	Next  *tree             `json:"next,omitempty"`
	At    time.Time         `json:"at,omitzero"`
	Tags  map[string]string `json:"tags,omitempty"`
	inner []int
}

func sample() tree {
	return tree{
		Text: "a\xff", Names: []string{"", "\x00b64:AA==", mark}, Map: map[string][]int{"k\xc3": {1, 2}},
		Pair: [2]string{"x", "\xed\xa0\x80"}, Tags: map[string]string{},
		Next: &tree{Text: "inner", At: time.Date(2024, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))},
	}
}

func TestCloneIsDeep(t *testing.T) {
	v := sample()
	c := Clone(v)
	v.Next.At = v.Next.At.UTC()
	require.Equal(t, v, c)
	v.Names[0], v.Map["k\xc3"][0], v.Next.Text, v.Tags["new"] = "x", 9, "x", "x"
	want := sample()
	want.Next.At = want.Next.At.UTC()
	require.Equal(t, want, c)
	require.Nil(t, Clone(tree{}).Names, "nil stays nil")
	require.Equal(t, []string{}, Clone(tree{Names: []string{}}).Names, "and empty stays empty")
	require.Equal(t, []int{1}, Clone(tree{inner: []int{1}}).inner)
}

func TestRoundTrip(t *testing.T) {
	v := sample()
	data, err := Marshal(v)
	require.NoError(t, err)
	got, err := Unmarshal[tree](data)
	require.NoError(t, err)
	v.Next.At, v.Tags = v.Next.At.UTC(), nil // omitted when empty
	require.Equal(t, v, got)
	require.Equal(t, "a\xff", sample().Text, "the original is left alone")
	_, err = Unmarshal[tree]([]byte("{"))
	require.Error(t, err)
}

func FuzzString(f *testing.F) {
	for _, s := range []string{"", "a", "\xff", mark, mark + "AA==", mark + "!", "\x00", "\u2028<>&\\\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		data, err := Marshal(s)
		require.NoError(t, err)
		got, err := Unmarshal[string](data)
		require.NoError(t, err)
		require.Equal(t, s, got)
	})
}
