package etl

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func changeFile(order string, size int64) FileRecord {
	return FileRecord{
		File: File{Location: "c/" + order, Size: size, ModTime: time.Unix(1_700_000_000, 0)}, Kind: Incremental, Order: order,
		Status: Pending, Registered: time.Unix(1_700_000_000, 0),
	}
}

func fullFile(order string, epoch int64) FileRecord {
	r := changeFile(order, 1)
	r.Kind, r.Epoch = Full, epoch
	return r
}

func TestPlan(t *testing.T) {
	now := time.Unix(1_700_000_010, 0)
	accepted := changeFile("1", 1)
	accepted.Accepted = true
	again := changeFile("1", 1)
	again.Size, again.ModTime = 2, again.ModTime.Add(time.Second)
	pausedState := State{Flag: FlagPaused, Paused: &Diagnosis{Cause: "row 1 of x: bad"}, Running: &Load{ID: "r"}}
	tests := map[string]struct {
		table   Table
		state   State
		waiting []FileRecord
		files   []string // of the load; nil is no load
		reason  string
		wait    time.Duration
		late    int
	}{
		"nothing":             {reason: "nothing is pending"},
		"paused":              {state: pausedState, waiting: []FileRecord{changeFile("1", 1)}, reason: "paused: row 1 of x: bad"},
		"job runs":            {state: State{Flag: FlagLocal, Running: &Load{ID: "r", Files: []File{{Location: "c/0"}}}, Job: &JobState{ID: "r-1", Phase: JobIntended}}, waiting: []FileRecord{changeFile("1", 1)}, files: []string{"c/0"}, reason: "job r-1 is about to be submitted"},
		"job runs, paused":    {state: State{Flag: FlagPaused, Running: &Load{ID: "r", Files: []File{{Location: "c/0"}}}, Job: &JobState{ID: "r-1", Phase: JobIntended, Reason: "too many"}}, files: []string{"c/0"}, reason: "job r-1 is about to be submitted: too many"},
		"job ended, paused":   {state: State{Flag: FlagPaused, Running: &Load{ID: "r"}, Job: &JobState{ID: "r-1", Phase: JobFailed}}, reason: "paused"},
		"begun before":        {state: State{Running: &Load{ID: "r", Files: []File{{Location: "c/0"}}}}, waiting: []FileRecord{changeFile("1", 1)}, files: []string{"c/0"}, reason: "a load was begun and not finished"},
		"batch":               {waiting: []FileRecord{changeFile("1", 10), changeFile("2", 20)}, files: []string{"c/1", "c/2"}, reason: "2 change files, 30 bytes"},
		"order, not arrival":  {waiting: []FileRecord{changeFile("2", 1), changeFile("1", 1)}, files: []string{"c/1", "c/2"}, reason: "2 change files, 2 bytes"},
		"limit of files":      {table: Table{MaxBatchFiles: 1}, waiting: []FileRecord{changeFile("1", 10), changeFile("2", 20)}, files: []string{"c/1"}, reason: "1 change files, 10 bytes, up to the batch limit"},
		"limit of bytes":      {table: Table{MaxBatchBytes: 25}, waiting: []FileRecord{changeFile("1", 10), changeFile("2", 20)}, files: []string{"c/1"}, reason: "1 change files, 10 bytes, up to the batch limit"},
		"larger than a batch": {table: Table{MaxBatchBytes: 5}, waiting: []FileRecord{changeFile("1", 10)}, files: []string{"c/1"}, reason: "1 change files, 10 bytes"},
		"two contents":        {waiting: []FileRecord{changeFile("1", 1), again}, files: []string{"c/1"}, reason: "1 change files, 1 bytes, up to newer content of the same location"},
		"settles":             {table: Table{Settle: 15 * time.Second}, waiting: []FileRecord{changeFile("1", 1)}, reason: "change files settle", wait: 5 * time.Second},
		"settled":             {table: Table{Settle: 10 * time.Second}, waiting: []FileRecord{changeFile("1", 1)}, files: []string{"c/1"}, reason: "1 change files, 1 bytes"},
		"late":                {state: State{Watermark: "5", WatermarkFile: "c/5"}, waiting: []FileRecord{changeFile("1", 1)}, late: 1, reason: "c/1 comes late: c/5 was applied before it, and without ordering columns its place is not known (late: pause)"},
		"same order, later":   {state: State{Watermark: "5", WatermarkFile: "a/5"}, waiting: []FileRecord{changeFile("5", 1)}, files: []string{"c/5"}, reason: "1 change files, 1 bytes"},
		"late but ordered":    {table: Table{OrderBy: []string{"seq"}}, state: State{Watermark: "5", WatermarkFile: "c/5"}, waiting: []FileRecord{changeFile("1", 1)}, files: []string{"c/1"}, reason: "1 change files, 1 bytes"},
		"late, apply":         {table: Table{Late: LateApply}, state: State{Watermark: "5", WatermarkFile: "c/5"}, waiting: []FileRecord{changeFile("1", 1)}, files: []string{"c/1"}, reason: "1 change files, 1 bytes"},
		"late, accepted":      {state: State{Watermark: "5", WatermarkFile: "c/5"}, waiting: []FileRecord{accepted}, files: []string{"c/1"}, reason: "1 change files, 1 bytes"},
		"full load":           {state: State{Open: &OpenLoad{Epoch: 2, Files: 2}}, waiting: []FileRecord{fullFile("2", 2), fullFile("1", 2)}, files: []string{"c/1", "c/2"}, reason: "full load of 2 files opens epoch 2"},
		"full load, quiet":    {table: Table{Completion: Completion{Quiet: 30 * time.Second}}, state: State{Open: &OpenLoad{Epoch: 1, Files: 1, Seen: now.Add(-time.Second)}}, waiting: []FileRecord{fullFile("1", 1)}, reason: "full load 1 is open with 1 files: waits for a quiet period", wait: 29 * time.Second},
		"full load, counted":  {table: Table{Completion: Completion{Files: 3}}, state: State{Open: &OpenLoad{Epoch: 1, Files: 1}}, waiting: []FileRecord{fullFile("1", 1)}, reason: "full load 1 is open with 1 files: 3 expected"},
		"full load, explicit": {table: Table{Completion: Completion{Explicit: true}}, state: State{Open: &OpenLoad{Epoch: 1, Files: 1}}, waiting: []FileRecord{fullFile("1", 1)}, reason: "full load 1 is open with 1 files: waits to be completed by a call"},
		"full load, complete": {table: Table{Completion: Completion{Explicit: true}}, state: State{Open: &OpenLoad{Epoch: 1, Files: 1, Complete: true}}, waiting: []FileRecord{fullFile("1", 1)}, files: []string{"c/1"}, reason: "full load of 1 files opens epoch 1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.table.Name = "a.b"
			if test.state.Flag == "" {
				test.state.Flag = FlagLocal
			}
			sortRecords(test.waiting)
			d := plan(test.table.withDefaults(), test.state, test.waiting, now)
			var files []string
			if d.Load != nil {
				for _, f := range d.Load.Files {
					files = append(files, f.Location)
				}
			}
			require.Equal(t, test.files, files)
			require.Equal(t, test.reason, d.Reason)
			require.Equal(t, test.wait, d.Wait)
			require.Len(t, d.Late, test.late)
		})
	}
}

func TestPlanMovesTheWatermarkForward(t *testing.T) {
	table := Table{Name: "a.b", OrderBy: []string{"seq"}}.withDefaults()
	st := State{Flag: FlagLocal, Watermark: "5", WatermarkFile: "c/5"}
	d := plan(table, st, []FileRecord{changeFile("1", 1)}, time.Now())
	require.Equal(t, "5", d.Load.Watermark, "a late file leaves it where it is")
	d = plan(table, st, []FileRecord{changeFile("1", 1), changeFile("7", 1)}, time.Now())
	require.Equal(t, "7", d.Load.Watermark)
	require.Equal(t, "c/7", d.Load.WatermarkFile)
}

func TestLoadIDDependsOnContentAlone(t *testing.T) {
	a, b := changeFile("1", 1), changeFile("2", 1)
	id := newLoad("a.b", Incremental, 1, []FileRecord{a, b}).ID
	require.Equal(t, id, newLoad("a.b", Incremental, 1, []FileRecord{a, b}).ID)
	for _, other := range []Load{
		newLoad("a.c", Incremental, 1, []FileRecord{a, b}), newLoad("a.b", Full, 1, []FileRecord{a, b}),
		newLoad("a.b", Incremental, 2, []FileRecord{a, b}), newLoad("a.b", Incremental, 1, []FileRecord{b, a}),
		newLoad("a.b", Incremental, 1, []FileRecord{a}),
	} {
		require.NotEqual(t, id, other.ID)
	}
}
