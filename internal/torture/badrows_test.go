package torture

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// plant puts bad rows between the rows of a history's files, which the models do not
// see: a row that is set aside is as if it were not there. Files that are bad as such
// stay so. It returns how many rows it put into each file, by FileKey.
func plant(h *etltest.History, staged bool) map[string]int64 {
	r := rand.New(rand.NewPCG(uint64(h.Seed), 0x6261))
	planted := map[string]int64{}
	h.Table.BadRows = etl.ErrorBudget{Rows: 1000}
	for i := range h.Steps {
		for j := range h.Steps[i].Land {
			l := &h.Steps[i].Land[j]
			if l.Bad {
				l.Content = append(l.Content, "\"not closed"...)
				continue
			}
			p := planter{Rand: r, h: h, staged: staged, columns: h.ChangeColumns}
			if strings.Contains(l.Location, "LOAD") {
				p.columns, p.full = h.FullColumns, true
			} else if p.mixed = strings.HasPrefix(l.Location, "cdc/"); p.mixed {
				p.columns = slices.Insert(slices.Clone(p.columns), 1, "-", "-")
			}
			n := p.plant(l)
			planted[etltest.FileKey(etl.File{Location: l.Location, ModTime: l.At})] = n
		}
	}
	return planted
}

type planter struct {
	*rand.Rand
	h            *etltest.History
	columns      []string
	full, staged bool
	mixed        bool // the file has rows of other tables
}

func (p planter) plant(l *etltest.Landing) (n int64) {
	reader := csv.NewReader(bytes.NewReader(l.Content))
	reader.FieldsPerRecord = -1 // those of other tables have their own
	records, err := reader.ReadAll()
	out := slices.Clone(records)
	records = slices.DeleteFunc(records, func(r []string) bool { return p.mixed && !slices.Equal(r[1:3], []string{"orders", "shop"}) })
	if err != nil || len(records) == 0 || p.IntN(3) == 0 {
		return 0
	}
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
	switch p.IntN(6) {
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
	for _, name := range p.h.Table.OldKey {
		set(name, "NULL")
	}
	for _, name := range p.h.Table.OrderBy {
		if !p.full || !p.staged { // where rows without an order must not be among others
			set(name, "NULL")
		}
	}
	qty := p.h.Table.Columns[p.h.Table.Columns.Index("qty")]
	value := "many"
	if qty.Required && p.IntN(2) == 0 {
		value = "NULL"
	}
	set("qty", value)
	return record
}

// aside takes what was set aside out of the counts of a load with planted rows. Bad
// values of rows that lost are not looked at.
func aside(got etl.Counts, planted int64) etl.Counts {
	lost := planted - got.Quarantined
	got.Read -= planted
	got.Superseded -= lost
	got.Quarantined = 0
	return got
}

// quarantined counts the rows of all histories, so that the tests can say that there
// were any.
var quarantined atomic.Int64

// kept checks that the quarantine has as many rows of a load as its counts tell, with
// their bytes.
func (w *world) kept(ctx context.Context, load string, n int64) error {
	quarantined.Add(n)
	for row, err := range w.quarantine.Rows(ctx, w.table.Name) {
		if err != nil {
			return err
		}
		if row.LoadID != load {
			continue
		}
		n--
		if len(row.Raw) == 0 || row.Rule == "" || row.Row == 0 || row.At.IsZero() {
			return fmt.Errorf("row %d of %s in the quarantine is not whole", row.Row, row.File)
		}
	}
	if n != 0 {
		return fmt.Errorf("the quarantine has %d rows too few", n)
	}
	return nil
}

func planting(open func(*testing.T) stores) func(*testing.T) stores {
	return func(t *testing.T) stores {
		s := open(t)
		s.mode.plants = true
		return s
	}
}

// TestRandomBadRows plays histories with bad rows in their files.
func TestRandomBadRows(t *testing.T) {
	t.Parallel()
	turn := 0
	playAll(t, 0, (*seeds+1)/2, planting(func(t *testing.T) stores {
		s := memoryStores(t)
		s.mode.tiny, s.mode.difference = turn%2 == 1, turn%4 > 1
		turn++
		return s
	}))
	require.Positive(t, quarantined.Load())
	t.Log(quarantined.Load(), "rows set aside")
}

// TestRandomBadRowsStaged plays them with full loads that are staged file by file.
func TestRandomBadRowsStaged(t *testing.T) {
	t.Parallel()
	turn := 0
	playAll(t, 0, (*seeds+3)/4, planting(func(t *testing.T) stores {
		s := memoryStores(t)
		s.mode.staged, s.mode.tiny = true, turn%2 == 1
		turn++
		return s
	}))
}

// TestRandomBadRowsOnLakes plays them over the stores that last.
func TestRandomBadRowsOnLakes(t *testing.T) {
	if testing.Short() {
		t.Skip("the same with other stores")
	}
	for i, m := range modes(t) {
		if i%4 != 0 && *modeNames == "" {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			playAll(t, int64(i**lakes), *lakes, planting(func(t *testing.T) stores { return lastingStores(t, m) }))
		})
	}
}
