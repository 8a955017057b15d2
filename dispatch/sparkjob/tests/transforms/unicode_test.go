//go:build spark

package transforms

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/transform"
	"github.com/tidemark-data/etl/transform/nfctransform"
)

// TestEveryCharacter takes all characters of Unicode through the transforms that
// know what a letter and white space is. Characters that the engine's tables do not
// know may be known to the job's Python, and are left out.
func TestEveryCharacter(t *testing.T) {
	in := input{Columns: [][2]string{{"row", "long"}, {"low", "string"}, {"up", "string"}, {"nfc", "string"}, {"shape", "string"}, {"fold", "string"}}}
	var chars []string
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.Is(unicode.Cs, r) || !unicode.IsGraphic(r) && !unicode.IsControl(r) && !unicode.IsSpace(r) {
			continue
		}
		chars = append(chars, string(r))
	}
	for i := 0; i < len(chars); i += 500 {
		text := strings.Join(chars[i:min(i+500, len(chars))], "|")
		row := []*string{ptr("0")}
		for range 5 {
			row = append(row, &text)
		}
		in.Rows = append(in.Rows, row)
	}
	chain := []etl.Transformer{
		transform.Normalize(transform.Normal{Case: transform.CaseLower}, "low"), transform.Normalize(transform.Normal{Case: transform.CaseUpper}, "up"),
		nfctransform.NFC("nfc"), transform.Mask("shape", transform.MaskRule{Format: true}), transform.Normalize(transform.Normal{Trim: true, Collapse: true}, "fold"),
	}
	for _, step := range chain {
		d, err := step.(etl.Declarer).Declare()
		require.NoError(t, err)
		in.Chain = append(in.Chain, d)
	}
	want, got := inEngine(t, batch(t, in), chain), onJob(t, []input{in})[0]
	require.Len(t, got.Rows, len(want.Rows))
	for i, row := range want.Rows {
		for c := 1; c < len(row); c++ {
			a, b := strings.Split(*row[c], "|"), strings.Split(*got.Rows[i][c], "|")
			require.Len(t, b, len(a))
			for k := range a {
				if a[k] != b[k] {
					t.Errorf("%s of %+q is %+q, in the job %+q", in.Columns[c][0], chars[i*500+k], a[k], b[k])
				}
			}
		}
	}
	t.Logf("%d characters", len(chars))
}
