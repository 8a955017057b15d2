package integration

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
)

var (
	shopFiles  = flag.Int("files", 300, "files that land in the pipeline's tests")
	shopTables = flag.Int("tables", 20, "tables that they land for")
	shopSeed   = flag.Uint64("seed", 0, "seed of what lands and of what goes wrong; 0 is random")
)

// landingBucket is where files land, in every test of the pipeline.
const landingBucket = "raw"

// shop is a number of tables, what has landed for them, and the model of what
// they must hold. It is not safe for concurrent use.
type shop struct {
	t      testing.TB
	random *rand.Rand
	tables []*shopTable
	landed map[string]bool // keys at which there is an object
}

type shopTable struct {
	etl.Table
	kind     string // orders, reloads, pairs or facts
	model    *etltest.Model
	files    int
	seq      int64
	reloaded int // files that had landed before the last full load
}

// newShop returns tables of four kinds: with a full load and changes, with a
// second full load in between, with full loads of two files, and with nothing but
// files of rows that have no order.
func newShop(t testing.TB, seed uint64, tables int) *shop {
	s := &shop{t: t, random: rand.New(rand.NewPCG(seed, 1)), landed: map[string]bool{}}
	kinds := []string{"orders", "reloads", "pairs", "orders", "facts"}
	for i := range tables {
		kind := kinds[i%len(kinds)]
		table := etl.Table{
			Name: fmt.Sprintf("shop.%s_%03d", kind, i), Key: []string{"id"}, OrderBy: []string{"seq"},
			Columns:       etl.Columns{{Name: "id", Type: etl.Long}, {Name: "name", Type: etl.String}, {Name: "seq", Type: etl.Long}},
			Op:            etl.OpColumn{Column: "op"},
			Format:        format.CSV{FullColumns: []string{"id", "name", "seq"}, ChangeColumns: []string{"op", "id", "name", "seq"}},
			MaxBatchFiles: 8,
		}
		switch kind {
		case "pairs":
			table.Completion.Files = 2
		case "facts":
			table.OrderBy, table.Late = nil, etl.LateApply
			fallthrough
		default:
			table.Completion.EachFile = true
		}
		s.tables = append(s.tables, &shopTable{Table: table, kind: kind, model: etltest.NewModel(table)})
	}
	return s
}

// seedOf is that of -seed, or a random one, which is told.
func seedOf(t testing.TB) uint64 {
	seed := *shopSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-args -seed %d", seed)
	return seed
}

func (s *shop) declared() (tables []etl.Table) {
	for _, t := range s.tables {
		tables = append(tables, t.Table)
	}
	return tables
}

// next is a table for which something lands now; each is to have so many files.
func (s *shop) next(each int) *shopTable {
	var open []*shopTable
	for _, t := range s.tables {
		if t.files < each {
			open = append(open, t)
		}
	}
	if len(open) == 0 {
		return nil
	}
	return open[s.random.IntN(len(open))]
}

// land lands the next file of a table through put, tells the model of it, and
// returns its key.
func (s *shop) land(t *shopTable, each int, put func(key string, content []byte) error) string {
	s.t.Helper()
	name, rows := s.content(t, each)
	var text bytes.Buffer
	full := strings.HasPrefix(name, "LOAD")
	for _, c := range rows {
		switch {
		case full:
			fmt.Fprintf(&text, "%v,%v,\n", c.Values[0], c.Values[1])
		case c.Op == etl.Delete:
			fmt.Fprintf(&text, "D,%v,,%v\n", c.Values[0], c.Values[2])
		default:
			fmt.Fprintf(&text, "U,%v,%v,%v\n", c.Values[0], c.Values[1], c.Values[2])
		}
	}
	key := strings.Replace(t.Name, ".", "/", 1) + "/" + name
	require.NoError(s.t, put(key, text.Bytes()))
	s.landed[key] = true
	t.files++
	return key
}

// content makes the next file of a table.
func (s *shop) content(t *shopTable, each int) (name string, rows []etltest.Change) {
	full := t.kind != "facts" && t.files == 0 || t.kind == "pairs" && t.files == 1 || t.kind == "reloads" && t.files == each/2
	var err error
	switch {
	case t.kind == "pairs" && t.files == 1:
		name, rows = "LOAD00000002.csv", s.rows(t, 100) // other keys than the first has
		_, err = t.model.Apply(rows...)
		// Any change beats a row of the full load, so its orders are null in the model.
	case full:
		name, rows = "LOAD00000001.csv", s.rows(t, 0)
		_, err = t.model.Full(rows...)
		t.reloaded = t.files
	default:
		// Digits of time that grow with the files; several have the same second.
		name = fmt.Sprintf("20240220-%09d.csv", 110_000_000+t.files*400)
		rows = s.changes(t)
		_, err = t.model.Apply(rows...)
	}
	require.NoError(s.t, err)
	return name, rows
}

func (s *shop) rows(t *shopTable, first int) (rows []etltest.Change) {
	for i := range 6 + s.random.IntN(6) {
		rows = append(rows, etltest.Upsert(first+i, fmt.Sprintf("full %d of file %d", i, t.files), nil))
	}
	return rows
}

// changes come with orders that are unique in their table and partly lie below
// those of files before them, so that the order of loads must not matter.
func (s *shop) changes(t *shopTable) (rows []etltest.Change) {
	for i := range 1 + s.random.IntN(5) {
		t.seq++
		id, seq := s.random.Int64N(14)+100*s.random.Int64N(2), t.seq
		if t.kind == "facts" {
			id = int64(t.files*10 + i)
		}
		if s.random.IntN(3) == 0 {
			seq -= 1_000_000 // late; unique, because t.seq is
		}
		if t.kind != "facts" && s.random.IntN(4) == 0 {
			rows = append(rows, etltest.Delete(id, nil, seq))
			continue
		}
		rows = append(rows, etltest.Upsert(id, fmt.Sprintf("change %d", t.seq), seq))
	}
	return rows
}

// rested says why the pipeline has still work to do, or nothing.
func (s *shop) rested(ctx context.Context, ledger etl.ControlStore) string {
	known := map[string]bool{}
	for _, t := range s.tables {
		st, err := ledger.State(ctx, t.Name)
		switch {
		case err != nil:
			return err.Error()
		case st.Flag == etl.FlagPaused:
			require.Fail(s.t, "paused", "%s: %v", t.Name, st.Paused)
		case st.Running != nil || st.Open != nil:
			return t.Name + " has a load under way"
		}
		for r, err := range ledger.Files(ctx, etl.FileQuery{Table: t.Name}) {
			if err != nil {
				return err.Error()
			}
			if r.Status != etl.Applied && r.Status != etl.Superseded {
				return fmt.Sprintf("%s: %s is %s", t.Name, r.Location, r.Status)
			}
			known[r.Location] = true
		}
	}
	for key := range s.landed {
		if !known[key] {
			return key + " is not in the ledger"
		}
	}
	return ""
}

// check compares every table and its ledger with the model: nothing lost, nothing
// twice.
func (s *shop) check(ctx context.Context, ledger etl.ControlStore, sinks func(table string) etl.Sink) {
	s.t.Helper()
	for _, t := range s.tables {
		sink := sinks(t.Name)
		got, err := etltest.ReadRows(ctx, sink.(etltest.Scanner), t.Name)
		require.NoError(s.t, err)
		require.Empty(s.t, t.model.Rows().Diff(got), t.Name)
		s.once(ctx, t, ledger, sink)
	}
}

// once checks that every file that counts is applied, in one load of its epoch.
func (s *shop) once(ctx context.Context, t *shopTable, ledger etl.ControlStore, sink etl.Sink) {
	s.t.Helper()
	target, err := t.Target()
	require.NoError(s.t, err)
	standing, err := sink.(etl.Witness).Standing(ctx, target)
	require.NoError(s.t, err)
	in := map[string]bool{}
	for _, load := range standing.Loads {
		for _, id := range load.FileIDs {
			once := fmt.Sprint(load.Epoch, " ", id)
			require.False(s.t, in[once], "%s: a file is in two loads", t.Name)
			in[once] = true
		}
	}
	st, err := ledger.State(ctx, t.Name)
	require.NoError(s.t, err)
	overtaken := 0
	for r, err := range ledger.Files(ctx, etl.FileQuery{Table: t.Name}) {
		require.NoError(s.t, err)
		if r.Status == etl.Superseded || r.Epoch < st.Epoch {
			overtaken++
			continue
		}
		require.True(s.t, in[fmt.Sprint(st.Epoch, " ", r.ID())], "%s: %s is in no load", t.Name, r.Location)
	}
	require.LessOrEqual(s.t, overtaken, t.reloaded, t.Name)
}

// eventually repeats f until it returns nothing.
func eventually(t testing.TB, limit time.Duration, f func() string) {
	t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) {
		why := f()
		if why == "" {
			return
		}
		require.True(t, time.Now().Before(end), "after %v: %s", limit, why)
	}
}
