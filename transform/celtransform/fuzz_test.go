package celtransform_test

import (
	"testing"

	"github.com/tidemark-data/etl/transform/celtransform"
)

// FuzzExpression: whatever the text, it is refused or it comes to an end, and
// never panics.
func FuzzExpression(f *testing.F) {
	for _, s := range []string{
		`i + 1 > j && s.matches("a.*")`, `substring(s, i, j)`, `b ? 1 / i : null`, `coalesce(s, "x") + string(tz)`,
		`addSeconds(tz, i) == timestamp("2024-01-01T00:00:00Z")`, `[1].map(x, x)`, `"\u00e9" in {}`, `s.size().size()`, `-9223372036854775808 / -1`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		d := celtransform.Derive("out", expression)
		if _, err := d.Schema(columns.Schema()); err != nil {
			return
		}
		in := batch(t, `[{"b": true, "i": -9223372036854775808, "j": 3, "d": -0.0, "s": "é\u0000x", "day": "0001-01-01", "ts": "9999-12-31 23:59:59", "tz": "2024-01-01 00:00:00"}, {}]`)
		out, err := d.Transform(t.Context(), in)
		if err == nil && out.NumRows() != 2 {
			t.Fatal("rows were lost")
		}
	})
}
