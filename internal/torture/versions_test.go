package torture

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// sound tells what is wrong with rows that a history table must never have, whatever
// its changes were: two current rows of a key, times that overlap or run backwards.
func (w *world) sound(rows etltest.Rows) error {
	if w.table.Mode != etl.ModeHistory {
		return nil
	}
	keys := map[string][]etltest.Rows{}
	for _, r := range rows {
		var key []string
		for _, name := range w.h.Table.Key {
			key = append(key, etltest.Text(r[w.h.Table.Columns.Index(name)]))
		}
		at := strings.Join(key, "\x00")
		keys[at] = append(keys[at], etltest.Rows{r})
	}
	for _, versions := range keys {
		if err := w.soundKey(versions); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) soundKey(versions []etltest.Rows) error {
	n := len(w.h.Table.Columns)
	type span struct {
		from, to string
		current  bool
	}
	var spans []span
	for _, v := range versions {
		s := span{from: cell(v[0][n]), to: "9999", current: etltest.Text(v[0][n+2]) == "true"}
		if v[0][n+1] != nil {
			s.to = cell(v[0][n+1])
		}
		if s.from > s.to || s.current != (s.to == "9999") {
			return fmt.Errorf("a version is from %s until %s, current %v", s.from, s.to, s.current)
		}
		spans = append(spans, s)
	}
	slices.SortFunc(spans, func(a, b span) int { return strings.Compare(a.from+a.to, b.from+b.to) })
	for i, s := range spans[:len(spans)-1] {
		if s.to > spans[i+1].from {
			return fmt.Errorf("versions overlap: %+v %+v", s, spans[i+1])
		}
	}
	if w.h.Keep == nil && !spans[len(spans)-1].current {
		return fmt.Errorf("the last of %d versions is not current", len(spans))
	}
	return nil
}

// cell is a time in a text that sorts as times do.
func cell(v any) string {
	t, err := time.Parse("2006-01-02 15:04:05", etltest.Text(v))
	if err != nil {
		return err.Error()
	}
	return t.Format("2006-01-02 15:04:05.000000")
}

// TestRandomHistoryTables plays histories of tables that keep all versions of a key:
// with nothing that fits into memory, with full loads as differences, staged, and in
// files of several tables, in turns.
func TestRandomHistoryTables(t *testing.T) {
	t.Parallel()
	turn := int(max(0, *seed-1)) // a seed that is played again has its own
	playAll(t, 0, *seeds, func(t *testing.T) stores {
		s := memoryStores(t)
		s.mode = historyTurn(turn)
		turn++
		return s
	})
}

func historyTurn(turn int) mode {
	return mode{
		rows: etl.ModeHistory, tiny: turn%2 == 1,
		difference: turn%6 == 2 || turn%6 == 3, staged: turn%6 == 4, transactions: turn%8 == 0,
	}
}

// TestRandomHistoryTablesBadRows plays them with bad rows in the files.
func TestRandomHistoryTablesBadRows(t *testing.T) {
	t.Parallel()
	turn := int(max(0, *seed-1)) // a seed that is played again has its own
	playAll(t, 0, (*seeds+1)/2, planting(func(t *testing.T) stores {
		s := memoryStores(t)
		s.mode = historyTurn(turn)
		turn++
		return s
	}))
}
