package catalogsink

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

func TestFilesWhoseKeysLieApart(t *testing.T) {
	span := func(i int, lo, hi int64) reach { return reach{i, value{n: lo}, value{n: hi}} }
	for name, test := range map[string]struct {
		spans []reach
		want  []int
	}{
		"none":            {nil, nil},
		"one":             {[]reach{span(0, 1, 5)}, nil},
		"apart":           {[]reach{span(0, 6, 9), span(1, 1, 5), span(2, 10, 10)}, nil},
		"touching":        {[]reach{span(0, 1, 5), span(1, 5, 9), span(2, 10, 12)}, []int{0, 1}},
		"within":          {[]reach{span(0, 1, 100), span(1, 5, 6), span(2, 50, 60), span(3, 101, 102)}, []int{0, 1, 2}},
		"chains":          {[]reach{span(3, 1, 3), span(1, 2, 5), span(2, 8, 9), span(0, 9, 12), span(4, 20, 21)}, []int{0, 1, 2, 3}},
		"the same bounds": {[]reach{span(1, 7, 7), span(0, 7, 7)}, []int{0, 1}},
	} {
		require.Equal(t, test.want, meeting(test.spans), name)
	}
}

func TestListOfStagedFiles(t *testing.T) {
	files := map[int]stagedEntry{
		0: {run: "a-b", counts: etl.Counts{Read: 9, Inserted: 4, Superseded: 2, Unchanged: 1, Filtered: 1, Quarantined: 1}, bytes: 77, files: 2, sheet: true},
		7: {run: "c"},
	}
	got, err := parseStaged(formatStaged(files))
	require.NoError(t, err)
	require.Equal(t, files, got)
	none, err := parseStaged("")
	require.NoError(t, err)
	require.Empty(t, none)
	for _, bad := range []string{"1", "x a 1 1 1 1 1 1 1 1 1;", "1 a 1 1 1 1 1 1 1 1 -1;", "1 ../x 1 1 1 1 1 1 1 1 1;", "1  1 1 1 1 1 1 1 1 1;"} {
		_, err := parseStaged(bad)
		require.ErrorIs(t, err, errStagedList, bad)
	}
}

func FuzzListOfStagedFiles(f *testing.F) {
	f.Add("0 a 1 1 0 0 0 0 10 1 0;1 b 1 1 0 0 0 0 10 1 1;")
	f.Fuzz(func(t *testing.T, text string) {
		files, err := parseStaged(text)
		if err != nil {
			return
		}
		again, err := parseStaged(formatStaged(files))
		require.NoError(t, err)
		require.Equal(t, files, again)
	})
}
