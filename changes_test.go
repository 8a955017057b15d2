package etl_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/internal/cells"
	"github.com/tidemark-data/etl/source"
)

// budgets from one that holds everything, read in one go, to one that holds
// nothing, read in chunks of a row or two.
var budgets = []int64{0, 1 << 20, 60_000, 1}

// outcome is what a load makes of an empty table.
type outcome struct {
	rows   []string
	counts etl.Counts
	memory []string
	err    string
}

func outcomeOf(t *testing.T, table etl.Table, kind etl.LoadKind, budget int64, files ...string) (o outcome) {
	m := source.NewMemory()
	load := etl.Load{Table: table.Name, Kind: kind}
	for i, text := range files {
		load.Files = append(load.Files, m.Put(fmt.Sprintf("a/b/%d.csv", i), []byte(text), time.Unix(int64(i+1), 0)))
	}
	changes, err := etl.NewChanges(etl.ChangesConfig{Table: table, Source: m, Load: load, Budget: budget, TempDir: t.TempDir()})
	require.NoError(t, err)
	for part, err := range changes.Parts(t.Context()) {
		if err != nil {
			return outcome{err: err.Error()}
		}
		res, err := part.Resolve(t.Context(), etl.Committed{})
		require.NoError(t, err)
		for rec, err := range res.Rows(t.Context()) {
			if err != nil {
				return outcome{err: err.Error()}
			}
			for i := range int(rec.NumRows()) {
				o.rows = append(o.rows, line(rec, i))
			}
		}
		o.counts.Add(res.Counts())
		for _, mem := range res.Memory() {
			o.memory = append(o.memory, fmt.Sprintf("%s %x", line(part.Keys(), int(mem.Ordinal)), mem.Order))
		}
	}
	slices.Sort(o.rows)
	slices.Sort(o.memory)
	return o
}

// even is a filter.
type even struct{ calls *atomic.Int64 }

func (e even) Schema(in *arrow.Schema) (*arrow.Schema, error) { return in, nil }

func (e even) Transform(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	e.calls.Add(1)
	var rows []int
	names := in.Column(in.Schema().FieldIndices("name")[0]).(*array.String)
	for i := range int(in.NumRows()) {
		if names.Value(i) == "bad" {
			return nil, &etl.RowError{Row: int64(i + 1), Column: "name", Rule: "bad"}
		}
		if len(names.Value(i))%2 == 0 {
			rows = append(rows, i)
		}
	}
	return cells.Take(memory.DefaultAllocator, in, rows)
}

// TestBudgetsGiveTheSameTable: whatever is cut, read side by side, spilled and
// divided, the outcome is the same.
func TestBudgetsGiveTheSameTable(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	files := func(n int) (out []string) {
		for range 3 {
			var b strings.Builder
			for range n {
				order := fmt.Sprint(r.IntN(100))
				if r.IntN(10) == 0 {
					order = ""
				}
				name := []string{"a", "bb", "\"c\nc\"", "\"d\"\"\"", ""}[r.IntN(5)]
				fmt.Fprintf(&b, "%s,%s,%d,%s,%s\n", []string{"I", "U", "D"}[r.IntN(3)], []string{"", "5", "17"}[r.IntN(3)], r.IntN(n), name, order)
			}
			out = append(out, b.String())
		}
		return out
	}
	none := "<none>"
	base := etl.Table{
		Name: "a.b", Key: []string{"id"}, Op: etl.OpColumn{Column: "op"},
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "name", Type: etl.String}, {Name: "seq", Type: etl.Long}},
		Format:  format.CSV{FullColumns: []string{"op", "-", "id", "name", "seq"}, ChangeColumns: []string{"op", "old", "id", "name", "seq"}},
	}
	variants := map[string]func(*etl.Table){
		"position":   func(*etl.Table) {},
		"order":      func(t *etl.Table) { t.OrderBy = []string{"seq"} },
		"orders":     func(t *etl.Table) { t.OrderBy = []string{"seq", "name"} },
		"text order": func(t *etl.Table) { t.OrderBy = []string{"name"} },
		"two keys":   func(t *etl.Table) { t.Key = []string{"id", "op2"} },
		"filter": func(t *etl.Table) {
			t.OrderBy, t.Transforms = []string{"seq"}, []etl.Transformer{even{new(atomic.Int64)}}
		},
		"old key":     func(t *etl.Table) { t.OrderBy, t.OldKey = []string{"seq"}, []string{"old"} },
		"unsupplied":  func(t *etl.Table) { t.OrderBy = []string{"seq"} },
		"unsupplied2": func(t *etl.Table) { t.OldKey = []string{"old"} },
	}
	for name, set := range variants {
		for _, kind := range []etl.LoadKind{etl.Full, etl.Incremental} {
			t.Run(name+" "+kind.String(), func(t *testing.T) {
				table := base
				table.Columns = slices.Clone(base.Columns)
				csv := base.Format.(format.CSV)
				switch name {
				case "two keys":
					table.Columns = append(table.Columns, etl.Column{Name: "op2", Type: etl.String})
					csv.FullColumns = []string{"op", "op2", "id", "name", "seq"}
					csv.ChangeColumns = csv.FullColumns
				case "unsupplied", "unsupplied2":
					csv.NotSupplied = &none
				}
				table.Format = csv
				set(&table)
				texts := files(400)
				for i := range texts {
					if csv.NotSupplied != nil {
						texts[i] = strings.ReplaceAll(texts[i], ",bb,", ",<none>,")
					}
					if name == "two keys" {
						texts[i] = strings.ReplaceAll(texts[i], ",,", ",0,")
					}
				}
				want := outcomeOf(t, table, kind, budgets[0], texts...)
				require.Empty(t, want.err)
				require.NotEmpty(t, want.rows)
				for _, budget := range budgets[1:] {
					require.Equal(t, want, outcomeOf(t, table, kind, budget, texts...), "budget %d", budget)
				}
				var packed []string
				for _, text := range texts {
					var b bytes.Buffer
					z := gzip.NewWriter(&b)
					_, _ = z.Write([]byte(text))
					require.NoError(t, z.Close())
					packed = append(packed, b.String())
				}
				require.Equal(t, want, outcomeOf(t, table, kind, 60_000, packed...), "compressed")
			})
		}
	}
}

// TestFirstBadRow: of several mistakes the first one in position order is told,
// and told alike, however the files are cut.
func TestFirstBadRow(t *testing.T) {
	good := strings.Repeat("U,1,bb,1\nI,2,\"b\nb\",2\n", 500)
	table := etl.Table{
		Name: "a.b", Key: []string{"id"}, Op: etl.OpColumn{Column: "op"}, OrderBy: []string{"seq"},
		Columns:    etl.Columns{{Name: "id", Type: etl.Long}, {Name: "name", Type: etl.String, Required: true}, {Name: "seq", Type: etl.Int}},
		Format:     format.CSV{ChangeColumns: []string{"op", "id", "name", "seq"}},
		Transforms: []etl.Transformer{even{new(atomic.Int64)}},
	}
	for want, files := range map[string][]string{
		"row 1001 of a/b/0.csv: column id: key is null":              {good + "U,,x,1\nU,x,x,1\n" + good, "X\n"},
		"row 1001 of a/b/0.csv: column id: not a long":               {good + "U,x,x,1\nU,,x,1\n" + good, "X\n"},
		"row 1002 of a/b/0.csv: column op: unknown operation":        {good + "U,5,x,1\nX,5,x,1\nU,,x,1\n"},
		"row 1001 of a/b/0.csv: column op: operation is null":        {good + ",5,x,1\nX,5,x,1\nU,,x,1\n"},
		"row 1001 of a/b/0.csv: has 2 fields, expected 4":            {good + "U,1\n" + good + "\"", good},
		"row 2001 of a/b/1.csv: quote is not closed":                 {good, good + good + "U,1,\"x,1\n"},
		"row 1001 of a/b/1.csv: column name: required value is null": {good, good + "U,3,,1\nU,3,,0\n"},
		"row 1003 of a/b/1.csv: column name: bad":                    {good, good + "U,3,bad,1\nD,3,bad,2\nU,4,bad,1\n" + good},
		"a/b/1.csv: file has no rows":                                {good, "", "X\n"},
		"row 1001 of a/b/0.csv: column seq: out of range for int":    {good + "U,5,x,99999999999\n"},
		"row 1001 of a/b/0.csv: quote inside an unquoted field":      {good + "U,5,x\"x,1\n" + good + "X\n"},
		"row 3001 of a/b/0.csv: column name: required value is null": {good + good + good + "U,3,,1\n", "U,3,,0\n"},
		"row 1 of a/b/2.csv: column op: unknown operation":           {good, good, "X,1,1,1\n", "Y,1,1,1\n"},
	} {
		for _, budget := range budgets {
			got := outcomeOf(t, table, etl.Incremental, budget, files...)
			require.Equal(t, want, got.err, "budget %d", budget)
		}
	}
}

// TestStoppingEarly leaves nothing running and no file open or behind.
func TestStoppingEarly(t *testing.T) {
	table := incidents()
	table.Format = format.CSV{}.ForTable(table)
	m := &counting{Memory: source.NewMemory()}
	text := incidentRows(20_000, 20_000)
	load := etl.Load{Table: table.Name, Kind: etl.Incremental}
	for i := range 3 {
		load.Files = append(load.Files, m.Put(fmt.Sprintf("a/b/%d.csv", i), text, time.Unix(int64(i+1), 0)))
	}
	for _, budget := range budgets {
		temp := t.TempDir()
		changes, err := etl.NewChanges(etl.ChangesConfig{Table: table, Source: m, Load: load, Budget: max(budget, 100_000), TempDir: temp})
		require.NoError(t, err)
		for part, err := range changes.Parts(t.Context()) {
			require.NoError(t, err)
			res, err := part.Resolve(t.Context(), etl.Committed{})
			require.NoError(t, err)
			for _, err := range res.Rows(t.Context()) {
				require.NoError(t, err)
				break
			}
			break
		}
		require.Zero(t, m.open.Load())
		ctx, cancel := context.WithCancel(t.Context())
		cfg := etl.ChangesConfig{Table: table, Source: m, Load: load, TempDir: temp, Progress: func(string, int, int64) { cancel() }}
		changes, err = etl.NewChanges(cfg)
		require.NoError(t, err)
		for _, err := range changes.Parts(ctx) {
			require.True(t, errors.Is(err, context.Canceled), "%v", err)
		}
		require.Zero(t, m.open.Load())
	}
}

// counting counts the inputs that are open.
type counting struct {
	*source.Memory
	open atomic.Int64
}

func (c *counting) Open(ctx context.Context, f etl.File) (etl.Input, error) {
	in, err := c.Memory.Open(ctx, f)
	if err == nil {
		c.open.Add(1)
	}
	return &counted{Input: in, of: c}, err
}

type counted struct {
	etl.Input
	of *counting
}

func (c *counted) Close() error {
	c.of.open.Add(-1)
	return c.Input.Close()
}
