package torture

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// erasureFile is a landed file as the model sees it.
type erasureFile struct {
	landed time.Time
	full   bool
	rows   []erasureRow
}

type erasureRow struct {
	deletes  bool
	key, seq int
	name     string
}

// erasureModel says what a table holds: what its files say since the last full load,
// without the rows of erased keys in files that landed before.
type erasureModel struct {
	files  []erasureFile
	erased map[int]time.Time
}

func (m *erasureModel) want() (out []string) {
	start := 0
	for i, f := range m.files {
		if f.full {
			start = i
		}
	}
	type state struct {
		row   erasureRow
		there bool
		order int
	}
	keys := map[int]state{}
	for _, f := range m.files[start:] {
		for _, r := range f.rows {
			old, seen := keys[r.key]
			if !f.landed.After(m.erased[r.key]) || seen && !f.full && r.seq < old.order {
				continue
			}
			order := r.seq
			if f.full { // its rows stand below every change; of them the greatest order counts
				if seen && r.seq < old.row.seq {
					continue
				}
				order = -1
			}
			keys[r.key] = state{r, !r.deletes, order}
		}
	}
	for _, s := range keys {
		if s.there {
			out = append(out, fmt.Sprintf("%d %d %s", s.row.key, s.row.seq, s.row.name))
		}
	}
	slices.Sort(out)
	return out
}

// erasureGame plays a random history with erasures.
type erasureGame struct {
	t      *testing.T
	r      *rand.Rand
	model  erasureModel
	table  etl.Table
	now    func() time.Time
	wait   func(time.Duration)
	put    func(location, content string)
	runner func() *etl.Runner
	rows   func() (etltest.Rows, error)
	names  int
}

func (g *erasureGame) play(steps int) {
	g.model.erased = map[int]time.Time{}
	g.land(true)
	for range steps {
		switch n := g.r.IntN(12); {
		case n == 0:
			g.land(true)
		case n < 6:
			g.land(false)
		case n < 9:
			g.ingest()
		case n == 9:
			g.ingest()
			require.NoError(g.t, g.runner().Reload(g.t.Context(), g.table.Name))
		default:
			g.erase()
		}
	}
	g.ingest()
	g.wait(48 * time.Hour)
	g.ingest()
	st, err := g.runner().Status(g.t.Context(), g.table.Name)
	require.NoError(g.t, err)
	require.Empty(g.t, st.Erasure)
}

func (g *erasureGame) land(full bool) {
	g.wait(2 * time.Second)
	f := erasureFile{landed: g.now(), full: full}
	var text strings.Builder
	for range 1 + g.r.IntN(6) {
		g.names++
		row := erasureRow{key: g.r.IntN(6), seq: g.r.IntN(9), name: fmt.Sprint("n", g.names), deletes: !full && g.r.IntN(4) == 0}
		op := ""
		if !full {
			op = "U,"
		}
		if row.deletes {
			op, row.name = "D,", ""
		}
		fmt.Fprintf(&text, "%s%d,%d,%s\n", op, row.key, row.seq, row.name)
		f.rows = append(f.rows, row)
	}
	g.model.files = append(g.model.files, f)
	name := fmt.Sprintf("LOAD%08X", len(g.model.files))
	if !full {
		name = f.landed.Format("20060102-150405") + "000"
	}
	g.put(at(name), text.String())
	if full { // each by itself
		g.ingest()
	}
}

func (g *erasureGame) ingest() {
	report, err := g.runner().Ingest(g.t.Context())
	require.NoError(g.t, err)
	for _, l := range report.Tables[0].Loads {
		require.NoError(g.t, l.Load.Check(l.Receipt.Counts))
	}
	g.check()
}

func (g *erasureGame) check() {
	rows, err := g.rows()
	require.NoError(g.t, err)
	got := make([]string, len(rows))
	for i, r := range rows {
		got[i] = strings.TrimSuffix(fmt.Sprintln(r[0], r[1], r[2]), "\n")
	}
	slices.Sort(got)
	require.ElementsMatch(g.t, g.model.want(), got)
}

func (g *erasureGame) erase() {
	keys := []string{}
	before := g.now()
	for range 1 + g.r.IntN(2) {
		keys = append(keys, fmt.Sprint(g.r.IntN(6)))
	}
	opts := etl.EraseOptions{Within: time.Duration(g.r.IntN(2)) * time.Minute}
	_, err := g.runner().Erase(g.t.Context(), g.table.Name, keysOf(g.t, g.table, keys...), opts)
	require.NoError(g.t, err)
	g.wait(time.Second)
	for _, k := range keys {
		var n int
		_, _ = fmt.Sscan(k, &n)
		g.model.erased[n] = before
	}
	rows, err := g.rows()
	require.NoError(g.t, err)
	for _, r := range rows {
		require.NotContains(g.t, keys, fmt.Sprint(r[0]))
	}
}

func erasureTable() etl.Table {
	return etl.Table{
		Name: "shop.orders", Key: []string{"id"}, OrderBy: []string{"seq"}, Op: etl.OpColumn{Column: "Op"}, TombstoneRetention: 24 * 365 * time.Hour,
		Columns:    etl.Columns{{Name: "id", Type: etl.Long}, {Name: "seq", Type: etl.Long}, {Name: "name", Type: etl.String}},
		Completion: etl.Completion{EachFile: true},
	}
}

func TestRandomErasures(t *testing.T) {
	t.Parallel()
	for seed := range int64(*seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			table, cfg := erasureTable(), etl.Config{}
			switch seed % 4 {
			case 1:
				cfg.MemoryBudget = 1
			case 2:
				table.Staging.Mode = etl.StageAlways
			case 3:
				table.FullLoads = etl.FullDifference
			}
			cfg.Tables = []etl.Table{table}
			lake := etltest.NewConfig(t, cfg)
			g := &erasureGame{
				t: t, r: rand.New(rand.NewPCG(uint64(seed), 17)), table: table, now: lake.Now, wait: lake.Wait,
				put: func(l, c string) { lake.LandAt(lake.Now(), l, c) }, runner: lake.Runner,
				rows: func() (etltest.Rows, error) { return etltest.ReadRows(t.Context(), lake.Sink, table.Name) },
			}
			g.play(30)
		})
	}
}

func TestRandomErasuresOnLakes(t *testing.T) {
	for name, properties := range forms {
		for seed := range int64((*lakes + 1) / 2) {
			t.Run(fmt.Sprint(name, seed), func(t *testing.T) {
				h := newHouse(t, nil, func(table *etl.Table) {
					*table = erasureTable()
					table.Properties = properties
					table.Maintenance = etl.Maintenance{Auto: true, SmallFiles: 3, DeleteRatio: 0.5}
				})
				g := &erasureGame{
					t: t, r: rand.New(rand.NewPCG(uint64(seed), 18)), table: h.table, now: func() time.Time { return h.now },
					wait: func(d time.Duration) { h.now = h.now.Add(d) }, runner: func() *etl.Runner { return h.runner },
					put:  func(l, c string) { h.source.Put(l, []byte(c), h.now) },
					rows: func() (etltest.Rows, error) { return etltest.ReadRows(t.Context(), h.lake, h.table.Name) },
				}
				g.play(12)
			})
		}
	}
}
