package celtransform_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/transform"
	"github.com/tidemark-data/etl/transform/celtransform"
)

// BenchmarkTransforms tells rows per second and allocations per row of single
// transforms, over batches of 4096 rows.
func BenchmarkTransforms(b *testing.B) {
	keys := transform.NewStaticKeys("bench", "1", map[string][]byte{"1": []byte("0123456789abcdef")})
	for name, tr := range map[string]etl.Transformer{
		"rename":   transform.Rename(map[string]string{"mail": "email"}),
		"trim":     transform.Trim("mail"),
		"mask":     transform.Mask("mail", transform.MaskRule{KeepLast: 4}),
		"tokenize": transform.Tokenize(transform.Tokens{Column: "mail", Keys: keys}),
		"cast":     transform.Cast(map[string]transform.CastTo{"n": {Type: etl.Double}}),
		"derive":   celtransform.Derive("out", "n * 2 + 1"),
		"where":    celtransform.Where("n % 2 == 0 && size(mail) > 3"),
		"hash":     transform.HashJoin("h", "id", "mail"),
	} {
		b.Run(name, func(b *testing.B) { benchChain(b, tr) })
	}
	b.Run("five", func(b *testing.B) {
		benchChain(b, transform.Rename(map[string]string{"n": "m"}), transform.Trim("mail"),
			transform.Mask("mail", transform.MaskRule{KeepLast: 4}), celtransform.Derive("out", "m * 2 + 1"), celtransform.Where("m >= 0"))
	})
}

func benchChain(b *testing.B, chain ...etl.Transformer) {
	const rows = 4096
	source := transform.LookupRows{Cols: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "mail", Type: etl.String}, {Name: "n", Type: etl.Long}}}
	for i := range rows {
		source.Rows = append(source.Rows, []string{fmt.Sprint(i), fmt.Sprintf(" person%d@example.org", i), fmt.Sprint(i * 7)})
	}
	ctx := context.Background()
	in, err := source.Load(ctx)
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		rec := in
		for _, t := range chain {
			if rec, err = t.Transform(ctx, rec); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
}
