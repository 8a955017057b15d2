package torture

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// scenario is a history with something of everything: a full load of two files,
// changes, a file that comes late, events that come twice, a bad file, a full
// load in the middle, a pause, a reload.
func scenario() *etltest.History {
	h := &etltest.History{
		FullColumns:   []string{"id", "seq", "name"},
		ChangeColumns: []string{"Op", "BI_id", "id", "seq", "name"},
		NoSupply:      "<none>",
		Table: etl.Table{
			Name: "shop.orders", Key: []string{"id"}, OrderBy: []string{"seq"}, OldKey: []string{"BI_id"},
			Op:            etl.OpColumn{Column: "Op"},
			Columns:       etl.Columns{{Name: "id", Type: etl.Long}, {Name: "seq", Type: etl.Long}, {Name: "name", Type: etl.String}},
			MaxBatchFiles: 2,
		},
	}
	clock := time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC)
	land := func(name, content string, rows ...etltest.Change) etltest.Landing {
		clock = clock.Add(1100 * time.Millisecond)
		return etltest.Landing{Location: at(name), Content: []byte(content), At: clock, Rows: rows, Bad: strings.Contains(content, "X,")}
	}
	up, del, none := etltest.Upsert, etltest.Delete, etltest.Unsupplied{}
	moved := up(5, 7, none)
	moved.OldKey = []any{3}
	h.Steps = []etltest.Step{
		{Kind: etltest.StepLand, Land: []etltest.Landing{
			land("20240220-100000000", "I,,9,1,gone\n", up(9, 1, "gone")),
			land("LOAD00000001", "1,1,a\n2,1,b\n", up(1, 1, "a"), up(2, 1, "b")),
			land("20240220-100001000", "U,,1,2,a2\nD,,2,3,\n", up(1, 2, "a2"), del(2, 3, nil)),
			land("LOAD00000002", "3,1,c\n4,1,d\n4,2,d2\n", up(3, 1, "c"), up(4, 1, "d"), up(4, 2, "d2")),
		}},
		{Kind: etltest.StepIngest},
		{Kind: etltest.StepLand, Land: []etltest.Landing{
			land("20240220-100003000", "U,3,5,7,<none>\nU,,1,8,a8\n", moved, up(1, 8, "a8")),
			land("20240220-100002000", "U,,1,5,late\nI,,2,1,late\nI,,6,6,f\n", up(1, 5, "late"), up(2, 1, "late"), up(6, 6, "f")),
		}},
		{Kind: etltest.StepEvent, Events: []string{at("20240220-100003000"), at("20240220-100003000")}},
		{Kind: etltest.StepEvent, Events: []string{at("20240220-100002000"), at("20240220-100003000"), at("LOAD00000001")}},
		{Kind: etltest.StepLand, Land: []etltest.Landing{
			land("20240220-100004000", "X,,1,9,\n"),
			land("20240220-100005000", "U,,4,9,<none>\n", up(4, 9, none)),
		}},
		{Kind: etltest.StepIngest},
		{Kind: etltest.StepSkip},
		{Kind: etltest.StepPause},
		{Kind: etltest.StepLand, Land: []etltest.Landing{
			land("20240220-100006000", "U,,4,10,overtaken\n", up(4, 10, "overtaken")),
			land("LOAD00000001", "1,20,A\n4,20,D\n", up(1, 20, "A"), up(4, 20, "D")),
			land("20240220-100007000", "U,,4,11,D11\nI,,8,12,h\n", up(4, 11, "D11"), up(8, 12, "h")),
		}},
		{Kind: etltest.StepIngest},
		{Kind: etltest.StepResume},
		{Kind: etltest.StepReload},
		{Kind: etltest.StepIngest},
	}
	return h
}

func at(name string) string { return "shop/orders/" + name + ".csv" }

// run plays the scenario with faults at some points of the whole, and compares.
func run(t *testing.T, m mode, faults map[int]error) (*world, error) {
	ctx := context.Background()
	h := scenario()
	m.declare(&h.Table)
	w, err := newWorld(h, memoryStores(t))
	if err != nil {
		return nil, err
	}
	for n, err := range faults {
		w.place(n, err)
	}
	models := h.Models(layout)
	for i, step := range h.Steps {
		models.Step(step)
		err := w.step(ctx, step)
		if err == nil {
			err = w.check(ctx, models)
		}
		if err != nil {
			return w, fmt.Errorf("step %d: %w", i+1, err)
		}
	}
	return w, w.audit(ctx, models)
}

func TestScenario(t *testing.T) {
	w, err := run(t, mode{}, nil)
	require.NoError(t, err)
	rows, err := etltest.ReadRows(context.Background(), w.sink, w.table.Name)
	require.NoError(t, err)
	require.Empty(t, etltest.Rows{{1, 20, "A"}, {4, 11, "D11"}, {8, 12, "h"}}.Diff(rows))
}

// TestFaultMatrix lets every point of the scenario fail in turn: as an error that
// passes, as the death of the process, as a death whose recovery dies too, and,
// where something is written, as an outcome that nobody knows.
func TestFaultMatrix(t *testing.T) {
	t.Parallel()
	matrix(t, mode{}, 0)
}

// TestFaultMatrixStaged is the same where full loads are staged file by file.
func TestFaultMatrixStaged(t *testing.T) {
	t.Parallel()
	matrix(t, mode{staged: true}, 1)
}

// TestFaultMatrixHistory is the same where all versions of a key are kept, and full
// loads add what differs.
func TestFaultMatrixHistory(t *testing.T) {
	t.Parallel()
	matrix(t, mode{rows: etl.ModeHistory, difference: true}, 2)
}

func matrix(t *testing.T, m mode, turn int) {
	begun, runs := time.Now(), 0
	w, err := run(t, m, nil)
	require.NoError(t, err)
	trace := w.inj.Trace()
	require.Greater(t, len(trace), 100)
	for i, point := range trace {
		n := i + 1
		if !visited(n, turn) {
			continue
		}
		kinds := map[string]map[int]error{
			"transient": {n: etltest.ErrInjected},
			"crash":     {n: etltest.ErrCrash},
		}
		if n%5 == 0 {
			kinds["crashes"] = map[int]error{n: etltest.ErrCrash, n + 1 + n%11: etltest.ErrCrash}
		}
		if strings.HasPrefix(point, "sink.Apply/") || strings.HasPrefix(point, "sink.Publish/") || strings.HasPrefix(point, "control.Update/") {
			kinds["unknown"] = map[int]error{n: etl.ErrUnknownCommit}
		}
		for kind, faults := range kinds {
			runs++
			if _, err := run(t, m, faults); err != nil {
				t.Errorf("%s at point %d, %s: %v", kind, n, point, err)
			}
		}
		if t.Failed() {
			return
		}
	}
	enter(t, runs, 0, begun)
	t.Logf("%d points", len(trace))
}
