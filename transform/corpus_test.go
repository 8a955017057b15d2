package transform_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/config"
	"github.com/tidemark-data/etl/internal/textconv"
	"github.com/tidemark-data/etl/transform"
)

var update = flag.Bool("update", false, "write the declarations into the corpus")

// corpusCase is one example that every engine must agree on. Values are canonical
// texts, or null. The transform is written as in the YAML file; Declaration is
// what other engines read.
type corpusCase struct {
	Name        string           `json:"name"`
	Columns     [][2]string      `json:"columns"` // name and type
	Rows        [][]*string      `json:"rows"`
	Transform   json.RawMessage  `json:"transform"`
	Declaration *etl.Declaration `json:"declaration,omitempty"`
	// either these
	WantColumns [][2]string `json:"want_columns,omitempty"`
	Want        [][]*string `json:"want,omitempty"`
	// or this
	Error *corpusError `json:"error,omitempty"`
}

type corpusError struct {
	Row    int64  `json:"row"`
	Column string `json:"column"`
	Rule   string `json:"rule"`
}

func TestCorpus(t *testing.T) {
	t.Setenv("CORPUS_TOKEN_KEY", string(secret))
	paths, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	n := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var cases []corpusCase
		require.NoError(t, json.Unmarshal(text, &cases))
		for i := range cases {
			n++
			t.Run(strings.TrimSuffix(filepath.Base(path), ".json")+"/"+cases[i].Name, func(t *testing.T) { cases[i].run(t) })
		}
		if *update {
			writeCorpus(t, path, cases)
		}
	}
	require.Greater(t, n, 100)
}

func writeCorpus(t *testing.T, path string, cases []corpusCase) {
	var b bytes.Buffer
	for i, c := range cases {
		b.WriteString(map[bool]string{true: "[\n", false: ",\n"}[i == 0])
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		require.NoError(t, e.Encode(c))
		b.Truncate(b.Len() - 1)
	}
	b.WriteString("\n]\n")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
}

func (c *corpusCase) run(t *testing.T) {
	ctx := context.Background()
	columns := corpusColumns(t, c.Columns)
	in := corpusBatch(t, columns, c.Rows)
	chain, err := config.Transforms("corpus", []byte("["+string(c.Transform)+"]"), columns)
	require.NoError(t, err)
	require.Len(t, chain, 1)
	d, err := chain[0].(etl.Declarer).Declare()
	require.NoError(t, err)
	if *update {
		c.Declaration = &d
	}
	declared, err := json.Marshal(d)
	require.NoError(t, err)
	want, err := json.Marshal(c.Declaration)
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(declared))

	announced, err := chain[0].Schema(in.Schema())
	require.NoError(t, err)
	out, err := chain[0].Transform(ctx, in)
	if c.Error != nil {
		var re *etl.RowError
		require.True(t, errors.As(err, &re), "%v", err)
		require.Equal(t, *c.Error, corpusError{re.Row, re.Column, re.Rule})
		return
	}
	require.NoError(t, err)
	require.Equal(t, corpusColumns(t, c.WantColumns), plainColumns(t, out.Schema()))
	require.Equal(t, plainColumns(t, announced), plainColumns(t, out.Schema()))
	require.Equal(t, texts(c.Want), texts(canonical(t, out)))

	// a slice of a batch, whose arrays begin in the middle of their buffers
	if n := in.NumRows(); n > 1 && out.NumRows() == n {
		half := in.NewSlice(1, n)
		out, err := chain[0].Transform(ctx, half)
		require.NoError(t, err)
		require.Equal(t, texts(c.Want)[1:], texts(canonical(t, out)))
	}
}

func corpusColumns(t *testing.T, pairs [][2]string) etl.Columns {
	var out etl.Columns
	for _, p := range pairs {
		typ, err := etl.ParseType(p[1])
		require.NoError(t, err)
		out = append(out, etl.Column{Name: p[0], Type: typ})
	}
	return out
}

func plainColumns(t *testing.T, schema *arrow.Schema) etl.Columns {
	var out etl.Columns
	for _, f := range schema.Fields() {
		typ, ok := etl.TypeOf(f.Type)
		require.True(t, ok)
		out = append(out, etl.Column{Name: f.Name, Type: typ})
	}
	return out
}

func corpusBatch(t *testing.T, columns etl.Columns, rows [][]*string) arrow.RecordBatch {
	cols := make([]arrow.Array, len(columns))
	for i, c := range columns {
		b, err := textconv.New(c)
		require.NoError(t, err)
		for _, row := range rows {
			if row[i] == nil {
				b.AppendNull()
			} else {
				require.Empty(t, b.Append([]byte(*row[i])))
			}
		}
		cols[i] = b.NewArray()
	}
	return array.NewRecordBatch(columns.Schema(), cols, int64(len(rows)))
}

// canonical returns the canonical texts of a batch.
func canonical(t *testing.T, rec arrow.RecordBatch) [][]*string {
	to := map[string]transform.CastTo{}
	for _, f := range rec.Schema().Fields() {
		to[f.Name] = transform.CastTo{Type: etl.String}
	}
	text, err := transform.Cast(to).Transform(context.Background(), rec)
	require.NoError(t, err)
	out := make([][]*string, rec.NumRows())
	for i := range out {
		for _, col := range text.Columns() {
			var v *string
			if col.IsValid(i) {
				s := strings.Clone(col.(*array.String).Value(i))
				v = &s
			}
			out[i] = append(out[i], v)
		}
	}
	return out
}

func texts(rows [][]*string) []string {
	out := make([]string, len(rows))
	for i, row := range rows {
		text, _ := json.Marshal(row)
		out[i] = string(text)
	}
	return out
}
