//go:build spark

package tests

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

var stories = flag.Int("stories", 400, "how many histories of versions")

// story is what is told to a history table, load by load, and what the model has then.
type story struct {
	Partial bool        `json:"partial"`
	Timed   bool        `json:"timed"`
	Loads   []storyLoad `json:"loads"`
}

type storyLoad struct {
	Kind     string     `json:"kind"`
	Landings []int64    `json:"landings"`
	Rows     []storyRow `json:"rows"`
	Want     []string   `json:"want"`
	Counts   etl.Counts `json:"counts"`
}

type storyRow struct {
	F        int       `json:"f"`
	N        int       `json:"n"`
	Delete   bool      `json:"delete"`
	Key      string    `json:"key"`
	Old      *string   `json:"old"`
	Order    *int64    `json:"order"`
	Cells    []*string `json:"cells"` // "?" is not supplied
	Filtered bool      `json:"filtered"`
}

// TestChronicle tells random stories to the fold of history tables, which needs no Spark,
// and to the model: the same versions after each load, and the same counts.
func TestChronicle(t *testing.T) {
	var all []story
	for seed := range *stories {
		all = append(all, newStory(t, rand.New(rand.NewPCG(uint64(seed), 7))))
	}
	path := filepath.Join(t.TempDir(), "stories.json")
	doc, err := json.Marshal(all)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, doc, 0o600))
	out, err := exec.Command("../../../interop/.cache/venv/bin/python", "-B", "chronicle_test.py", path).CombinedOutput()
	require.NoError(t, err, string(out))
}

// teller makes a story by chance.
type teller struct {
	*rand.Rand
	table                            etl.Table
	ordered, timed, partial, filters bool
	moves                            bool
	clock, landed                    int64
}

func newStory(t *testing.T, r *rand.Rand) story {
	w := teller{Rand: r, ordered: r.IntN(4) > 0, partial: r.IntN(2) == 0, moves: r.IntN(2) == 0}
	w.timed = w.ordered && r.IntN(2) == 0
	w.filters = w.ordered && !w.partial && r.IntN(2) == 0
	order := etl.Column{Name: "at", Type: etl.Long}
	if w.timed {
		order.Type = etl.Timestamp
	}
	w.table = etl.Table{
		Name: "s.t", Mode: etl.ModeHistory, Key: []string{"id"}, FullLoads: []etl.FullLoadMode{etl.FullReplace, etl.FullDifference}[r.IntN(2)],
		Columns: etl.Columns{{Name: "id", Type: etl.String}, order, {Name: "a", Type: etl.String}, {Name: "b", Type: etl.String}},
	}
	if w.ordered {
		w.table.OrderBy = []string{"at"}
	}
	model := etltest.NewModel(w.table)
	if w.filters {
		model.Filter = func(row []any) bool { return row[2] != "drop" }
	}
	s := story{Partial: w.partial, Timed: w.timed}
	for range 2 + r.IntN(4) {
		s.Loads = append(s.Loads, w.load(t, model))
	}
	return s
}

func (w *teller) load(t *testing.T, model *etltest.Model) storyLoad {
	kind := etl.Incremental
	l := storyLoad{Kind: "incremental"}
	if w.IntN(4) == 0 {
		kind = etl.Full
		l.Kind = map[etl.FullLoadMode]string{etl.FullReplace: "replace", etl.FullDifference: "difference"}[w.table.FullLoads]
	}
	model.Landed = time.Time{}
	var changes []etltest.Change
	for f := range 1 + w.IntN(2) {
		w.landed += int64(w.IntN(20))
		landed := time.UnixMicro(w.landed).UTC()
		if landed.After(model.Landed) {
			model.Landed = landed
		}
		l.Landings = append(l.Landings, landed.UnixMicro())
		for n := range w.IntN(5) {
			row, c := w.row(kind)
			row.F, row.N, c.Landed = f, n+1, landed
			l.Rows, changes = append(l.Rows, row), append(changes, c)
		}
	}
	var err error
	l.Counts, err = model.Load(kind, changes...)
	require.NoError(t, err)
	for _, row := range model.Rows() {
		l.Want = append(l.Want, w.text(row))
	}
	return l
}

func (w *teller) row(kind etl.LoadKind) (storyRow, etltest.Change) {
	keys := []string{"x", "y", "z"}
	row := storyRow{Key: keys[w.IntN(3)], Delete: w.IntN(4) == 0}
	c := etltest.Upsert(row.Key, nil, nil, nil)
	if row.Delete {
		c.Op = etl.Delete
	}
	w.clock += int64(w.IntN(3))
	if nulls := row.Delete || kind == etl.Full || !w.ordered; !nulls || w.IntN(4) > 0 {
		at := max(w.clock-int64(w.IntN(3)*w.IntN(9)), 0)
		c.Values[1] = any(at)
		if w.timed {
			c.Values[1] = time.UnixMicro(at).UTC()
		}
		if w.ordered {
			row.Order = &at
		}
	}
	for i := 2; i < 4; i++ {
		switch v := []string{"p", "q", "r", "drop"}[w.IntN(4)]; {
		case w.partial && kind != etl.Full && w.IntN(3) == 0:
			c.Values[i] = etltest.Unsupplied{}
		case w.IntN(6) > 0:
			c.Values[i] = v
		}
	}
	row.Filtered = w.filters && c.Values[2] == "drop"
	if w.moves && kind != etl.Full && !row.Delete && w.IntN(3) == 0 {
		old := keys[w.IntN(3)]
		c.OldKey = []any{old}
		if old != row.Key {
			row.Old = &old
		}
	}
	for _, v := range c.Values {
		row.Cells = append(row.Cells, textOf(v))
	}
	return row, c
}

func textOf(v any) *string {
	text := "?"
	switch v := v.(type) {
	case nil:
		return nil
	case etltest.Unsupplied:
	case time.Time:
		text = fmt.Sprint(v.UnixMicro())
	default:
		text = fmt.Sprint(v)
		if at, err := time.Parse("2006-01-02 15:04:05", text); err == nil { // as rows of the model have times
			text = fmt.Sprint(at.UnixMicro())
		}
	}
	return &text
}

func (w *teller) text(row []any) (out string) {
	for _, v := range row {
		if text := textOf(v); text != nil {
			out += *text
		}
		out += "|"
	}
	return out
}
