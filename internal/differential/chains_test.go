package differential

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/transform"
	"github.com/tidemark-data/etl/transform/celtransform"
	"github.com/tidemark-data/etl/transform/nfctransform"
)

// chains makes chains of transforms for the tables of histories by chance.
type chains struct {
	*rand.Rand
	keys transform.KeyProvider
}

func newChains(t *testing.T, seed int64) chains {
	path := filepath.Join(t.TempDir(), "token.key")
	require.NoError(t, os.WriteFile(path, []byte("hex:000102030405060708090a0b0c0d0e0f\n"), 0o600))
	return chains{rand.New(rand.NewPCG(uint64(seed), 2)), transform.FileKey(path, "k1")}
}

// chain is one to five transforms that go through with the table.
func (c chains) chain(t *testing.T, table etl.Table) []etl.Transformer {
	if table.Partition != nil && table.Partition[0].Transform == "bucket" {
		table.Partition = nil // checked with the table
	}
	for want := 1 + c.IntN(5); len(table.Transforms) < want; {
		with := table
		with.Transforms = slices.Concat(table.Transforms, []etl.Transformer{c.step(table)})
		if _, err := with.Target(); err == nil {
			table = with
		}
	}
	return table.Transforms
}

func (c chains) step(table etl.Table) etl.Transformer {
	key := table.Key[c.IntN(len(table.Key))]
	text := []string{"name", "note"}[c.IntN(2)]
	fresh := fmt.Sprintf("made%d", c.IntN(1000))
	switch c.IntN(16) {
	case 0, 1:
		return transform.Tokenize(transform.Tokens{Column: key, Domain: "order", Keys: c.keys})
	case 2:
		return transform.Tokenize(transform.Tokens{Column: text, Keys: c.keys, Encoding: "hex", KeyIDColumn: fresh})
	case 3:
		return transform.Cast(map[string]transform.CastTo{key: {Type: etl.String}, "qty": {Type: etl.Long}})
	case 4:
		return transform.Normalize(transform.Normal{Trim: true, Collapse: true, Case: transform.CaseUpper, EmptyToNull: true}, text)
	case 5:
		return nfctransform.NFC("region", text)
	case 6:
		return transform.Mask(text, transform.MaskRule{KeepLast: 2})
	case 7:
		return transform.Default(map[string]string{"qty": "-1", text: "none"})
	case 8:
		return transform.Constant(fresh, etl.Decimal(9, 2), "12.5")
	case 9:
		return transform.Rename(map[string]string{"note": "remark"})
	case 10:
		return transform.HashJoin(fresh, key, "qty", text)
	case 11:
		return transform.Lookup(transform.LookupOptions{
			On: []transform.LookupOn{{Column: "qty", Source: "q"}}, Take: []transform.LookupTake{{Source: "word", As: fresh, Default: "many"}},
			Miss: []transform.Miss{transform.MissNull, transform.MissDefault}[c.IntN(2)],
			Source: transform.LookupRows{Cols: etl.Columns{{Name: "q", Type: etl.Int}, {Name: "word", Type: etl.String}},
				Rows: [][]string{{"0", "none"}, {"1", "one"}, {"2", "two"}, {"3", ""}}},
		})
	case 12:
		return celtransform.Derive(fresh, `qty == null ? "?" : lower(coalesce(name, "-")) + ":" + string(qty * 2)`)
	case 13:
		return celtransform.Where("qty == null || qty % 4 != 0")
	case 14:
		return transform.Trim(key, text)
	default:
		return celtransform.Derive(fresh, "100 / (qty - 5)") // bad where qty is 5
	}
}

// newChainGame is newGame for a table with transforms, which the models know nothing
// of: the lanes are compared with each other only.
func newChainGame(t *testing.T, seed int64, engines ...engine) *game {
	c := newChains(t, seed)
	g := newGameOf(t, seed, func(table *etl.Table) {
		table.Transforms = c.chain(t, *table)
	}, engines...)
	g.modeled = false
	return g
}

// TestChainsInProcess plays histories of tables with transforms where both sides
// run the same engine.
func TestChainsInProcess(t *testing.T) {
	t.Parallel()
	playChains(t, *seeds, inProcess)
}

// causes are why the tables of the lanes are paused.
func causes(t *testing.T, g *game) (out []string) {
	for _, l := range g.lanes {
		st, err := l.control.State(t.Context(), l.table.Name)
		require.NoError(t, err)
		if st.Paused != nil {
			out = append(out, st.Paused.Cause)
		}
	}
	return out
}

func playChains(t *testing.T, n int, other engine) {
	from, to := *first, *first+int64(n)-1
	if *seed != 0 {
		from, to = *seed, *seed
	}
	rowsSeen, kinds := 0, map[string]int{}
	for s := from; s <= to; s++ {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			g := newChainGame(t, s, nil, other)
			var told []string
			for _, tr := range g.lanes[0].table.Transforms {
				d, err := tr.(etl.Declarer).Declare()
				require.NoError(t, err)
				kinds[d.Kind]++
				told = append(told, fmt.Sprintf("%s %v", d.Kind, d.Options))
			}
			err := g.play(t.Context(), nil)
			require.NoError(t, err, "-run TestChains -seed %d: %q\n%s", s, told, causes(t, g))
			got, err := rows(t.Context(), g.lanes[0])
			require.NoError(t, err)
			rowsSeen += len(got)
		})
	}
	t.Logf("%d histories, transforms %v, %d rows at their ends", to-from+1, kinds, rowsSeen)
	require.NotZero(t, rowsSeen)
}
