package torture

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
)

// mending plays a random story of files with bad rows that are mended in any order.
type mending struct {
	*rand.Rand
	t       *testing.T
	lake    *etltest.Lake
	ordered bool
	rows    []*meant
	clock   int
	// versions is the model of a table that keeps all versions of a key, in which a
	// mended row is a late one; else nil.
	versions *etltest.Model
}

// apart is how far orders are from each other, so that each change can have its own.
const apart = 1000

// meant is a row as it was meant, and where it stands.
type meant struct {
	file   int // 0 is the full load
	row    int64
	op     string
	values [3]int // id, seq, qty
	bad    bool
	loaded bool // it counts: good, or mended
	waits  bool // its mended version was not ingested yet
	told   bool // the model of versions has it
	landed time.Time
	text   string
}

func (m *meant) change() etltest.Change {
	if m.op == "D" {
		return etltest.Delete(m.values[0], m.values[1], nil)
	}
	return etltest.Upsert(m.values[0], m.values[1], m.values[2])
}

// TestRandomReplays: whatever is mended when, the table is what it would be had the
// rows been good where they stood, or it is refused because that would not be so.
func TestRandomReplays(t *testing.T) {
	t.Parallel()
	mended, refused := 0, 0
	for seed := range int64(max(20, (*seeds+1)/2)) {
		m := newMending(t, seed)
		for file := range 6 {
			m.land(file)
			if m.IntN(3) == 0 {
				continue // the next file shares its load
			}
			m.ingest()
			for range m.IntN(3) {
				done, asked := m.replay()
				mended, refused = mended+done, refused+asked-done
			}
			m.ingest()
			m.check(fmt.Sprint("seed ", seed, " file ", file))
		}
	}
	require.Greater(t, mended, 10)
	require.Greater(t, refused, 10)
	t.Log(mended, "rows mended,", refused, "refused")
}

func newMending(t *testing.T, seed int64) *mending {
	m := &mending{Rand: rand.New(rand.NewPCG(uint64(seed), 0x6d65)), t: t}
	m.ordered = m.IntN(2) == 0
	table := etl.Table{
		Name: "shop.orders", Key: []string{"id"}, Op: etl.OpColumn{Column: "Op"}, BadRows: etl.ErrorBudget{Rows: 100},
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "seq", Type: etl.Long}, {Name: "qty", Type: etl.Int}},
	}
	if m.ordered {
		table.OrderBy = []string{"seq"}
	}
	if seed%3 == 2 {
		table.Mode, table.FullLoads = etl.ModeHistory, etl.FullReplace
		m.versions = etltest.NewModel(table)
	}
	table.Format = format.CSV{}.ForTable(table)
	m.lake = etltest.NewConfig(t, etl.Config{Tables: []etl.Table{table}, MemoryBudget: []int64{0, 1}[m.IntN(2)]})
	return m
}

func (m *mending) land(file int) {
	var text strings.Builder
	for row := range 1 + m.IntN(6) {
		m.clock += 1 + m.IntN(3)
		r := &meant{file: file, row: int64(row + 1), op: []string{"U", "U", "D"}[m.IntN(3)], values: [3]int{m.IntN(4), m.clock * apart, m.IntN(90)}}
		if m.ordered && m.IntN(3) == 0 {
			r.values[1] = m.IntN(m.clock) * 10 * apart // out of order
			if file > 0 {
				r.values[1] += m.clock // a late change of the order that is committed wins, as everywhere
			}
		}
		if file == 0 {
			r.op = "U"
		}
		r.text = fmt.Sprintf("%d,%d,%d", r.values[0], r.values[1], r.values[2])
		if r.op == "D" {
			r.text = fmt.Sprintf("%d,%d,", r.values[0], r.values[1])
		}
		if file > 0 {
			r.text = r.op + "," + r.text
		}
		line := r.text
		if r.bad = m.IntN(3) == 0 && (file > 0 || m.versions == nil); r.bad {
			line = strings.Replace(r.text+",", fmt.Sprint(",", r.values[1], ","), ",x,", 1) // the order is bad
			line = strings.TrimSuffix(line, ",")
			if !m.ordered && file > 0 { // where nobody looks at it in the first pass
				line = "?" + r.text[1:]
			}
		}
		r.loaded = !r.bad
		m.rows = append(m.rows, r)
		text.WriteString(line + "\n")
	}
	name := "LOAD00000001"
	if file > 0 {
		name = fmt.Sprintf("20240220-1000%02d000", file)
	}
	landed := m.lake.Land(at(name), text.String()).ModTime
	for _, r := range m.rows {
		if r.file == file {
			r.landed = landed
		}
	}
}

func (m *mending) ingest() {
	if m.IntN(4) == 0 {
		m.lake.Restart()
	}
	m.lake.Ingest()
	var full, changes []etltest.Change
	for _, r := range m.rows {
		r.waits = false
		if !r.loaded || r.told {
			continue
		}
		r.told = true
		c := r.change()
		c.Landed = r.landed
		if r.file == 0 {
			full = append(full, c)
		} else {
			changes = append(changes, c)
		}
	}
	m.tell(full, changes)
}

// tell lets the model of versions take what was ingested.
func (m *mending) tell(full, changes []etltest.Change) {
	if m.versions == nil {
		return
	}
	if len(full) > 0 {
		_, err := m.versions.Full(full...)
		require.NoError(m.t, err)
	}
	_, err := m.versions.Apply(changes...)
	require.NoError(m.t, err)
}

// replay hands in a bad row that was mended.
func (m *mending) replay() (done, asked int) {
	var rows []etl.QuarantinedRow
	for row, err := range m.lake.Runner().BadRows(m.t.Context(), "shop.orders") {
		require.NoError(m.t, err)
		if row.Status != etl.BadReplayed {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return 0, 0
	}
	row := rows[m.IntN(len(rows))]
	r := m.find(row)
	err := m.lake.Runner().ReplayBad(m.t.Context(), "shop.orders", row.ID, []byte(r.text))
	positional := !m.ordered || r.file == 0
	if positional {
		require.Equal(m.t, m.later(r), err != nil, "%v: %v\n%s", r, err, m.story())
	}
	if err != nil {
		require.ErrorContains(m.t, err, "overtaken")
		return 0, 1
	}
	r.loaded, r.waits = true, true
	return 1, 1
}

func (m *mending) find(row etl.QuarantinedRow) *meant {
	file := 0
	if !strings.Contains(row.File, "LOAD") {
		_, err := fmt.Sscanf(row.File[strings.LastIndexByte(row.File, '-')+1:], "1000%02d000.csv", &file)
		require.NoError(m.t, err)
	}
	for _, r := range m.rows {
		if r.file == file && r.row == row.Row {
			require.True(m.t, r.bad)
			return r
		}
	}
	panic("no such row")
}

// later reports whether the table has, or had, a later change of the row's key.
func (m *mending) later(r *meant) bool {
	after := false
	for _, o := range m.rows {
		if after && o.loaded && !o.waits && o.values[0] == r.values[0] && !m.lost(o) {
			return true
		}
		after = after || o == r
	}
	return false
}

// lost reports whether a row was superseded by one that stands before it in the full
// load: it was never in the table, and overtakes nothing.
func (m *mending) lost(r *meant) bool {
	if !m.ordered || r.file > 0 || r.bad {
		return false
	}
	for _, o := range m.rows {
		if o == r {
			break
		}
		if !o.bad && o.values[0] == r.values[0] && o.values[1] > r.values[1] {
			return true
		}
	}
	return false
}

// check compares the table with a model that takes all rows where they stood.
func (m *mending) check(what string) {
	table := etl.Table{Key: []string{"id"}, Columns: etl.Columns{{Name: "id"}, {Name: "seq"}, {Name: "qty"}}}
	if m.ordered {
		table.OrderBy = []string{"seq"}
	}
	model := etltest.NewModel(table)
	var full, changes []etltest.Change
	for _, r := range m.rows {
		switch {
		case !r.loaded:
		case r.file == 0:
			full = append(full, r.change())
		default:
			changes = append(changes, r.change())
		}
	}
	_, err := model.Full(full...)
	require.NoError(m.t, err)
	_, err = model.Apply(changes...)
	require.NoError(m.t, err)
	got, err := etltest.ReadRows(m.t.Context(), m.lake.Sink, "shop.orders")
	require.NoError(m.t, err)
	want := model.Rows()
	if m.versions != nil {
		want = m.versions.Rows()
	}
	require.Empty(m.t, want.Diff(got), "%s\n%s", what, m.story())
}

func (m *mending) story() string {
	var b bytes.Buffer
	for _, r := range m.rows {
		fmt.Fprintf(&b, "%+v\n", *r)
	}
	return b.String()
}
