//go:build spark

package transforms

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/textconv"
	"github.com/tidemark-data/etl/transform"
)

var (
	chains    = flag.Int("chains", 3000, "`number` of random chains")
	chainSeed = flag.Uint64("chain-seed", 1, "`seed` of the first of them")
)

// TestRandomChains runs random chains on random rows in the engine and in the job.
func TestRandomChains(t *testing.T) {
	t.Setenv("CORPUS_TOKEN_KEY", tokenKey)
	var cases []input
	var want []outcome
	for i := range *chains {
		m := maker{rand.New(rand.NewPCG(*chainSeed+uint64(i), 9))}
		in, out := m.play(t)
		cases, want = append(cases, in), append(want, out)
	}
	good, kinds, rules, differ := 0, map[string]int{}, map[string]int{}, 0
	for i, got := range onJob(t, cases) {
		for _, d := range cases[i].Chain {
			kinds[d.Kind]++
		}
		if want[i].Error != nil {
			rules[want[i].Error.Rule]++
		} else if want[i].Failed == "" {
			good++
		}
		if want[i].Failed != "" && got.Failed != "" {
			continue // how is not said alike
		}
		if text(want[i]) != text(got) {
			t.Errorf("-chain-seed %d -chains 1: %s\nthe engine has %s\nthe job has    %s",
				*chainSeed+uint64(i), text(cases[i].Chain), difference(want[i], got), difference(got, want[i]))
			if differ++; differ == 5 {
				break
			}
		}
	}
	t.Logf("%d chains, %d of them without a mistake; %d different rules; transforms: %v", len(cases), good, len(rules), kinds)
	if len(cases) >= 1000 {
		require.Greater(t, good*3, len(cases))
		require.Greater(t, len(rules), 15)
		require.Len(t, kinds, 17)
	}
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// difference is what differs of a, or all of it if that is not the rows.
func difference(a, b outcome) string {
	if text(a.Columns) != text(b.Columns) || len(a.Rows) != len(b.Rows) || a.Error != nil || b.Error != nil {
		return text(a)
	}
	var out []string
	for i := range a.Rows {
		for c := range a.Rows[i] {
			if text(a.Rows[i][c]) != text(b.Rows[i][c]) {
				out = append(out, "row "+strconv.Itoa(i+1)+" "+a.Columns[c][0]+" "+text(a.Rows[i][c]))
			}
		}
	}
	return strings.Join(out, "; ")
}

// play makes a chain and rows, and runs it in the engine.
func (m maker) play(t *testing.T) (input, outcome) {
	in := input{Columns: columns(), Rows: [][]*string{}}
	for n := range m.IntN(12) {
		row := []*string{ptr(strconv.Itoa(n))}
		for _, c := range in.Columns[1:] {
			row = append(row, m.value(c[1]))
		}
		in.Rows = append(in.Rows, row)
	}
	rec := batch(t, in)
	var chain []etl.Transformer
	schema := rec.Schema()
	for range 1 + m.IntN(5) {
		step := m.step(schema)
		out, err := step.Schema(schema)
		if err != nil {
			continue
		}
		d, err := step.(etl.Declarer).Declare()
		require.NoError(t, err)
		schema, chain, in.Chain = out, append(chain, step), append(in.Chain, d)
	}
	if in.Chain == nil {
		in.Chain = []etl.Declaration{}
	}
	return in, inEngine(t, rec, chain)
}

func inEngine(t *testing.T, rec arrow.RecordBatch, chain []etl.Transformer) outcome {
	ctx := context.Background()
	for _, step := range chain {
		out, err := step.Transform(ctx, rec)
		var re *etl.RowError
		if errors.As(err, &re) {
			return outcome{Error: &rowError{numbers(rec)[re.Row-1] + 1, re.Column, re.Rule}}
		}
		if err != nil {
			return outcome{Failed: "failed"}
		}
		rec = out
	}
	out := outcome{Columns: [][2]string{}, Rows: [][]*string{}, Kept: []int{}}
	to := map[string]transform.CastTo{}
	for _, f := range rec.Schema().Fields() {
		typ, _ := etl.TypeOf(f.Type)
		out.Columns = append(out.Columns, [2]string{f.Name, typ.String()})
		to[f.Name] = transform.CastTo{Type: etl.String}
	}
	texts, err := transform.Cast(to).Transform(ctx, rec)
	if err != nil {
		return outcome{Failed: "failed"}
	}
	for i, n := range numbers(rec) {
		var row []*string
		for _, col := range texts.Columns() {
			var v *string
			if col.IsValid(i) {
				v = ptr(strings.Clone(col.(*array.String).Value(i)))
			}
			row = append(row, v)
		}
		out.Rows, out.Kept = append(out.Rows, row), append(out.Kept, int(n))
	}
	return out
}

// numbers are those that the rows had ahead of the chain, by the column that
// no transform touches.
func numbers(rec arrow.RecordBatch) []int64 {
	return rec.Column(rec.Schema().FieldIndices("row")[0]).(*array.Int64).Int64Values()
}

func batch(t *testing.T, in input) arrow.RecordBatch {
	var cols etl.Columns
	var arrays []arrow.Array
	for i, c := range in.Columns {
		typ, err := etl.ParseType(c[1])
		require.NoError(t, err)
		cols = append(cols, etl.Column{Name: c[0], Type: typ})
		b, err := textconv.New(cols[i])
		require.NoError(t, err)
		for _, row := range in.Rows {
			if row[i] == nil {
				b.AppendNull()
			} else {
				require.Empty(t, b.Append([]byte(*row[i])), "%s %q", c[1], *row[i])
			}
		}
		arrays = append(arrays, b.NewArray())
	}
	return array.NewRecordBatch(cols.Schema(), arrays, int64(len(in.Rows)))
}

func ptr(s string) *string { return &s }
