package differential

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/source"
)

var (
	seeds = flag.Int("seeds", 5, "number of random histories on the other engine")
	first = flag.Int64("first", 1, "seed of the first of them")
	seed  = flag.Int64("seed", 0, "play the history of this seed alone, and tell it")
	steps = flag.Int("steps", 12, "least number of steps in a history")
)

// game is a history that is played in lanes, next to the reference models.
type game struct {
	h      *etltest.History
	models *etltest.Models
	bucket *source.Memory
	landed map[string]etl.File // by FileKey; the newest also by location
	lanes  []*lane
	// modeled says that the model of the table knows what the rows must be.
	modeled bool
	// rewrite, if not nil, puts what lands into another format.
	rewrite func(etltest.Landing) []byte
}

// newGame prepares a history: filters of Go code are left out, since no other
// engine can run them, and the tables of some seeds are partitioned or of format
// version 3.
func newGame(t *testing.T, seed int64, engines ...engine) *game {
	return newGameOf(t, seed, func(*etl.Table) {}, engines...)
}

// newGameOf is newGame for a table that change has changed.
func newGameOf(t *testing.T, seed int64, change func(*etl.Table), engines ...engine) *game {
	return newModeGame(t, "", seed, change, engines...)
}

// newModeGame is newGameOf for a table of a mode.
func newModeGame(t *testing.T, mode etl.Mode, seed int64, change func(*etl.Table), engines ...engine) *game {
	g := &game{h: etltest.NewModeHistory(mode, seed, *steps, format.DMS{}), bucket: source.NewMemory(), landed: map[string]etl.File{}, modeled: true}
	g.h.Keep = nil
	if seed%4 == 1 && mode != etl.ModeAppend {
		g.h.Table.FullLoads = etl.FullDifference
	}
	g.models = g.h.Models(format.DMS{})
	csv := format.CSV{FullColumns: g.h.FullColumns, ChangeColumns: g.h.ChangeColumns, Null: "NULL"}
	if g.h.NoSupply != "" {
		csv.NotSupplied = &g.h.NoSupply
	}
	table := g.h.Table
	table.Format = csv.ForTable(table)
	if seed%3 == 0 {
		table.Properties = map[string]string{"format-version": "3"}
	}
	switch seed % 5 {
	case 1:
		table.Partition = []etl.PartitionField{{Column: "id", Transform: "bucket", N: 3}}
	case 2:
		table.Partition = []etl.PartitionField{{Column: "name", Transform: "identity"}}
	}
	change(&table)
	bucket := located{g.bucket, t.TempDir()}
	for _, e := range engines {
		g.lanes = append(g.lanes, newLane(t, bucket, table, format.DMS{}, e))
	}
	return g
}

// play takes all steps; between them the lanes must be equal, and the first one
// the model's. before, if not nil, is called ahead of each step.
func (g *game) play(ctx context.Context, before func(step int) error) error {
	for i, s := range g.h.Steps {
		if before != nil {
			if err := before(i); err != nil {
				return err
			}
		}
		if err := g.step(ctx, s); err != nil {
			return fmt.Errorf("step %d of %d: %w\n%s", i+1, len(g.h.Steps), err, g.story(i))
		}
	}
	return nil
}

func (g *game) step(ctx context.Context, s etltest.Step) error {
	g.models.Step(s)
	for _, l := range s.Land {
		if g.rewrite != nil {
			l.Content = g.rewrite(l)
		}
		f := g.bucket.Put(l.Location, l.Content, l.At)
		g.landed[etltest.FileKey(f)], g.landed[f.Location] = f, f
	}
	if s.Gone != "" {
		g.bucket.Remove(s.Gone)
	}
	files := make([]etl.File, len(s.Events))
	for i, e := range s.Events {
		files[i] = g.landed[e]
	}
	for i, l := range g.lanes {
		if err := l.act(ctx, s.Kind, files); err != nil {
			return fmt.Errorf("lane %d: %w", i+1, err)
		}
	}
	for _, l := range g.lanes[1:] {
		if err := compare(ctx, g.lanes[0], l); err != nil {
			return err
		}
	}
	if !g.modeled {
		return nil
	}
	got, err := rows(ctx, g.lanes[0])
	if err != nil {
		return err
	}
	var want []string
	for _, row := range g.models.Table.Rows().Sorted() {
		want = append(want, fmt.Sprintf("%q", row))
	}
	if d := diff(want, got); d != "" {
		return fmt.Errorf("rows of the model differ:\n%s", d)
	}
	return nil
}

// story tells a history up to a step, in the detail asked for by -seed.
func (g *game) story(last int) string {
	if *seed == 0 {
		return ""
	}
	var b strings.Builder
	t := g.lanes[0].table
	fmt.Fprintf(&b, "columns %v, key %v, order by %v, old key %v, late %s, completion %+v, batch %d, partition %v, properties %v\n",
		g.h.ChangeColumns, t.Key, t.OrderBy, t.OldKey, t.Late, t.Completion, t.MaxBatchFiles, t.Partition, t.Properties)
	for i, s := range g.h.Steps[:last+1] {
		fmt.Fprintf(&b, "%3d %v\n", i+1, s)
	}
	return b.String()
}

// playAll plays the histories of n seeds, or that of -seed.
func playAll(t *testing.T, n int, other engine) {
	from, to := *first, *first+int64(n)-1
	if *seed != 0 {
		from, to = *seed, *seed
	}
	begun, failed := 0, 0
	for s := from; s <= to && failed < 5; s++ {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			g := newGame(t, s, nil, other)
			begun += len(g.h.Steps)
			err := g.play(t.Context(), nil)
			if err != nil {
				failed++
			}
			require.NoError(t, err, "go test -tags spark ./internal/differential -run %s -seed %d", strings.Split(t.Name(), "/")[0], s)
		})
	}
	t.Logf("%d histories, %d steps", to-from+1, begun)
}
