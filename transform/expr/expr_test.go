package expr_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/transform"
	"github.com/tidemark-data/etl/transform/expr"
)

func TestPatterns(t *testing.T) {
	for _, good := range []string{`^a.*b$`, `[A-Z]{2}\d+`, `(?:x|y)\.z?`, `[^a-z_-]`, `\[\]`, `a{2,3}`} {
		_, err := expr.CheckPattern(good)
		require.NoError(t, err, good)
	}
	for _, bad := range []string{`(?i)x`, `\pL`, `\bx`, `[[:alpha:]]`, `a*?`, `a++`, `x\`, `[`, `(`, `(?P<n>x)`, `\Qx`, `\x41`, `[a&&b]`, `[]a]`, `a{2}{3`, `\A`} {
		_, err := expr.CheckPattern(bad)
		require.Error(t, err, bad)
	}
}

func TestCompileRefusesWhatIsNotTyped(t *testing.T) {
	lit := func(typ expr.Type, v string) *expr.Node { return &expr.Node{Op: "literal", Type: typ, Value: v} }
	for text, n := range map[string]*expr.Node{
		"always null":             lit(expr.Null, ""),
		"not a int":               lit(expr.Int, "x"),
		"no operation add":        {Op: "add", Type: expr.Int, Args: []*expr.Node{lit(expr.Int, "1"), lit(expr.Double, "1")}},
		"no operation eq":         {Op: "eq", Type: expr.Int, Args: []*expr.Node{lit(expr.Int, "1"), lit(expr.Int, "1")}},
		"no operation erase":      {Op: "erase", Type: expr.Int},
		"pattern of matches":      {Op: "matches", Type: expr.Bool, Args: []*expr.Node{lit(expr.String, "a"), {Op: "column", Type: expr.String, Name: "s"}}},
		"a literal is not a nope": lit("nope", "1"),
	} {
		_, err := expr.Compile(n)
		require.ErrorContains(t, err, text)
	}
}

// TestColumnsOfAnotherType: a program and a batch that do not fit are an error.
func TestColumnsOfAnotherType(t *testing.T) {
	p, err := expr.Compile(&expr.Node{Op: "column", Type: expr.Int, Name: "s"})
	require.NoError(t, err)
	rec, err := transform.LookupRows{Cols: etl.Columns{{Name: "s", Type: etl.String}}, Rows: [][]string{{"x"}}}.Load(t.Context())
	require.NoError(t, err)
	_, err = p.Column(rec)
	require.ErrorContains(t, err, "column s is a string")
	_, err = p.Rows(rec)
	require.ErrorContains(t, err, "not a bool")
}
