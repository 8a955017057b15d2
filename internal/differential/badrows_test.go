package differential

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// quarantined are the rows that a lane has set aside, and what became of them.
func quarantined(ctx context.Context, l *lane) ([]string, error) {
	if l.quarantine == nil {
		return nil, nil
	}
	var out []string
	for row, err := range l.quarantine.Rows(ctx, l.table.Name) {
		if err != nil {
			return nil, err
		}
		if row.At.IsZero() {
			return nil, fmt.Errorf("row %d of %s: nobody knows when it was set aside", row.Row, row.File)
		}
		origin := ""
		if row.Origin != nil {
			origin = fmt.Sprintf(", first %+v", *row.Origin)
		}
		out = append(out, fmt.Sprintf("%s of load %s epoch %d: %s %s %s order %q landed %s row %d column %q rule %q status %s raw %q head %q key %x overtaken by %v%s mended %q",
			row.ID, row.LoadID, row.Epoch, row.Kind, row.FileID, row.File, row.Order, row.Landed.UTC(), row.Row, row.Column, row.Rule,
			row.Status, row.Raw, row.Head, row.Key, row.OvertakenBy, origin, row.Mended))
	}
	var told []etl.QuarantinedRow
	for row, err := range l.runner.BadRows(ctx, l.table.Name) {
		if err != nil {
			return nil, err
		}
		told = append(told, row)
	}
	for _, row := range told {
		out = append(out, fmt.Sprintf("%s stands %s, in table %v", row.ID, row.Status, row.InTable))
	}
	return out, nil
}

// planter puts bad rows between the rows of a history's files.
type planter struct {
	*rand.Rand
	h       *etltest.History
	columns []string
	full    bool
}

// plant plants bad rows into the files of a history, which the models do not see: a
// row that is set aside is as if it were not there. It returns how many.
func plant(h *etltest.History) (n int) {
	r := rand.New(rand.NewPCG(uint64(h.Seed), 0x626164))
	for i := range h.Steps {
		for j := range h.Steps[i].Land {
			l := &h.Steps[i].Land[j]
			if l.Bad {
				l.Content = append(l.Content, "\"not closed"...)
				continue
			}
			p := planter{Rand: r, h: h, columns: h.ChangeColumns}
			if strings.Contains(l.Location, "LOAD") {
				p.columns, p.full = h.FullColumns, true
			}
			n += p.plant(l)
		}
	}
	return n
}

func (p planter) plant(l *etltest.Landing) (n int) {
	records, err := csv.NewReader(bytes.NewReader(l.Content)).ReadAll()
	if err != nil || len(records) == 0 || p.IntN(3) == 0 {
		return 0
	}
	out := slices.Clone(records)
	for range 1 + p.IntN(4) {
		bad := p.bad(slices.Clone(records[p.IntN(len(records))]))
		out = slices.Insert(out, p.IntN(len(out)+1), bad)
		n++
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.WriteAll(out) // to memory
	l.Content = b.Bytes()
	return n
}

// bad spoils a record.
func (p planter) bad(record []string) []string {
	set := func(column, value string) bool {
		i := slices.Index(p.columns, column)
		if i >= 0 {
			record[i] = value
		}
		return i >= 0
	}
	switch p.IntN(7) {
	case 0:
		return record[:len(record)-1]
	case 1:
		if slices.Contains(p.h.Table.Key, "id") && set("id", "NULL") {
			return record
		}
	case 2:
		if set("Op", "?") {
			return record
		}
	case 3:
		if slices.Contains(p.h.Table.OrderBy, "seq") && set("seq", "x") {
			return record
		}
	case 4:
		set("id", "9223372036854775808")
		return record
	}
	// A bad value, of which only winners are told. One that loses in the end but raised
	// the order of its key, or took an old key away, is not like one that is not there.
	set("Op", "I")
	for _, name := range slices.Concat(p.h.Table.OldKey, p.h.Table.OrderBy) {
		set(name, "NULL")
	}
	value := "many"
	if qty := p.h.Table.Columns[p.h.Table.Columns.Index("qty")]; qty.Required && p.IntN(2) == 0 {
		value = "NULL"
	}
	set("qty", value)
	return record
}

// newBadGame is newGame for a table that sets bad rows aside: those that are planted
// into its files. The budget of some seeds is soon used up; the tables of others are of
// other modes.
func newBadGame(t *testing.T, seed int64, engines ...engine) (*game, int) {
	mode := etl.Mode("")
	switch seed % 5 {
	case 2:
		mode = etl.ModeSoftDelete
	case 0:
		mode = etl.ModeAppend
	}
	g := newModeGame(t, mode, seed, func(table *etl.Table) {
		table.BadRows = etl.ErrorBudget{Rows: 1000}
		if seed%5 == 4 {
			table.BadRows = etl.ErrorBudget{Rows: 1, Share: 0.2}
		}
	}, engines...)
	planted := plant(g.h)
	g.modeled = seed%5 != 4
	return g, planted
}

func playBadRows(t *testing.T, n int, other engine) {
	from, to := *first, *first+int64(n)-1
	if *seed != 0 {
		from, to = *seed, *seed
	}
	planted, aside := 0, 0
	for s := from; s <= to; s++ {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			g, n := newBadGame(t, s, nil, other)
			planted += n
			err := g.play(t.Context(), nil)
			require.NoError(t, err, "-run %s -seed %d\n%s", strings.Split(t.Name(), "/")[0], s, causes(t, g))
			for range g.lanes[1].quarantine.Rows(t.Context(), g.lanes[1].table.Name) {
				aside++
			}
		})
	}
	t.Logf("%d histories with %d bad rows planted, %d set aside at their ends", to-from+1, planted, aside)
	require.NotZero(t, aside)
}

// TestBadRowsInProcess plays histories with bad rows where both sides run the same
// engine, one of them behind a dispatcher: its bad rows are handed over.
func TestBadRowsInProcess(t *testing.T) {
	t.Parallel()
	playBadRows(t, *seeds, inProcess)
}

// left are the documents with bad rows that the jobs of a lane have left.
func (l *lane) left() (out []string, err error) {
	for _, name := range []string{"badrows.json", "aside.json"} {
		found, err := filepath.Glob(filepath.Join(l.dir, "jobs", "jobs", "*", name))
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}
